"""Davis and KIBA: the product of two codes beside what is simple, on the given folds and on cold drugs and targets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.reproduction.affinity.dta_data import DtaSet, DtaSplit, Floats, split_of
from metricvae.reproduction.affinity.dta_model import fit_and_predict
from metricvae.reproduction.affinity.statistics import concordance

COMPONENTS, PENALTIES = 48, (1e1, 1e2, 1e3, 1e4, 1e5)
"""Principal components of each side that ridge and trees read, and penalties that the ridge is offered."""

OURS = "metricvae"
"""The product of two codes, in tables."""


def measure_split(data: DtaSet, name: str, steps: int, seed: int) -> dict[str, Any]:
    """Mean squared error and concordance index of all methods on one split.

    Args:
        data: pairs.
        name: of the split; see `dta_data.SPLITS`.
        steps: of the model's training.
        seed: of the split and of trainings.
    """
    split = split_of(data, name, seed)
    true = data.value[split.test]
    answers = {method: of(data, split, seed) for method, of in FLOORS.items()}
    answers[OURS] = fit_and_predict(data, split, steps, seed)
    return {
        "set": data.name,
        "split": name,
        "seed": seed,
        "pairs": {"train": int(split.train.sum()), "test": int(split.test.sum()), "refused": data.refused},
        "methods": {
            method: {"mse": float(np.mean((said - true) ** 2)), "ci": concordance(said, true)}
            for method, said in answers.items()
        },
    }


def mean_of(data: DtaSet, split: DtaSplit, seed: int = 0) -> Floats:
    """(k,) the mean of what is learned."""
    return np.full(int(split.test.sum()), data.value[split.train].mean())


def nearest(data: DtaSet, split: DtaSplit, seed: int = 0) -> Floats:
    """(k,) the mean of two known values: of the target with the most similar drug, and of the drug with the most
    similar target. Where there is no known pair of either, the most similar that has one stands for it.
    """
    known = np.full((len(data.sequences), len(data.smiles)), np.nan)
    known[data.target[split.train], data.drug[split.train]] = data.value[split.train]
    targets, drugs = similarities_of(data)
    there = np.isfinite(known)
    own_target = _stand_in(targets, there.any(axis=1))
    own_drug = _stand_in(drugs, there.any(axis=0))
    found = []
    for target, drug in zip(own_target[data.target[split.test]], own_drug[data.drug[split.test]], strict=True):
        across = known[target, np.where(there[target], drugs[drug], -np.inf).argmax()]
        along = known[np.where(there[:, drug], targets[target], -np.inf).argmax(), drug]
        found.append((across + along) / 2)
    return np.array(found)


@functools.lru_cache(maxsize=1)
def similarities_of(data: DtaSet) -> tuple[Floats, Floats]:
    """(t, t) of targets and (d, d) of drugs; the same for all splits."""
    return similarities(data.targets), similarities(data.drugs)


def similarities(numbers: Floats) -> Floats:
    """(m, m) cosines of logarithms of descriptions, standardised."""
    rows = _standardised(numbers)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12
    return np.asarray(rows @ rows.T)


def _stand_in(similar: Floats, there: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(m,) each object itself where something is known of it, else the most similar of which something is."""
    found = np.where(there, similar, -np.inf).argmax(axis=1)
    return np.where(there, np.arange(len(similar)), found)


def _standardised(numbers: Floats) -> Floats:
    logs = np.sign(numbers) * np.log1p(np.abs(numbers))
    return np.asarray((logs - logs.mean(axis=0)) / (logs.std(axis=0) + 1e-9))


@functools.lru_cache(maxsize=1)
def columns_of(data: DtaSet) -> tuple[Floats, Floats]:
    """(t, c) and (d, c) principal components of both sides' numbers; no value is looked at, so they are the same for
    all splits."""
    found = []
    for numbers in (data.targets, data.drugs):
        u, s, _ = np.linalg.svd(_standardised(numbers), full_matrices=False)
        kept = min(COMPONENTS, int((s > 1e-6 * s[0]).sum()))
        found.append(u[:, :kept] * np.sqrt(len(u)))
    return found[0], found[1]


def ridge(data: DtaSet, split: DtaSplit, seed: int = 0) -> Floats:
    """(k,) ridge regression on the components of both sides and on products of the first sixteen.

    The penalty is that of the least error on the pairs that validate.
    """
    from sklearn.linear_model import Ridge

    targets, drugs = columns_of(data)
    rows = np.hstack([targets[data.target], drugs[data.drug]])
    products = targets[data.target, :16, None] * drugs[data.drug, None, :16]
    rows = np.hstack([rows, products.reshape(len(rows), -1)])
    models = [Ridge(one).fit(rows[split.train], data.value[split.train]) for one in PENALTIES]
    checked, true = rows[split.validation], data.value[split.validation]
    best = min(models, key=lambda model: float(np.mean((model.predict(checked) - true) ** 2)))
    return np.asarray(best.predict(rows[split.test]))


def trees(data: DtaSet, split: DtaSplit, seed: int = 0) -> Floats:
    """(k,) gradient-boosted trees on the components of both sides."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    targets, drugs = columns_of(data)
    rows = np.hstack([targets[data.target], drugs[data.drug]])
    model = HistGradientBoostingRegressor(max_iter=300, learning_rate=0.1, max_leaf_nodes=63, random_state=seed)
    model.fit(rows[split.train], data.value[split.train])
    return np.asarray(model.predict(rows[split.test]))


FLOORS: dict[str, Callable[[DtaSet, DtaSplit, int], Floats]] = {
    "mean": mean_of,
    "nearest neighbour": nearest,
    "ridge": ridge,
    "boosted trees": trees,
}
"""Methods beside the model."""
