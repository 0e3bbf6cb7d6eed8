"""Objects of an import, decoded a few at a time; by worker processes where that takes long."""

from __future__ import annotations

import functools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.core.importing.cells import Cells, HeldCells, Wanted, convert_cells
from metricvae.core.importing.request import Report
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, ReadOptions
from metricvae.runtime.process_pool import worker_pool

WORTH_PROCESSES = 20.0
"""Seconds that reading must take, by the pace so far, before processes are started for it."""

LOOKED_AT = 2.0
"""Seconds after which the pace is judged."""

Part = tuple[list[int], list[Any]]
Found = tuple[list[int], list[Object | InputError]]


@dataclass(frozen=True, eq=False)
class ObjectReader:
    """Reads the distinct objects of one side.

    Attributes:
        cells: that name them.
        base: folder that paths are relative to.
        wanted: (m,) which are read.
        workers: processes at most; None takes all cores.
        report: told how far that is.
        options: of reading.
    """

    cells: Cells
    base: Path
    wanted: Wanted
    workers: int | None
    report: Report
    options: ReadOptions = AS_IT_IS

    def read(self, kind: ObjectKind, stage: str) -> Iterator[Found]:
        """Numbers and objects, or why there is none, in the order of numbers, some at a time."""
        done, total = 0, int(self.wanted.sum())
        for numbers, found in self._found(kind, total):
            yield numbers, found
            done += len(numbers)
            self.report(stage, done, total)  # of what was asked for beyond

    def _found(self, kind: ObjectKind, total: int) -> Iterator[Found]:
        parts, spent, done = self.cells.parts(self.wanted), 0.0, 0
        for numbers, cells in parts:
            start = time.monotonic()
            found = convert_cells(kind, self.base, cells, self.options)
            spent += time.monotonic() - start
            done += len(numbers)
            yield numbers, found
            if spent > LOOKED_AT and spent / done * (total - done) > WORTH_PROCESSES and self._many:
                yield from _found_by_processes(kind, self.base, parts, self.workers, self.options)

    @functools.cached_property
    def _many(self) -> bool:
        """Whether processes may help: there is more than one, and what they are sent is small."""
        if (self.workers or os.cpu_count() or 1) == 1 or not isinstance(self.cells, HeldCells):
            return False
        return all(isinstance(one, str | Path) for one in self.cells.items)


def _found_by_processes(
    kind: ObjectKind, base: Path, parts: Iterator[Part], workers: int | None, options: ReadOptions
) -> Iterator[Found]:
    waiting: deque[tuple[list[int], Future[list[Object | InputError]]]] = deque()
    most = 2 * (workers or os.cpu_count() or 1)
    with worker_pool(workers) as pool:
        for numbers, cells in parts:
            waiting.append((numbers, pool.submit(convert_cells, kind, base, cells, options)))
            if len(waiting) >= most:
                before, future = waiting.popleft()
                yield before, future.result()
        for before, future in waiting:
            yield before, future.result()


def usable(found: Iterator[Found], fault: Callable[[int, str], object] = lambda number, why: None) -> Iterator[Object]:
    """The objects among what was found; `fault` is told the numbers of the others, and why."""
    for numbers, objects in found:
        for number, one in zip(numbers, objects, strict=True):
            if isinstance(one, InputError):
                fault(number, str(one))
            else:
                yield one
