"""Rows of a table of pairs as numbers: values, censoring, weights, errors, groups and splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import Floats, Rows
from metricvae.core.errors import shortened
from metricvae.core.importing.faults import Faults
from metricvae.core.importing.request import Columns
from metricvae.core.metric import Metric
from metricvae.core.splits import SPLITS

Cell = Any
"""A text, a number, or None where the table has nothing."""

BOUNDS = {"<": -1, "<=": -1, "≤": -1, "-1": -1, ">": 1, ">=": 1, "≥": 1, "1": 1, "": 0, "=": 0, "0": 0}
"""What a censored value is, by the mark before it or in a column of its own: at most, at least, or equal."""

TRUTH = {"true": 1.0, "false": 0.0}

SPLIT_NAMES: dict[str, str] = {
    **{str(name): str(name) for name in SPLITS},
    **{"training": "train", "val": "validation", "valid": "validation", "dev": "validation"},
    **{"cal": "calibration", "calib": "calibration"},
}
"""Names of splits in tables, and ours."""


@dataclass(frozen=True, eq=False)
class PairRows:
    """n rows that can be used.

    Attributes:
        row: (n,) their numbers in the table, from 1.
        first, second: (n,) numbers of their objects.
        value: (n,) of the metric.
        censored: (n,) int8, 1 where the true value is at least `value`, -1 where at most, else 0.
        weight: (n,) how much a pair counts; ones where the table does not say.
        error: (n,) standard errors of the values; NaN where the table does not say.
        group, split: (n,) names; empty where the table does not say.
    """

    row: Rows
    first: Rows
    second: Rows
    value: Floats
    censored: npt.NDArray[np.int8]
    weight: Floats
    error: Floats
    group: npt.NDArray[np.object_]
    split: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.row)

    def select(self, rows: npt.NDArray[Any]) -> PairRows:
        """Some of the rows, in that order."""
        return replace(self, **{one.name: getattr(self, one.name)[rows] for one in fields(self)})


def join_rows(parts: Sequence[PairRows]) -> PairRows:
    """Rows one after the other; at least one part."""
    return PairRows(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(PairRows)))


class RowReader:
    """Reads what cells say of pairs, and tells `faults` what it cannot read.

    Args:
        metric: says which values there are.
        columns: which are read beside the objects and the value.
        faults: told of rows that cannot be used.
    """

    def __init__(self, metric: Metric, columns: Columns, faults: Faults) -> None:
        self.metric, self.columns, self.faults = metric, columns, faults
        self.bounds = _bounds_of(metric)
        self.explicit_bounds = columns.censored is not None

    def read(
        self, rows: Sequence[int], ends: Sequence[Sequence[int | str]], cells: Mapping[str, Sequence[Cell]]
    ) -> PairRows:
        """The usable ones among some rows.

        Args:
            rows: (n,) numbers in the table.
            ends: (2, n) numbers of the left and right objects, or what is wrong with one.
            cells: (n,) by name of the column.
        """
        found = []
        for at, row in enumerate(rows):
            try:
                found.append(self._row(row, ends[0][at], ends[1][at], {name: cells[name][at] for name in cells}))
            except _UnusableError as fault:
                self.faults.add(row, fault.reason, fault.detail)
        kept = list(zip(*found, strict=True)) if found else [()] * len(fields(PairRows))
        types = (np.int64, np.int64, np.int64, np.float64, np.int8, np.float64, np.float64, object, object)
        return PairRows(*(np.array(column, dtype) for column, dtype in zip(kept, types, strict=True)))

    def _row(self, row: int, left: int | str, right: int | str, cells: Mapping[str, Cell]) -> tuple[Any, ...]:
        for end, name in ((left, self.columns.left), (right, self.columns.right)):
            if isinstance(end, str):
                raise _UnusableError("object", f"has {end} in column '{name}'")
        value, censored = self._value(cells)
        named = self.columns
        weight = self._number(cells, named.weight, "weight", lambda x: x > 0, "a finite number above 0", 1.0)
        error = self._number(cells, named.error, "error", lambda x: x >= 0, "a finite number, at least 0", math.nan)
        return row, left, right, value, censored, weight, error, self._group(cells), self._split(cells)

    def _value(self, cells: Mapping[str, Cell]) -> tuple[float, int]:
        text = _text(cells[self.columns.value])
        mark, number = _marked(text)
        if self.explicit_bounds:
            given = _text(cells[str(self.columns.censored)]).removesuffix(".0")
            if given not in BOUNDS:
                raise _UnusableError("censored", f"is censored by '{shortened(given)}': expected <, > or nothing")
            mark = BOUNDS[given] or mark
        value = _float(TRUTH.get(number.lower(), number) if self.metric.task == "binary" else number)
        if value is None:
            raise _UnusableError("value", f"has the value '{shortened(text)}': expected a finite number")
        if self.metric.task == "binary" and (value not in (0, 1) or mark):
            raise _UnusableError("value", f"has the value '{shortened(text)}': expected 0 or 1 of a binary metric")
        if not self.bounds[0] <= value <= self.bounds[1]:
            low, high = self.bounds
            raise _UnusableError("range", f"has the value {value:g}: expected the range {low:g} to {high:g}")
        return value, mark

    def _number(
        self,
        cells: Mapping[str, Cell],
        column: str | None,
        noun: str,
        fits: Callable[[float], bool],
        expected: str,
        default: float,
    ) -> float:
        if column is None:
            return default
        number = _float(cells[column])
        if number is None or not fits(number):
            raise _UnusableError(noun, f"has the {noun} '{shortened(cells[column])}': expected {expected}")
        return number

    def _group(self, cells: Mapping[str, Cell]) -> str:
        name = "" if self.columns.group is None else _text(cells[self.columns.group])
        if self.columns.group is not None and not name:
            raise _UnusableError("group", f"has no group in column '{self.columns.group}'")
        return name

    def _split(self, cells: Mapping[str, Cell]) -> str:
        if self.columns.split is None:
            return ""
        given = _text(cells[self.columns.split])
        if given.lower() not in SPLIT_NAMES:
            raise _UnusableError("split", f"has the split '{shortened(given)}': expected one of {', '.join(SPLITS)}")
        return SPLIT_NAMES[given.lower()]


class _UnusableError(Exception):
    """A row cannot be used: the reason in a word, and the end of the sentence that begins with the row."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def _bounds_of(metric: Metric) -> tuple[float, float]:
    """The least and the greatest value of a metric, whatever the magnitudes of the objects."""
    low, high = metric.limits(np.full(1, np.inf), np.full(1, np.inf))
    return float(low[0]), float(high[0])


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).strip()


def _marked(text: str) -> tuple[int, str]:
    """The mark of a censored value, as in `<5`, and the rest."""
    for mark in ("<=", ">=", "<", ">", "≤", "≥"):
        if text.startswith(mark):
            return BOUNDS[mark], text.removeprefix(mark).strip()
    return 0, text


def _float(cell: Cell) -> float | None:
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and "_" not in str(cell) else None


def error_weights(error: Floats, value: Floats) -> Floats:
    """(n,) weights of values with standard errors.

        w = 1 / (s^2 + t^2),  t^2 = median(s)^2 + (d / 20)^2,  d = 1.4826 median |value - median(value)|

    The second term keeps a pair whose error was given as nearly nothing from counting more than all others. Where
    more than half of the values are equal, d is their standard deviation.

    Args:
        error: (n,) standard errors s, at least 0.
        value: (n,) values.
    """
    deviation = 1.4826 * float(np.median(np.abs(value - np.median(value)))) or float(np.std(value))
    floor = float(np.median(error)) ** 2 + (deviation / 20) ** 2
    return 1 / (error**2 + floor) if floor > 0 else np.ones(len(error))
