"""Pairs that nobody measured, with what a forest of trees says of them, beside few that were measured.

From few pairs a product of two codes learns the objects by heart; trees on the numbers of both objects side by side
generalise better, but are no product of codes. A network learns what the trees say of as many pairs as it needs
(G. Hinton et al. 2015, *Distilling the Knowledge in a Neural Network*).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.dataset_merge import ABSENT
from metricvae.core.errors import InputError

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

TREES, LEAF, FEATURES = 60, 3, 0.3
"""Trees of the forest, pairs in a leaf at least, and the share of the numbers that a split chooses from."""

AT_ONCE = 10_000
"""Pairs whose numbers are side by side at a time."""


def with_taught(data: PairDataset, pairs: int, seed: int) -> PairDataset:
    """Training pairs, and after them random pairs of their objects with the values that a forest gives these.

    The forest (P. Geurts et al. 2006, *Extremely randomized trees*) is fitted to the pairs whose value is known.

    Args:
        data: pairs between two kinds of objects, each of which encoders see as a row of numbers.
        pairs: to add.
        seed: of the forest and of the choice.

    Raises:
        InputError: other kinds of objects, a metric that is no regression, or fewer than `LEAF` pairs with values.
    """
    names = " and ".join(dict.fromkeys(kind.title for kind in data.kinds))
    if data.shared or data.metric.task != "regression":
        raise InputError(
            f"pairs are taught between two kinds of objects by a regression, got a {data.metric.task} metric of {names}"
        )
    known = data.known(np.arange(len(data)))
    if len(known) < LEAF:
        raise InputError(f"{len(known)} pairs have a value: expected at least {LEAF} to teach from")
    sides = _numbers(data.left), _numbers(data.right)
    forest = _forest(sides, data, known, seed)
    rng = np.random.default_rng(seed)
    first, second = (rng.choice(np.unique(ends), pairs) for ends in (data.first, data.second))
    value = [
        forest.predict(_together(sides, first[start : start + AT_ONCE], second[start : start + AT_ONCE]))
        for start in range(0, pairs, AT_ONCE)
    ]
    return _joined(data, first, second, np.concatenate(value))


def _numbers(table: ObjectTable) -> Floats:
    """(n, k) the objects of a table."""
    found = table.tensor(np.arange(len(table)))
    if found.ndim != 2:
        raise InputError(
            f"pairs are taught from rows of numbers, got {table.kind.title}: take a kind that describes them"
        )
    return found.double().numpy()


def _together(sides: tuple[Floats, Floats], first: Rows, second: Rows) -> Floats:
    return np.hstack([sides[0][first], sides[1][second]])


def _forest(sides: tuple[Floats, Floats], data: PairDataset, rows: Rows, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor  # here, since it takes a second to load

    weight = None if data.weight is None else data.weight[rows]
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=FEATURES, random_state=seed)
    return forest.fit(_together(sides, data.first[rows], data.second[rows]), data.value[rows], weight)


def _joined(data: PairDataset, first: Rows, second: Rows, value: Floats) -> PairDataset:
    """The pairs of a data set and others, which count as those do on average."""
    columns = {
        name: np.concatenate([held, np.full(len(value), ABSENT[name], held.dtype)])
        for name, held in data.columns.items()
        if name in ABSENT
    }
    return replace(
        data,
        first=np.concatenate([data.first, first]),
        second=np.concatenate([data.second, second]),
        value=np.concatenate([data.value, value]),
        split=np.concatenate([data.split, np.full(len(value), "train")]),
        columns=columns,
    )
