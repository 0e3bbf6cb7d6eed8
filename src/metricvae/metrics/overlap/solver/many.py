"""Solves the maximum overlap of many pairs of image files on all cores."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

from metricvae.kinds.silhouette.io import read_image
from metricvae.metrics.overlap.solver.planar import Effort, Prepared, solve
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.runtime.process_pool import worker_pool

PAIRS_A_TASK = 16
PREPARED_A_WORKER = 512
"""Prepared shapes that a worker process holds, about 1 MB each."""

_CALLS = itertools.count()
"""Numbers the calls of :func:`solve_files` in this process."""


def solve_files(
    pairs: list[tuple[Path, Path]], effort: Effort | None = None, *, fit: bool = False, workers: int | None = None
) -> Iterator[Overlap]:
    """Maximum overlaps of pairs of image files, in the order of `pairs`, as they become known.

    A call reads each file once in each process at work (again where it has more than :data:`PREPARED_A_WORKER`).

    Raises:
        InputError: an image that cannot be used, fewer than one worker, or one was killed.
    """
    if len(pairs) <= PAIRS_A_TASK:
        prepared = functools.cache(lambda path: Prepared(read_image(path, fit=fit)))
        yield from (solve(prepared(a), prepared(b), effort) for a, b in pairs)
        return
    work = functools.partial(_solve_file_pair, next(_CALLS), effort, fit)
    with worker_pool(workers) as pool:
        yield from pool.map(work, pairs, chunksize=PAIRS_A_TASK)


def _solve_file_pair(call: int, effort: Effort | None, fit: bool, pair: tuple[Path, Path]) -> Overlap:
    return solve(_prepared(call, pair[0], fit), _prepared(call, pair[1], fit), effort)


@functools.lru_cache(maxsize=PREPARED_A_WORKER)
def _prepared(call: int, path: Path, fit: bool) -> Prepared:
    """The shape in a file, read once by a worker for a call: a later call finds what the file holds then."""
    return Prepared(read_image(path, fit=fit))
