"""Several data sets of one metric as one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import CENSORED, GROUP, WEIGHT, ObjectTable, PairDataset, Rows
from metricvae.core.errors import InputError

ABSENT: dict[str, float | int | str] = {WEIGHT: 1.0, CENSORED: 0, GROUP: ""}
"""What pairs count as that stand in a data set without such a column."""


def merge(parts: Sequence[PairDataset]) -> PairDataset:
    """Several data sets of one metric as one: their pairs one after the other, objects of the same name kept apart.

    The card holds the metric and the plans, as `parts` of one plan. Columns that all parts have are kept, and those of
    `ABSENT` that any part has.

    Raises:
        InputError: of different metrics or kinds, or some say what unlisted pairs are worth and others do not.

    Example:
        >>> merge([])
        Traceback (most recent call last):
        metricvae.core.errors.InputError: got no data sets to merge: give at least one
    """
    if not parts:
        raise InputError("got no data sets to merge: give at least one")
    if len(parts) == 1:
        return parts[0]
    if len({(str(part.metric.to_json()), part.unlisted, part.shared) for part in parts}) > 1:
        names = ", ".join(part.metric.name for part in parts)
        raise InputError(f"the data sets are of the metrics {names}: expected one metric, and pairs labelled alike")
    one = parts[0]
    left, first = _stacked([(part.left, part.first) for part in parts])
    right, second = (
        (left, _offset([(part.left, part.second) for part in parts]))
        if one.shared
        else _stacked([(part.right, part.second) for part in parts])
    )
    held = [set(part.columns) for part in parts]
    columns = set.intersection(*held) | (set.union(*held) & set(ABSENT))
    plans = [plan for part in parts for plan in plan_parts(part.card)]
    return PairDataset(
        metric=one.metric,
        left=left,
        right=right,
        first=first,
        second=second,
        value=np.concatenate([part.value for part in parts]),
        split=np.concatenate([part.split for part in parts]),
        card=one.card | {"plan": {"parts": plans}},
        columns={name: np.concatenate([_column(part, name) for part in parts]) for name in sorted(columns)},
        unlisted=one.unlisted,
    )


def _column(part: PairDataset, name: str) -> npt.NDArray[Any]:
    return part.columns[name] if name in part.columns else np.array([ABSENT[name]] * len(part))


def _stacked(parts: Sequence[tuple[ObjectTable, Rows]]) -> tuple[ObjectTable, Rows]:
    tables = [table for table, _ in parts]
    if len({str(table.kind.to_json()) for table in tables}) > 1:
        raise InputError(f"the data sets hold objects of different kinds: {', '.join(t.kind.title for t in tables)}")
    together = ObjectTable(
        tables[0].kind,
        tuple(itertools.chain.from_iterable(table.ids for table in tables)),
        tables[0].kind.concatenate([table.packed for table in tables]),
        np.concatenate([table.magnitudes for table in tables]),
        tuple(itertools.chain.from_iterable(table.families for table in tables)),
    )
    return together, _offset(parts)


def _offset(parts: Sequence[tuple[ObjectTable, Rows]]) -> Rows:
    starts = np.cumsum([0, *(len(table) for table, _ in parts)])
    return np.concatenate([rows + start for (_, rows), start in zip(parts, starts, strict=False)])


def plan_parts(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The plans of a card: one, or those of the data sets that were merged."""
    plan = dict(card.get("plan") or {})
    return list(plan.get("parts", [plan]))
