"""A job in a process of its own, whose file operations fail, or which is killed, at a chosen one of them.

Processes are forked from one that has imported everything (the fork server of `multiprocessing`), so that a thousand
of them cost what their work costs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from faults.system_calls import FAILS_WITH, Operation, Sort, answer, hand_over, next_operation

Job = Callable[..., int]
"""What runs in the process: called with its arguments; returns the exit status."""

EVERY: frozenset[Sort] = frozenset(FAILS_WITH)
CHANGES: frozenset[Sort] = EVERY - {"read", "open"}
"""Sorts of operations that change what is on the disk."""

LONGEST = 600.0
"""Seconds that a process may take."""


@dataclass(frozen=True)
class Fault:
    """What happens to the `number`-th operation, from 1.

    Attributes:
        number: among those that are counted.
        error: that it fails with; 0 for the one of its sort.
        send: a signal for the process instead.
        lasting: whether all further ones of its sort fail, too, as on a disk that stays full.
        of_workers: whether operations of the processes that it started are counted alone; the signal goes to the one
            that asks.
    """

    number: int
    error: int = 0
    send: signal.Signals | None = None
    lasting: bool = False
    of_workers: bool = False


@dataclass
class Outcome:
    """What became of a process.

    Attributes:
        status: exit status; the negative number of a signal that killed it.
        out, err: what it said.
        operations: sort and path of each operation that was counted.
        struck: which of them the fault was, if it got there.
        seconds: how long it took.
    """

    status: int = 0
    out: str = ""
    err: str = ""
    operations: list[tuple[Sort, str]] = field(default_factory=list)
    struck: tuple[Sort, str] | None = None
    seconds: float = 0.0

    @property
    def at(self) -> str:
        """Where it was struck, for messages."""
        return "nowhere" if self.struck is None else " ".join(self.struck)


@dataclass(frozen=True)
class Place:
    """Where jobs run.

    Attributes:
        work: their working folder; its operations and those in `temporary` are counted.
        temporary: for temporary files.
        said: for what they print.
    """

    work: Path
    temporary: Path
    said: Path

    @classmethod
    def within(cls, folder: Path) -> Place:
        """A place whose folders are made in one that is there."""
        found = cls(folder / "work", folder / "temporary", folder / "said")
        for one in (found.work, found.temporary, found.said):
            one.mkdir()
        return found

    def counts(self, path: str) -> bool:
        """Whether operations on a path are counted."""
        return path.startswith((f"{self.work}/", f"{self.temporary}/")) or path == str(self.work)

    def clear(self) -> None:
        """Empty the folder of temporary files."""
        for path in self.temporary.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


class Warm:
    """Processes that begin with modules imported.

    Args:
        modules: to import.
    """

    def __init__(self, modules: list[str]) -> None:
        self.context: BaseContext = multiprocessing.get_context("forkserver")
        multiprocessing.set_forkserver_preload(modules)
        with _environment(PYTHONPATH=os.pathsep.join(dict.fromkeys(filter(None, sys.path))), **ONE_THREAD):
            from multiprocessing.forkserver import ensure_running

            ensure_running()

    def run(
        self,
        job: Job,
        *arguments: Any,
        place: Place,
        fault: Fault | None = None,
        counted: Collection[Sort] = EVERY,
        after: float | None = None,
    ) -> Outcome:
        """Run a job, and meanwhile answer for the kernel.

        Args:
            job: a function of a module.
            arguments: of it.
            place: where.
            fault: what goes wrong; None for nothing.
            counted: sorts of operations that are counted.
            after: seconds after which it is killed.
        """
        mine, other = socket.socketpair()
        process: Any = self.context.Process(target=_begin, args=(other, place, job, arguments))
        began = time.monotonic()
        process.start()
        other.close()
        outcome = Outcome()
        with mine, contextlib.closing(_Listener(mine)) as listener:
            watched = _Watch(process, listener.number, place, fault, frozenset(counted), outcome)
            watched.until_it_ends(began + (LONGEST if after is None else after), killed=after is not None)
        process.join(10)
        outcome.seconds = time.monotonic() - began
        outcome.status = process.exitcode
        outcome.out, outcome.err = ((place.said / name).read_text() for name in ("out", "err"))
        process.close()
        return outcome


ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""So that the process that is forked has no threads, which a fork would leave behind."""


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Listener:
    """The listener that a process sends."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        _, numbers, _, _ = socket.recv_fds(connection, 1, 1)
        self.number = numbers[0]
        connection.sendall(b"1")

    def close(self) -> None:
        os.close(self.number)


class _Watch:
    """Answers for the kernel until a process ends."""

    def __init__(
        self,
        process: Any,
        listener: int,
        place: Place,
        fault: Fault | None,
        counted: frozenset[Sort],
        outcome: Outcome,
    ) -> None:
        self.process, self.listener, self.place, self.fault = process, listener, place, fault
        self.counted, self.outcome = counted, outcome
        self.poll = select.poll()
        self.poll.register(listener, select.POLLIN)
        self.poll.register(process.sentinel, select.POLLIN)

    def until_it_ends(self, until: float, *, killed: bool) -> None:
        """Answer until the process, and all that it started, are gone.

        Args:
            until: when it is killed, on the monotonic clock.
            killed: whether that is meant; it is a failure otherwise.
        """
        while True:
            left = until - time.monotonic()
            if left <= 0:
                self._send(signal.SIGKILL)
                assert killed, "the process did not end"
                until = float("inf")
            for number, event in self.poll.poll(min(left, 5.0) * 1000 if left > 0 else 1000):
                if number == self.listener and event & select.POLLIN:
                    self._answer_next()
                elif number == self.listener:  # nobody is left who could ask
                    return
                else:
                    self.poll.unregister(number)
                    if self.outcome.struck is not None and self.fault is not None and self.fault.send == signal.SIGKILL:
                        self._send(signal.SIGKILL)  # what it started

    def _answer_next(self) -> None:
        operation = next_operation(self.listener)
        if operation is None:
            return
        error: int | None = 0
        if operation.sort in self.counted and self.place.counts(operation.path) and self._is_of_those(operation):
            self.outcome.operations.append((operation.sort, operation.path))
            error = self._struck(operation)
        if error is not None:
            answer(self.listener, operation, error)

    def _struck(self, operation: Operation) -> int | None:
        """The error that an operation fails with, if it is the one; None where it is never answered."""
        fault, struck = self.fault, self.outcome.struck
        if fault is None:
            return 0
        if struck is None and len(self.outcome.operations) == fault.number:
            self.outcome.struck = (operation.sort, operation.path)
            if fault.send is not None:
                self._send(fault.send, _process_of(operation.pid) if fault.of_workers else None)
                return None if fault.send == signal.SIGKILL else 0
        elif struck is None or not fault.lasting or struck[0] != operation.sort:
            return 0
        return fault.error or FAILS_WITH[operation.sort]

    def _is_of_those(self, operation: Operation) -> bool:
        """Whether an operation is of the processes whose operations are counted."""
        return self.fault is None or not self.fault.of_workers or _process_of(operation.pid) != self.process.pid

    def _send(self, number: signal.Signals, worker: int | None = None) -> None:
        with contextlib.suppress(ProcessLookupError):
            if worker is not None:
                os.kill(worker, number)
            elif number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                os.kill(self.process.pid, number)


def _process_of(thread: int) -> int:
    """The process of a thread; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{thread}/status").read_text().splitlines()
    except OSError:
        return 0
    return int(next(line.split()[1] for line in lines if line.startswith("Tgid:")))


def _begin(connection: socket.socket, place: Place, job: Job, arguments: tuple[Any, ...]) -> None:
    """What a process does: it hands over its file operations, and does the job."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(place.work)
    os.environ["TMPDIR"] = str(place.temporary)
    os.environ["COLUMNS"] = "100"
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(place.said / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    listener = hand_over()
    socket.send_fds(connection, [b"1"], [listener])
    os.close(listener)
    connection.recv(1)
    connection.close()
    try:
        status = job(*arguments)
    except BaseException:
        traceback.print_exc()
        status = 99
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
