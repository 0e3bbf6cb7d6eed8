"""The parts of a data set: what makes each, and making those that are not there yet.

A part is a pure function of the plan, is made by one process on one thread, and is either whole under its final name
or absent. Who makes it does not matter: processes of this machine or tasks of a cluster.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.files import atomic_path
from metricvae.objects.images import decode_png, encode_png
from metricvae.objects.silhouettes import Silhouette
from metricvae.objects.sources import draw
from metricvae.objects.splits import split_of
from metricvae.overlap.dense import solve_dense
from metricvae.overlap.planar import Effort, Prepared, solve
from metricvae.overlap.records import Overlap
from metricvae.pairs.dataset import OBJECT_SCHEMA, PAIR_SCHEMA
from metricvae.pairs.sampling import Block

CHECK_SCHEMA = pa.schema([("dense", pa.float64())])

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


def draw_part(source: str, seed: int, span: tuple[int, int], path: Path) -> None:
    """Shapes `span[0]` to `span[0] + span[1]` of a source."""
    start, count = span
    write_table(path, [object_table(draw(source, count, seed, start=start))], OBJECT_SCHEMA)


def object_table(shapes: Sequence[Silhouette]) -> pa.Table:
    """Shapes as rows of objects.parquet."""
    return pa.Table.from_pylist(list(map(object_row, shapes)), OBJECT_SCHEMA)


def object_row(shape: Silhouette) -> dict[str, Any]:
    """A shape as a row of objects.parquet."""
    return {
        "id": shape.id,
        "image": {"bytes": encode_png(shape.mask), "path": None},
        "source": shape.source,
        "family": shape.family,
        "group": shape.group,
        "area": shape.area,
        "split": split_of(shape.group),
    }


def label_part(effort: Effort, device: str | None, objects: Path, shard: tuple[str, list[Block]], path: Path) -> None:
    """The labelled pairs of some blocks of one split: by the compiled search, or by the batched one on a device."""
    split, blocks = shard
    table = _objects(objects)
    rows: list[dict[str, Any]] = []
    for block in blocks if device is None else [np.concatenate(blocks)]:
        for (a, b), found in zip(block.tolist(), _solved(table, block, effort, device), strict=True):
            pose = {name: round(value, 4) for name, value in dataclasses.asdict(found.pose).items()}
            names = {"a": table["id"][a].as_py(), "b": table["id"][b].as_py()}
            rows.append(names | {"value": round(found.area, 3), "split": split} | pose)
    write_table(path, [pa.Table.from_pylist(rows, PAIR_SCHEMA)], PAIR_SCHEMA)


def _solved(table: pa.Table, pairs: Block, effort: Effort, device: str | None) -> list[Overlap]:
    used, rows = np.unique(pairs, return_inverse=True)
    shapes = [Prepared(decode_png(table["image"][i]["bytes"].as_py())) for i in used.tolist()]
    ends = rows.reshape(-1, 2)
    if device is None:
        return [solve(shapes[a], shapes[b], effort) for a, b in ends.tolist()]
    from metricvae.overlap.batched import solve_batch  # here, so that workers do without torch

    return solve_batch(shapes, ends, effort, device=device)


def check_part(objects: Path, pairs: Block, path: Path) -> None:
    """What the dense search says of some pairs."""
    table = _objects(objects)
    rows = []
    for a, b in pairs.tolist():
        first, second = (Prepared(decode_png(table["image"][i]["bytes"].as_py())) for i in (a, b))
        rows.append({"dense": solve_dense(first, second).area})
    write_table(path, [pa.Table.from_pylist(rows, CHECK_SCHEMA)], CHECK_SCHEMA)


@functools.lru_cache(maxsize=1)
def _objects(path: Path) -> pa.Table:
    return pq.read_table(path, columns=["id", "image"]).combine_chunks()


def write_table(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables, one after the other, as one Parquet file, atomically."""
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
