"""Is one method's error really smaller than another's? Three answers, as pure functions of arrays.

The paper compares six mean squared errors of a naive method with six of its network (Table 1) by "a two-tailed z-test"
and reports p = 0.049165. Of the standard formulas on those twelve rounded numbers, Welch's t-test gives 0.0490 and is
the one that reproduces it; the z-test proper gives 0.0225 (see :func:`z_test`). We report both, and a paired bootstrap
over single pairs, which has far more to go on than six rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from metricvae.core.errors import InputError

Floats = npt.NDArray[np.float64]

RESAMPLES_AT_ONCE = 250
"""Bounds the memory of a bootstrap at 250 * n indices."""


@dataclass(frozen=True)
class SignificanceTest:
    """Outcome of a two-sided test of "both samples have the same mean".

    Attributes:
        name: which test.
        statistic: z or t; positive when the first sample has the larger mean.
        p_value: two-sided.
        degrees_of_freedom: of the t distribution; None where the normal distribution is used.
    """

    name: str
    statistic: float
    p_value: float
    degrees_of_freedom: float | None


@dataclass(frozen=True)
class BootstrapComparison:
    """Mean squared error of method a against that of method b over the same n pairs.

    Attributes:
        difference, difference_low, difference_high: MSE_a - MSE_b and its interval, in squared units of the error.
        ratio, ratio_low, ratio_high: MSE_a / MSE_b and its interval; infinite where MSE_b is 0.
        p_value: two-sided, of "the two methods have the same MSE"; never below 2 / (resamples + 1).
        confidence: of both intervals.
        pairs, resamples, seed: how it was computed.
    """

    difference: float
    difference_low: float
    difference_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    p_value: float
    confidence: float
    pairs: int
    resamples: int
    seed: int


def z_test(a: npt.ArrayLike, b: npt.ArrayLike) -> SignificanceTest:
    r"""Two-sample, two-sided z-test with the variances taken from the samples.

    .. math:: z = (\bar a - \bar b) / \sqrt{s_a^2 / n_a + s_b^2 / n_b}, \qquad p = 2 (1 - \Phi(|z|))

    with s^2 the unbiased (n - 1) variances. The statistic is Welch's; only the reference distribution differs, and for
    six rows the normal one is too narrow. On the rows of Table 1: z = 2.28, p = 0.0225.

    Args:
        a, b: (n_a,), (n_b,) numbers, at least two each.

    Raises:
        InputError: fewer than two numbers, or numbers that are not finite.
    """
    first, second = _sample(a, "a"), _sample(b, "b")
    difference = float(first.mean() - second.mean())
    error = math.sqrt(first.var(ddof=1) / first.size + second.var(ddof=1) / second.size)
    z = _ratio(difference, error)
    return SignificanceTest("z-test", z, float(2 * special.ndtr(-abs(z))), None)


def welch_test(a: npt.ArrayLike, b: npt.ArrayLike) -> SignificanceTest:
    r"""Welch's two-sided t-test: the statistic of :func:`z_test` against Student's t with

    .. math:: \nu = \frac{(s_a^2/n_a + s_b^2/n_b)^2}{(s_a^2/n_a)^2/(n_a - 1) + (s_b^2/n_b)^2/(n_b - 1)}

    degrees of freedom. On the rows of Table 1: t = 2.28, nu = 8.83, p = 0.0490, the figure printed in the paper.

    Args:
        a, b: (n_a,), (n_b,) numbers, at least two each.

    Raises:
        InputError: fewer than two numbers, or numbers that are not finite.
    """
    first, second = _sample(a, "a"), _sample(b, "b")
    if not (np.ptp(first) or np.ptp(second)):  # no spread at all: the t distribution has no degrees of freedom
        same = bool(first[0] == second[0])
        return SignificanceTest("Welch's t-test", _ratio(float(first[0] - second[0]), 0.0), float(same), None)
    result = stats.ttest_ind(first, second, equal_var=False)
    return SignificanceTest("Welch's t-test", float(result.statistic), float(result.pvalue), float(result.df))


def paired_bootstrap(
    errors_a: npt.ArrayLike,
    errors_b: npt.ArrayLike,
    *,
    seed: int,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> BootstrapComparison:
    """Compare two methods on the same pairs by a paired bootstrap with percentile intervals (`scipy.stats.bootstrap`).

    Each resample draws n pairs and takes both methods' errors on them, so what makes a pair hard for both cancels out.
    The two-sided p is twice the smaller share of resampled differences on either side of zero, counting the data
    themselves as one resample. Pairs that share an object are treated as independent, which makes the intervals
    slightly too narrow.

    Args:
        errors_a, errors_b: (n,) predicted minus true, of the same n pairs in the same order; any sign.
        seed: of the resampling.
        resamples: how many.
        confidence: of the intervals, in (0, 1).

    Raises:
        InputError: different lengths, fewer than two pairs, errors that are not finite, no resamples.
    """
    a, b = _sample(errors_a, "errors_a") ** 2, _sample(errors_b, "errors_b") ** 2
    if a.size != b.size:
        raise InputError(f"got {a.size} errors of one method and {b.size} of the other: expected the same pairs")
    if resamples < 1 or not 0 < confidence < 1:
        raise InputError(f"got {resamples} resamples at confidence {confidence}: expected at least 1, within (0, 1)")
    result = stats.bootstrap(
        (a, b),
        _difference_and_share,
        n_resamples=resamples,
        batch=RESAMPLES_AT_ONCE,
        vectorized=True,
        paired=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    (low, share_low), (high, share_high) = result.confidence_interval
    differences = result.bootstrap_distribution[0]
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return BootstrapComparison(
        difference=float(a.mean() - b.mean()),
        difference_low=float(low),
        difference_high=float(high),
        ratio=_ratio(float(a.mean()), float(b.mean())),
        ratio_low=_ratio(float(share_low), float(1 - share_low)),
        ratio_high=_ratio(float(share_high), float(1 - share_high)),
        p_value=min(1.0, 2 * (beyond + 1) / (resamples + 1)),
        confidence=confidence,
        pairs=a.size,
        resamples=resamples,
        seed=seed,
    )


def _sample(values: npt.ArrayLike, name: str) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
        raise InputError(f"{name} has shape {sample.shape}: expected at least two finite numbers in one row")
    return sample


def _ratio(numerator: float, denominator: float) -> float:
    """The quotient, with 0/0 = 0 and x/0 = infinity of the sign of x."""
    if denominator:
        return numerator / denominator
    return math.copysign(math.inf, numerator) if numerator else 0.0


def _difference_and_share(a: Floats, b: Floats, axis: int = -1) -> tuple[Floats, Floats]:
    """MSE_a - MSE_b, and MSE_a / (MSE_a + MSE_b), which orders resamples as their ratio does but is always finite."""
    mean_a, mean_b = a.mean(axis), b.mean(axis)
    total = mean_a + mean_b
    return mean_a - mean_b, np.divide(mean_a, total, out=np.zeros_like(total), where=total > 0)
