"""Worker processes for work that is split into parts: one thread each, and gone when their parent is gone.

Ctrl-C reaches the parent alone, which ends its workers: they would all print where they were.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

import pyarrow
import threadpoolctl

from metricvae.core.errors import InputError, InputWarning


@contextlib.contextmanager
def worker_pool(workers: int | None) -> Iterator[ProcessPoolExecutor]:
    """A pool of spawned processes of one thread each, started as work arrives.

    Args:
        workers: how many; default all cores.

    Raises:
        InputError: fewer than one worker, or one was killed.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}: expected at least 1")
    context = _Context()
    pool = ProcessPoolExecutor(workers or os.cpu_count(), context, initializer=_begin)
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed (out of memory?): run the same command again, perhaps with fewer --workers"
        ) from None
    except (KeyboardInterrupt, GeneratorExit):
        threading.Timer(0.1, context.end).start()  # by then what waits is cancelled; the pool trips over it otherwise
        pool.shutdown(cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise


class _Process(SpawnProcess):
    """A process that never hears of Ctrl-C."""

    def start(self) -> None:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return super().start()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    """Spawns processes and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[_Process] = []

    def Process(self, *arguments: Any, **options: Any) -> _Process:  # type: ignore[override]
        self._started.append(_Process(*arguments, **options))
        return self._started[-1]

    def end(self) -> None:
        for process in self._started:
            if process.is_alive():
                process.terminate()


def limit_threads() -> Callable[[], None]:
    """Keep the libraries that start threads of their own to one in this process: BLAS, OpenMP, Arrow.

    Those that are loaded later, as PyTorch is, read it from the environment.

    Returns:
        what puts everything back as it was, where the process goes on with something else.
    """
    restore_variables = set_variables(
        dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    )
    arrow, limits = pyarrow.cpu_count(), threadpoolctl.threadpool_limits(1)
    pyarrow.set_cpu_count(1)

    def restore() -> None:
        restore_variables()
        limits.restore_original_limits()
        pyarrow.set_cpu_count(arrow)

    return restore


def set_variables(changes: Mapping[str, str]) -> Callable[[], None]:
    """Set environment variables; returns what puts them back as they were."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return restore


def _begin() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_threads()
    warnings.simplefilter("once", InputWarning)
    warnings.showwarning = _say_once  # type: ignore[assignment]


def _say_once(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
    """Say the first remark on the input in a line, and of others nothing: they are of the same kind, as a rule."""
    if issubclass(category, InputWarning):
        warnings.simplefilter("ignore", InputWarning)
        sys.stderr.write(f"metricvae: {message} (more of the kind are not said)\n")
    else:
        _SHOW(message, category, *where, **options)


_SHOW = warnings.showwarning


def _end_with_parent() -> None:
    """A pool's process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
