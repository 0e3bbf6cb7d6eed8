"""What runs in a disturbed process: a verb of the command line as it is, but for workers, clocks and sizes.

Work that pools of processes would do is done in this process, so that its operations are counted in one order; clocks
stand still, so that what is written does not depend on them.
"""

from __future__ import annotations

import functools
import importlib
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

Settings = dict[str, Any]
"""New values of attributes of modules, by `module:attribute`."""


def run_verb(words: Sequence[str], settings: Settings | None = None) -> int:
    """The exit status of `metricvae` with some words."""
    from metricvae import cli

    stand_still()
    work_here()
    for name, value in (settings or {}).items():
        module, _, attribute = name.partition(":")
        setattr(importlib.import_module(module), attribute, value)
    return cli.main(list(words))


def run_plainly(words: Sequence[str]) -> int:
    """The same with worker processes and clocks as they are."""
    from metricvae import cli

    return cli.main(list(words))


def no_product_form(*_: Any) -> tuple[dict[str, Any], None]:
    """In the place of a measurement that writes nothing and takes long."""
    names = ("free_codes_r2", "free_codes_held_out_r2", "pairs_an_object", "product_r2", "pair_head_r2")
    return dict.fromkeys(names, 0.5), None


def stand_still() -> None:
    """Stop the clocks."""
    time.perf_counter = time.monotonic = lambda: 1000.0  # type: ignore[assignment]
    time.time = lambda: 1.7e9  # type: ignore[assignment]


def work_here() -> None:
    """Put an executor of this process in the place of every pool of processes."""
    from metricvae.runtime import process_pool

    there = process_pool.worker_pool
    process_pool.worker_pool = _pool  # type: ignore[assignment]
    for module in list(sys.modules.values()):
        if getattr(module, "worker_pool", None) is there:
            module.worker_pool = _pool  # type: ignore[attr-defined]


@contextmanager
def _pool(workers: int | None) -> Iterator[Executor]:
    yield _Here()


class _Here(Executor):
    """Does work where it is asked for."""

    def submit(self, work: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future

    def map(self, work: Any, *columns: Any, timeout: float | None = None, chunksize: int = 1) -> Iterator[Any]:
        return map(functools.partial(work), *columns)
