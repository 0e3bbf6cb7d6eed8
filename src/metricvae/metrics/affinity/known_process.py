"""A Student-t process on the known ligands of one target: mathematics of arrays.

A Gaussian process (C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press 2006)
whose overall variance has an inverse gamma prior, which makes it a Student-t process (A. Shah et al., AISTATS 2014):
its variance follows how well the known values were expected, in closed form. The covariance is a mixture of kernels;
logarithms of its variances have a normal prior learned on other targets, and are refined by the marginal likelihood of
the known values. Bounds enter by expectation propagation (T. P. Minka, 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, special

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int8]

JITTER = 1e-9
"""Of the mean variance, added to the diagonal of what is decomposed."""

MOST_REFINED = 400
"""Known ligands, at most, by which variances are refined: by so many they are known well."""

EP_SWEEPS, EP_TOLERANCE = 100, 1e-6


@dataclass(frozen=True)
class Evidence:
    """What is known of n ligands, and how they are related before it.

    Attributes:
        kernels: (k, n, n) kernels, of which the variances are refined.
        linear: (n, n) covariance of the parts that are linear in descriptors and the prior mean.
        residuals: (n,) known values less their prior means.
        repeats: (n,) measurements that each is the mean of.
        noise: (n,) variances of their noise where they are given, nan where they are to be learned.
    """

    kernels: Floats
    linear: Floats
    residuals: Floats
    repeats: Floats
    noise: Floats

    def covariance(self, logs: Floats) -> Floats:
        """(n, n) covariance of the values, from logarithms of the variances of the kernels and of the noise."""
        total = np.tensordot(np.exp(logs[:-1]), self.kernels, axes=1) + self.linear
        total[np.diag_indices(len(total))] += self.noises(float(np.exp(logs[-1])))
        return np.asarray(total)

    def noises(self, learned: float) -> Floats:
        """(n,) variances of the noise."""
        return np.where(np.isnan(self.noise), learned / self.repeats, self.noise)

    def take(self, rows: npt.NDArray[np.int64]) -> Evidence:
        """That of some ligands."""
        block = np.ix_(rows, rows)
        return Evidence(
            self.kernels[:, block[0], block[1]],
            *(self.linear[block], self.residuals[rows], self.repeats[rows], self.noise[rows]),
        )


def log_evidence(logs: Floats, known: Evidence, freedom: float) -> tuple[float, Floats]:
    """Logarithm of the multivariate t density of the residuals, and its gradient in the logarithms of the variances.

    log p = -log det C / 2 - (v + n) / 2 log(1 + q / v) + constants, q = r' C^-1 r.
    """
    count = len(known.residuals)
    factor = factorised(known.covariance(logs))
    solved = linalg.cho_solve(factor, known.residuals)
    quadratic = float(known.residuals @ solved)
    value = -np.log(np.diag(factor[0])).sum() - (freedom + count) / 2 * np.log1p(quadratic / freedom)
    value += special.gammaln((freedom + count) / 2) - special.gammaln(freedom / 2) - count / 2 * np.log(freedom * np.pi)
    outer = (freedom + count) / (freedom + quadratic) * np.outer(solved, solved)
    change = (outer - linalg.cho_solve(factor, np.eye(count))) / 2
    by_kernel = np.exp(logs[:-1]) * np.tensordot(known.kernels, change, axes=2)
    free = np.isnan(known.noise)
    by_noise = float(np.exp(logs[-1]) * (np.diag(change)[free] / known.repeats[free]).sum())
    return float(value), np.append(by_kernel, by_noise)


def refined(logs: Floats, spread: float, known: Evidence, freedom: float) -> Floats:
    """(k + 1,) logarithms of the variances of largest posterior density: L-BFGS from their prior means.

    Args:
        logs: prior means; the last is the noise's.
        spread: standard deviation of their normal priors.
    """
    if not len(known.residuals):
        return logs
    if len(known.residuals) > MOST_REFINED:
        rows = np.random.default_rng(0).permutation(len(known.residuals))[:MOST_REFINED]
        known = known.take(np.sort(rows))

    def loss(change: Floats) -> tuple[float, Floats]:
        value, gradient = log_evidence(logs + change, known, freedom)
        return float(change @ change) / (2 * spread**2) - value, change / spread**2 - gradient

    bounds = [(-4 * spread, 4 * spread)] * len(logs)
    found = optimize.minimize(loss, np.zeros(len(logs)), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(logs + found.x)


def factorised(covariance: Floats) -> tuple[Floats, bool]:
    """Cholesky factor of a covariance, lower, as scipy's `cho_solve` takes it."""
    stable = covariance + JITTER * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return np.linalg.cholesky(stable), True


