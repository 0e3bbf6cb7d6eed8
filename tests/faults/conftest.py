"""Where disturbed processes come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.disturbed import Place, Warm
from faults.system_calls import SUPPORTED

EVERYTHING = ["pytest", "faults.preloaded", "cli_problem", "pocket_problem", "web_problem"]
"""What the process that is forked has imported where all verbs run."""

LITTLE = ["pytest", "faults.writers", "metricvae.cli.solve", "metricvae.metrics.overlap.solver.search"]
"""The same where only the verb `solve` does."""


@pytest.fixture(scope="session")
def warm(request: pytest.FixtureRequest) -> Warm:
    """Processes that begin with all imported that the tests of this run need."""
    if not SUPPORTED:
        pytest.skip("the kernel's notices of system calls are of Linux on x86-64")
    slow = any(one.get_closest_marker("slow") for one in request.session.items)
    return Warm(EVERYTHING if slow else LITTLE)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Empty folders."""
    return Place.within(tmp_path)
