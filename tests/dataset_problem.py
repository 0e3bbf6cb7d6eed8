"""A small labelled data set for the tests of pairs and inference, and a way to make it in a process one may kill."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from metricvae.labelling.run import label
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.search import SearchConfig

QUICK = SearchConfig(angles=36, local_optimisations=6, refinements=1)
PLAN = OverlapPlan("mixed", pairs=600, seed=3, search=QUICK)
"""480 training pairs, 30 each for validation and calibration, 60 for testing."""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def die_at(name: str, moment: str) -> None:
    """From now on, kill this process and its workers `before` or `after` a file of that name gets its place."""
    rename = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == name and moment == "before":
            os.killpg(0, signal.SIGKILL)
        rename(source, target)
        if Path(target).name == name:
            os.killpg(0, signal.SIGKILL)

    os.replace = replace  # type: ignore[assignment]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        die_at(sys.argv[2], sys.argv[3])
    label(PLAN, Path(sys.argv[1]), workers=2)
