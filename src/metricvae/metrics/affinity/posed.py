"""The model of poses: functions of the features of complexes, with calibrated intervals and a measure of novelty.

The answer is a weighted mean of forests and linear functions, each over blocks of features of its own. Another function
ranks the ligands of one pocket: it was fitted to the differences within series. The error that is to be expected of
it follows from how far the trees disagree and how far the complex lies from the training's, in ligand and in protein:

    sigma = exp(c0 + c1 log(spread) + c2 (1 - ligand similarity) + c3 (1 - protein similarity))

fitted to the errors for complexes that were left out, by protein and by scaffold. An interval is the answer and as many
sigmas on both sides as hold 90 % of the errors that were left out (split conformal prediction with a scaled score: J.
Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.metrics.affinity.linear import LinearFunction
from metricvae.metrics.affinity.reference import Bytes, NearComplex, Reference, nearest
from metricvae.metrics.affinity.trees import Forest

Floats = npt.NDArray[np.float64]

LEAST_SPREAD = 0.05
"""pK, standard deviation of the trees below which they count as agreed."""


@dataclass(frozen=True, eq=False)
class WeightedForest:
    """A function of the model.

    Attributes:
        function: of some features.
        columns: names of its features, in their order.
        weight: of its answer in the mean.
    """

    function: Forest | LinearFunction
    columns: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class ErrorModel:
    """What error is to be expected.

    Attributes:
        coefficients: c0 ... c3 of the logarithm of sigma, pK.
        quantile: sigmas on both sides of an answer that hold `level` of the measured values.
        level: share of measured values that intervals hold.
    """

    coefficients: tuple[float, float, float, float]
    quantile: float
    level: float

    def sigma(self, spread: Floats, ligand: Floats, protein: Floats) -> Floats:
        """(n,) pK, from the spread of the trees and the similarities to the nearest training ligand and protein."""
        return np.exp(error_columns(spread, ligand, protein) @ np.array(self.coefficients))


def error_columns(spread: Floats, ligand: Floats, protein: Floats) -> Floats:
    """(n, 4) what the logarithm of sigma is linear in."""
    return np.column_stack(
        [np.ones_like(spread), np.log(np.maximum(spread, LEAST_SPREAD)), 1.0 - ligand, 1.0 - protein]
    )


FEWEST_HEAVY = 16
"""Heavy atoms below which a ligand is a fragment, of which series of congeners hold next to none."""


def outside_of_data(features: Floats, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(n,) whether complexes are of sorts that the training hardly has: fragments, and ligands that bind a metal."""
    place = {name: at for at, name in enumerate(names)}
    small: npt.NDArray[np.bool_] = features[:, place[HEAVY]] < FEWEST_HEAVY
    return small | (features[:, place[METAL]] > 0)


@dataclass(frozen=True)
class Baseline:
    """pK as a linear function of the logarithm of the number of heavy atoms."""

    slope: float
    offset: float

    def predict(self, heavy: Floats) -> Floats:
        """(n,) pK of ligands with so many heavy atoms."""
        return self.offset + self.slope * np.log(heavy)


@dataclass(frozen=True, eq=False)
class PosedPredictions:
    """Answers for n complexes.

    Attributes:
        pk: (n,) predicted.
        low, high: (n,) ends of the intervals.
        sigma: (n,) error that is to be expected.
        ligand, protein: (n,) similarities to the nearest training ligand and protein, 0 to 1.
        outside: (n,) whether the complex is outside the model's data.
        baseline: (n,) what the number of heavy atoms alone says.
        ranking: (n,) pK whose differences between ligands of one pocket count, and nothing else.
        neighbours: training complexes near each.
    """

    pk: Floats
    low: Floats
    high: Floats
    sigma: Floats
    ligand: Floats
    protein: Floats
    outside: npt.NDArray[np.bool_]
    baseline: Floats
    ranking: Floats
    neighbours: tuple[tuple[NearComplex, ...], ...]


@dataclass(frozen=True, eq=False)
class PosedModel:
    """A model of poses; see the module.

    Attributes:
        parts: its functions.
        ranking: what ranks the ligands of one pocket.
        error: what error is to be expected.
        baseline: of the number of heavy atoms alone.
        reference: the training complexes.
        facts: how it was trained and tested.
    """

    parts: tuple[WeightedForest, ...]
    ranking: WeightedForest
    error: ErrorModel
    baseline: Baseline
    reference: Reference
    facts: dict[str, object]

    def values(self, features: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
        """(n,) answers and spreads of the trees for (n, f) features of these names."""
        return mean_of_parts(self.parts, features, names)

    def predict(
        self, features: Floats, names: Sequence[str], fingerprints: Bytes, sequences: Sequence[str]
    ) -> PosedPredictions:
        """Answers for complexes.

        Args:
            features: (n, f), see `features.vector`.
            names: (f,) of the features.
            fingerprints: (n, b) of the ligands, see `reference.fingerprint`.
            sequences: (n,) of the structures.
        """
        pk, spread = self.values(features, names)
        by_protein = {one: self.reference.protein_similarity(one) for one in dict.fromkeys(sequences)}
        proteins = np.array([by_protein[one].max(initial=0.0) for one in sequences])
        ligand, near = np.zeros(len(features)), list[tuple[NearComplex, ...]]()
        for row, one in enumerate(sequences):
            similar = self.reference.ligand_similarity(fingerprints[row])
            ligand[row] = similar.max(initial=0.0)
            near.append(nearest(self.reference, similar, by_protein[one]))
        sigma = self.error.sigma(spread, ligand, proteins)
        half = self.error.quantile * sigma
        heavy = features[:, list(names).index(HEAVY)]
        return PosedPredictions(
            *(pk, pk - half, pk + half, sigma, ligand, proteins),
            outside_of_data(features, names),
            self.baseline.predict(heavy),
            mean_of_parts([self.ranking], features, names)[0],
            tuple(near),
        )


HEAVY = "ligand.heavy"
"""The feature that counts heavy atoms."""

METAL = "pair.metal"
"""The feature that counts contacts with metals."""


def mean_of_parts(parts: Sequence[WeightedForest], features: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
    """(n,) weighted means of the functions' answers, and root mean squares of the spreads of their trees."""
    place = {name: at for at, name in enumerate(names)}
    total, squares, weights = np.zeros(len(features)), np.zeros(len(features)), 0.0
    for part in parts:
        rows = features[:, [place[name] for name in part.columns]]
        answers, spread = part.function.predict(rows)
        total += part.weight * answers
        squares += part.weight * spread**2
        weights += part.weight
    return total / weights, np.sqrt(squares / weights)
