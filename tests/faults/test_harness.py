"""The checks are checked: writers that break one promise each are caught, one that keeps them all is not."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection

import pytest

from faults import writers
from faults.cases import SOLVE, Case
from faults.disturbed import CHANGES, EVERY, Fault, Job, Place, Warm
from faults.promises import differences
from faults.sweeps import Findings, Sweep
from faults.system_calls import Sort


def of_writer(job: Job) -> Case:
    """A writer as a verb."""
    return Case(job.__name__, "", [writers.inputs], markers=["out/done"], job=job)


def each_failing(sweep: Sweep) -> Findings:
    """Every operation fails in turn."""
    return sweep.fail(range(1, len(sweep.operations) + 1))


def killed_everywhere(sweep: Sweep) -> Findings:
    """The process is killed at every operation."""
    return sweep.kill(range(1, len(sweep.operations) + 1))


def ended_everywhere(sweep: Sweep) -> Findings:
    """The process is asked to end at every operation."""
    return sweep.kill(range(1, len(sweep.operations) + 1), signal.SIGTERM)


@pytest.mark.parametrize(
    ("how", "counted"),
    [(each_failing, CHANGES), (killed_everywhere, CHANGES), (ended_everywhere, {"flush", "rename"})],
    ids=["fails", "killed", "ended"],
)
def test_a_writer_that_keeps_its_promises_passes(
    how: Callable[[Sweep], Findings], counted: Collection[Sort], warm: Warm, place: Place
) -> None:
    found = how(Sweep(of_writer(writers.safely), warm, place, counted))
    assert found.disturbed == found.operations >= 4
    assert found.faults == []


@pytest.mark.parametrize(
    ("job", "how", "sort", "words"),
    [
        (writers.in_place, each_failing, "write", "answer.txt is neither as it was nor as it is to be"),
        (writers.in_place, killed_everywhere, "write", "answer.txt is neither as it was nor as it is to be"),
        (writers.leaving_temporary_files, each_failing, "rename", "is left over"),
        (writers.leaving_temporary_files, killed_everywhere, "rename", "is left over"),
        (writers.saying_success, each_failing, "flush", "says that it is done, but"),
        (writers.losing_work, each_failing, "flush", "old.txt is gone"),
        (writers.marker_first, killed_everywhere, "rename", "out/done says that it is finished, but out/answer.txt"),
        (writers.with_a_traceback, each_failing, "rename", "status 99, expected 2"),
        (writers.without_a_reason, each_failing, "write", "expected why: No space left on device"),
        (writers.saying_that_all_is_as_it_was, each_failing, "write", "says that out is as it was, but out/answer.txt"),
        (writers.adding_each_time, killed_everywhere, "write", "out/more.txt has other bytes"),
        (writers.not_heeding_signals, ended_everywhere, "rename", "status 1, expected 143"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_promise_is_found(
    job: Job, how: Callable[[Sweep], Findings], sort: Sort, words: str, warm: Warm, place: Place
) -> None:
    found = how(Sweep(of_writer(job), warm, place, {sort}))
    assert any(words in fault for fault in found.faults), str(found)


def test_an_operation_is_counted_where_it_happens(warm: Warm, place: Place) -> None:
    writers.inputs(place.work)
    done = warm.run(writers.safely, [], {}, place=place)
    assert done.status == 0
    kept = ("write", "flush", "mode", "rename")
    sorts = [sort for sort, path in done.operations if "answer.txt" in path and sort in kept]
    assert sorts == ["write", "write", "flush", "mode", "rename"]
    full = warm.run(writers.safely, [], {}, place=place, fault=Fault(1), counted={"flush"})
    assert (full.status, full.struck) == (2, ("flush", str(place.work / "out" / ".answer.txt.0.tmp")))
    assert "Input/output error" in full.err
    lasting = warm.run(writers.safely, [], {}, place=place, fault=Fault(1, lasting=True), counted={"write"})
    assert lasting.err.startswith("metricvae: cannot write out/answer.txt: the disk is full; it is as it was, free")


def test_differences_are_named() -> None:
    assert (
        differences({"a": b"1", "b": b"2"}, {"b": b"3", "c": b"4"}) == "c is missing; a is left over; b has other bytes"
    )
    assert differences({"a": b"1"}, {"a": b"1"}) == ""


def test_a_verb_that_is_killed_or_fails_goes_on(warm: Warm, place: Place) -> None:
    """A small part of what the slow tests do of every verb."""
    sweep = Sweep(SOLVE, warm, place, EVERY)
    numbers = sweep.moments(2, seed=1)
    sweep.kill(numbers)
    found = sweep.fail([number for number, (sort, _) in enumerate(sweep.operations, 1) if sort in ("flush", "rename")])
    assert found.disturbed >= 4
    assert found.faults == []