def bounded(mean: Floats, covariance: Floats, bounds: Floats, sides: Ints) -> tuple[Floats, Floats]:
    """Normal observations that stand for bounds: their values and variances, by expectation propagation.

    Args:
        mean, covariance: (b,), (b, b) of the values before the bounds are known.
        bounds: (b,).
        sides: (b,) 1 where a value is at least its bound, -1 where it is at most that.

    >>> values, variances = bounded(np.zeros(1), np.eye(1), np.zeros(1), np.array([1], np.int8))
    >>> round(float(values[0] / (1 + variances[0])), 6)  # mean of a half-normal variable, sqrt(2 / pi)
    0.797885
    """
    precision, shift = np.zeros_like(mean), np.zeros_like(mean)
    for _ in range(EP_SWEEPS):
        before = precision.copy()
        _sweep(mean, covariance, bounds, sides, precision, shift)
        if np.abs(precision - before).max() < EP_TOLERANCE:
            break
    variances = 1 / np.maximum(precision, 1e-9)
    return shift * variances, variances


def _sweep(mean: Floats, covariance: Floats, bounds: Floats, sides: Ints, precision: Floats, shift: Floats) -> None:
    """Update each site in turn, in place.

    A new site changes the covariance by a multiple of the outer product of a column: the columns and their factors are
    kept, and a column that is asked for follows from them.
    """
    centre, spread = _posterior(mean, covariance, precision, shift)
    columns, factors = np.empty_like(covariance), np.empty_like(mean)
    for row in range(len(mean)):
        done = columns[:row]
        column = spread[row] - (factors[:row] * done[:, row]) @ done
        new = _site((centre[row], column[row]), precision[row], shift[row], bounds[row], int(sides[row]))
        more, further = new[0] - precision[row], new[1] - shift[row]
        factor = 1 / (1 + more * column[row])
        centre += column * ((further - more * centre[row]) * factor)
        columns[row], factors[row] = column, more * factor
        precision[row], shift[row] = new


def _posterior(mean: Floats, covariance: Floats, precision: Floats, shift: Floats) -> tuple[Floats, Floats]:
    """(b,) means and (b, b) covariance of the values, given the sites."""
    root = np.sqrt(precision)
    factor = factorised(np.eye(len(mean)) + root[:, None] * covariance * root)
    half = linalg.solve_triangular(factor[0], root[:, None] * covariance, lower=True)
    centre = mean + covariance @ shift
    return centre - covariance @ (root * linalg.cho_solve(factor, root * centre)), covariance - half.T @ half


def _site(
    posterior: tuple[float, float], precision: float, shift: float, bound: float, side: int
) -> tuple[float, float]:
    """Precision and precision times mean of a site: moments of the normal distribution beyond a bound matched."""
    inverse = 1 / posterior[1] - precision
    if inverse <= 1e-12:
        return precision, shift
    variance = 1 / inverse
    centre = variance * (posterior[0] / posterior[1] - shift)
    scaled = side * (centre - bound) / np.sqrt(variance)
    ratio = float(np.exp(-(scaled**2) / 2 - np.log(2 * np.pi) / 2 - special.log_ndtr(scaled)))
    tilted_mean = centre + side * np.sqrt(variance) * ratio
    tilted_variance = max(variance * (1 - ratio * (scaled + ratio)), 1e-9 * variance)
    new = max(1 / tilted_variance - inverse, 0.0)
    return new, tilted_mean / tilted_variance - centre / variance if new > 0 else 0.0
