"""Processes beside one another: two that write one folder, and workers of which one is killed."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from faults import cases
from faults.cases import Case, prepare, run
from faults.disturbed import Fault, Place, Warm
from faults.jobs import run_plainly
from faults.promises import files_of, restore
from metricvae.runtime.locks import held

pytestmark = pytest.mark.slow

LOCKED = {
    "data": cases.LABEL_HALVES,
    "model": cases.TRAIN,
    "model/": cases.ADD_IN_PLACE,
    "library": cases.INDEX,
    "library/": cases.APPEND,
    "library//": cases.DELETE,
    "poses": cases.DOCK,
    "model//": cases.DECODER,
}


@pytest.mark.parametrize(("folder", "case"), LOCKED.items(), ids=[one.name for one in LOCKED.values()])
def test_the_second_writer_is_told_of_the_first_and_changes_nothing(
    folder: str, case: Case, warm: Warm, place: Place
) -> None:
    prepare(case, warm, place)
    with held(place.work / folder.rstrip("/"), "folder"):
        before = files_of(place.work)
        second = run(case, warm, place)
        assert files_of(place.work) == before
    assert second.status == 2
    assert f"another process ({os.getpid()} on" in second.err
    assert second.err.count("\n") == 1
    assert run(case, warm, place).status == 0


def test_a_worker_that_is_killed_is_said_and_the_rest_is_kept(warm: Warm, place: Place) -> None:
    case = cases.LABEL_HALVES
    words = [*case.words, "--workers", "2"]
    done = run(case, warm, place)
    assert done.status == 0
    final = files_of(place.work)
    restore({}, place.work)
    killed = warm.run(run_plainly, words, place=place, fault=Fault(3, send=signal.SIGKILL, of_workers=True))
    assert (killed.status, killed.err.count("\n")) == (2, 1), killed
    assert "a worker process was killed" in killed.err
    assert run(replace(case, command=f"{case.command} --workers 2"), warm, place).status == 0
    assert files_of(place.work) == final
