"""OpenMP's threads sleep soon while they wait, unless the user has chosen how they wait."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

SHOW = "import os; print({name: os.environ.get(name) for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')})"


def run(code: str, **chosen: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter whose environment says nothing of waiting threads but what is `chosen`."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment | chosen, capture_output=True, text=True, check=True)


def waiting(before: str, **chosen: str) -> dict[str, str | None]:
    """The variables after some statements."""
    found = run(f"{before}; {SHOW}", **chosen).stdout
    return dict(ast.literal_eval(found))


@pytest.mark.parametrize("entry", ["metricvae", "metricvae.cli", "metricvae.__main__", "metricvae.runtime.ray_pool"])
def test_the_package_limits_spinning_wherever_it_is_entered(entry):
    assert waiting(f"import {entry}") == {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "5")])
def test_what_the_user_chose_stays(name, value):
    assert waiting("import metricvae", **{name: value}) == {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": None} | {
        name: value
    }


def test_nothing_is_set_when_pytorch_is_loaded():
    before = "import sys, types; sys.modules['torch'] = types.ModuleType('torch'); import metricvae"
    assert waiting(before) == {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": None}


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch brings GNU OpenMP on Linux")
def test_the_openmp_library_of_pytorch_reads_it():
    said = run("import metricvae, torch", OMP_DISPLAY_ENV="VERBOSE").stderr
    counts = [line.split("=")[1].strip() for line in said.splitlines() if "GOMP_SPINCOUNT" in line]
    assert counts
    assert set(counts) == {"'1000'"}


def test_a_worker_process_inherits_it():
    code = (
        "from metricvae.runtime.process_pool import worker_pool\n"
        "import os\n"
        "if __name__ == '__main__':\n"
        "    with worker_pool(1) as pool:\n"
        "        print(pool.submit(os.getenv, 'GOMP_SPINCOUNT').result())"
    )
    assert run(code).stdout.strip() == "1000"
