"""A small real disk with a page of space left, then two, and so on until the verb has enough."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import cases
from faults.cases import Case
from faults.disturbed import Place, Warm
from faults.sweeps import Sweep

pytestmark = pytest.mark.slow

SPACE = 8 * 2**20
"""Bytes of the disk: more than any of the verbs needs."""

PAGE = os.sysconf("SC_PAGE_SIZE")

CASES = [
    *(cases.IMPORT, cases.LABEL_OVERLAP, cases.LABEL_HALVES, cases.TRAIN, cases.ADD_TO, cases.ADD_IN_PLACE),
    *(cases.INDEX, cases.INDEX_PICTURES, cases.APPEND, cases.DELETE, cases.COMPACT, cases.SOLVE, cases.SEARCH),
    *(cases.DOCK, cases.GENERATE, cases.REGENERATE),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of `SPACE` bytes, where one may be mounted."""
    found = tmp_path / "disk"
    found.mkdir()
    words = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(found)]
    try:
        done = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("mounting a small disk takes rights that this user lacks")
    yield found
    subprocess.run(["umount", str(found)], check=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_disk_that_is_full_loses_nothing(case: Case, warm: Warm, disk: Path, tmp_path: Path) -> None:
    place = Place(disk / "work", disk / "temporary", tmp_path / "said")
    for folder in (place.work, place.temporary, place.said):
        folder.mkdir()
    found = Sweep(case, warm, place).fill(disk, PAGE)
    print(f"\nfull disk: {found}")
    assert found.faults == []
