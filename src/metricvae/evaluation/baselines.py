"""What a model must beat: guesses that never look at a shape, learned from the training pairs only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelledAreas:
    """All that the baselines may know of n labelled pairs.

    Attributes:
        value: (n,) exact maximum overlap in pixels.
        first, second: (n,) areas of the two objects in pixels, positive.
    """

    value: Floats
    first: Floats
    second: Floats

    def __post_init__(self) -> None:
        columns = (self.value, self.first, self.second)
        if any(column.ndim != 1 or column.shape != self.value.shape for column in columns) or not self.value.size:
            raise InputError(f"got columns of shapes {[c.shape for c in columns]}: expected three rows of one length")
        if not all(np.isfinite(column).all() for column in columns) or min(self.first.min(), self.second.min()) <= 0:
            raise InputError("got values or areas that are not finite, or areas that are not positive: label again")

    def __len__(self) -> int:
        return int(self.value.size)


@dataclass(frozen=True)
class AreasRegression:
    """Least squares of the overlap on symmetric functions of the two areas.

    Attributes:
        weights: (features,) one per column of :func:`area_features`.
        scale: area in pixels by which the features are divided.
    """

    weights: Floats
    scale: float

    def predict(self, first: Floats, second: Floats) -> Floats:
        """(n,), (n,) areas -> (n,) overlaps in pixels, kept between 0 and the smaller area, as every overlap is."""
        raw = area_features(first / self.scale, second / self.scale) @ self.weights * self.scale
        return np.clip(raw, 0.0, np.minimum(first, second))


def train_mean_guess(train: LabelledAreas, count: int) -> Floats:
    """The mean training label, `count` times: the best constant there is."""
    return np.full(count, train.value.mean())


def random_guess(train: LabelledAreas, count: int, *, seed: int) -> Floats:
    """(count,) labels drawn with replacement from the training labels: guessing that knows the distribution.

    Its expected MSE is the variance twice over (that of the guess and that of the truth).
    """
    return np.random.default_rng(seed).choice(train.value, size=count)


def fit_areas(train: LabelledAreas) -> AreasRegression:
    """Fit :class:`AreasRegression` to the training pairs by ordinary least squares (smallest weights where tied)."""
    scale = float(np.mean(train.first + train.second) / 2)
    features = area_features(train.first / scale, train.second / scale)
    weights, *_ = np.linalg.lstsq(features, train.value / scale, rcond=1e-9)
    return AreasRegression(weights=weights.astype(np.float64), scale=scale)


def area_features(first: Floats, second: Floats) -> Floats:
    r"""Symmetric features of two areas: with s the smaller, l the larger and r = s / l,

    .. math:: 1,\; s r^k \text{ for } k \in \{-1, -\tfrac12, 0, \tfrac12, 1, 2, 3\},\;
              s^2,\; s l,\; l^2,\; s^2 r,\; s^3,\; s^2 l

    The first family (it holds l and the geometric mean) scales with area as overlap does when both shapes grow;
    the powers let the fit bend with absolute size.

    Returns:
        (n, 14).
    """
    small, large = np.minimum(first, second), np.maximum(first, second)
    ratio = small / large
    scaling = [small * ratio**power for power in (-1, -0.5, 0, 0.5, 1, 2, 3)]
    bending = [small**2, small * large, large**2, small**2 * ratio, small**3, small**2 * large]
    return np.stack([np.ones_like(small), *scaling, *bending], axis=1)
