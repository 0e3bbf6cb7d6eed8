"""How a server is set up: where it listens, what it keeps, and the limits of what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

API = "/api/v1"
"""Before the path of every route of the interface."""

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Of what a client may send, and of what its work may cost.

    Attributes:
        body: bytes of a request; those that carry a file, or a stream of pairs, may have `file` and `stream`.
        file: bytes of an object's file.
        stream: bytes of a stream of pairs.
        body_seconds: from the first byte of a body to its last.
        read_seconds, read_memory: of reading one object, in a process of its own; bytes.
        solve_seconds: of solving one pair, in a process of its own.
        job_seconds, job_memory: of one job, in a process of its own; bytes.
        jobs: that wait or run, at most.
        objects, objects_bytes: that are kept; the least recently used ones go.
        name: letters of a file's name.
        side: pixels of a drawn object's longer side.
    """

    body: int = 2 * MIB
    file: int = 64 * MIB
    stream: int = 512 * MIB
    body_seconds: float = 60.0
    read_seconds: float = 20.0
    read_memory: int = 3_072 * MIB
    solve_seconds: float = 60.0
    job_seconds: float = 24 * 3600.0
    job_memory: int = 16_384 * MIB
    jobs: int = 200
    objects: int = 20_000
    objects_bytes: int = 4_096 * MIB
    name: int = 120
    side: int = 1_024


@dataclass(frozen=True)
class ServerSettings:
    """What `metricvae serve` is told.

    Attributes:
        folder: of jobs, results and objects.
        host, port: where it listens.
        libraries: folders of indexes by name.
        token: that a client must show; None asks for none, on this machine only.
        workers: jobs at a time.
        readers: processes that read objects.
        threads: predictions at a time, each on `torch_threads`.
        warm: names of models that are loaded at the start.
        samples: kinds, and a text of each, that are read at the start, as the first of a kind takes seconds.
        limits: of requests.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8000
    libraries: Mapping[str, Path] = field(default_factory=dict)
    token: str | None = None
    workers: int = 1
    readers: int = 1
    threads: int = 2
    torch_threads: int = 1
    warm: tuple[str, ...] = ()
    samples: tuple[tuple[str, str], ...] = ()
    limits: Limits = field(default_factory=Limits)
