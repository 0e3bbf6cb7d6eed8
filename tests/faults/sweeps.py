"""A verb disturbed at one of its file operations after the other, and run again each time."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.cases import Case, prepare, run
from faults.disturbed import EVERY, Fault, Outcome, Place, Warm
from faults.promises import (
    Files,
    faults_of_failure,
    faults_of_rerun,
    faults_of_state,
    files_of,
    restore,
    state_of,
)
from faults.system_calls import Sort

EACH = os.environ.get("METRICVAE_TEST_FAULTS") == "all"
"""Whether each operation fails, and not only the first and the last on each file."""


@dataclass
class Findings:
    """What a sweep found.

    Attributes:
        name: of the verb.
        operations: that it does.
        disturbed: how many runs were.
        reruns: how many runs followed one that left files in a state not seen before.
        faults: what was wrong, with where.
    """

    name: str
    operations: int = 0
    disturbed: int = 0
    reruns: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{self.operations} operations, {self.disturbed} disturbed runs, {self.reruns} states gone on from"
        return "\n".join([f"{self.name}: {counts}, {len(self.faults)} faults", *self.faults])


class Sweep:
    """A verb in a place, made ready once.

    Args:
        case: the verb.
        warm: where processes come from.
        place: empty folders.
        counted: sorts of operations that are disturbed.
    """

    def __init__(self, case: Case, warm: Warm, place: Place, counted: Collection[Sort] = EVERY) -> None:
        self.case, self.warm, self.place, self.counted = case, warm, place, counted
        prepare(case, warm, place)
        self.before = files_of(place.work)
        done = self._run(None)
        assert done.status == 0, (case.name, done.out, done.err)
        self.final, self.operations = files_of(place.work), done.operations
        self.found = Findings(case.name, len(self.operations))
        self._allowed = {"progress": case.progress, "markers": case.markers}
        self._known: dict[str, list[str]] = {}
        assert not any(place.temporary.iterdir()), (case.name, list(place.temporary.iterdir()))

    def fail(self, numbers: Sequence[int] | None = None) -> Findings:
        """Let operations fail, by default `chosen` of them."""
        for number in self.chosen() if numbers is None else numbers:
            outcome = self._disturb(Fault(number))
            after = files_of(self.place.work)
            faults = faults_of_failure(
                self.before,
                after,
                self.final,
                outcome,
                self.place,
                progress=self.case.progress,
                markers=self.case.markers,
            )
            if outcome.status == 2:
                faults += [f"{path.name} is left in the temporary folder" for path in self._temporary(outcome)]
            self._note(f"operation {number}, {outcome.at} failed", [*faults, *self._gone_on()])
        return self.found

    def kill(self, numbers: Sequence[int], send: signal.Signals = signal.SIGKILL) -> Findings:
        """Send a signal at operations."""
        for number in numbers:
            outcome = self._disturb(Fault(number, send=send))
            after = files_of(self.place.work)
            faults = faults_of_state(self.before, after, self.final, **self._allowed)
            faults += faults_of_end(outcome, send)
            self._note(f"{send.name} at operation {number}, {outcome.at}", [*faults, *self._gone_on()])
        return self.found

    def kill_on_the_way(self, kills: int, seed: int) -> Findings:
        """Kill it so often, at random operations, each time going on from what the last one left."""
        chance = random.Random(seed)
        restore(self.before, self.place.work)
        self.place.clear()
        while True:
            last = self.found.disturbed >= kills
            outcome = self._run(None if last else Fault(chance.randint(1, len(self.operations)), send=signal.SIGKILL))
            after = files_of(self.place.work)
            if outcome.struck is not None:
                self.found.disturbed += 1
                self._note(f"killed at {outcome.at}", faults_of_state(self.before, after, self.final, **self._allowed))
            else:
                self.found.reruns += 1
                self._note("at the end", faults_of_rerun(after, self.final, outcome, self.place))
                if last:
                    return self.found
                restore(self.before, self.place.work)
            self.place.clear()

    def fill(self, disk: Path, page: int, most: int = 24) -> Findings:
        """Leave nothing free of the disk on which the place is, then more, until the verb has enough.

        Args:
            disk: where it is mounted.
            page: bytes that are left more each time, at least.
            most: disks that are tried, about.
        """
        used = os.statvfs(disk)
        peak = sum(map(len, self.final.values())) + 64 * page
        for free in range(0, used.f_bfree * used.f_frsize, max(page, peak // most // page * page)):
            restore(self.before, self.place.work)
            self.place.clear()
            with _ballast(disk, free):
                outcome = self._run(None)
            self.found.disturbed += 1
            outcome.struck = ("write", str(self.place.work))
            faults = faults_of_failure(
                self.before, files_of(self.place.work), self.final, outcome, self.place, **self._allowed
            )
            self._note(f"{free} bytes free", [*faults, *self._gone_on()])
            if outcome.status == 0:
                break
        return self.found

    def chosen(self) -> list[int]:
        """Numbers of the first and the last operation of each sort on each file, or of all."""
        if EACH:
            return list(range(1, len(self.operations) + 1))
        first: dict[tuple[str, str], int] = {}
        last: dict[tuple[str, str], int] = {}
        for number, operation in enumerate(self.operations, start=1):
            first.setdefault(operation, number)
            last[operation] = number
        return sorted({*first.values(), *last.values()})

    def moments(self, count: int, seed: int) -> list[int]:
        """Random numbers of operations."""
        return sorted(random.Random(seed).choices(range(1, len(self.operations) + 1), k=count))

    def _run(self, fault: Fault | None) -> Outcome:
        return run(self.case, self.warm, self.place, fault=fault, counted=self.counted)

    def _disturb(self, fault: Fault) -> Outcome:
        restore(self.before, self.place.work)
        self.place.clear()
        self.found.disturbed += 1
        return self._run(fault)

    def _gone_on(self) -> Iterator[str]:
        """What is wrong after the next run; states that were gone on from before are not again."""
        state = state_of(self.place.work)
        if state not in self._known:
            self.place.clear()
            self.found.reruns += 1
            outcome = self._run(None)
            self._known[state] = faults_of_rerun(files_of(self.place.work), self.final, outcome, self.place)
        yield from self._known[state]

    def _temporary(self, outcome: Outcome) -> list[object]:
        """What is left in the folder of temporary files, where it could have been removed."""
        removable = outcome.struck is None or outcome.struck[0] not in ("unlink", "mode")
        return list(self.place.temporary.iterdir()) if removable else []

    def _note(self, where: str, faults: Sequence[str]) -> None:
        self.found.faults += [f"{where}: {fault}" for fault in faults]


@contextlib.contextmanager
def _ballast(disk: Path, free: int) -> Iterator[None]:
    """Leave so many bytes of a disk free."""
    state = os.statvfs(disk)
    path, size = disk / "ballast", state.f_bfree * state.f_frsize - free
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    try:
        yield
    finally:
        path.unlink()


def faults_of_end(outcome: Outcome, send: signal.Signals) -> list[str]:
    """What is wrong with how a process ended that was sent a signal."""
    if send == signal.SIGKILL or outcome.status == 0:
        return []
    status, words = {signal.SIGTERM: (143, "ended by SIGTERM"), signal.SIGINT: (130, "interrupted")}[send]
    faults = [] if outcome.status == status else [f"status {outcome.status}, expected {status}"]
    if not outcome.err.startswith(f"metricvae: {words}") or outcome.err.count("\n") != 1:
        faults.append(f"says {outcome.err[-1500:]!r}, expected one line")
    return faults


__all__ = ["Files", "Findings", "Sweep"]
