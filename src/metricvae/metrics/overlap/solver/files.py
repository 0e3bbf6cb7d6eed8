"""Maximum overlaps of many pairs of image files, on all cores."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from metricvae.core.libraries import ReadOptions
from metricvae.kinds.silhouette.io import read_image
from metricvae.kinds.silhouette.records import check_canvas
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, solve
from metricvae.runtime.process_pool import worker_pool

PAIRS_A_TASK = 16
_CALLS = itertools.count()
"""Numbers the calls of `solve_files` in this process."""

CACHED_SHAPES = 512
"""Prepared shapes that a worker caches, about 1 MB each."""


def solve_files(
    pairs: list[tuple[Path, Path]],
    config: SearchConfig | None = None,
    *,
    fit: bool = False,
    workers: int | None = None,
    invert: bool = False,
) -> Iterator[Overlap]:
    """Maximum overlaps of pairs of image files, in the order of `pairs`, each as soon as it is known.

    Args:
        pairs: the file of the shape that stays, and that of the shape that moves.
        config: search configuration; default as in `solve`.
        fit: scale and centre images onto canvases of 200x200; otherwise both of a pair have one size, whatever it is.
        workers: processes; default all cores.
        invert: take black for white.

    Raises:
        InputError: an image that cannot be used, fewer than one worker, or a worker was killed.
    """
    if len(pairs) <= PAIRS_A_TASK:
        prepared = functools.cache(lambda path: _read(path, ReadOptions(fit=fit, invert=invert)))
        yield from (solve(*of_one_size(prepared, *pair), config) for pair in pairs)
        return
    work = functools.partial(_solve_file_pair, next(_CALLS), config, ReadOptions(fit=fit, invert=invert))
    with worker_pool(workers) as pool:
        yield from pool.map(work, pairs, chunksize=PAIRS_A_TASK)


def _solve_file_pair(call: int, config: SearchConfig | None, options: ReadOptions, pair: tuple[Path, Path]) -> Overlap:
    return solve(*of_one_size(lambda path: _prepared(call, path, options), *pair), config)


def read_pair(a: Path, b: Path, *, fit: bool = False, invert: bool = False) -> tuple[PreparedMask, PreparedMask]:
    """Two image files as the solver takes them: of one size, whatever it is.

    Raises:
        InputError: an image that cannot be used, or the second is not of the size of the first.
    """
    return of_one_size(lambda path: _read(path, ReadOptions(fit=fit, invert=invert)), a, b)


def of_one_size(read: Callable[[Path], PreparedMask], a: Path, b: Path) -> tuple[PreparedMask, PreparedMask]:
    """What `read` makes of two files; see `read_pair` for the errors."""
    first, second = read(a), read(b)
    check_canvas(second.mask.shape, first.mask.shape, str(b))
    return first, second


@functools.lru_cache(maxsize=CACHED_SHAPES)
def _prepared(call: int, path: Path, options: ReadOptions) -> PreparedMask:
    """The shape in a file, read once by a worker for a call: a later call finds what the file holds then."""
    return _read(path, options)


def _read(path: Path, options: ReadOptions) -> PreparedMask:
    return PreparedMask(read_image(path, fit=options.fit, invert=options.invert, canvas=None))
