"""Pairs of objects with the value of a metric in memory: one record from disk to batch."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset_display import dataset_html
from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind, Packed
from metricvae.core.metric import Metric
from metricvae.core.splits import SPLITS, Split

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from metricvae.core.importing.request import ImportKeywords, KindLike

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WEIGHT, CENSORED, GROUP = "weight", "censored", "group"
"""Columns of pairs that mean the same in every data set; see `PairDataset.weight`, `censored` and `group`."""


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """m objects of one kind in memory.

    Attributes:
        kind: of all of them.
        ids: (m,) names.
        packed: (m, b) uint8, as the kind packs them.
        magnitudes: (m,) float64, positive: areas, self-overlaps; ones where the kind has none.
        families: (m,) finer kinds of shape, in reports; empty strings where there are none.
    """

    kind: ObjectKind
    ids: tuple[str, ...]
    packed: Packed
    magnitudes: Floats
    families: tuple[str, ...] = ()

    @classmethod
    def from_objects(cls, kind: ObjectKind, objects: Sequence[Object], ids: Sequence[str] | None = None) -> ObjectTable:
        """Pack objects that are in memory; names are their numbers by default."""
        packed = kind.pack(objects)
        names = tuple(map(str, range(len(objects)))) if ids is None else tuple(ids)
        return cls(kind, names, packed, magnitudes_of(kind, packed))

    def __len__(self) -> int:
        return len(self.packed)

    def object(self, row: int) -> Object:
        """One object as its kind reads it; see `ObjectKind.restore` for the errors."""
        return self.kind.restore(self.packed[[row]])[0]

    def tensor(self, rows: npt.NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
        """Some objects as encoders take them, (k, ...) float32."""
        return self.kind.unpack(self.packed[rows], device)


def magnitudes_of(kind: ObjectKind, packed: Packed, at_once: int = 1_024) -> Floats:
    """(m,) magnitudes of packed objects."""
    parts = [
        kind.magnitudes(kind.unpack(packed[start : start + at_once])).double().numpy()
        for start in range(0, len(packed), at_once)
    ]
    return np.concatenate([np.empty(0), *parts])


@dataclass(frozen=True, eq=False)
class PairDataset:
    """n pairs of objects with values of a metric.

    Attributes:
        metric: what the values are.
        left, right: objects that stand first, and second, in pairs; the same table where both come from one.
        first, second: (n,) int64, rows of `left` and of `right`.
        value: (n,) float64, in the metric's unit; 1 or 0 of a binary metric.
        split: (n,) of `train`, `validation`, `calibration`, `test`.
        card: the contents of `card.json`.
        columns: further columns of the pairs by name, (n,) each: poses, how hard a mismatch is to tell. Those of the
            names `WEIGHT`, `CENSORED` and `GROUP` mean the same in every data set.
        unlisted: value of every pair that is not listed, where that is known: training then looks at all pairs of the
            objects of a batch.

    Example:
        >>> import numpy as np
        >>> from metricvae.core.metric import metric_from_json
        >>> from metricvae.core.kind import kind_from_json
        >>> squares = [np.pad(np.ones((n, n), np.uint8), (200 - n) // 2) for n in (20, 40, 60)]
        >>> table = ObjectTable.from_objects(kind_from_json("silhouette"), squares)
        >>> data = PairDataset.from_objects(metric_from_json("overlap"), table, [0, 0], [1, 2], [400.0, 400.0])
        >>> len(data), data.left.magnitudes.tolist()
        (2, [400.0, 1600.0, 3600.0])
    """

    metric: Metric
    left: ObjectTable
    right: ObjectTable
    first: Rows
    second: Rows
    value: Floats
    split: npt.NDArray[np.str_]
    card: dict[str, Any] = field(default_factory=dict)
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    unlisted: float | None = None

    @classmethod
    def from_objects(
        cls,
        metric: Metric,
        left: ObjectTable,
        first: npt.ArrayLike,
        second: npt.ArrayLike,
        value: npt.ArrayLike,
        *,
        right: ObjectTable | None = None,
        split: npt.ArrayLike | Split = "train",
    ) -> PairDataset:
        """A data set of objects in memory; `right` is `left` by default."""
        values = np.asarray(value, np.float64)
        splits = np.broadcast_to(np.asarray(split), values.shape)
        ends = np.asarray(first, np.int64), np.asarray(second, np.int64)
        return cls(metric, left, left if right is None else right, *ends, values, splits, unlisted=metric.unlisted)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        kind: KindLike,
        value: str = "value",
        metric: Metric | None = None,
        *,
        right: KindLike | None = None,
        columns: tuple[str, str] = ("a", "b"),
        similarity: bool | None = None,
        **others: Unpack[ImportKeywords],
    ) -> PairDataset:
        """A data set from a table of pairs with a value each; `card["import"]` says what became of its rows.

        Args:
            path: CSV file; objects are paths relative to it, arrays in NumPy files (`maps.npz#3`), or what the kind
                converts (SMILES).
            kind: of the left objects, and of the right ones where `right` is not given: a kind, its name, or its JSON
                document.
            value: column of the values; `<5` and `>10` are bounds.
            metric: what they are (`metrics.Tabular`); by default a regression without unit or bounds.
            right: kind of the right objects.
            columns: of the two objects.
            similarity: whether larger values mean more similar objects; by default as the metric says, or where there
                is none, as the values and the name of their column say.
            others: further columns (`split`, `group`, `weight`, `error`, `censored`), `symmetric`, `strict`, `seed`;
                see `metricvae.core.importing.request`.

        Raises:
            InputError: a missing column, too many rows that cannot be used, or too few pairs.
        """
        from metricvae.core.importing.request import request_of
        from metricvae.core.importing.run import read_table

        return read_table(
            Path(path), request_of(kind, value, metric, right=right, columns=columns, similarity=similarity, **others)
        )

    @classmethod
    def from_parquet(
        cls,
        path: str | Path,
        kind: KindLike,
        value: str = "value",
        metric: Metric | None = None,
        *,
        right: KindLike | None = None,
        columns: tuple[str, str] = ("a", "b"),
        similarity: bool | None = None,
        **others: Unpack[ImportKeywords],
    ) -> PairDataset:
        """As `from_csv`, from a Parquet file; columns of objects may hold lists of numbers, the arrays themselves."""
        return cls.from_csv(path, kind, value, metric, right=right, columns=columns, similarity=similarity, **others)

    @classmethod
    def from_pairs(
        cls,
        left: Sequence[Any],
        right: Sequence[Any],
        value: Sequence[Any] | Floats,
        kind: KindLike,
        metric: Metric | None = None,
        *,
        right_kind: KindLike | None = None,
        split: Sequence[str] | None = None,
        group: Sequence[str] | None = None,
        weight: Sequence[float] | Floats | None = None,
        error: Sequence[float] | Floats | None = None,
        censored: Sequence[Any] | None = None,
        similarity: bool | None = None,
        symmetric: bool | None = None,
        strict: bool = False,
        seed: int = 0,
    ) -> PairDataset:
        """A data set from pairs of objects in memory with a value each.

        Args:
            left, right: (n,) objects: arrays, paths, texts, RDKit molecules, whatever the kinds convert. Equal texts,
                equal paths, arrays of equal content, and one Python object are one object each.
            value: (n,) values.
            kind, metric, similarity, symmetric, strict, seed: as for `from_csv`.
            right_kind: kind of the right objects; `kind` by default.
            split, group, weight, error, censored: (n,) each, as the columns of a table.

        Raises:
            InputError: as for `from_csv`.
        """
        from metricvae.core.importing.request import request_of
        from metricvae.core.importing.run import read_pairs

        optional = {"split": split, "group": group, "weight": weight, "error": error, "censored": censored}
        given: dict[str, Any] = {name: column for name, column in optional.items() if column is not None}
        named: Any = {name: name for name in given}
        settings: Any = {"symmetric": symmetric, "strict": strict, "seed": seed}
        request = request_of(kind, "value", metric, right=right_kind, similarity=similarity, **named, **settings)
        given["value"] = value
        return read_pairs(left, right, given, request)

    def __len__(self) -> int:
        return len(self.value)

    @property
    def shared(self) -> bool:
        """Whether both ends of pairs come from one table."""
        return self.left is self.right

    @property
    def kinds(self) -> tuple[ObjectKind, ObjectKind]:
        """Of the left and of the right objects."""
        return self.left.kind, self.right.kind

    @property
    def tables(self) -> tuple[ObjectTable, ...]:
        """The table, or both."""
        return (self.left,) if self.shared else (self.left, self.right)

    def rows(self, split: Split | str) -> Rows:
        """Indices of the pairs of one split, or of all pairs for `all`.

        Raises:
            InputError: no such split, or it holds no pair.
        """
        if split not in (*SPLITS, "all"):
            raise InputError(f"split '{split}': expected one of {', '.join(SPLITS)}, all")
        found = np.arange(len(self)) if split == "all" else np.flatnonzero(self.split == split)
        if not len(found):
            raise InputError(f"the data set has no {split} pairs: label more pairs, or choose another split")
        return found

    @property
    def weight(self) -> Floats | None:
        """(n,) how much each pair counts in training and in the choice of the best step, 1 on average; None where all
        count alike. Intervals and evaluations count all alike."""
        return self.columns.get(WEIGHT)

    @property
    def censored(self) -> npt.NDArray[np.int8] | None:
        """(n,) 1 where the true value is known to be at least `value`, -1 where at most, 0 where it is `value`; None
        where all are known."""
        return self.columns.get(CENSORED)

    @property
    def group(self) -> npt.NDArray[np.str_] | None:
        """(n,) names of groups of pairs whose values are comparable (an assay, a query), of a ranking metric; None
        where all are."""
        return self.columns.get(GROUP)

    def group_numbers(self) -> Rows | None:
        """(n,) the number of the group of each pair; None where all values are comparable."""
        return None if self.group is None else np.unique(self.group, return_inverse=True)[1].astype(np.int64)

    def within_groups(self, numbers: Floats, rows: Rows) -> Floats:
        """(k,) numbers of some pairs less their mean over the pairs of the same group among these."""
        if self.group is None:
            return numbers - numbers.mean()
        _, group = np.unique(self.group[rows], return_inverse=True)
        centred: Floats = numbers - (np.bincount(group, numbers) / np.bincount(group))[group]
        return centred

    def known(self, rows: Rows) -> Rows:
        """Those of some pairs whose value is known, and not only a bound of it."""
        return rows if self.censored is None else rows[self.censored[rows] == 0]

    def select(self, rows: npt.NDArray[Any]) -> PairDataset:
        """Some of the pairs, with all objects."""
        return replace(
            self,
            first=self.first[rows],
            second=self.second[rows],
            value=self.value[rows],
            split=self.split[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def of_split(self, split: Split | str) -> PairDataset:
        """The pairs of one split; see `rows` for the errors."""
        return self.select(self.rows(split))

    def magnitudes(self, rows: npt.NDArray[Any] | slice = slice(None)) -> tuple[Floats, Floats]:
        """Magnitudes of the two objects of some pairs, (k,) each."""
        return self.left.magnitudes[self.first[rows]], self.right.magnitudes[self.second[rows]]

    def representative(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """(k,) which of some pairs are such as a user meets; see `Metric.representative`."""
        return self.metric.representative({name: column[rows] for name, column in self.columns.items()}, len(rows))

    def check(self, name: str, *, at_least: int) -> None:
        """Raise InputError unless a model can be trained or evaluated on these pairs."""
        if len(self) < at_least:
            raise InputError(f"the {name} data has {len(self)} pairs, expected at least {at_least}: label more pairs")
        if not all(np.isfinite(numbers).all() for numbers in (self.value, *(t.magnitudes for t in self.tables))):
            raise InputError(f"the {name} data has NaN or infinite values: label the pairs again")
        if self.value.min() == self.value.max():
            raise InputError(
                f"every pair of the {name} data has the value {self.value[0]:g}, so there is nothing to learn: "
                "expected values that differ, label other objects"
            )
        for ends, table in ((self.first, self.left), (self.second, self.right)):
            if ends.min() < 0 or ends.max() >= len(table):
                raise InputError(f"the {name} data names an object outside its {len(table)} objects: make it again")

    def _repr_html_(self) -> str:
        return dataset_html(self)

    def fingerprint(self, *, splits: bool = False) -> str:
        """SHA-256 of objects, pairs and values, and of weights, bounds and groups where there are any.

        Args:
            splits: whether it is that of the splits of the pairs too.
        """
        if not splits:
            return self._digest
        return hashlib.sha256("\0".join([self._digest, *self.split.tolist()]).encode()).hexdigest()

    @functools.cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        arrays: list[npt.NDArray[Any]] = [self.first, self.second, self.value]
        for table in self.tables:
            arrays += [table.packed, table.magnitudes]
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        for name in (WEIGHT, CENSORED, GROUP):
            if name in self.columns:
                digest.update("\0".join([name, *map(str, self.columns[name].tolist())]).encode())
        return digest.hexdigest()
