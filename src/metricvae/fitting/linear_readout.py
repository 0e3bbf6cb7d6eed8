"""The best linear read-out of codes for values: ridge or logistic regression, its strength chosen on held-out rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

RIDGES = tuple(np.logspace(-4, 2, 13))
"""Strengths of the penalty, per row and per variance of a scaled number, that are tried."""

COSTS = tuple(np.logspace(-4, 0, 5))
"""Inverse strengths of the penalty of a logistic regression that are tried."""


@dataclass(frozen=True)
class Rows:
    """n rows of codes with values.

    Attributes:
        codes: (n, k).
        value: (n,).
        weight: (n,) how much each counts.
    """

    codes: Floats
    value: Floats
    weight: Floats


@dataclass(frozen=True)
class Readout:
    """value, or the log-odds of a 1, = offset + codes . coefficients.

    Attributes:
        coefficients: (k,).
        offset: of a code of zeros.
        explained: share of the variance, or of the entropy, of the held-out values that is explained.
    """

    coefficients: Floats
    offset: float
    explained: float


def fit_readout(train: Rows, held_out: Rows, binary: bool) -> Readout:
    """Fit to training rows, with the penalty under which held-out rows are explained best.

    The penalty is of numbers that are each standardised, or all scaled alike: then those that vary most weigh most, as
    principal components are meant to.

    Args:
        train, held_out: rows of the same codes.
        binary: whether values are 0 or 1.
    """
    spread = train.codes.std(0)
    together = float(np.sqrt(np.mean(spread**2)))
    scales = np.where(spread > 1e-9, spread, 1.0), np.full_like(spread, together if together > 1e-9 else 1.0)
    return max((_fitted(train, held_out, binary, scale) for scale in scales), key=lambda found: found.explained)


def _fitted(train: Rows, held_out: Rows, binary: bool, scale: Floats) -> Readout:
    """The best read-out of numbers that are divided by some scale (k,) each."""
    mean = train.codes.mean(0)
    scaled = Rows((train.codes - mean) / scale, train.value, train.weight)
    other = (held_out.codes - mean) / scale
    tried = _logistic(scaled) if binary else _ridge(scaled)
    judge = explained_entropy if binary else explained_variance
    scores = [judge(other @ slopes + offset, held_out.value) for slopes, offset in tried]
    best = int(np.argmax(scores))
    slopes, offset = tried[best]
    return Readout(slopes / scale, float(offset - (slopes / scale) @ mean), float(scores[best]))


def explained_variance(predicted: Floats, value: Floats) -> float:
    """R^2 of predictions (n,)."""
    return float(1.0 - np.square(value - predicted).sum() / max(np.square(value - value.mean()).sum(), 1e-12))


def explained_entropy(log_odds: Floats, value: Floats) -> float:
    """1 - cross entropy of log-odds (n,) for values 0 and 1, over that of their share."""
    share = float(np.clip(value.mean(), 1e-3, 1.0 - 1e-3))
    entropy = float(special.entr(share) + special.entr(1.0 - share))
    return 1.0 - float(np.mean(np.logaddexp(0.0, np.where(value > 0.5, -log_odds, log_odds)))) / entropy


def _ridge(rows: Rows) -> list[tuple[Floats, float]]:
    """Coefficients and offset for each of `RIDGES`."""
    weight = rows.weight / rows.weight.sum()
    centre = float(weight @ rows.value)
    middle = weight @ rows.codes
    off = rows.codes - middle
    square, product = (off.T * weight) @ off, (off.T * weight) @ (rows.value - centre)
    variances, axes = np.linalg.eigh(square)
    along = axes.T @ product
    found = [axes @ (along / (np.maximum(variances, 0.0) + strength)) for strength in RIDGES]
    return [(slopes, centre - float(slopes @ middle)) for slopes in found]


def _logistic(rows: Rows) -> list[tuple[Floats, float]]:
    """Coefficients and offset for each of `COSTS`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression  # here, since it takes a second to load

    found = []
    for cost in COSTS:
        model = LogisticRegression(C=cost, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the penalty is chosen on other rows anyway
            model.fit(rows.codes, rows.value > 0.5, rows.weight)
        found.append((np.asarray(model.coef_[0], np.float64), float(model.intercept_[0])))
    return found
