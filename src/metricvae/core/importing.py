"""Pairs with values that a user brings: a table with columns for two objects and a value, as a data set in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import ObjectTable, PairDataset, Rows
from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind, kind_from_json
from metricvae.core.metric import Metric
from metricvae.core.pair_list import read_csv_rows
from metricvae.core.splits import SPLITS

FEWEST = 20
"""Pairs that every split needs."""

OBJECT_SHARES = {"train": 0.7, "validation": 0.1, "calibration": 0.1, "test": 0.1}
"""Shares of the objects of each side."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table of pairs.

    Attributes:
        left, right: the two objects: paths relative to the table, or what the kind converts (SMILES).
        value: of the metric.
        split: of the user's own splits; None to make leak-free ones.
    """

    left: str = "a"
    right: str = "b"
    value: str = "value"
    split: str | None = None


def read_csv(
    path: str | Path,
    metric: Metric,
    columns: Columns = Columns(),
    *,
    seed: int = 0,
) -> PairDataset:
    """A data set from a CSV file.

    Args:
        path: a header, and a row a pair.
        metric: what the values are; its kinds read the objects.
        columns: their names.
        seed: of the splits.

    Raises:
        InputError: no such file, a missing column, a value that is no finite number (with its row), an object that
            cannot be read, or too few pairs.
    """
    path = Path(path)
    rows = _rows(path, columns)
    kinds = kind_from_json(metric.left), kind_from_json(metric.right)
    values = np.array([_number(row[columns.value], number, path) for number, row in enumerate(rows, 1)])
    names = [[row[column] for row in rows] for column in (columns.left, columns.right)]
    splits = None if columns.split is None else [row[columns.split] for row in rows]
    return from_names(metric, kinds, names, values, base=path.parent, splits=splits, seed=seed, source=path.name)


def from_names(
    metric: Metric,
    kinds: tuple[ObjectKind, ObjectKind],
    names: Sequence[Sequence[str]],
    values: npt.NDArray[np.float64],
    *,
    base: Path,
    splits: Sequence[str] | None = None,
    seed: int = 0,
    source: str = "pairs",
) -> PairDataset:
    """A data set from names of objects: paths relative to `base`, or what the kinds convert.

    Raises:
        InputError: an object that cannot be read, splits that there are not, or too few pairs.
    """
    if kinds[0] == kinds[1]:
        table, ends = _table(kinds[0], [*names[0], *names[1]], base)
        tables, first, second = (table, table), ends[: len(values)], ends[len(values) :]
        groups = (table.families, table.families)
    else:
        (left, first), (right, second) = (_table(kind, side, base) for kind, side in zip(kinds, names, strict=True))
        tables, groups = (left, right), (left.families, right.families)
    if splits is None:
        split, kept, cold = split_pairs(groups, first, second, seed)
    else:
        split, kept, cold = _own_splits(splits), np.arange(len(values)), "as given"
    card = {
        "metric": metric.to_json(),
        "plan": {"objects": source, "seed": seed, "cold": cold, "pairs_across_splits": len(values) - len(kept)},
    }
    return PairDataset(
        metric, *tables, first[kept], second[kept], values[kept], split, card=card, unlisted=metric.unlisted
    )


def _table(kind: ObjectKind, names: Sequence[str], base: Path) -> tuple[ObjectTable, Rows]:
    """The distinct objects of some names, with their groups as families, and the row of each name."""
    places = {name: row for row, name in enumerate(dict.fromkeys(names))}
    objects = [_object(kind, name, base) for name in places]
    table = ObjectTable.from_objects(kind, objects, list(places))
    groups = tuple(kind.group(one, name) for one, name in zip(objects, places, strict=True))
    return replace(table, families=groups), np.array([places[name] for name in names], dtype=np.int64)


def _object(kind: ObjectKind, name: str, base: Path) -> Object:
    path = base / name
    return kind.convert(path if path.is_file() else name)


def split_pairs(
    groups: tuple[Sequence[str], Sequence[str]], first: Rows, second: Rows, seed: int
) -> tuple[npt.NDArray[np.str_], Rows, str]:
    """Leak-free splits of pairs by the groups of their objects.

    Both objects of a validation, calibration or test pair are unseen in training where that leaves every split at least
    `FEWEST` pairs (pairs across splits are dropped); else the left object alone is.

    Args:
        groups: (m,), (m',) of the left and of the right objects; objects of one group share a split.
        first, second: (n,) rows of both.
        seed: of the draw.

    Returns:
        the split of each pair that is kept, the rows of these pairs, and `both` or `left`: the sides that are cold.

    Raises:
        InputError: too few pairs or groups for any of it.
    """
    sides = [_group_splits(names, seed) for names in (groups if groups[0] is not groups[1] else groups[:1])]
    left, right = sides[0][first], sides[-1][second]
    kept = np.flatnonzero(left == right)
    if _fewest(left[kept]) >= FEWEST:
        return left[kept], kept, "both"
    if _fewest(left) >= FEWEST:
        return left, np.arange(len(first)), "left"
    raise InputError(
        f"{len(first)} pairs of {len(set(groups[0]))} groups of left objects leave a split with fewer than {FEWEST} "
        "pairs: give more pairs of more objects, or a column of your own splits"
    )


def _fewest(split: npt.NDArray[np.str_]) -> int:
    counts = Counter(split.tolist())
    return min(counts.get(name, 0) for name in SPLITS)


def _group_splits(groups: Sequence[str], seed: int) -> npt.NDArray[np.str_]:
    distinct = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(distinct))
    ends = np.cumsum([share * len(distinct) for share in OBJECT_SHARES.values()])
    names = list(OBJECT_SHARES)
    of = {distinct[place]: names[min(int(np.searchsorted(ends, rank + 0.5)), 3)] for rank, place in enumerate(order)}
    return np.array([of[group] for group in groups])


def _own_splits(splits: Sequence[str]) -> npt.NDArray[np.str_]:
    for number, name in enumerate(splits, 1):
        if name not in SPLITS:
            raise InputError(f"row {number} has the split '{name}': expected one of {', '.join(SPLITS)}")
    return np.array(splits)


def _rows(path: Path, columns: Columns) -> list[dict[str, str]]:
    needed = [name for name in (columns.left, columns.right, columns.value, columns.split) if name is not None]
    there, rows = read_csv_rows(path, ", ".join(needed))
    missing = [name for name in needed if name not in there]
    if missing:
        raise InputError(f"{path} lacks the column '{missing[0]}': it has {', '.join(there) or 'none'}")
    if not rows:
        raise InputError(f"{path} holds no pairs: expected rows below the header")
    return rows


def _number(text: str | None, row: int, path: Path) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"{path} row {row} has the value '{text}': expected a finite number")
    return value
