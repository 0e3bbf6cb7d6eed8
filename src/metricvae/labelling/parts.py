"""The parts of a data set: what makes each of the labelled pairs, and the files they are made of.

A part is a pure function of the plan, is made by one process on one thread, and is either whole under its final name
or absent. Who makes it does not matter: processes of this machine or tasks of a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.labelling import BlockLabelling
from metricvae.core.sampling import Block
from metricvae.runtime.parquet import write_table

CHECK_SCHEMA = pa.schema([("dense", pa.float64())])


@dataclass(frozen=True)
class Shard:
    """Some blocks of pairs of one split.

    Attributes:
        split: of all of them.
        blocks: (k, 2) rows of the left and of the right objects each.
    """

    split: str
    blocks: list[Block]


@dataclass(frozen=True)
class ShardObjects:
    """A shard, with the objects in its pairs.

    Attributes:
        shard: its blocks name rows of `left` and `right`.
        left, right: of the objects; the same table where there is one.
    """

    shard: Shard
    left: pa.Table
    right: pa.Table


@dataclass(frozen=True)
class ReadShard:
    """Reads the objects of a shard.

    Attributes:
        files: Arrow files of the objects of each table, of which any rows are read through a memory map.
    """

    files: tuple[Path, ...]

    def __call__(self, shard: Shard) -> ShardObjects:
        pairs = np.concatenate(shard.blocks)
        if len(self.files) == 1:
            used, rows = np.unique(pairs, return_inverse=True)
            left = right = read_arrow_rows(self.files[0], used)
            local = rows.reshape(-1, 2)
        else:
            sides = [np.unique(column, return_inverse=True) for column in pairs.T]
            left, right = (read_arrow_rows(file, used) for file, (used, _) in zip(self.files, sides, strict=True))
            local = np.stack([rows for _, rows in sides], axis=1)
        ends = np.cumsum([len(block) for block in shard.blocks])[:-1]
        return ShardObjects(Shard(shard.split, np.split(local, ends)), left, right)


def read_arrow_rows(file: Path, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Some rows, in ascending order, of an uncompressed Arrow file; what was read outlives the file."""
    with pa.memory_map(str(file)) as source:
        reader = pa.ipc.open_file(source)
        found, start = [], 0
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            here = rows[(rows >= start) & (rows < start + len(batch))] - start
            start += len(batch)
            if len(here):
                found.append(batch.take(pa.array(here)))
        return pa.Table.from_batches(found, reader.schema).combine_chunks()


def label_part(labelling: BlockLabelling[Any], device: str, item: ShardObjects, path: Path) -> None:
    """Write the labelled pairs of a shard: ids, what the metric says, and the split."""
    shard = item.shard
    columns = labelling.label(item.left, item.right, shard.blocks, device)
    pairs = np.concatenate(shard.blocks)
    table = pa.table(
        {
            **{side: _ids(one, rows) for side, one, rows in zip("ab", (item.left, item.right), pairs.T, strict=True)},
            **columns,
            "split": pa.array([shard.split] * len(pairs), pa.string()),
        }
    )
    write_table(path, [table], table.schema)


def check_part(labelling: BlockLabelling[Any], item: ShardObjects, path: Path) -> None:
    """Write what the more thorough search says of some pairs."""
    found = labelling.check(item.left, item.right, np.concatenate(item.shard.blocks))
    write_table(path, [pa.table({"dense": np.asarray(found, np.float64)}, CHECK_SCHEMA)], CHECK_SCHEMA)


def _ids(objects: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Array:
    return objects["id"].take(pa.array(rows)).combine_chunks()


def common_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all tables, those of the first with most columns in its order."""
    widest = max(schemas, key=len)
    return pa.unify_schemas([widest, *schemas], promote_options="permissive")
