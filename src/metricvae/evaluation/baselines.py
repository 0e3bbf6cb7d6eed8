"""What a model must beat: predictions that never look at an object, only at labels and magnitudes of training pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError

Floats = npt.NDArray[np.float64]

Limits = tuple[npt.ArrayLike, npt.ArrayLike]
"""Least and greatest possible value of each of n pairs, (n,) or one number for all."""


@dataclass(frozen=True)
class LabelledMagnitudes:
    """All that the baselines may know of n labelled pairs.

    Attributes:
        value: (n,) the metric, in its unit.
        left_magnitude, right_magnitude: (n,) of the two objects, positive; ones where objects have no magnitude.
    """

    value: Floats
    left_magnitude: Floats
    right_magnitude: Floats

    def __post_init__(self) -> None:
        columns = (self.value, self.left_magnitude, self.right_magnitude)
        if any(column.ndim != 1 or column.shape != self.value.shape for column in columns) or not self.value.size:
            raise InputError(f"got columns of shapes {[c.shape for c in columns]}: expected three rows of one length")
        least = min(self.left_magnitude.min(), self.right_magnitude.min())
        if not all(np.isfinite(column).all() for column in columns) or least <= 0:
            raise InputError(
                "got values or magnitudes that are not finite, or magnitudes that are not positive: label again"
            )

    def __len__(self) -> int:
        return int(self.value.size)


@dataclass(frozen=True)
class MagnitudeRegression:
    """Least squares of the metric on functions of the two magnitudes; where all are equal, the mean label.

    Attributes:
        weights: (features,) one per column of :func:`magnitude_features`, in the unit of the metric.
        scale: magnitude by which magnitudes are divided before features are taken.
        symmetric: whether the two objects may change places.
    """

    weights: Floats
    scale: float
    symmetric: bool

    def predict(self, left: Floats, right: Floats, limits: Limits | None = None) -> Floats:
        """(n,), (n,) magnitudes -> (n,) values, clipped to their limits if there are any."""
        raw: Floats = magnitude_features(left / self.scale, right / self.scale, self.symmetric) @ self.weights
        return raw if limits is None else np.clip(raw, *limits)


def train_mean_guess(train: LabelledMagnitudes, count: int) -> Floats:
    """The mean training label, `count` times: the best constant there is."""
    return np.full(count, train.value.mean())


def random_guess(train: LabelledMagnitudes, count: int, *, seed: int) -> Floats:
    """(count,) labels drawn with replacement from the training labels: guessing that knows the distribution.

    Its expected MSE is the variance twice over (that of the guess and that of the truth).
    """
    return np.random.default_rng(seed).choice(train.value, size=count)


def fit_magnitudes(train: LabelledMagnitudes, *, symmetric: bool = True) -> MagnitudeRegression:
    """Fit :class:`MagnitudeRegression` to the training pairs by ordinary least squares (smallest weights where tied).

    Args:
        train: the training pairs.
        symmetric: whether the metric is, so that features must be.
    """
    left, right = train.left_magnitude, train.right_magnitude
    scale = float(np.mean(left + right) / 2)
    features = magnitude_features(left / scale, right / scale, symmetric)
    weights, *_ = np.linalg.lstsq(features, train.value, rcond=1e-9)
    return MagnitudeRegression(weights.astype(np.float64), scale, symmetric)


def magnitude_features(left: Floats, right: Floats, symmetric: bool = True) -> Floats:
    r"""Features of two magnitudes: with s the smaller, l the larger and r = s / l,

    .. math:: 1,\; r,\; r^2,\; s r^k \text{ for } k \in \{-1, -\tfrac12, 0, \tfrac12, 1, 2, 3\},\;
              s^2,\; s l,\; l^2,\; s^2 r,\; s^3,\; s^2 l

    The first three do not change when both objects grow, as a similarity does not; the next family (it holds l and the
    geometric mean) grows as the magnitudes do; the powers let the fit bend with absolute size. A function of two
    numbers that is not symmetric is one that is, plus left - right times another: without symmetry all features stand
    there a second time, times left - right.

    Returns:
        (n, 16), or (n, 32) without symmetry.
    """
    small, large = np.minimum(left, right), np.maximum(left, right)
    ratio = small / large
    growing = [small * ratio**power for power in (-1, -0.5, 0, 0.5, 1, 2, 3)]
    bending = [small**2, small * large, large**2, small**2 * ratio, small**3, small**2 * large]
    features = np.stack([np.ones_like(small), ratio, ratio**2, *growing, *bending], axis=1)
    return features if symmetric else np.concatenate([features, (left - right)[:, None] * features], axis=1)
