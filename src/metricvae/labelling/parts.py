"""The parts of a data set: what makes each, and making those that are not there yet.

A part is a pure function of the plan, is made by one process on one thread, and is either whole under its final name
or absent. Who makes it does not matter: processes of this machine or tasks of a cluster.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.dataset import OBJECT_SCHEMA, PAIR_SCHEMA
from metricvae.core.sampling import Block
from metricvae.core.splits import split_of
from metricvae.kinds.silhouette.io import decode_png, encode_png
from metricvae.kinds.silhouette.records import Silhouette
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, solve
from metricvae.runtime.parquet import write_table

CHECK_SCHEMA = pa.schema([("dense", pa.float64())])


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


def label_part(
    config: SearchConfig, device: str | None, objects: Path, shard: tuple[str, list[Block]], path: Path
) -> None:
    """The labelled pairs of some blocks of one split: by the compiled search, or by the batched one on a device."""
    split, blocks = shard
    table = _objects(objects)
    rows: list[dict[str, Any]] = []
    for block in blocks if device is None else [np.concatenate(blocks)]:
        for (a, b), found in zip(block.tolist(), _solved(table, block, config, device), strict=True):
            pose = {name: round(value, 4) for name, value in dataclasses.asdict(found.pose).items()}
            names = {"a": table["id"][a].as_py(), "b": table["id"][b].as_py()}
            rows.append(names | {"value": round(found.area, 3), "split": split} | pose)
    write_table(path, [pa.Table.from_pylist(rows, PAIR_SCHEMA)], PAIR_SCHEMA)


def _solved(table: pa.Table, pairs: Block, config: SearchConfig, device: str | None) -> list[Overlap]:
    used, rows = np.unique(pairs, return_inverse=True)
    shapes = [PreparedMask(decode_png(table["image"][i]["bytes"].as_py())) for i in used.tolist()]
    ends = rows.reshape(-1, 2)
    if device is None:
        return [solve(shapes[a], shapes[b], config) for a, b in ends.tolist()]
    from metricvae.metrics.overlap.solver.batched import solve_batch  # here, so that workers do without torch

    return solve_batch(shapes, ends, config, device=device)


def check_part(objects: Path, pairs: Block, path: Path) -> None:
    """What the dense search says of some pairs."""
    table = _objects(objects)
    rows = []
    for a, b in pairs.tolist():
        first, second = (PreparedMask(decode_png(table["image"][i]["bytes"].as_py())) for i in (a, b))
        rows.append({"dense": solve_dense(first, second).area})
    write_table(path, [pa.Table.from_pylist(rows, CHECK_SCHEMA)], CHECK_SCHEMA)


@functools.lru_cache(maxsize=1)
def _objects(path: Path) -> pa.Table:
    return pq.read_table(path, columns=["id", "image"]).combine_chunks()
