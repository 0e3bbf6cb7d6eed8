"""Steps of every data set: objects in parts, pairs in shards, checks, and the card at the end."""

from __future__ import annotations

import csv
import io
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metricvae.core.data_card import label_error
from metricvae.core.dataset_files import CARD, LEFT, OBJECTS, PAIRS, README, RIGHT
from metricvae.core.kind import ObjectKind
from metricvae.core.labelling import BlockLabelling, Labelling
from metricvae.core.object_sources import SKIPPED, ObjectSource
from metricvae.core.pair_list import write_rows
from metricvae.core.splits import SPLITS, Split, split_of
from metricvae.labelling.parts import ReadShard, Shard, check_part, common_schema
from metricvae.runtime.files import atomic_path, sha256_of, sweep, write_json, write_text
from metricvae.runtime.folders import remove_folder
from metricvae.runtime.parquet import read_schema, read_table, write_table
from metricvae.runtime.parts import Work, run_parts
from metricvae.runtime.reading import reading

PARTS = ".parts"
NOTES, NOTE_COLUMNS = "skipped.csv", ("number", "name", "reason")

BLOCKS_A_PART = 8
CHECKS_A_PART = 4


@dataclass(frozen=True)
class LabelProgress:
    """How far labelling is: `done` of `total` in a `stage` (drawing objects, labelling pairs, checking labels)."""

    stage: str
    done: int
    total: int


Report = Callable[[LabelProgress], None]


def step(stage: str, report: Report) -> Callable[[int, int], None]:
    """A report of one stage."""
    return lambda done, total: report(LabelProgress(stage, done, total))


def table_names(count: int) -> tuple[str, ...]:
    """Files of the tables of objects of a data set: one, or a left and a right one."""
    return (OBJECTS,) if count == 1 else (LEFT, RIGHT)


def arrow_file(parts: Path, table: str) -> Path:
    """The working file of a table of objects, that labelling reads."""
    return parts / Path(table).with_suffix(".arrow")


# Objects


def make_objects(labelling: Labelling[Any], source: ObjectSource, target: Path, pool: Executor, report: Report) -> None:
    """Make the objects of one table, unless they are there, and more of them while a split has too few.

    Args:
        labelling: says which are too few.
        source: of the objects.
        target: Parquet file to write; its parts, its Arrow file and the notes go beside it.
        pool: who makes the parts.
        report: told how far that is.
    """
    if target.exists():
        return
    paths: list[Path] = []
    splits: list[Split] = []
    for items in source.rounds():
        fresh = [target.parent / f"{target.stem}-{len(paths) + i:06d}.parquet" for i in range(len(items))]
        names, sizes = zip(*items, strict=True)
        run_parts(pool, source.work, names, fresh, sizes, step(source.stage, report))
        paths += fresh
        splits += itertools.chain.from_iterable(map(_splits, fresh))
        if not labelling.lacks(paths, splits):
            break
    join_objects(paths, target, labelling, notes=source.notes)


def _splits(part: Path) -> list[Split]:
    return [split for split in read_table(part, ["split"])["split"].to_pylist() if split]


def join_objects(paths: Sequence[Path], target: Path, labelling: Labelling[Any], *, notes: bool) -> None:
    """Join the parts of a table of objects, ids made unique.

    Args:
        paths: the parts.
        target: Parquet file of the objects, written last.
        labelling: names the columns of the Arrow file, which is uncompressed so that any of its rows are read at once.
        notes: whether to write what was skipped, and why, if nothing was.
    """
    schema = _without_skipped(read_schema(paths[0]))
    kind = labelling.kinds[0 if target.name in (OBJECTS, LEFT) else -1]
    names = ["id", *labelling.contents(kind)]
    part_of = pa.schema([schema.field(name) for name in names])
    with (
        atomic_path(target) as parquet,
        pq.ParquetWriter(parquet, schema, compression="zstd") as whole,
        atomic_path(arrow_file(target.parent, target.name)) as arrow,
        pa.ipc.new_file(arrow, part_of) as contents,
    ):
        tables = _unique_ids(map(_kept, paths))
        for table in _regrouped(kind, tables) if kind.compares_groups else tables:
            whole.write_table(table.cast(schema))
            contents.write_table(table.select(names).combine_chunks().cast(part_of))
        write_notes(list(map(_skipped, paths)), target.with_suffix(".csv"), always=notes)


def _without_skipped(schema: pa.Schema) -> pa.Schema:
    return schema.remove(schema.get_field_index(SKIPPED.name))


def _kept(path: Path) -> pa.Table:
    table = read_table(path)
    return table.filter(pc.is_null(table[SKIPPED.name])).drop_columns([SKIPPED.name])


def _skipped(path: Path) -> pa.Table:
    columns = [name for name in ("number", "id", SKIPPED.name) if name in read_schema(path).names]
    table = read_table(path, columns)
    return table.filter(pc.is_valid(table[SKIPPED.name]))


