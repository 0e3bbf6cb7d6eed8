"""Work cut into parts, each a file that is whole under its final name or absent: made by processes or by tasks of a
cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IN_FLIGHT = 256
"""Parts that are handed out at a time, so that memory does not grow with their number."""


@dataclass(frozen=True)
class Work:
    """What makes a part of its item.

    Attributes:
        make: called with the settings, the file of objects if it needs one, the item, and the path to write.
        settings: the same for all parts.
        objects: a file that all parts need, as the joined `objects.parquet`.
        read: what is to be known of an item, called where the parts are asked for; by default the item is all.
    """

    make: Callable[..., None]
    settings: tuple[Any, ...]
    objects: Path | None = None
    read: Callable[[Any], Any] | None = None

    def __call__(self, item: Any, path: Path) -> None:
        needed = () if self.objects is None else (self.objects,)
        self.make(*self.settings, *needed, item if self.read is None else self.read(item), path)


def run_parts(
    pool: Executor,
    work: Work,
    items: Sequence[Any],
    paths: Sequence[Path],
    sizes: Sequence[int],
    report: Callable[[int, int], None],
) -> None:
    """Make every part whose file is not there yet.

    Args:
        pool: who makes them.
        work: what makes one.
        items, paths, sizes: of each part: what it is made of, its file, what it counts for.
        report: told what of how much is done, at the start and after each part.
    """
    missing = [(item, path, n) for item, path, n in zip(items, paths, sizes, strict=True) if not path.exists()]
    total = sum(sizes)
    done = total - sum(n for *_, n in missing)
    report(done, total)
    waiting, running = iter(missing), dict[Future[None], int]()
    try:
        while True:
            for item, path, n in itertools.islice(waiting, IN_FLIGHT - len(running)):
                running[pool.submit(work, item, path)] = n
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()
                done += running.pop(future)
                report(done, total)
    finally:
        for future in running:
            future.cancel()
