"""Rows of the same pair: mirrored, repeated and contradictory ones become one pair each, and all are counted.

Rules. The same pair with the same value is a repetition, and its weights are averaged. The same pair with different
values is a contradiction: values of a regression or ranking are averaged by their weights, and the weights summed;
those of a binary metric are dropped. A known value counts before bounds of the same pair; of bounds in one direction
the tightest counts, and bounds in both directions are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import Floats, Rows
from metricvae.core.errors import InputError
from metricvae.core.importing.faults import ROWS_SHOWN, RowList, counted, listed
from metricvae.core.importing.values import PairRows
from metricvae.core.metric import Metric

ROUNDING = 1e-6
"""Values that differ by less than this share of their range are equal."""

ASYMMETRIC_SHARE = 0.05
"""Of the pairs that are given in both orders, from how many on the metric is asymmetric; fewer are contradictions."""


@dataclass
class Repeats:
    """What was found of pairs that stand in several rows.

    Attributes:
        duplicates: pairs with one value in several rows.
        contradictions: pairs with several values.
        mirrored: pairs (a, b) with a row for (b, a), where the two objects differ.
        asymmetric: those of them with another value.
        dropped: pairs that were dropped for their contradictions.
        moved: pairs with rows in several of the table's own splits.
    """

    duplicates: RowList = field(default_factory=RowList)
    contradictions: RowList = field(default_factory=RowList)
    mirrored: int = 0
    asymmetric: RowList = field(default_factory=RowList)
    dropped: int = 0
    moved: RowList = field(default_factory=RowList)


def find_asymmetry(rows: PairRows) -> tuple[int, RowList]:
    """The number of pairs given in both orders, and those of them whose values differ by more than rounding."""
    known = rows.select(np.flatnonzero((rows.censored == 0) & (rows.first != rows.second)))
    if not len(known):
        return 0, RowList()
    label, count, forward = _ordered(known)
    sums = [np.bincount(label[mask], known.value[mask], count) for mask in (forward, ~forward)]
    sizes = [np.bincount(label[mask], minlength=count) for mask in (forward, ~forward)]
    both = np.flatnonzero((sizes[0] > 0) & (sizes[1] > 0))
    means = [total[both] / size[both] for total, size in zip(sums, sizes, strict=True)]
    differing = both[np.abs(means[0] - means[1]) > _tolerance(rows)]
    found = RowList(len(differing))
    for pair in differing[:ROWS_SHOWN].tolist():
        some = np.flatnonzero(label == pair)
        found.first.append(_row_texts(known, some))
    return len(both), found


def _ordered(rows: PairRows) -> tuple[Rows, int, npt.NDArray[np.bool_]]:
    """(n,) number of the unordered pair of each row, how many there are, and which rows have the smaller end first."""
    low, high = np.minimum(rows.first, rows.second), np.maximum(rows.first, rows.second)
    label, count = _labels(rows, low, high)
    return label, count, rows.first == low


def _labels(rows: PairRows, first: Rows, second: Rows) -> tuple[Rows, int]:
    """(n,) numbers of the distinct pairs within their groups, in order of first rows, and how many there are."""
    groups = np.unique(rows.group.astype(str), return_inverse=True)[1]
    key = (groups * (first.max() + 1) + first) * (second.max() + 1) + second
    _, at, label = np.unique(key, return_index=True, return_inverse=True)
    rank = np.empty(len(at), np.int64)
    rank[np.argsort(at)] = np.arange(len(at))
    return rank[label], len(at)


def _tolerance(rows: PairRows) -> float:
    return ROUNDING * float(np.ptp(rows.value))


def _row_texts(rows: PairRows, some: Rows) -> str:
    marks = {0: "", 1: ">", -1: "<"}
    texts = [
        f"{row} ({marks[int(mark)]}{value:.6g})"
        for row, value, mark in zip(
            rows.row[some].tolist(), rows.value[some].tolist(), rows.censored[some].tolist(), strict=True
        )
    ]
    return f"rows {', '.join(texts[:4])}"


def merge_repeats(rows: PairRows, metric: Metric, *, strict: bool, source: str) -> tuple[PairRows, Repeats]:
    """One row for each pair, and what was found of the others.

    Args:
        rows: with weights.
        metric: whether it is symmetric, so that (b, a) is (a, b), and its task.
        strict: raise InputError for a contradiction.
        source: of the rows, in messages.
    """
    if metric.symmetric:
        label, count, _ = _ordered(rows)
    else:
        label, count = _labels(rows, rows.first, rows.second)
    order = np.argsort(label, kind="stable")
    bounds = np.searchsorted(label[order], np.arange(count + 1))
    merged, repeats, dropped = rows.select(order[bounds[:-1]]), Repeats(), []
    tolerance = _tolerance(rows)
    _find_moved(rows, order, bounds, repeats.moved)
    plain = _merge_equal(rows, merged, order, bounds, repeats, tolerance)
    for pair in np.flatnonzero((np.diff(bounds) > 1) & ~plain).tolist():
        one = _merge(rows, order[bounds[pair] : bounds[pair + 1]], metric, repeats, tolerance)
        if one is None:
            dropped.append(pair)
        else:
            for name, number in one.items():
                getattr(merged, name)[pair] = number
    _refuse(repeats, strict, source)
    repeats.dropped = len(dropped)
    return merged.select(np.setdiff1d(np.arange(count), dropped)), repeats


def _find_moved(rows: PairRows, order: Rows, bounds: Rows, moved: RowList) -> None:
    """List pairs with rows in several splits; arguments as for `_merge_equal`."""
    number = np.unique(rows.split.astype(str), return_inverse=True)[1][order]
    found = np.flatnonzero(np.maximum.reduceat(number, bounds[:-1]) > np.minimum.reduceat(number, bounds[:-1]))
    moved.count = len(found)
    for pair in found[:ROWS_SHOWN].tolist():
        some = order[bounds[pair] : bounds[pair + 1]]
        texts = [f"{row} ({split})" for row, split in zip(rows.row[some], rows.split[some], strict=True)]
        moved.first.append(f"rows {', '.join(texts[:4])}")


def _merge_equal(
    rows: PairRows, merged: PairRows, order: Rows, bounds: Rows, repeats: Repeats, tolerance: float
) -> npt.NDArray[np.bool_]:
    """Merge rows of pairs whose values are known and equal; which pairs these are.

    Args:
        rows: all of them.
        merged: one row a pair, which is changed.
        order: of the rows by pair.
        bounds: (pairs + 1,) where each pair begins in `order`.
        repeats: told of them.
        tolerance: of equal values.
    """
    starts, sizes = bounds[:-1], np.diff(bounds)
    value, weight = rows.value[order], rows.weight[order]
    spread = np.maximum.reduceat(value, starts) - np.minimum.reduceat(value, starts)
    bounded = np.maximum.reduceat(np.abs(rows.censored[order]), starts) > 0
    plain: npt.NDArray[np.bool_] = (sizes > 1) & ~bounded & (spread <= tolerance)
    merged.weight[plain] = (np.add.reduceat(weight, starts) / sizes)[plain]
    merged.error[plain] = np.minimum.reduceat(rows.error[order], starts)[plain]
    found = np.flatnonzero(plain)
    repeats.duplicates.count += len(found)
    for pair in found[:ROWS_SHOWN].tolist():
        repeats.duplicates.first.append(_row_texts(rows, order[bounds[pair] : bounds[pair + 1]]))
    return plain


def _refuse(repeats: Repeats, strict: bool, source: str) -> None:
    if strict and repeats.contradictions.count:
        raise InputError(
            f"{source} has {counted(repeats.contradictions.count, 'pair')} with different values: "
            f"{listed(repeats.contradictions)}; correct them, or import without --strict"
        )


def _merge(rows: PairRows, some: Rows, metric: Metric, repeats: Repeats, tolerance: float) -> dict[str, Any] | None:
    """Value, censoring, weight and error of rows of one pair; None where they contradict one another for good."""
    known = some[rows.censored[some] == 0]
    counting, value = (known, None) if len(known) else (some, _tightest(rows, some))
    if value is None and not len(known):
        repeats.contradictions.add(_row_texts(rows, some))
        return None
    values, weights = rows.value[counting], rows.weight[counting]
    same = bool(np.ptp(values) <= tolerance) or value is not None
    (repeats.duplicates if same else repeats.contradictions).add(_row_texts(rows, some))
    if not same and metric.task == "binary":
        return None
    return {
        "value": float(np.average(values, weights=weights)) if value is None else value,
        "censored": 0 if value is None else rows.censored[some[0]],
        "weight": float(weights.mean() if same else weights.sum()),
        "error": _joint_error(rows.error[counting], same),
    }


def _tightest(rows: PairRows, some: Rows) -> float | None:
    """The tightest of some bounds; None where they are of both directions."""
    marks = set(rows.censored[some].tolist())
    if len(marks) > 1:
        return None
    return float(rows.value[some].max() if marks == {1} else rows.value[some].min())


def _joint_error(error: Floats, same: bool) -> float:
    """The standard error of a mean of independent values, or the least one of repetitions."""
    if np.isnan(error).any() or same:
        return float(np.min(error))
    return float(1 / np.sqrt(np.sum(1 / error**2))) if error.min() > 0 else 0.0


def scaled_weights(rows: PairRows) -> PairRows:
    """The rows with weights of mean 1."""
    return replace(rows, weight=rows.weight / rows.weight.mean())


def symmetric_of(
    rows: PairRows, metric: Metric, *, shared: bool, given: bool | None
) -> tuple[bool, Repeats, Sequence[str]]:
    """Whether the metric is symmetric, by what the user says or by the values; what was found, and what to say.

    Args:
        rows: as the table has them.
        metric: symmetric or not by itself.
        shared: whether both ends are of one kind; else no metric is symmetric.
        given: by the user; None where nothing is.
    """
    found = Repeats()
    if not shared:
        return False, found, []
    found.mirrored, found.asymmetric = find_asymmetry(rows)
    differing = found.asymmetric.count
    said = f"{differing} of {counted(found.mirrored, 'pair')} given in both orders differ: {listed(found.asymmetric)}"
    if given is not None or not metric.symmetric:
        chosen = metric.symmetric if given is None else given
        return chosen, found, [f"{said}; they are averaged"] if differing and chosen else []
    asymmetric = differing > ASYMMETRIC_SHARE * found.mirrored
    if asymmetric:
        return False, found, [f"the metric is taken as asymmetric: {said}"]
    return True, found, [f"{said}; too few for an asymmetric metric, they are averaged"] if differing else []
