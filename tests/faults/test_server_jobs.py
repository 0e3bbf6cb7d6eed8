"""Jobs of the server: the process of one, and the queue, killed or with operations that fail."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `web` is not installed")

from faults.disturbed import CHANGES, Fault, Place, Warm
from faults.promises import files_of, restore
from metricvae.web.jobs.records import OUTCOME, RESULTS, TASK

pytestmark = pytest.mark.slow

JOB = "a" * 32

VERB = """#!/bin/sh
echo '{"stage": "writing", "done": 0, "total": 1}' >&2
mkdir -p results.part
printf answer >results.part/.answer.tmp && mv results.part/.answer.tmp results.part/answer.txt || exit 2
echo 'a message' >&2
echo '{"file": "answer.txt"}'
"""
"""A verb that takes no time."""


def prepared(folder: Path) -> None:
    """A job that waits."""
    (folder / JOB).mkdir()
    task = {"argv": ["solve"], "resumes": True, "seconds": 60, "memory": 2**40}
    (folder / JOB / TASK).write_text(json.dumps(task))


def run_job(verb: str) -> int:
    """Be the process of a job whose verb is another program."""
    from faults.jobs import stand_still
    from metricvae.web.jobs import worker

    stand_still()
    sys.executable, sys.argv = verb, ["worker", JOB, str(os.getppid())]
    return worker.main()


def add_job() -> int:
    """Put two jobs into the queue, and take one."""
    import sqlite3

    from metricvae.web.jobs.queue import JobQueue

    try:
        queue = JobQueue(Path("jobs.sqlite"))
        queue.add(JOB, "solve", "metricvae solve", 10, once="first")
        print("added", flush=True)
        queue.take()
        print("taken", flush=True)
        queue.close()
    except sqlite3.Error as error:
        print(f"metricvae: {error}", file=sys.stderr)
        return 2
    return 0


def outcome_in(place: Place) -> tuple[str, dict[str, bytes]]:
    """How a job ended, and what it wrote."""
    folder = place.work / JOB
    return (folder / OUTCOME).read_text(), files_of(folder / RESULTS)


@pytest.fixture
def verb(tmp_path: Path) -> str:
    path = tmp_path / "verb"
    path.write_text(VERB)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_job_that_is_killed_anywhere_ends_once_with_the_same_answer(warm: Warm, place: Place, verb: str) -> None:
    prepared(place.work)
    before = files_of(place.work)
    done = warm.run(run_job, verb, place=place, counted=CHANGES)
    assert done.status == 0, done.err
    expected = outcome_in(place)
    assert json.loads(expected[0])["status"] == 0
    assert expected[1] == {"answer.txt": b"answer"}
    for number in range(1, len(done.operations) + 1):
        restore(before, place.work)
        killed = warm.run(run_job, verb, place=place, fault=Fault(number, send=signal.SIGKILL), counted=CHANGES)
        early = (place.work / JOB / OUTCOME).exists() and outcome_in(place)
        assert early in (False, expected), killed.at
        assert warm.run(run_job, verb, place=place).status == 0, killed.at
        assert outcome_in(place) == expected, killed.at
        assert not list(place.work.rglob("*.tmp")), killed.at
    print(f"\nserver's job: {len(done.operations)} kills")


def test_a_job_whose_disk_fails_never_says_that_it_is_done_when_it_is_not(warm: Warm, place: Place, verb: str) -> None:
    prepared(place.work)
    before = files_of(place.work)
    done = warm.run(run_job, verb, place=place, counted=CHANGES)
    expected = outcome_in(place)
    for number in range(1, len(done.operations) + 1):
        restore(before, place.work)
        failed = warm.run(run_job, verb, place=place, fault=Fault(number), counted=CHANGES)
        if (place.work / JOB / OUTCOME).exists() and json.loads(outcome_in(place)[0])["status"] == 0:
            assert outcome_in(place) == expected, failed.at
        if not (place.work / JOB / OUTCOME).exists():
            assert warm.run(run_job, verb, place=place).status == 0, failed.at
            assert outcome_in(place) == expected, failed.at
    print(f"\nserver's job: {len(done.operations)} failures")


@pytest.mark.parametrize("send", [None, signal.SIGKILL], ids=["fails", "killed"])
def test_the_queue_has_what_it_acknowledged_whatever_fails(
    send: signal.Signals | None, warm: Warm, place: Place
) -> None:
    from metricvae.web.jobs.queue import JobQueue

    done = warm.run(add_job, place=place)
    assert (done.status, done.out) == (0, "added\ntaken\n"), done.err
    for number in range(1, len(done.operations) + 1):
        restore({}, place.work)
        stopped = warm.run(add_job, place=place, fault=Fault(number, send=send))
        assert stopped.status in (0, 2, -signal.SIGKILL), (stopped.at, stopped.err)
        assert stopped.err.count("\n") == (stopped.status == 2), (stopped.at, stopped.err)
        queue = JobQueue(place.work / "jobs.sqlite")
        found = queue.get(JOB)
        queue.close()
        assert found is not None or "added" not in stopped.out, stopped.at
        assert found is None or found.state == "running" or "taken" not in stopped.out, stopped.at
    print(f"\nserver's queue: {len(done.operations)} operations")
