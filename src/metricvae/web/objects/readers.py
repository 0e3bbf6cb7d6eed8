"""Processes that read objects, or solve pairs, restarted when they die or take too long."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from metricvae.web.errors import RequestError
from metricvae.web.settings import Limits

LONGEST_ANSWER = 16 * 2**20
"""Bytes."""

LOADING = 300.0
"""Seconds more that the first request of a process has: libraries are loaded, and compiled where they never were."""


class Reader:
    """One process that reads objects.

    Args:
        limits: of its time and memory.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.loaded = False
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = tempfile.TemporaryDirectory(prefix="metricvae-reader-")

    def start(self) -> None:
        """Start the process, if it does not run."""
        if self.process is None or self.process.poll() is not None:
            self.stop()  # closes the pipes of one that died
            self.loaded = False
            self.process = subprocess.Popen(
                [sys.executable, "-m", "metricvae.web.objects.process", str(self.limits.read_memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self.folder.name,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"},
            )

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a request; the first one of a process has time to load libraries besides.

        Raises:
            RequestError: the process died or took too long; the next request meets a new one.
        """
        self.start()
        seconds += 0.0 if self.loaded else LOADING
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            answer = self._answer(time.monotonic() + seconds)
        except (OSError, EOFError):
            self.stop()
            raise RequestError(422, "it took too much memory, or failed: send another one") from None
        except TimeoutError:
            self.stop()
            raise RequestError(422, f"it took more than {seconds:g} s: send a smaller one") from None
        self.loaded = True
        return answer

    def _answer(self, until: float) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        descriptor, found = self.process.stdout.fileno(), b""
        while not found.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(descriptor, 65_536)
            if not part or len(found) > LONGEST_ANSWER:
                raise EOFError
            found += part
        answer: dict[str, Any] = json.loads(found)
        return answer

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


class ReaderPool:
    """Several readers, each for one request at a time.

    Args:
        count: how many.
        limits: of their time and memory.
        seconds: of a request.
    """

    def __init__(self, count: int, limits: Limits, seconds: float) -> None:
        self.limits, self.seconds = limits, seconds
        self.readers = [Reader(limits) for _ in range(max(1, count))]
        self.free: queue.LifoQueue[Reader] = queue.LifoQueue()
        for reader in self.readers:
            self.free.put(reader)

    def read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What `metricvae.web.objects.process.read_object` gives for a request.

        Raises:
            RequestError: it is no such object (422), or all readers are busy (503).
        """
        try:
            reader = self.free.get(timeout=self.patience)
        except queue.Empty:
            raise RequestError(503, "too many others ask for the same: try again in a moment") from None
        try:
            answer = reader.ask(request, self.seconds)
        finally:
            self.free.put(reader)
        if "error" in answer:
            raise RequestError(422, answer["error"])
        found: dict[str, Any] = answer["found"]
        return found

    @property
    def patience(self) -> float:
        """Seconds that a request waits for its turn: longer while a process loads libraries, which is nobody's load."""
        return self.seconds + (LOADING if any(not reader.loaded for reader in self.readers) else 0.0)

    def warm_up(self, samples: Sequence[tuple[str, str]]) -> None:
        """Start a process, and read a text of each of some kinds: the first one loads libraries."""
        for kind, text in samples:
            with tempfile.TemporaryDirectory(prefix="metricvae-warm-") as folder, contextlib.suppress(RequestError):
                self.read({"kind": kind, "folder": folder, "file": "", "text": text, "keep": True})

    def stop(self) -> None:
        """End all processes."""
        for reader in self.readers:
            reader.stop()
            reader.folder.cleanup()