def _unique_ids(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables whose ids that were there before have a number after them."""
    seen: dict[str, int] = {}
    for table in tables:
        ids = []
        for name in table["id"].to_pylist():
            seen[name] = seen.get(name, 0) + 1
            ids.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
        yield table.set_column(0, "id", pa.array(ids, pa.string()))


def _regrouped(kind: ObjectKind, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables whose objects have the groups, and so the splits, that come of comparing all of them."""
    whole = list(tables)
    names = [name for table in whole for name in table["id"].to_pylist()]
    groups = iter(kind.groups([one for table in whole for one in kind.from_table(table)], names))
    for table in whole:
        own = list(itertools.islice(groups, len(table)))
        for column, values in (("group", own), ("split", list(map(split_of, own)))):
            table = table.set_column(table.schema.get_field_index(column), column, pa.array(values, pa.string()))
        yield table


def write_notes(skipped: Sequence[pa.Table], path: Path, *, always: bool) -> None:
    """Write records that gave no object to a CSV: number, name and reason, the former two where they are known."""
    rows = [row for table in skipped for row in table.to_pylist()]
    if rows or always:
        write_rows(path, NOTE_COLUMNS, [[row.get("number"), row.get("id"), row[SKIPPED.name]] for row in rows])


def join_notes(parts: Path, tables: Sequence[str], target: Path) -> None:
    """Join what was skipped of each table, if anything may have been."""
    files = [file for name in tables if (file := (parts / name).with_suffix(".csv")).exists()]
    if files:
        write_rows(target, NOTE_COLUMNS, [row for file in files for row in read_notes(file)])


def read_notes(path: Path) -> list[list[str]]:
    """The rows of a file of notes."""
    with reading(path) as file, io.TextIOWrapper(file, "utf-8", newline="") as text:
        return list(csv.reader(text))[1:]


# Pairs


def shards_of(labelling: BlockLabelling[Any], tables: Sequence[Path]) -> list[Shard]:
    """The blocks of each split, some at a time."""
    splits = [read_table(path, ["split"])["split"].to_pylist() for path in tables]
    return [
        Shard(split, blocks[i : i + BLOCKS_A_PART])
        for split, blocks in labelling.blocks(splits).items()
        for i in range(0, len(blocks), BLOCKS_A_PART)
    ]


def label_shards(work: Work, shards: Sequence[Shard], parts: Path, pool: Executor, report: Report) -> list[Path]:
    """The files of the labelled pairs of each shard."""
    paths = [parts / f"pairs-{i:06d}.parquet" for i in range(len(shards))]
    sizes = [sum(map(len, shard.blocks)) for shard in shards]
    run_parts(pool, work, shards, paths, sizes, step("labelling pairs", report))
    return paths


def join_pairs(paths: Sequence[Path], target: Path) -> None:
    """Join the parts of the pairs; a column that a part lacks is null there."""
    schema = common_schema([read_schema(path) for path in paths])
    empty = schema.empty_table()
    tables = (pa.concat_tables([empty, read_table(path)], promote_options="permissive") for path in paths)
    write_table(target, (table.cast(schema) for table in tables), schema)


def check_pairs(
    labelling: BlockLabelling[Any],
    read: ReadShard,
    shards: Sequence[Shard],
    parts: Path,
    pool: Executor,
    report: Report,
) -> Checks:
    """Some of the labelled pairs through the more thorough search: `labelling.checks` of them, or all there are."""
    pairs = np.concatenate([block for shard in shards for block in shard.blocks])
    random = np.random.default_rng([labelling.plan.seed, len(SPLITS)])
    chosen = np.sort(random.choice(len(pairs), min(labelling.checks, len(pairs)), replace=False))
    checks = [Shard("", [pairs[chosen[i : i + CHECKS_A_PART]]]) for i in range(0, len(chosen), CHECKS_A_PART)]
    paths = [parts / f"checks-{i:06d}.parquet" for i in range(len(checks))]
    sizes = [len(one.blocks[0]) for one in checks]
    run_parts(pool, Work(check_part, (labelling,), read=read), checks, paths, sizes, step("checking labels", report))
    return Checks(chosen, paths)


@dataclass(frozen=True)
class Checks:
    """Which pairs were given to the more thorough search, in order, and the files of what it says."""

    chosen: npt.NDArray[np.int64]
    paths: list[Path]

    def error(self, pairs: Path) -> dict[str, float] | None:
        """How far the labels in a table of pairs lie below it."""
        labels = read_table(pairs, ["value"])["value"].to_numpy()[self.chosen]
        return label_error(labels, np.concatenate([np.empty(0), *(_dense(path) for path in self.paths)]))


NO_CHECKS = Checks(np.empty(0, np.int64), [])


def _dense(path: Path) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = read_table(path)["dense"].to_numpy()
    return values


# The end


def copy_file(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def finish(folder: Path, card: dict[str, Any], tables: Sequence[str], labelling: Labelling[Any]) -> dict[str, Any]:
    """The last step: the card, with the checksums, beside a README.md; what was on the way goes."""
    card |= {"sha256": {name: sha256_of(folder / name) for name in (*tables, PAIRS)}}
    write_text(folder / README, labelling.readme(card, folder))
    write_json(folder / CARD, card)
    tidy(folder)
    return card


def tidy(folder: Path) -> None:
    """Remove what was needed on the way, and what a killed run left."""
    remove_folder(folder / PARTS)
    sweep(folder, (PAIRS, OBJECTS, LEFT, RIGHT, NOTES, README, CARD))
