"""Which of many candidates to measure next, as a batch: the most promising, or those that teach most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from metricvae.metrics.affinity.known_process import Floats

if TYPE_CHECKING:
    from metricvae.metrics.affinity.known import KnownLigands
    from metricvae.metrics.affinity.known_kernels import LigandFeatures

MOST_REFERENCES = 1_000
"""Candidates, at most, whose variances `most_informative` lowers: a seeded choice of more of them."""

Rows = npt.NDArray[np.int64]


class _Beliefs:
    """Means and variances of candidates, which follow as values are observed or imagined."""

    def __init__(self, known: KnownLigands, ligands: LigandFeatures, given: Floats | None) -> None:
        self.known, self.ligands, self.given = known, ligands, given
        self.mean, self.half = known.posterior(ligands, given)
        self.variance = np.maximum(known.prior_variance(ligands, given) - (self.half**2).sum(axis=1), 1e-12)

    def covariance(self, row: int) -> Floats:
        """(m,) covariance of all candidates with one of them."""
        one = np.array([row])
        own = None if self.given is None else self.given[one]
        before = self.known.covariance(self.ligands, self.given, self.ligands.take(one), own)[:, 0]
        return np.asarray(before - self.half @ self.half[row])

    def observe(self, row: int) -> None:
        """Lower the variances as if the value of one candidate were its mean, which leaves all means."""
        column = self.covariance(row) / np.sqrt(self.variance[row] + self.known.noise)
        self.half = np.column_stack([self.half, column])
        self.variance = np.maximum(self.variance - column**2, 1e-12)


def most_promising(known: KnownLigands, ligands: LigandFeatures, given: Floats | None, count: int, best: float) -> Rows:
    """Rows of largest expected improvement over the best, each chosen as if those before it had their means.

    Args:
        known: what is known.
        ligands, given: m candidates and their prior means.
        count: how many, at most.
        best: the highest affinity that is known.
    """
    beliefs, chosen, free = _Beliefs(known, ligands, given), [], np.ones(len(ligands), bool)
    for _ in range(min(count, len(ligands))):
        gains = np.where(free, expected_improvement(beliefs.mean, beliefs.variance, best), -np.inf)
        row = int(np.lexsort((beliefs.mean, gains))[-1])
        chosen.append(row)
        free[row], best = False, max(best, float(beliefs.mean[row]))
        beliefs.observe(row)
    return np.array(chosen, np.int64)


def expected_improvement(mean: Floats, variance: Floats, best: float) -> Floats:
    """(m,) mean of what normal variables exceed a number by (J. Mockus, 1975).

    >>> round(float(expected_improvement(np.zeros(1), np.ones(1), 0.0)[0]), 4)
    0.3989
    """
    deviation = np.sqrt(variance)
    scaled = (mean - best) / deviation
    density = np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(deviation * (scaled * special.ndtr(scaled) + density))


def most_informative(known: KnownLigands, ligands: LigandFeatures, given: Floats | None, count: int) -> Rows:
    """Rows that, one after another, lower the sum of the candidates' variances most; arguments as above."""
    beliefs, chosen, free = _Beliefs(known, ligands, given), [], np.ones(len(ligands), bool)
    some = np.sort(np.random.default_rng(0).permutation(len(ligands))[:MOST_REFERENCES])
    own = None if given is None else given[some]
    shared = known.covariance(ligands, given, ligands.take(some), own) - beliefs.half @ beliefs.half[some].T
    for _ in range(min(count, len(ligands))):
        gains = np.where(free, (shared**2).sum(axis=1) / (beliefs.variance + known.noise), -np.inf)
        row = int(np.argmax(gains))
        chosen.append(row)
        free[row] = False
        beliefs.observe(row)
        column = beliefs.half[:, -1]
        shared -= column[:, None] * column[some]
    return np.array(chosen, np.int64)
