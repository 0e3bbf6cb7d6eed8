"""Answers to a binary metric: how likely two objects match, and which of the two answers cannot be ruled out.

Two codes become a probability by a logistic curve (Platt 1999) and a verdict by a threshold. Beside the distance of the
codes it sees how long they are. A cosine takes no notice of that, so a network is free to put into it how sure it is
of the direction (as in Meng et al. 2021, *MagFace*): of two pairs equally far apart, the calibration pairs show whether
longer codes match more often or less.

The set of answers that holds the truth in a given share of pairs is split conformal: an answer is ruled out when it is
less likely than the true answer was in all but that share of the calibration pairs (Vovk, Gammerman & Shafer 2005).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from metricvae.core.binary_scores import best_threshold
from metricvae.core.errors import InputError
from metricvae.prediction.calibration.conformal import Floats, check_enough, conformal_quantile

Bools = npt.NDArray[np.bool_]

PAPER_THRESHOLD = 1.0
"""The paper's rule: a cosine distance of this or less is a match."""


@dataclass(frozen=True)
class Compared:
    """The codes z and z_other of n pairs, as far as matching goes by them.

    Attributes:
        distance: (n,) between the two.
        length: (n,) log(|z| |z_other|).
    """

    distance: Floats
    length: Floats

    def __getitem__(self, rows: npt.NDArray[Any]) -> Compared:
        return Compared(self.distance[rows], self.length[rows])


@dataclass(frozen=True)
class Matching:
    """From codes to answers.

    Attributes:
        threshold: a probability of this or more is called a match; chosen on validation pairs.
        slope, stretch, intercept: probability of a match = 1 / (1 + exp(slope * distance + stretch * length +
            intercept)).
        level: share of true answers that the sets of answers hold.
        doubt: answers of a probability of at least 1 - doubt are in the set.
    """

    threshold: float
    slope: float
    stretch: float
    intercept: float
    level: float
    doubt: float

    def probability(self, pairs: Compared) -> Floats:
        """(n,) probabilities of a match."""
        found: Floats = special.expit(self.log_odds(pairs))
        return found

    def log_odds(self, pairs: Compared) -> Floats:
        """(n,) logarithms of p / (1 - p), p being the probability of a match."""
        return -(self.slope * pairs.distance + self.stretch * pairs.length + self.intercept)

    def answers(self, probability: Floats) -> tuple[Floats, Floats]:
        """Least and greatest answer (0 or 1) that is not ruled out, (n,) each; where both are, the likelier one."""
        likelier = (probability >= 0.5).astype(np.float64)
        zero, one = probability <= self.doubt, probability >= 1.0 - self.doubt
        low = np.where(zero, 0.0, np.where(one, 1.0, likelier))
        high = np.where(one, 1.0, np.where(zero, 0.0, likelier))
        return low, high

    def to_json(self) -> dict[str, Any]:
        """A document of plain numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> Matching:
        """The inverse of `to_json`.

        Raises:
            InputError: the model was not calibrated, or the document is damaged.
        """
        try:
            return cls(**{name: float(value) for name, value in document.items()})
        except (AttributeError, TypeError, ValueError):
            raise InputError("the model has no calibration, so it calls nothing a match: train it again") from None


def fit_matching(
    pairs: Compared,
    match: Bools,
    pairs_chosen: Compared,
    match_chosen: Bools,
    level: float = 0.9,
    ordinary: Bools | None = None,
) -> Matching:
    """Calibrate on pairs the model did not learn from.

    Args:
        pairs, match: (n,) the calibration pairs, for the probabilities and the sets of answers.
        pairs_chosen, match_chosen: (m,) the validation pairs, for the threshold.
        level: share of true answers that the sets are to hold, among all calibration pairs.
        ordinary: (n,) which calibration pairs the probabilities are fitted on; default all.

    Raises:
        InputError: fewer than 20 calibration pairs, or pairs of one class only.
    """
    check_enough(len(match))
    for name, one in (("calibration", match), ("validation", match_chosen)):
        check_classes(name, one)
    usual = np.ones(len(match), bool) if ordinary is None else ordinary
    slope, stretch, intercept = _logistic(pairs[usual], match[usual])
    curve = Matching(0.5, slope, stretch, intercept, level, 1.0)
    threshold = best_threshold(curve.probability(pairs_chosen), match_chosen)
    probability = curve.probability(pairs)
    doubt = conformal_quantile(np.where(match, 1.0 - probability, probability), level)
    return replace(curve, threshold=threshold, doubt=doubt)


def check_classes(name: str, match: Bools) -> None:
    """Raise InputError unless some of the pairs match and some do not."""
    if match.all() or not match.any():
        raise InputError(
            f"all {len(match)} {name} pairs are {'matches' if match.all() else 'mismatches'}: expected some of both, "
            "label more pairs"
        )


def matches_of(name: str, value: Floats) -> Bools:
    """Labels 0 and 1 as booleans.

    Raises:
        InputError: other labels, or one class only.
    """
    odd = value[(value != 0) & (value != 1)]
    if len(odd):
        raise InputError(f"the {name} pairs have the label {odd[0]:g}: expected 0 (no match) or 1 (match)")
    match = value == 1
    check_classes(name, match)
    return match


def _logistic(pairs: Compared, match: Bools) -> tuple[float, float, float]:
    """Slope, stretch and intercept that make the labels likeliest, with Platt's targets, which stay off 0 and 1."""
    positive, negative = match.sum(), (~match).sum()
    target = np.where(match, (positive + 1) / (positive + 2), 1 / (negative + 2))

    middle = pairs.length.mean()
    read = np.stack([pairs.distance, pairs.length - middle, np.ones(len(match))], axis=1)

    def cost(parameters: Floats) -> tuple[float, Floats]:
        logit = -read @ parameters
        value = float(np.mean(np.logaddexp(0.0, logit) - target * logit))
        return value, -(special.expit(logit) - target) @ read / len(match)

    slope, stretch, intercept = optimize.minimize(cost, np.array([1.0, 0.0, -1.0]), jac=True, method="BFGS").x.tolist()
    return slope, stretch, intercept - stretch * float(middle)
