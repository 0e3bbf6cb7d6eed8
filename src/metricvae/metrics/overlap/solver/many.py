"""The exact answer for many pairs of files on all cores."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from metricvae.kinds.silhouette.io import read_image
from metricvae.metrics.overlap.solver.planar import Effort, Prepared, solve
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.runtime.process_pool import worker_pool

PAIRS_A_TASK = 16
KEPT = 512
"""Prepared shapes a worker keeps, about 1 MB each."""


def solve_files(
    pairs: list[tuple[Path, Path]], effort: Effort | None = None, *, fit: bool = False, workers: int | None = None
) -> Iterator[Overlap]:
    """Maximum overlaps of pairs of image files, in the order of `pairs`, as they become known.

    Raises:
        InputError: an image that cannot be used, fewer than one worker, or one was killed.
    """
    work = functools.partial(_solve_file_pair, effort, fit)
    if len(pairs) <= PAIRS_A_TASK:
        yield from map(work, pairs)
        return
    with worker_pool(workers) as pool:
        yield from pool.map(work, pairs, chunksize=PAIRS_A_TASK)


def _solve_file_pair(effort: Effort | None, fit: bool, pair: tuple[Path, Path]) -> Overlap:
    return solve(_prepared(pair[0], fit), _prepared(pair[1], fit), effort)


@functools.lru_cache(maxsize=KEPT)
def _prepared(path: Path, fit: bool) -> Prepared:
    return Prepared(read_image(path, fit=fit))
