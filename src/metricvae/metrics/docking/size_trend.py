"""What docking scores mean for molecules of a size: how random drug-like molecules do in the same site.

Docking scores grow with the number of heavy atoms, in each site at its own rate, so that the best score is mostly of
the largest molecule. Instead of a fixed correction (a score divided by the atoms prefers the smallest) the rate is
measured: random molecules are docked into the site, and a line is fitted through their scores. The gain of a molecule
is how far its score lies below the line, in standard deviations of these molecules about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metricvae.core.errors import InputError

FEWEST = 6
"""Random molecules, at least."""

LEAST_SPREAD = 0.2
"""kcal/mol: no site tells molecules apart better than that."""


@dataclass(frozen=True)
class SizeTrend:
    """The scores of random molecules in a site by their number of heavy atoms.

    Attributes:
        level: score of a molecule without atoms, kcal/mol.
        slope: kcal/mol for each heavy atom.
        spread: standard deviation about the line, kcal/mol.
        sizes, scores: of the molecules, in the same order.
    """

    level: float
    slope: float
    spread: float
    sizes: tuple[int, ...]
    scores: tuple[float, ...]

    def expected(self, size: int) -> float:
        """Score of a random molecule of so many heavy atoms, kcal/mol."""
        return self.level + self.slope * size

    def gain(self, score: float, size: int) -> float:
        """Standard deviations by which a score is better than that of a random molecule of the size."""
        return (self.expected(size) - score) / self.spread


def fit_trend(sizes: Sequence[int], scores: Sequence[float]) -> SizeTrend:
    """The trend of molecules that were docked into one site.

    Args:
        sizes: heavy atoms of each.
        scores: of each, kcal/mol.

    Raises:
        InputError: fewer than `FEWEST`.

    >>> trend = fit_trend([10, 12, 14, 16, 18, 20], [-4.0, -4.4, -4.8, -5.2, -5.6, -6.0])
    >>> round(trend.expected(15), 3), round(trend.gain(-6.0, 15), 3)
    (-5.0, 5.0)
    """
    if len(sizes) < FEWEST:
        raise InputError(
            f"{len(sizes)} random molecules could be docked into the site, expected {FEWEST}: name another"
        )
    across, values = np.asarray(sizes, np.float64), np.asarray(scores, np.float64)
    slope = 0.0
    if across.std() > 0:
        slope = float(np.cov(across, values, bias=True)[0, 1] / across.var())
    level = float(values.mean() - slope * across.mean())
    left = values - level - slope * across
    spread = float(np.sqrt(np.square(left).sum() / (len(values) - 2)))
    return SizeTrend(level, slope, max(spread, LEAST_SPREAD), tuple(map(int, sizes)), tuple(map(float, scores)))
