"""Ranks the poses of one molecule: a linear function of the terms of two scoring functions, fitted to crystal poses.

The search minimises a scoring function that was fitted to affinities. Which of its minima is the crystal's is another
question, so the weights are fitted to it: the logarithm of the probability that a pose within 2 angstroms of the
crystal's is chosen among the poses of its molecule (a softmax), with a quadratic penalty, by
`benchmarks/docking_ranking.py` on the 156 reference complexes of Uni-FEP (Apache-2.0) in `train`, of 88 clusters of
proteins.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metricvae.metrics.docking.records import Floats, Ints, ReceptorAtoms
from metricvae.metrics.docking.scoring import TERMS, VINA, VINARDO, ScoringFunction, pair_terms

WEIGHTS = {
    "vina.attraction.0": 2.2563,
    "vina.attraction.1": 1.9177,
    "vina.repulsion": 3.2517,
    "vina.hydrophobic": -0.4413,
    "vina.hydrogen_bond": -1.5052,
    "vinardo.attraction.0": 1.2179,
    "vinardo.repulsion": -0.4192,
    "vinardo.hydrophobic": 1.3129,
    "vinardo.hydrogen_bond": 5.715,
    "inside": -0.0268,
    "torsion": 0.1992,
}
"""Natural logarithms of odds for each kcal/mol of a term. The two functions' terms of one name are far from
independent: only their sums mean something."""


TEMPLATE_WEIGHTS = {"template.shape": -24.0, "template.colour": -16.0}
"""Of the Tanimoto coefficients with a template, where there is one; chosen on pairs of `dev` of
`benchmarks/docking_cross.py`."""


def ranking_terms(around: ReceptorAtoms, types: Ints, positions: Floats) -> dict[str, float]:
    """The terms of a pose with the receptor, in kcal/mol, by the names in `WEIGHTS`.

    Args:
        around: atoms of the receptor.
        types: (n,) of the ligand's atoms.
        positions: (n, 3) in the frame of `around`, angstroms.
    """
    apart = np.linalg.norm(positions[:, None] - around.positions, axis=-1)
    rows, columns = np.nonzero(apart < VINA.cutoff)
    pairs = types[rows], around.types[columns], apart[rows, columns]
    found: dict[str, float] = {}
    for scoring in (VINA, VINARDO):
        for number, part in enumerate(_by_gaussian(scoring)):
            values = pair_terms(part, *pairs).sum(axis=1).tolist()
            found[f"{scoring.name}.attraction.{number}"] = values[0]
        found |= {f"{scoring.name}.{name}": value for name, value in zip(TERMS[1:], values[1:], strict=True)}
    return found


def _by_gaussian(scoring: ScoringFunction) -> list[ScoringFunction]:
    """The scoring function with each of its Gaussians alone."""
    (potential,) = scoring.potentials
    parts = [replace(potential, gaussians=(one,)) for one in potential.gaussians]
    return [replace(scoring, potentials=(one,)) for one in parts]


def ranking_of(terms: dict[str, float]) -> float:
    """What poses of one molecule are ranked by, the lowest first: their terms by `WEIGHTS`, without unit.

    Args:
        terms: as `ranking_terms` gives them, and `inside` and `torsion` in kcal/mol; with a template also the
            coefficients `template.shape` and `template.colour`.
    """
    return sum(weight * terms.get(name, 0.0) for name, weight in (WEIGHTS | TEMPLATE_WEIGHTS).items())
