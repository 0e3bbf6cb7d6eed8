"""Data sets as folders that polars, pandas, DuckDB and `datasets.load_dataset` read as they are.

`objects.parquet` (or `left.parquet` and `right.parquet`, where the two ends of a pair are of two tables),
`pairs.parquet`, `card.json` (metric, kinds, plan, versions, counts, SHA-256 of each file) and a README.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.dataset import ObjectTable, PairDataset, Rows, magnitudes_of
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, kind_from_json
from metricvae.core.metric import Metric, metric_from_json
from metricvae.core.splits import SPLITS
from metricvae.runtime.files import check_sha256, read_json
from metricvae.runtime.parquet import read_table
from metricvae.runtime.reading import damaged, inside

FORMAT = 2
"""Version of `card.json` that is written; cards without one are of version 1, and are still read."""


CARD, README = "card.json", "README.md"
OBJECTS, LEFT, RIGHT = "objects.parquet", "left.parquet", "right.parquet"
PAIRS = "pairs.parquet"

PAIR_COLUMNS = ("a", "b", "value", "split")
"""Columns of `pairs.parquet` that every data set has."""


def read_dataset(folder: Path, workers: int | None = 1, kinds: Sequence[ObjectKind] = ()) -> PairDataset:
    """Read and check a data-set folder.

    Args:
        folder: that `metricvae label` or `metricvae import` wrote.
        workers: processes that decode the objects of a large data set; None takes all cores.
        kinds: as which objects are held that are stored as one of these kinds' are (`ObjectKind.same_records`); others
            as the data set says.

    Raises:
        InputError: the folder is no finished data set, a file is missing or was changed, or an object is unknown.

    Example:
        >>> read_dataset("nowhere")
        Traceback (most recent call last):
        metricvae.core.errors.InputError: nowhere is not a folder: give a data set that `metricvae label` wrote
    """
    folder = Path(folder)
    card = read_card(folder)
    for name, digest in card["sha256"].items():
        check_sha256(inside(folder, name), digest)
    with damaged(folder, "make the data set again"):
        return _of_card(folder, card, workers, kinds)


def _of_card(folder: Path, card: dict[str, Any], workers: int | None, kinds: Sequence[ObjectKind]) -> PairDataset:
    metric = metric_of_card(card)
    sides = sides_of_card(card)
    tables = {
        side: read_objects(folder / entry["file"], _held_as(kinds, kind_from_json(entry["kind"])), workers)
        for side, entry in sides.items()
    }
    left = tables["left"]
    right = tables.get("right", left)
    pairs = read_table(folder / PAIRS)
    _check_columns(folder / PAIRS, pairs, PAIR_COLUMNS, "the list of pairs")
    return PairDataset(
        metric=metric,
        left=left,
        right=right,
        first=_places(folder, pairs["a"], left),
        second=_places(folder, pairs["b"], right),
        value=np.asarray(pairs["value"].to_numpy(), dtype=np.float64),
        split=np.array(pairs["split"].to_pylist()),
        card=card,
        columns={name: _column(pairs[name]) for name in pairs.column_names if name not in PAIR_COLUMNS},
        unlisted=card.get("otherwise", metric.unlisted),
    )


def _held_as(wanted: Sequence[ObjectKind], stored: ObjectKind) -> ObjectKind:
    if any(stored.name in kind.family for kind in wanted):
        return stored
    return next((kind for kind in wanted if stored.name in kind.same_records), stored)


def metric_of_card(card: Mapping[str, Any]) -> Metric:
    """The metric of a data set; cards of version 1 name a task."""
    return metric_from_json(card.get("metric") or str(card["task"]))


def sides_of_card(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Kind and file of the objects of each side, `left` alone where both ends of pairs come from one table."""
    return card.get("objects") or {"left": {"kind": metric_of_card(card).left, "file": OBJECTS}}


def read_objects(path: Path, kind: ObjectKind, workers: int | None = 1) -> ObjectTable:
    """One table of objects.

    Raises:
        InputError: the table lacks a column.
    """
    table = read_table(path)
    _check_columns(path, table, ("id", *kind.schema.names), kind.title)
    packed = kind.pack_table(table, workers)
    measured = next((name for name in (kind.magnitude_name, "area") if name in table.column_names), None)
    return ObjectTable(
        kind,
        tuple(table["id"].to_pylist()),
        packed,
        magnitudes_of(kind, packed) if measured is None else np.asarray(table[measured].to_numpy(), np.float64),
        tuple(table["family"].to_pylist()) if "family" in table.column_names else ("",) * len(table),
    )


def _check_columns(path: Path, table: pa.Table, names: Sequence[str], title: str) -> None:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]} of {title}: make the data set again")


def _places(folder: Path, names: pa.ChunkedArray, table: ObjectTable) -> Rows:
    place = {name: row for row, name in enumerate(table.ids)}
    try:
        return np.array([place[name] for name in names.to_pylist()], dtype=np.int64)
    except KeyError as error:
        raise InputError(
            f"{folder / PAIRS} names an object {error} that its objects lack: make the data set again"
        ) from None


def _column(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_fixed_size_list(column.type):
        flat = column.combine_chunks()
        return np.asarray(flat.flatten()).reshape(len(flat), -1)
    return np.array(column.to_pylist()) if pa.types.is_string(column.type) else np.asarray(column.to_numpy())


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a data set, with all in it that is asked for later.

    Raises:
        InputError: no finished data set, of a later version, or a damaged card.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give a data set that `metricvae label` wrote")
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} has no {CARD}, so it is no finished data set: run `metricvae label` (again) for it")
    card: dict[str, Any] = read_json(folder / CARD)
    if not isinstance(card, dict) or not _whole(card):
        raise InputError(f"{folder / CARD} lacks checksums, metric or plan: make the data set again")
    if card.get("format", 1) > FORMAT:
        raise InputError(
            f"{folder} was written by a later version (format {card['format']}, this one reads up to {FORMAT}): "
            "install that version"
        )
    return card


def _whole(card: dict[str, Any]) -> bool:
    try:
        digests = dict(card["sha256"])
        names = {entry["file"] for entry in (card.get("objects") or {"left": {"file": OBJECTS}}).values()}
        plan = card["plan"]
        named = isinstance(card["metric"], dict) if card.get("format", 1) > 1 else isinstance(card["task"], str)
        safe = all(Path(name).name == name for name in (*digests, *names))
        plain = isinstance(plan["objects"], str) and isinstance(plan["seed"], int)
        return named and safe and plain and {PAIRS, *names} <= set(digests) and all(map(_is_text, digests.values()))
    except (KeyError, TypeError, AttributeError, ValueError):
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def counts_of(folder: Path, tables: Sequence[str]) -> dict[str, Any]:
    """Objects and pairs of each split, the objects of two tables together and by table."""
    by_table = {Path(name).stem: tally(folder / name, "split") for name in tables}
    together = {split: sum(one.get(split, 0) for one in by_table.values()) for split in SPLITS}
    objects = {split: count for split, count in together.items() if count}
    sides = by_table if len(tables) > 1 else {}
    return {"objects": objects, **sides, "pairs": tally(folder / PAIRS, "split")}


def tally(file: Path, column: str) -> dict[str, int]:
    """How often each value stands in a column of a Parquet file."""
    counted = read_table(file, [column])[column].value_counts()
    return {row["values"]: row["counts"] for row in counted.to_pylist()}
