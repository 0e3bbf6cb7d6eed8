"""Answers of the overlay are the same bits in the process that compiles it and in one that loads the compiled code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ANSWERS = """
import numpy as np
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.overlays import overlay_many

rng = np.random.default_rng(1)
molecules = [prepare(rng.normal(size=(n, 3)) * [5, 3, 2], rng.choice([1.7, 1.55, 1.52], n)) for n in range(18, 30)]
found = overlay_many(molecules, [(a, b) for a in range(12) for b in range(a)], threads=1)
print(found.overlap.tobytes().hex(), found.rotation.tobytes().hex())
"""


@pytest.mark.slow
def test_compiled_and_loaded_code_give_the_same_bits(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", ANSWERS], env=environment, check=True, capture_output=True).stdout
        for _ in range(2)
    )
    assert first == second
