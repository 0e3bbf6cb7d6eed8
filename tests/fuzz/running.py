"""Runs executions in a forked process, under limits, and says what failed."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import mmap
import os
import resource
import signal
import struct
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from metricvae.core.errors import InputError, InputWarning

from .target import Target, digest

MEGABYTE = 2**20
STARTING = 300.0
"""Seconds until the first execution begins, at most: libraries are loaded."""

LONGEST_MESSAGE = 2_000
"""Characters of a refusal, at most."""


@dataclass(frozen=True)
class Limits:
    """What one execution may take.

    Attributes:
        seconds: of the processor; ten times as many on the clock.
        memory: bytes by which the process may grow.
        ceiling: bytes beyond which the system refuses memory.
    """

    seconds: float = 10.0
    memory: int = 256 * MEGABYTE
    ceiling: int = 1024 * MEGABYTE


@dataclass(frozen=True)
class Failure:
    """An input that a reader did not answer as it must.

    Attributes:
        number: of the execution.
        kind: what went wrong, in a word or two.
        place: innermost line of the package, or of the target.
        detail: of it.
    """

    number: int
    kind: str
    place: str
    detail: str


@dataclass
class Outcome:
    """What became of the executions of one target."""

    name: str
    executions: int = 0
    refused: int = 0
    accepted: int = 0
    seconds: float = 0.0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)


class HangError(BaseException):
    """Time is up; no reader may take it for an ordinary exception."""


class Fault(Exception):
    """A reader did not answer as it must: a kind, and a detail."""


# One execution


def execute(target: Target, chosen: int, content: bytes, answers: dict[int, str], limits: Limits) -> bool:
    """Whether a reader accepts content.

    Args:
        target: the reader.
        chosen: number of the seed that the content was made of.
        content: to read.
        answers: digests of the answers of the seeds, where the format is covered by checksums; filled as needed.
        limits: of the execution.

    Raises:
        Fault: it does neither accept nor refuse it as it must.
    """
    before, said = peak_memory(), printed()
    try:
        with time_limit(limits.seconds):
            answer = target.answer(content)
    except InputError as error:
        check_refusal(error)
        accepted = False
    else:
        accepted = True
        if target.covered and digest(answer) != _expected(target, chosen, answers):
            raise Fault("another answer", f"for a change of seed {chosen}")
    if (grown := peak_memory() - before) > limits.memory:
        raise Fault("memory", f"{grown // MEGABYTE} MB")
    if (size := printed() - said) > 0:
        raise Fault("output", os.pread(2, 300, said).decode(errors="replace") or f"{size} bytes")
    return accepted


def check_refusal(error: InputError) -> None:
    """Raise Fault unless a refusal is one line, and no cover of an allocation that the system refused."""
    message, cause = str(error), error.__cause__ or error.__context__
    if len(message.splitlines()) != 1 or not message.isprintable():
        raise Fault("not one line", repr(message[:300]))
    if len(message) > LONGEST_MESSAGE:
        raise Fault("long message", f"{len(message)} characters: {message[:100]}")
    while cause is not None:
        if isinstance(cause, MemoryError) or "bad_alloc" in str(cause) or "alloc" in type(cause).__name__.lower():
            raise Fault("memory", f"more than the system gives: {cause}")
        cause = cause.__cause__ or cause.__context__


def _expected(target: Target, chosen: int, answers: dict[int, str]) -> str:
    if chosen not in answers:
        answers[chosen] = digest(target.answer(target.seeds[chosen]))
    return answers[chosen]


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise HangError where a block computes for longer, or waits ten times as long; again and again, as a callback may
    lose the first one."""

    def stop(*_: object) -> None:
        raise HangError

    before = {one: signal.signal(one, stop) for one in (signal.SIGALRM, signal.SIGPROF)}
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds, 0.5)
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.5)
    try:
        yield
    except HangError:
        raise Fault("time", f"more than {seconds:g} s") from None
    finally:
        for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        for one, handler in before.items():
            signal.signal(one, handler)


def peak_memory() -> int:
    """Bytes of memory that this process held, at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def address_space() -> int:
    """Bytes of address space of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def printed() -> int:
    """Bytes that went to the standard streams so far, where these are a file."""
    return os.fstat(2).st_size


# Many executions


