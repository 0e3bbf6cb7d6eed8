"""Parts made by tasks on a Ray cluster, and written by the process that asked for them.

Nothing is shared but Ray itself: the objects travel to each node once, finished parts come back as bytes. A task whose
worker dies is run again, elsewhere if need be. The nodes need the same version of this package installed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from metricvae import __version__
from metricvae.core.errors import InputError
from metricvae.runtime.extras import require
from metricvae.runtime.files import sha256_of, write_bytes
from metricvae.runtime.parts import Work
from metricvae.runtime.process_pool import limit_threads, set_variables

RETRIES = 5
"""How often a part is tried again after its worker died."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Environment in which Ray starts, where the user has not chosen otherwise: no usage statistics are sent."""


@contextlib.contextmanager
def ray_pool(address: str, workers: int | None = None) -> Iterator[Executor]:
    """Something that makes parts on the cluster at `address`.

    Args:
        address: `local` for a cluster of this machine's own that ends with us, `auto` for one that runs here, else
            `HOST:PORT` or `ray://HOST:PORT`.
        workers: tasks at a time; default all cores of the cluster.

    Raises:
        InputError: Ray is not installed, no cluster answers, or a part's worker died again and again.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}: expected at least 1")
    restore = set_variables({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        with _cluster(address, workers) as pool:
            yield pool
    finally:
        restore()


@contextlib.contextmanager
def _cluster(address: str, workers: int | None) -> Iterator[Executor]:
    ray = require("ray", "ray", "work on a cluster")
    _knock(address)
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        options |= {"num_cpus": workers or os.cpu_count(), "include_dashboard": False}
    try:
        ray.init(address=address, **options)
    except Exception as error:  # Ray raises many kinds, from its own to those of gRPC
        raise _silent(address, error) from None
    try:
        tasks = workers or int(ray.cluster_resources().get("CPU", 1))
        with ThreadPoolExecutor(2 * tasks) as threads:  # twice, so that no core waits for the next part
            yield RayPool(threads)
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise InputError(
            f"the Ray cluster at {address} failed ({_first_line(error)}): what was finished is kept, run the same "
            "command again"
        ) from None
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise InputError if nothing listens at a HOST:PORT: Ray itself tries for minutes."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _silent(address, error) from None


def _silent(address: str, error: Exception) -> InputError:
    return InputError(
        f"no Ray cluster answers at {address} ({_first_line(error)}): "
        "give the address that `ray start --head` printed, or local"
    )


class RayPool(Executor):
    """An executor of `Work` whose every call is a task of the cluster."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        import ray

        self._ray, self._threads = ray, threads
        self._task = ray.remote(num_cpus=1, max_retries=RETRIES)(make_part)
        self._sent = functools.lru_cache(maxsize=2)(self._send)

    def submit(self, work: Work, item: Any, path: Path, /) -> Future[None]:  # type: ignore[override]
        """Make the part on the cluster and write it here."""
        return self._threads.submit(self._make, work, item, path)

    def _make(self, work: Work, item: Any, path: Path) -> None:
        digest, content = (None, None) if work.objects is None else self._sent(work.objects)
        known = item if work.read is None else work.read(item)
        task = self._task.remote(__version__, replace(work, read=None), digest, content, known)
        try:
            part = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):
                raise error.cause from None
            raise
        write_bytes(path, part)

    def _send(self, objects: Path) -> tuple[str, Any]:
        return sha256_of(objects), self._ray.put(objects.read_bytes())


def make_part(version: str, work: Work, digest: str | None, content: bytes | None, item: Any) -> bytes:
    """What a task does: one part, as the bytes of its file.

    Args:
        version: of the package that asks.
        work: what makes the part; its file of objects is replaced by a copy on this node.
        digest, content: of that file.
        item: what the part is made of.
    """
    if version != __version__:
        raise InputError(
            f"a node of the cluster has metricvae {__version__}, this machine {version}: install the same on all"
        )
    with contextlib.ExitStack() as stack:
        stack.callback(limit_threads())
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="metricvae-"))
        if digest is not None and content is not None:
            work = replace(work, objects=_kept(digest, content))
        path = Path(scratch) / "part.parquet"
        work(item, path)
        return path.read_bytes()


_COPIES: dict[str, Path] = {}
"""Files of objects that this process has written, by their SHA-256; they stay until it ends."""


def _kept(digest: str, content: bytes) -> Path:
    """A copy of a file of objects that this process alone can have written: in a folder of its own, checked once."""
    if digest not in _COPIES:
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputError(
                "a file of objects was changed on its way to a node of the cluster: run the same command again"
            )
        folder = Path(tempfile.mkdtemp(prefix="metricvae-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        write_bytes(folder / "objects", content)
        _COPIES[digest] = folder / "objects"
    return _COPIES[digest]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
