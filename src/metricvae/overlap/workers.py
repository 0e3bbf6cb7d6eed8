"""Worker processes for work that is split into parts: one thread each, and gone when their parent is gone."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from metricvae.errors import InputError


@contextlib.contextmanager
def worker_pool(workers: int | None, prepare: Callable[[], None] | None = None) -> Iterator[ProcessPoolExecutor]:
    """A pool of spawned processes, started as work arrives.

    Args:
        workers: how many; default all cores.
        prepare: called once in each process before its first task.

    Raises:
        InputError: fewer than one worker, or one was killed.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}: expected at least 1")
    context = multiprocessing.get_context("spawn")
    count = workers or os.cpu_count() or 1
    try:
        with ProcessPoolExecutor(count, context, initializer=_begin, initargs=(prepare,)) as pool:
            yield pool
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed (out of memory?): run the same command again, perhaps with fewer --workers"
        ) from None


def _begin(prepare: Callable[[], None] | None) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare()


def _end_with_parent() -> None:
    """A pool's process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