@contextlib.contextmanager
def strict_warnings() -> Iterator[None]:
    """Every warning is an exception, but for those that the user is to see and those of other packages' futures."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ignored in (InputWarning, DeprecationWarning, FutureWarning, PendingDeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", ignored)
        yield


def run(target: Target, executions: int, seed: int = 0, limits: Limits | None = None, most: int = 25) -> Outcome:
    """Attack a reader in forked processes: one, and another after each that dies.

    Args:
        target: the reader.
        executions: inputs to try.
        seed: of the mutations.
        limits: of each execution.
        most: failures from which on the target is given up.
    """
    limits, outcome, start = limits or Limits(), Outcome(target.name), time.perf_counter()
    number = 0
    while number < executions and outcome.failed < most:
        number = _run_process(target, range(number, executions), seed, limits, outcome, most)
    outcome.executions, outcome.seconds = number, time.perf_counter() - start
    return outcome


_COUNTS = struct.Struct("<4q")
"""Number of the execution at work; refused, accepted, failed."""


def _run_process(target: Target, numbers: range, seed: int, limits: Limits, outcome: Outcome, most: int) -> int:
    """Executions in one process until all are done, or it dies; returns the number of the next one."""
    with tempfile.TemporaryFile() as log, mmap.mmap(-1, _COUNTS.size) as counts:
        counts[:] = _COUNTS.pack(-1, 0, 0, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            process = os.fork()
        if not process:
            _work(target, numbers, seed, limits, counts, log.fileno(), most)
        status = _wait(process, counts, limits.seconds)
        at, refused, accepted, failed = _COUNTS.unpack(counts[:])
        log.seek(0)
        outcome.failures += [Failure(**json.loads(line)) for line in log]
    at = max(at, numbers.start)
    outcome.refused += refused
    outcome.accepted += accepted
    outcome.failed += failed
    if status:
        outcome.failed += 1
        outcome.failures.append(Failure(at, "death", "", f"the process ended with {status}"))
        at += 1
    return at


def _wait(process: int, counts: mmap.mmap, seconds: float) -> str:
    """Wait for a process; why it died, or nothing. One whose alarm goes unheard is killed."""
    begun, last, moved = False, b"", time.monotonic()
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return _told(status)
        if counts[:8] != last:
            begun, last, moved = bool(last), counts[:8], time.monotonic()
        if time.monotonic() - moved > (12 * seconds + 5 if begun else STARTING):
            os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _told(status: int) -> str:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"status {os.WEXITSTATUS(status)}" if os.WEXITSTATUS(status) else ""


def _work(target: Target, numbers: range, seed: int, limits: Limits, counts: mmap.mmap, log: int, most: int) -> None:
    """What the forked process does; it never returns."""
    status = 1
    faulthandler.disable()
    try:
        with tempfile.TemporaryFile() as said, strict_warnings():
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            for content in target.seeds[:3]:
                with contextlib.suppress(Exception):  # what is wrong is found below
                    target.answer(content)  # libraries are loaded late
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (address_space() + limits.ceiling,) * 2)
            _executions(target, numbers, seed, limits, counts, log, most)
        status = 0
    except BaseException:  # nothing but the log leaves this process
        os.write(log, _line(Failure(numbers.start, "harness", "", traceback.format_exc()[-1500:])))
    finally:
        os._exit(status)


def _executions(
    target: Target, numbers: range, seed: int, limits: Limits, counts: mmap.mmap, log: int, most: int
) -> None:
    answers: dict[int, str] = {}
    refused = accepted = failed = 0
    for number in numbers:
        counts[:] = _COUNTS.pack(number, refused, accepted, failed)
        chosen, content = target.content(seed, number)
        try:
            if execute(target, chosen, content, answers, limits):
                accepted += 1
            else:
                refused += 1
        except Exception as error:  # whatever a reader lets out
            failed += 1
            os.write(log, _line(failure_of(number, error)))
            if failed >= most:
                break
    counts[:] = _COUNTS.pack(number + 1, refused, accepted, failed)


def _line(failure: Failure) -> bytes:
    return json.dumps(vars(failure)).encode() + b"\n"


def failure_of(number: int, error: BaseException) -> Failure:
    """What an exception says of an execution."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "metricvae" in one.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    if isinstance(error, Fault):
        return Failure(number, str(error.args[0]), "" if error.args[0] != "time" else place, str(error.args[-1])[:500])
    kind = "memory" if isinstance(error, MemoryError) else type(error).__name__
    return Failure(number, kind, place, str(error)[:500])


def record(outcomes: list[Outcome]) -> str:
    """A table of Markdown."""
    rows = [
        "| reader | executions | refused | accepted | seconds | failures |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in outcomes:
        numbers = f"{one.executions:,} | {one.refused:,} | {one.accepted:,} | {one.seconds:.0f} | {one.failed}"
        rows.append(f"| {one.name} | {numbers} |")
    total = [sum(getattr(one, name) for one in outcomes) for name in ("executions", "refused", "accepted", "failed")]
    seconds = sum(one.seconds for one in outcomes)
    rows.append(f"| all | {total[0]:,} | {total[1]:,} | {total[2]:,} | {seconds:.0f} | {total[3]} |")
    return "\n".join(rows)
