"""Calibrated answers to a binary metric: the probability of a positive pair, and which answers cannot be ruled out.

Two codes become a probability by a logistic curve (Platt 1999) and a verdict by a threshold. Beside the distance of the
codes it sees how long they are. A cosine takes no notice of that, so a network is free to put into it how sure it is
of the direction (as in Meng et al. 2021, *MagFace*): of two pairs equally far apart, the calibration pairs show whether
longer codes are positive more often or less.

The set of answers that holds the truth in a given share of pairs is split conformal: an answer is ruled out when it is
less likely than the true answer was in all but that share of the calibration pairs (Vovk, Gammerman & Shafer 2005).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from metricvae.core.binary_scores import best_threshold
from metricvae.core.errors import InputError
from metricvae.prediction.calibration.conformal import Floats, check_enough, conformal_quantile

Bools = npt.NDArray[np.bool_]

PAPER_THRESHOLD = 1.0
"""The paper's rule: a cosine distance of this or less is a match."""

_NAMES_0_1 = {
    "slope": "distance_coefficient",
    "stretch": "length_coefficient",
    "doubt": "nonconformity_quantile",
}


@dataclass(frozen=True)
class ScoredPairs:
    """What a binary metric sees of the codes z and z_other of n pairs.

    Attributes:
        distance: (n,) between the two.
        length: (n,) log(|z| |z_other|).
    """

    distance: Floats
    length: Floats

    def __getitem__(self, rows: npt.NDArray[Any]) -> ScoredPairs:
        return ScoredPairs(self.distance[rows], self.length[rows])


@dataclass(frozen=True)
class BinaryCalibration:
    """From codes to calibrated answers.

    Attributes:
        threshold: a pair of this probability or more is called positive; chosen on validation pairs.
        distance_coefficient, length_coefficient, intercept: the log-odds of a positive pair are minus
            (distance_coefficient * distance + length_coefficient * length + intercept).
        level: share of true answers that the sets of answers hold.
        nonconformity_quantile: of 1 - the probability of the true answer, over the calibration pairs, at `level`;
            answers of a probability of at least 1 minus this are in the set.
    """

    threshold: float
    distance_coefficient: float
    length_coefficient: float
    intercept: float
    level: float
    nonconformity_quantile: float

    def probability(self, pairs: ScoredPairs) -> Floats:
        """(n,) probabilities of being positive."""
        probability: Floats = special.expit(self.log_odds(pairs))
        return probability

    def log_odds(self, pairs: ScoredPairs) -> Floats:
        """(n,) logarithms of p / (1 - p), p being the probability of being positive."""
        lengths = self.length_coefficient * pairs.length
        return -(self.distance_coefficient * pairs.distance + lengths + self.intercept)

    def answers(self, probability: Floats) -> tuple[Floats, Floats]:
        """Least and greatest answer (0 or 1) that is not ruled out, (n,) each; where both are, the likelier one."""
        limit = self.nonconformity_quantile
        likelier = (probability >= 0.5).astype(np.float64)
        zero, one = probability <= limit, probability >= 1.0 - limit
        low = np.where(zero, 0.0, np.where(one, 1.0, likelier))
        high = np.where(one, 1.0, np.where(zero, 0.0, likelier))
        return low, high

    def to_json(self) -> dict[str, Any]:
        """A document of plain numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> BinaryCalibration:
        """The inverse of `to_json`; reads the names of 0.1 too.

        Raises:
            InputError: the model was not calibrated, or the document is damaged.
        """
        try:
            return cls(**{_NAMES_0_1.get(name, name): float(value) for name, value in document.items()})
        except (AttributeError, TypeError, ValueError):
            raise InputError("the model has no calibration, so it gives no answers: train it again") from None

    @classmethod
    def read(cls, calibration: Mapping[str, Any]) -> BinaryCalibration:
        """That of a model whose `config.json` says `calibration`; 0.1 called it `matching`.

        Raises:
            InputError: the model was not calibrated, or the document is damaged.
        """
        return cls.from_json(calibration.get("binary", calibration.get("matching")))


def fit_binary_calibration(
    pairs: ScoredPairs,
    positive: Bools,
    pairs_chosen: ScoredPairs,
    positive_chosen: Bools,
    level: float = 0.9,
    ordinary: Bools | None = None,
) -> BinaryCalibration:
    """Calibrate on pairs the model did not learn from.

    Args:
        pairs, positive: (n,) the calibration pairs, for the probabilities and the sets of answers.
        pairs_chosen, positive_chosen: (m,) the validation pairs, for the threshold.
        level: share of true answers that the sets are to hold, among all calibration pairs.
        ordinary: (n,) which calibration pairs the probabilities are fitted on; default all.

    Raises:
        InputError: fewer than 20 calibration pairs, or pairs of one class only.
    """
    check_enough(len(positive))
    for name, labels in (("calibration", positive), ("validation", positive_chosen)):
        check_classes(name, labels)
    used = np.ones(len(positive), bool) if ordinary is None else ordinary
    curve = BinaryCalibration(0.5, *_platt(pairs[used], positive[used]), level, 1.0)
    threshold = best_threshold(curve.probability(pairs_chosen), positive_chosen)
    probability = curve.probability(pairs)
    nonconformity = np.where(positive, 1.0 - probability, probability)
    quantile = conformal_quantile(nonconformity, level)
    return replace(curve, threshold=threshold, nonconformity_quantile=quantile)


def check_classes(name: str, positive: Bools) -> None:
    """Raise InputError unless some of the pairs are positive and some are not."""
    if positive.all() or not positive.any():
        found = 1 if positive.all() else 0
        raise InputError(f"all {len(positive)} {name} pairs have the value {found}: expected some of 0 and of 1")


def binary_labels(name: str, value: Floats) -> Bools:
    """Labels 0 and 1 as booleans.

    Raises:
        InputError: other labels, or one class only.
    """
    odd = value[(value != 0) & (value != 1)]
    if len(odd):
        raise InputError(f"the {name} pairs have the label {odd[0]:g}: expected 0 or 1")
    positive = value == 1
    check_classes(name, positive)
    return positive


def _platt(pairs: ScoredPairs, positive: Bools) -> tuple[float, float, float]:
    """Coefficients of distance and length, and intercept: logistic regression on Platt's targets, which stay off 0 and
    1. Every pair stands in it twice, once in each class, weighted by its target.
    """
    from sklearn.linear_model import LogisticRegression  # here, since it takes a second to load

    count = positive.sum()
    target = np.where(positive, (count + 1) / (count + 2), 1 / (len(positive) - count + 2))
    centre = pairs.length.mean()
    features = np.stack([pairs.distance, pairs.length - centre], axis=1)
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1_000)
    classes = np.repeat([1, 0], len(positive))
    model.fit(np.concatenate([features, features]), classes, np.concatenate([target, 1 - target]))
    distance, length = (-model.coef_[0]).tolist()
    return distance, length, float(-model.intercept_[0]) - length * float(centre)
