"""A server that is killed at random moments: no job is lost, and none is done twice."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `web` is not installed")

from metricvae.web.jobs.queue import JobQueue
from metricvae.web.jobs.records import OUTCOME
from metricvae.web.jobs.runner import JobRunner
from web_problem import LiveServer, bar, disc, silhouette

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes that end with their parent are Linux's")

KILLS = int(os.environ.get("METRICVAE_TEST_KILLS", "12"))


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[tuple[JobQueue, JobRunner, Path]]:
    """A queue, and a runner that does not run."""
    queue, folder = JobQueue(tmp_path / "jobs.sqlite"), tmp_path / "jobs"
    folder.mkdir()
    yield queue, JobRunner(queue, folder, 1), folder
    queue.close()


def add(queue: JobQueue, folder: Path, letter: str) -> Path:
    key = letter * 32
    (folder / key).mkdir()
    queue.add(key, "solve", "metricvae solve", 10)
    return folder / key


def test_the_queue_gives_each_job_once_and_in_order(jobs):
    queue, _, folder = jobs
    for letter in "abc":
        add(queue, folder, letter)
    other = JobQueue(folder.parent / "jobs.sqlite")
    taken = [one.id[0] for source in (queue, other, queue, other) if (one := source.take())]
    assert taken == ["a", "b", "c"]
    assert queue.settle("a" * 32, "done")
    assert not queue.settle("a" * 32, "failed")
    assert not queue.put_back("a" * 32)
    assert queue.counts() == {"done": 1, "running": 2}
    other.close()


def test_what_a_server_left_running_goes_on_unless_it_has_ended(jobs):
    queue, _, folder = jobs
    for letter in "abc":
        add(queue, folder, letter)
        queue.take()
    (folder / ("a" * 32) / OUTCOME).write_text(json.dumps({"status": 0, "result": 1}))
    (folder / ("b" * 32) / OUTCOME).write_text(json.dumps({"status": 2, "error": "no"}))
    (folder / "new-one").mkdir()
    (folder / ("d" * 32)).mkdir()  # of a submission that was never answered
    runner = JobRunner(queue, folder, 1)
    for name in ("new-two", "e" * 32):  # of submissions that are being answered
        (folder / name).mkdir()
    runner._recover()
    assert [queue.get(letter * 32).state for letter in "abc"] == ["done", "failed", "queued"]
    assert sorted(path.name for path in folder.iterdir()) == [*(letter * 32 for letter in "abce"), "new-two"]


def test_who_still_runs_a_job_is_ended_before_it_goes_on(jobs):
    queue, runner, folder = jobs
    place = add(queue, folder, "a")
    queue.take()
    code = (
        "import fcntl, sys, time; fcntl.flock(file := open(sys.argv[1], 'w'), 2); print(1, flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(place / "lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        process.stdout.readline()
        queue.runs_as("a" * 32, process.pid)
        runner._recover()
        assert process.wait(5) == -signal.SIGKILL
    assert queue.get("a" * 32).state == "queued"


@pytest.mark.slow
def test_no_job_is_lost_or_done_twice_however_often_the_server_is_killed(tmp_path: Path):
    """Set METRICVAE_TEST_KILLS for more than a dozen."""
    random_moment, folder = random.Random(0), tmp_path / "server"
    submitted: dict[str, str] = {}
    ended: dict[str, tuple[int, int, str]] = {}
    for number in range(KILLS):
        with LiveServer(folder, "--workers", "2") as server:
            check(server, folder, submitted, ended)
            keys = [server.call("/api/v1/objects", silhouette(one, "a.png"))["id"] for one in (disc(), bar())]
            for _ in range(2):
                once = f"submission-{len(submitted):04}"
                arguments = {"pairs": [keys] * random_moment.randint(1, 40)}
                if random_moment.random() < 0.4:
                    verb, arguments = "label", {"task": "overlap", "source": "procedural", "pairs": 48, "seed": number}
                else:
                    verb = "solve"
                submitted[once] = server.call("/api/v1/jobs", {"verb": verb, "arguments": arguments, "once": once})[
                    "id"
                ]
            time.sleep(random_moment.uniform(0.0, 8.0))
            server.end(signal.SIGKILL)
        assert no_process_of(folder, 10)
    with LiveServer(folder, "--workers", "2") as server:
        until = time.monotonic() + 600
        while time.monotonic() < until and not all_ended(server):
            time.sleep(0.5)
        check(server, folder, submitted, ended)
        assert {server.call(f"/api/v1/jobs/{key}")["state"] for key in submitted.values()} == {"done"}
        assert len(server.call("/api/v1/jobs?count=1000")["jobs"]) == len(submitted)
        for key in submitted.values():
            assert server.call(f"/api/v1/jobs/{key}/files")["files"]


def check(server: LiveServer, folder: Path, submitted: dict[str, str], ended: dict[str, tuple[int, int, str]]) -> None:
    """What was acknowledged is there, and what had ended did not start again."""
    for once, key in submitted.items():
        job = server.call(f"/api/v1/jobs/{key}")
        again = server.call("/api/v1/jobs", {"verb": job["verb"], "arguments": {}, "once": once})
        assert again["id"] == key
        if job["state"] == "done":
            outcome = os.stat(folder / "jobs" / key / OUTCOME)
            found = (job["attempts"], outcome.st_ino, (folder / "jobs" / key / OUTCOME).read_text())
            assert ended.setdefault(key, found) == found
        assert job["state"] in ("queued", "running", "done"), job


def all_ended(server: LiveServer) -> bool:
    return server.call("/api/v1/health")["jobs"].keys() <= {"done"}


def no_process_of(folder: Path, seconds: float) -> bool:
    """Whether all that a killed server started is gone soon."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(holds(path) for path in (folder / "jobs").glob("*/lock")):
            return True
        time.sleep(0.05)
    return False


def holds(path: Path) -> bool:
    """Whether anybody holds a lock."""
    with open(path, "rb") as file, contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    return True
