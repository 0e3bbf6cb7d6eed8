"""Ranks the poses of one molecule: a linear function of the terms of two scoring functions, fitted to crystal poses.

The search minimises a scoring function that was fitted to affinities. Which of its minima is the crystal's is another
question, so the weights are fitted to it: the logarithm of the probability that a pose within 2 angstroms of the
crystal's is chosen among the poses of its molecule (a softmax), with a quadratic penalty, by
`benchmarks/docking_ranking.py` on the 156 reference complexes of Uni-FEP (Apache-2.0) in `train`, of 88 clusters of
proteins.
"""

from __future__ import annotations

from metricvae.metrics.docking.near_pairs import NearPairs
from metricvae.metrics.docking.scoring import TERMS, VINA, VINARDO, parts_of

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


def ranking_terms(pairs: NearPairs) -> dict[str, float]:
    """The terms of a pose with the receptor, in kcal/mol, by the names in `WEIGHTS`.

    Args:
        pairs: of its atoms and those of the receptor within the cut-off of the functions.
    """
    found: dict[str, float] = {}
    for scoring in (VINA, VINARDO):
        (potential,) = scoring.potentials
        values = parts_of(potential, *pairs).sum(axis=1).tolist()
        names = [f"attraction.{number}" for number in range(len(potential.gaussians))]
        found |= {f"{scoring.name}.{name}": value for name, value in zip([*names, *TERMS[1:]], values, strict=True)}
    return found


def ranking_of(terms: dict[str, float]) -> float:
    """What poses of one molecule are ranked by, the lowest first: their terms by `WEIGHTS`, without unit.

    Args:
        terms: as `ranking_terms` gives them, and `inside` and `torsion` in kcal/mol; with a template also the
            coefficients `template.shape` and `template.colour`.
    """
    return sum(weight * terms.get(name, 0.0) for name, weight in (WEIGHTS | TEMPLATE_WEIGHTS).items())
