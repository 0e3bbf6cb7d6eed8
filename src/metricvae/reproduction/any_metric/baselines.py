"""What a learned metric has to beat: guesses from numbers that anybody computes of an object, fitted on the same
pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metricvae.evaluation.baselines import fit_magnitudes, train_mean_guess
from metricvae.evaluation.evaluate import labelled_magnitudes
from metricvae.reproduction.any_metric.data import LabelledExample
from metricvae.reproduction.any_metric.labels.descriptors import squared_distances
from metricvae.reproduction.any_metric.records import Floats, Rows
from metricvae.reproduction.any_metric.scores import score

NEIGHBOURS = (1, 3, 10, 30, 100)
"""Numbers of nearest training pairs of which the best on the validation pairs is taken."""

COMPARED_AT_ONCE = 250
"""Pairs whose distances from all training pairs are held in memory together."""

MEAN, MAGNITUDES, BOOSTING, NEAREST = "mean guess", "magnitudes", "boosting", "nearest pairs"
"""Names of the baselines in the report."""


@dataclass(frozen=True)
class ValuedPairs:
    """n pairs of one split: rows of their objects, and their values."""

    first: Rows
    second: Rows
    value: Floats


def pairs_of(labelled: LabelledExample, split: str) -> ValuedPairs:
    """The pairs of a split."""
    data = labelled.data.of_split(split)
    return ValuedPairs(data.first, data.second, data.value)


def predict_baselines(labelled: LabelledExample, seed: int = 0) -> dict[str, Floats]:
    """Predictions of each baseline for the test pairs, by its name.

    - the mean of the training values;
    - the package's regression on the magnitudes of both objects;
    - gradient boosting on the sum, the difference, the least and the greatest of further magnitudes;
    - the mean of the values of the nearest training pairs in a plain embedding, weighted by their closeness.
    """
    train, test = pairs_of(labelled, "train"), pairs_of(labelled, "test")
    return {
        MEAN: train_mean_guess(labelled_magnitudes(labelled.data, labelled.data.rows("train")), len(test.value)),
        MAGNITUDES: _magnitudes(labelled),
        BOOSTING: _boosting(labelled, train, test, seed),
        NEAREST: nearest_pairs(labelled),
    }


def _magnitudes(labelled: LabelledExample) -> Floats:
    data = labelled.data
    train = labelled_magnitudes(data, data.rows("train"))
    sizes = data.magnitudes(data.rows("test"))
    return fit_magnitudes(train, symmetric=data.metric.symmetric).predict(*sizes, limits=data.metric.limits(*sizes))


def _boosting(labelled: LabelledExample, train: ValuedPairs, test: ValuedPairs, seed: int) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor

    symmetric = labelled.data.metric.symmetric
    known = pair_features(labelled.magnitudes, train, symmetric)
    model = HistGradientBoostingRegressor(max_iter=300, early_stopping=True, random_state=seed)
    found: Floats = model.fit(known, train.value).predict(pair_features(labelled.magnitudes, test, symmetric))
    return found


def pair_features(magnitudes: Floats, pairs: ValuedPairs, symmetric: bool) -> Floats:
    """(n, 4 k) sums, absolute differences, least and greatest of k magnitudes; or both and their difference, (n, 3 k),
    where the order of a pair counts."""
    a, b = magnitudes[pairs.first], magnitudes[pairs.second]
    parts = (a + b, np.abs(a - b), np.minimum(a, b), np.maximum(a, b)) if symmetric else (a, b, a - b)
    return np.concatenate(parts, axis=1)


def nearest_pairs(labelled: LabelledExample) -> Floats:
    """Weighted means of the values of the nearest training pairs, by the embeddings of both objects, side by side.

    Where the order of a pair does not count, training pairs stand in both orders. How many pairs are near is chosen on
    the validation pairs.
    """
    train, test, validation = (pairs_of(labelled, split) for split in ("train", "test", "validation"))
    metric = labelled.data.metric
    known, values = _side_by_side(labelled.embedding, train.first, train.second), train.value
    if metric.symmetric:
        swapped = _side_by_side(labelled.embedding, train.second, train.first)
        known, values = np.concatenate([known, swapped]), np.tile(values, 2)
    scores, found = (
        neighbour_means(known, values, _side_by_side(labelled.embedding, pairs.first, pairs.second))
        for pairs in (validation, test)
    )
    best = np.argmax([score(guess, validation.value, metric.task == "binary") for guess in scores])
    return found[int(best)]


def _side_by_side(embedding: Floats, first: Rows, second: Rows) -> Floats:
    """(n, 2 d)."""
    return np.concatenate([embedding[first], embedding[second]], axis=1)


def neighbour_means(known: Floats, values: Floats, asked: Floats) -> list[Floats]:
    """Weighted means of the values of the nearest known pairs, for each of `NEIGHBOURS` as many, (n,) each.

    Args:
        known: (m, p) embeddings of pairs whose values are known.
        values: (m,) of them.
        asked: (n, p) embeddings of pairs; a known pair weighs the inverse of its distance.
    """
    most, found = min(max(NEIGHBOURS), len(values)), []
    for rows in np.array_split(np.arange(len(asked)), -(-len(asked) // COMPARED_AT_ONCE)):
        squared = squared_distances(asked[rows], known)
        places = np.argpartition(squared, most - 1, axis=1)[:, :most]
        near = np.take_along_axis(squared, places, axis=1)
        order = np.argsort(near, axis=1)
        near, places = np.take_along_axis(near, order, axis=1), np.take_along_axis(places, order, axis=1)
        weights = 1 / (np.sqrt(near) + 1e-6)
        found.append([(weights[:, :k] * values[places[:, :k]]).sum(1) / weights[:, :k].sum(1) for k in NEIGHBOURS])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
