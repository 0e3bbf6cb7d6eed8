"""Series of 64 numbers: the dynamic time warping distance between two, and Kendall's rank correlation, which has a
sign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows
from metricvae.runtime.extras import require

POINTS = 64
"""Numbers of a series."""

VARIANTS = 4
"""Series that are made of one mixture of waves."""

NOISE = 0.05
"""Standard deviation of what is added to each number; the waves' is 1."""


def make_warped_series(count: int, seed: int) -> MadeObjects:
    """Mixtures of waves, each warped in time and scaled in several ways."""
    rng = np.random.default_rng([seed, 6])
    series = []
    for number in range(count):
        if number % VARIANTS == 0:
            wave = _Wave(rng)
        one = wave.at(_warped_times(rng))
        series.append(one * np.exp(rng.normal(0, 0.15)) + rng.normal(0, NOISE, POINTS))
    return _made(series)


def make_rough_series(count: int, seed: int) -> MadeObjects:
    """Mixtures of waves of one time scale; of each mixture some series have the opposite sign, or more noise."""
    rng = np.random.default_rng([seed, 7])
    series = []
    for number in range(count):
        if number % VARIANTS == 0:
            wave = _Wave(rng)
        sign, noise = rng.choice([-1, 1]), rng.uniform(0.1, 1.0)
        series.append(sign * wave.at(np.linspace(0, 1, POINTS)) + rng.normal(0, noise, POINTS))
    return _made(series)


class _Wave:
    """A mixture of two to four waves of random periods, phases and amplitudes, of standard deviation 1."""

    def __init__(self, rng: np.random.Generator) -> None:
        count = int(rng.integers(2, 5))
        self.frequency, self.phase = rng.uniform(0.5, 4, count), rng.uniform(0, 2 * np.pi, count)
        self.amplitude = rng.uniform(0.3, 1, count)
        self.slope = rng.normal(0, 1)

    def at(self, times: Floats) -> Floats:
        """(n,) at times (n,) from 0 to 1, of mean 0 and standard deviation 1."""
        angles = 2 * np.pi * np.outer(times, self.frequency) + self.phase
        values = np.sin(angles) @ self.amplitude + self.slope * times
        return (values - values.mean()) / values.std()


def _warped_times(rng: np.random.Generator) -> Floats:
    """(POINTS,) rising times from 0 to 1 at an uneven pace."""
    pace = np.exp(0.6 * np.cumsum(rng.normal(0, 0.25, POINTS - 1)))
    times = np.concatenate([[0.0], np.cumsum(pace)])
    return times / times[-1]


def _made(series: list[Floats]) -> MadeObjects:
    groups = np.arange(len(series)) // VARIANTS
    magnitudes = np.array([_magnitudes(one) for one in series])
    return MadeObjects([one.astype(np.float32) for one in series], groups, groups, magnitudes, np.array(series))


def _magnitudes(one: Floats) -> list[float]:
    """Norm, mean, least, greatest, total variation, and the difference of the ends."""
    variation = float(np.abs(np.diff(one)).sum())
    return [float(np.linalg.norm(one)), float(one.mean()), one.min(), one.max(), variation, float(one[-1] - one[0])]


def measure_warping(series: Sequence[Floats]) -> Measure:
    """Dynamic time warping distances by dtaidistance: root of the least sum of squares over all warpings."""
    distance = require("dtaidistance.dtw", "any-metric", "the dynamic time warping distance").distance
    doubles = [np.asarray(one, np.float64) for one in series]

    def distances(first: Rows, second: Rows) -> Floats:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([distance(doubles[a], doubles[b], use_c=True) for a, b in ends])

    return distances


def measure_rank_correlation(series: Sequence[Floats]) -> Measure:
    """Kendall's tau of two series, point by point: SciPy's `kendalltau`."""
    from scipy.stats import kendalltau

    def correlations(first: Rows, second: Rows) -> Floats:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([kendalltau(series[a], series[b]).statistic for a, b in ends])

    return correlations
