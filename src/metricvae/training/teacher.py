"""Pairs that nobody measured, with what a forest of trees says of them, beside few that were measured.

From few pairs a product of two codes learns the objects by heart; trees on the numbers of both objects side by side
generalise better, but are no product of codes. A network learns what the trees say of as many pairs as it needs
(G. Hinton et al. 2015, *Distilling the Knowledge in a Neural Network*).
"""

from __future__ import annotations

from dataclasses import replace

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


class Teacher:
    """A forest of trees (P. Geurts et al. 2006, *Extremely randomized trees*) on the numbers of both objects of pairs.

    Args:
        data: pairs between two kinds of objects, each of which encoders see as a row of numbers. The forest is fitted
            to those whose value is known.
        seed: of the forest, and of the pairs that are taught.

    Raises:
        InputError: other kinds of objects, a metric that is no regression, or fewer than `LEAF` pairs with values.
    """

    def __init__(self, data: PairDataset, seed: int) -> None:
        from sklearn.ensemble import ExtraTreesRegressor  # here, since it takes a second to load

        names = " and ".join(dict.fromkeys(kind.title for kind in data.kinds))
        if data.shared or data.metric.task != "regression":
            raise InputError(
                "pairs are taught between two kinds of objects by a regression, "
                f"got a {data.metric.task} metric of {names}"
            )
        known = data.known(np.arange(len(data)))
        if len(known) < LEAF:
            raise InputError(f"{len(known)} pairs have a value: expected at least {LEAF} to teach from")
        self.data, self.seed = data, seed
        self._sides = _numbers(data.left), _numbers(data.right)
        weight = None if data.weight is None else data.weight[known]
        rows = self._together(data.first[known], data.second[known])
        forest = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=FEATURES, random_state=seed)
        self._forest = forest.fit(rows, data.value[known], weight)

    def values(self, first: Rows, second: Rows) -> Floats:
        """(n,) what the forest says of pairs (n,) of objects of the tables of the data."""
        starts = range(0, len(first), AT_ONCE)
        rows = (self._together(first[start : start + AT_ONCE], second[start : start + AT_ONCE]) for start in starts)
        return np.concatenate([self._forest.predict(some) for some in rows]) if len(first) else np.zeros(0)

    def taught(self, pairs: int) -> PairDataset:
        """The pairs of the data, and after them `pairs` random pairs of their objects with the values of the forest."""
        rng, data = np.random.default_rng(self.seed), self.data
        first, second = (rng.choice(np.unique(ends), pairs) for ends in (data.first, data.second))
        return _joined(data, first, second, self.values(first, second))

    def _together(self, first: Rows, second: Rows) -> Floats:
        return np.hstack([self._sides[0][first], self._sides[1][second]])


def _numbers(table: ObjectTable) -> Floats:
    """(n, k) the objects of a table."""
    found = table.tensor(np.arange(len(table)))
    if found.ndim != 2:
        raise InputError(
            f"pairs are taught from rows of numbers, got {table.kind.title}: take a kind that describes them"
        )
    return found.double().numpy()


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
