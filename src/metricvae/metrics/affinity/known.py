"""Affinities of ligands of one target, predicted from those that are known, and which to measure next."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import linalg

from metricvae.core.errors import InputError
from metricvae.metrics.affinity.known_kernels import LigandFeatures, kernels, ligand_features
from metricvae.metrics.affinity.known_prior import KnownPrior, shipped_prior
from metricvae.metrics.affinity.known_process import Evidence, Floats, Ints, bounded, factorised, refined
from metricvae.metrics.affinity.known_suggestions import most_informative, most_promising
from metricvae.metrics.affinity.known_table import KnownTable, believable, known_table, rows_of

BLOCK = 4_096
"""Ligands predicted at a time."""

Numbers = npt.ArrayLike


class Estimate(NamedTuple):
    """Predicted affinities of n ligands: (n,) means and standard deviations, in pK.

    The interval mean -+ 1.645 sd has 90 % of measured values, noise of the assay included.
    """

    mean: Floats
    sd: Floats


@dataclass(frozen=True)
class KnownLigands:
    """A Student-t process on the known ligands of one target (:mod:`metricvae.metrics.affinity.known_process`).

    Prior means of all ligands are known before: given, as by a model of the target, or the mean of many targets with
    slopes on descriptors. What is known corrects them by their level, their slopes, and by which ligands are alike.

    Attributes:
        ligands: the known ones, each once; those of which a bound is known are last.
        values: (n,) their pK, or values that stand for a bound.
        given: (n,) their prior means, or None where none are given.
        logs: (k + 1,) logarithms of the variances of the kernels and of one measurement's noise.
        noises: (n,) variances of the noise of the values.
        scale: by which all variances but those of noise that is given are multiplied.
        freedom: degrees of freedom of what is predicted.
        prior: of the variances.

    >>> known = KnownLigands.fit(["c1ccccc1CCN", "c1ccccc1CCO"], [7.1, 5.2])
    >>> mean, sd = known.predict(["c1ccccc1CCNC", "c1ccccc1CCOC"])
    >>> bool(mean[0] > mean[1])
    True
    """

    ligands: LigandFeatures
    values: Floats
    given: Floats | None
    logs: Floats
    noises: Floats
    scale: float
    freedom: float
    prior: KnownPrior

    @classmethod
    def fit(
        cls,
        smiles: Sequence[str],
        pk: Numbers,
        prior: Numbers | None = None,
        censored: Numbers | None = None,
        noise: Numbers | None = None,
        codes: Numbers | None = None,
        settings: KnownPrior | None = None,
    ) -> Self:
        """Learn from n known ligands; none is fine, then the prior is what is predicted.

        Args:
            smiles: n of them; a ligand that is there several times counts by the mean of its values.
            pk: (n,) -log10 of Ki, Kd or IC50 in mol/L, all of one target and of comparable assays.
            prior: (n,) what a model predicts of each; then all calls need it. It is what is predicted while nothing is
                known; then it counts by its slope, which is learned.
            censored: (n,) 1 where the true pK is at least the value, -1 where it is at most that, 0 where measured.
            noise: standard deviation of the measurements, one or (n,); learned where it is not given.
            codes: (n, c) codes of the ligands by a model, whose cosines give another kernel; then all calls need them.
            settings: prior of the variances, the one that ships unless it is given.

        Raises:
            InputError: a SMILES does not parse, numbers do not match the ligands or are not believable, or all
                measured ones of five ligands or more are the same.
        """
        known = known_table(ligand_features(smiles, codes), pk, prior, censored, noise)
        return cls.of(known, settings or shipped_prior())

    @classmethod
    def of(cls, known: KnownTable, settings: KnownPrior) -> Self:
        """The same of a table of known ligands."""
        exact = np.flatnonzero(known.sides == 0)
        evidence = _evidence(known, settings)
        logs = refined(settings.logs(len(evidence.kernels)), settings.spread, evidence.take(exact), settings.freedom)
        scale = _scale(logs, evidence.take(exact), settings.freedom)
        noises = evidence.noises(float(np.exp(logs[-1]))) * np.where(np.isnan(evidence.noise), scale, 1.0)
        found = cls(
            *(known.ligands, known.values, known.given, logs, noises, scale),
            *(settings.freedom + len(exact), settings),
        )
        return found if len(exact) == len(noises) else found._with_bounds(known.sides)

    def predict(self, smiles: Sequence[str], prior: Numbers | None = None, codes: Numbers | None = None) -> Estimate:
        """Affinities of m ligands, each by itself.

        Args:
            smiles: m of them.
            prior: (m,) what the same model predicts of each, where the known ones have it.
            codes: (m, c) their codes, where the known ones have them.

        Raises:
            InputError: a SMILES does not parse, or prior means or codes are missing or too many.
        """
        return self.estimate(ligand_features(smiles, codes), self._checked_prior(prior, len(smiles)))

    def estimate(self, ligands: LigandFeatures, given: Floats | None = None) -> Estimate:
        """The same of features, a block of ligands at a time."""
        starts = range(0, max(len(ligands), 1), BLOCK)
        parts = [self._block(ligands.take(slice(at, at + BLOCK)), _part(given, at)) for at in starts]
        return Estimate(*map(np.concatenate, zip(*parts, strict=True)))

    def suggest(
        self,
        smiles: Sequence[str],
        count: int,
        goal: Literal["best", "learn"] = "best",
        prior: Numbers | None = None,
        codes: Numbers | None = None,
    ) -> npt.NDArray[np.int64]:
        """Rows of the candidates to measure next, as a batch, the first the most useful; known ones are left out.

        Args:
            smiles: candidates.
            count: how many, at most.
            goal: `best` finds ligands of high affinity, by their expected improvement over the best known or chosen
                before (Kriging believer: D. Ginsbourger, R. Le Riche and L. Carraro, 2010); `learn` makes the
                predictions of all candidates as certain as it can.
            prior, codes: as in :meth:`predict`.

        Raises:
            InputError: as in :meth:`predict`, or the count is not positive or the goal another.
        """
        return self.suggest_of(ligand_features(smiles, codes), count, goal, self._checked_prior(prior, len(smiles)))

    def suggest_of(
        self, ligands: LigandFeatures, count: int, goal: Literal["best", "learn"], given: Floats | None = None
    ) -> npt.NDArray[np.int64]:
        """The same of features of candidates."""
        if count < 1:
            raise InputError(f"{count} ligands to suggest: expected 1 or more")
        if goal not in ("best", "learn"):
            raise InputError(f"goal {goal!r}: expected best or learn")
        _, first = np.unique(ligands.names, return_index=True)
        rows = np.sort(first[~np.isin(ligands.names[first], self.ligands.names)])
        chosen = self._chosen(ligands.take(rows), rows_of(given, rows), count, goal)
        return np.asarray(rows[chosen], np.int64)

    def covariance(
        self, left: LigandFeatures, given: Floats | None, right: LigandFeatures, also: Floats | None
    ) -> Floats:
        """(n, m) prior covariance of the affinities of ligands, noise apart, `given` and `also` their prior means."""
        found = np.tensordot(np.exp(self.logs[:-1]), kernels(left, right), axes=1)
        return np.asarray(self.scale * (found + self.prior.factor(left, given) @ self.prior.factor(right, also).T))

    @property
    def noise(self) -> float:
        """Variance of one measurement."""
        return float(self.scale * np.exp(self.logs[-1]))

    def posterior(self, left: LigandFeatures, given: Floats | None) -> tuple[Floats, Floats]:
        """(m,) means, and (m, n) half of the reduction of variance: its squares' sums are what knowledge takes off."""
        mean = self.prior.mean(left, given)
        if not len(self.values):
            return mean, np.zeros((len(left), 0))
        across = self.covariance(left, given, self.ligands, self.given)
        half = linalg.solve_triangular(self._factor, np.column_stack([self._residuals, across.T]), lower=True)
        return mean + half[:, 1:].T @ half[:, 0], half[:, 1:].T

    def _block(self, ligands: LigandFeatures, given: Floats | None) -> Estimate:
        mean, half = self.posterior(ligands, given)
        if given is not None and not len(self.values):
            mean = given
        own = self.prior_variance(ligands, given) - (half**2).sum(axis=1)
        return Estimate(mean, np.sqrt((np.maximum(own, 0.0) + self.noise) * self.freedom / (self.freedom - 2)))

    def prior_variance(self, ligands: LigandFeatures, given: Floats | None) -> Floats:
        """(n,) variances before anything is known, noise apart."""
        linear = (self.prior.factor(ligands, given) ** 2).sum(axis=1)
        return np.asarray(self.scale * (np.exp(self.logs[:-1]).sum() + linear))

    def _chosen(self, ligands: LigandFeatures, given: Floats | None, count: int, goal: str) -> npt.NDArray[np.int64]:
        if goal == "learn":
            return most_informative(self, ligands, given, count)
        known = self.posterior(self.ligands, self.given)[0]
        return most_promising(self, ligands, given, count, float(known.max()) if len(known) else self.prior.level[0])

    @functools.cached_property
    def _residuals(self) -> Floats:
        return self.values - self.prior.mean(self.ligands, self.given)

    @functools.cached_property
    def _factor(self) -> Floats:
        """(n, n) Cholesky factor of the covariance of the values."""
        own = self.covariance(self.ligands, self.given, self.ligands, self.given)
        return factorised(own + np.diag(self.noises))[0]

    def _with_bounds(self, sides: Ints) -> Self:
        """The same with values that stand for the bounds, which follow the measured ones."""
        rows, bound_rows = np.flatnonzero(sides == 0), np.flatnonzero(sides)
        exact = replace(self._of(rows), freedom=self.freedom)
        ligands, given = self.ligands.take(bound_rows), rows_of(self.given, bound_rows)
        mean, half = exact.posterior(ligands, given)
        own = self.covariance(ligands, given, ligands, given) - half @ half.T + np.diag(self.noises[bound_rows])
        values, variances = bounded(mean, own, self.values[bound_rows], sides[bound_rows])
        return replace(
            self,
            values=np.concatenate([self.values[rows], values]),
            noises=np.concatenate([self.noises[rows], self.noises[bound_rows] + variances]),
        )

    def _of(self, rows: npt.NDArray[np.int64]) -> Self:
        return replace(
            self,
            ligands=self.ligands.take(rows),
            values=self.values[rows],
            given=rows_of(self.given, rows),
            noises=self.noises[rows],
        )

    def _checked_prior(self, prior: Numbers | None, count: int) -> Floats | None:
        if len(self.values) and (prior is None) != (self.given is None):
            got, expected = ("none", "one for each") if prior is None else ("some", "none, as of the known ligands")
            raise InputError(f"prior means of the ligands: got {got}, expected {expected}")
        return None if prior is None else believable(prior, count, "prior means")


def _part(given: Floats | None, start: int) -> Floats | None:
    return None if given is None else given[start : start + BLOCK]


def _evidence(known: KnownTable, settings: KnownPrior) -> Evidence:
    factor = settings.factor(known.ligands, known.given)
    return Evidence(
        kernels=kernels(known.ligands, known.ligands),
        linear=factor @ factor.T,
        residuals=known.values - settings.mean(known.ligands, known.given),
        repeats=known.repeats,
        noise=known.noise,
    )


def _scale(logs: Floats, evidence: Evidence, freedom: float) -> float:
    """Posterior scale of the variance: (v + q) / (v + n)."""
    if not len(evidence.residuals):
        return 1.0
    solved = linalg.cho_solve(factorised(evidence.covariance(logs)), evidence.residuals)
    return float((freedom + evidence.residuals @ solved) / (freedom + len(solved)))
