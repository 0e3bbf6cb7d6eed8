"""How well answers agree with what was measured, over complexes and over targets, as pure functions of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DRAWS, LEVEL = 2_000, 0.9
"""Draws of a bootstrap, and the confidence of its intervals."""


@dataclass(frozen=True)
class BootstrapEstimate:
    """A number with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Contest:
    """One method beside another over targets.

    Attributes:
        above, of: targets in which it is better, of how many where both have a number.
        p: two-sided, of Wilcoxon's signed-rank test; NaN where all differences are zero or none is there.
    """

    above: int
    of: int
    p: float


def kendall(said: Floats, pk: Floats) -> float:
    """Kendall's tau-b; 0 where all answers are the same."""
    return 0.0 if np.ptp(said) < 1e-9 else float(stats.kendalltau(said, pk).statistic)


def spearman(said: Floats, pk: Floats) -> float:
    """Spearman's rho; 0 where all answers, or all values, are the same."""
    return 0.0 if min(np.ptp(said), np.ptp(pk)) < 1e-9 else float(stats.spearmanr(said, pk).statistic)


def pearson(said: Floats, pk: Floats) -> float:
    """Pearson's R; 0 where all answers, or all values, are the same."""
    return 0.0 if min(np.ptp(said), np.ptp(pk)) < 1e-9 else float(np.corrcoef(said, pk)[0, 1])


def rmse(said: Floats, pk: Floats) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((said - pk) ** 2)))


def concordance(said: Floats, value: Floats) -> float:
    """The concordance index: of pairs with unequal values, the share in the right order; equal answers count half.

    In n log n steps, from Kendall's tau-c (M. Gonen, G. Heller, Biometrika 92 (2005) 965, for the index itself).

    Example:
        >>> concordance(np.array([1.0, 2.0, 2.0]), np.array([5.0, 6.0, 7.0])).__round__(3)
        0.833
    """
    n, counts = len(value), np.unique(value, return_counts=True)[1]
    least = min(len(counts), len(np.unique(said)))
    unequal = (n * (n - 1) - (counts * (counts - 1)).sum()) / 2
    if unequal == 0 or least < 2:
        return 0.5
    tau = stats.kendalltau(said, value, variant="c").statistic
    return float(0.5 + tau * n**2 * (least - 1) / (2 * least) / (2 * unequal))


def bootstrap_mean(values: Sequence[float] | Floats, seed: int = 0) -> BootstrapEstimate:
    """The mean of targets' numbers, and its interval by bootstrap over targets."""
    rows = np.asarray(values, np.float64)
    draws = np.random.default_rng(seed).integers(len(rows), size=(DRAWS, len(rows)))
    low, high = np.quantile(rows[draws].mean(axis=1), (0.5 - LEVEL / 2, 0.5 + LEVEL / 2))
    return BootstrapEstimate(float(rows.mean()), float(low), float(high))


def bootstrap_pearson(said: Floats, pk: Floats, groups: Ints, seed: int = 0) -> BootstrapEstimate:
    """Pearson's R, and its interval by bootstrap over groups: clusters of proteins."""
    drawn = [pearson(said[rows], pk[rows]) for rows in _draws_of(groups, seed)]
    low, high = np.quantile(drawn, (0.5 - LEVEL / 2, 0.5 + LEVEL / 2))
    return BootstrapEstimate(pearson(said, pk), float(low), float(high))


def bootstrap_p(ours: Floats, theirs: Floats, pk: Floats, groups: Ints, seed: int = 0) -> float:
    """Two-sided p of the same Pearson's R of two methods, by paired bootstrap over groups."""
    drawn = np.array(
        [pearson(ours[rows], pk[rows]) - pearson(theirs[rows], pk[rows]) for rows in _draws_of(groups, seed)]
    )
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))


def _draws_of(groups: Ints, seed: int) -> Iterator[Ints]:
    """Rows of groups that are drawn with replacement."""
    rng, names = np.random.default_rng(seed), np.unique(groups)
    rows = [np.flatnonzero(groups == name) for name in names]
    for _ in range(DRAWS // 4):
        yield np.concatenate([rows[one] for one in rng.integers(len(names), size=len(names))])


def contest(ours: Sequence[float], theirs: Sequence[float]) -> Contest:
    """Numbers of targets, larger for better, NaN where there is none, beside those of another method.

    Example:
        >>> contest([0.5, 0.4, 0.3], [0.1, 0.2, float("nan")])
        Contest(above=2, of=2, p=0.5)
    """
    difference = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    difference = difference[np.isfinite(difference)]
    moved = bool(len(difference)) and bool(np.any(difference != 0))
    p = float(stats.wilcoxon(difference).pvalue) if moved else float("nan")
    return Contest(int((difference > 0).sum()), len(difference), p)
