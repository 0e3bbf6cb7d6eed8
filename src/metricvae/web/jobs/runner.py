"""Starts jobs, watches their processes, and brings back to the queue what an earlier server left running."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.web.jobs.queue import JobQueue
from metricvae.web.jobs.records import LOCK, OUTCOME, JobRecord
from metricvae.web.jobs.worker import BUSY
from metricvae.web.objects.records import ID

LOG = logging.getLogger("metricvae.web")

BETWEEN_LOOKS = 0.1
"""Seconds."""

BETWEEN_FAILURES = 2.0
"""Seconds until what the disk refused is tried again."""

PATIENCE = 10.0
"""Seconds in which processes that were told to end must have ended."""


class JobRunner(threading.Thread):
    """The thread that runs jobs. It lives as long as the server: its processes end with it.

    Args:
        queue: of the jobs.
        folder: of the jobs' folders.
        workers: jobs at a time.

    Attributes:
        orphans: what was in the folder when this was made, of submissions that an earlier server never answered.
    """

    def __init__(self, queue: JobQueue, folder: Path, workers: int) -> None:
        super().__init__(name="jobs", daemon=True)
        self.queue, self.folder, self.workers = queue, folder, workers
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.orphans = [
            path for path in folder.iterdir() if not ID.fullmatch(path.name) or queue.get(path.name) is None
        ]
        self.stopping, self.wake = threading.Event(), threading.Event()

    def run(self) -> None:
        act = self._recover
        while not self.stopping.is_set():
            try:
                act()
                act, pause = self._look, BETWEEN_LOOKS
            except (OSError, sqlite3.Error) as error:  # a full disk, too many open files: what is running goes on
                LOG.warning("jobs wait: %s", error)
                pause = BETWEEN_FAILURES
            self.wake.wait(pause)
            self.wake.clear()
        self._leave()

    def stop(self) -> None:
        """End the processes; their jobs wait for the next server."""
        self.stopping.set()
        self.wake.set()
        if self.is_alive():
            self.join(2 * PATIENCE)

    def _look(self) -> None:
        """Settle what ended, end what is to end, and start what waits."""
        for key, process in list(self.running.items()):
            job = self.queue.get(key)
            if process.poll() is not None:
                self._settle(key)
                del self.running[key]
            elif job is not None and job.cancelling:
                end_group(process.pid)
        while len(self.running) < self.workers:
            job = self.queue.take()
            if job is None:
                return
            try:
                self._start(job)
            except OSError:
                self.queue.put_back(job.id)
                raise

    def _start(self, job: JobRecord) -> None:
        words = [sys.executable, "-m", "metricvae.web.jobs.worker", str(self.folder / job.id), str(os.getpid())]
        with open(os.devnull, "rb+") as nothing:
            process = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
        self.running[job.id] = process
        self.queue.runs_as(job.id, process.pid)

    def _settle(self, key: str) -> None:
        """Give a job whose process ended its last state."""
        job, outcome = self.queue.get(key), read_outcome(self.folder / key)
        if outcome is not None:
            self.queue.settle(key, "done" if outcome["status"] == 0 else "failed", str(outcome.get("error", "")))
        elif job is not None and job.cancelling:
            self.queue.settle(key, "cancelled")
        else:
            self.queue.settle(key, "failed", "its process ended without an outcome (out of memory, or a full disk?)")

    def _recover(self) -> None:
        """Bring the jobs that an earlier server ran to their end, or back to the queue."""
        for job in self.queue.in_state("running"):
            wait_until_free(self.folder / job.id, job.pid)
            if read_outcome(self.folder / job.id) is not None or job.cancelling:
                self._settle(job.id)
            else:
                self.queue.put_back(job.id)
        for path in self.orphans:
            shutil.rmtree(path, ignore_errors=True)

    def _leave(self) -> None:
        """End all processes; what they had not finished waits for the next server."""
        for key, process in self.running.items():
            end_group(process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            wait_until_free(self.folder / key, process.pid)
            if read_outcome(self.folder / key) is not None:
                self._settle(key)
            else:
                self.queue.put_back(key)


def read_outcome(folder: Path) -> Mapping[str, Any] | None:
    """How a job ended; None while it has not.

    Raises:
        OSError: the disk does not say.
    """
    try:
        found: dict[str, Any] = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found


def end_group(pid: int) -> None:
    """Kill a process and all that it started."""
    if pid > 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def wait_until_free(folder: Path, pid: int) -> None:
    """Wait until nobody holds the lock of a job; who holds it is ended, as no server reads its answer any more."""
    if not folder.is_dir():
        return
    until = time.monotonic() + PATIENCE
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            end_group(pid)
            time.sleep(0.02)
    finally:
        os.close(lock)


@contextlib.contextmanager
def folder_of_one_server(folder: Path) -> Any:
    """Hold the folder of a server for as long as the block lasts.

    Raises:
        InputError: another server holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise InputError(f"another server has {folder}: end it, or give another --folder") from None
    try:
        yield
    finally:
        os.close(lock)


__all__ = ["BUSY", "JobRunner", "folder_of_one_server", "read_outcome", "wait_until_free"]
