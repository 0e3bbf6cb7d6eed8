"""A user's own Python function of a SMILES, in a process of its own: what it raises, prints or never ends is its own.

The process is `metricvae.kinds.molecule.generation.score_worker`. It is told a SMILES a line and answers with a line of
JSON; one that takes too long is killed, and started anew for the next.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from metricvae.core.errors import InputError, shortened

SECONDS = 10.0
"""That the function may take for a molecule."""

START_SECONDS = 120.0
"""That importing the module may take."""


@dataclass
class ScoreProcess:
    """A function in a process that is started when it is needed.

    Attributes:
        module: name of a module, or path of a Python file.
        function: its name there.
        seconds: that a call may take.
    """

    module: str
    function: str
    seconds: float = SECONDS
    _running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._start()

    def score(self, smiles: str) -> tuple[float, str]:
        """The number of a molecule, or nan and why there is none."""
        running = self._start()
        assert running.stdin is not None
        try:
            running.stdin.write(f"{smiles}\n".encode())
            running.stdin.flush()
            answer = self._answer(running, self.seconds)
        except (BrokenPipeError, EOFError):
            self.close()
            return math.nan, "ended its process"
        if answer is None:
            self.close()
            return math.nan, f"took more than {self.seconds:g} seconds"
        if "fault" in answer:
            return math.nan, shortened(answer["fault"])
        number = float(answer["value"])
        return (number, "") if math.isfinite(number) else (math.nan, f"gave {number}")

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            for pipe in (self._running.stdin, self._running.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._running = None

    def _start(self) -> subprocess.Popen[bytes]:
        if self._running is not None:
            return self._running
        worker = [sys.executable, "-m", "metricvae.kinds.molecule.generation.score_worker", self.module, self.function]
        self._running = subprocess.Popen(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            answer = self._answer(self._running, START_SECONDS)
        except EOFError:
            answer = {"fault": "its process ended"}
        if answer is None or "fault" in answer:
            self.close()
            reason = f"took more than {START_SECONDS:g} seconds" if answer is None else shortened(answer["fault"])
            raise InputError(f"score:{self.module}:{self.function} cannot be imported ({reason}): correct it")
        return self._running

    def _answer(self, running: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
        """The next line of the process; None where none came in time."""
        assert running.stdout is not None
        deadline, got = time.monotonic() + seconds, b""
        while not got.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([running.stdout], [], [], left)[0]:
                return None
            part = os.read(running.stdout.fileno(), 65536)
            if not part:
                raise EOFError
            got += part
        found: dict[str, Any] = json.loads(got)
        return found
