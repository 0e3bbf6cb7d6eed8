"""What is known of a pose: terms of its score, its ranking, how it fits the receptor and a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metricvae.core.display import facts_html
from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.docking.chains import Minimum
from metricvae.metrics.docking.energy import Field, energy_inside, energy_of_torsions, frames_of, place_atoms
from metricvae.metrics.docking.near_pairs import NearPairs, near_pairs
from metricvae.metrics.docking.plausibility import clashes, strains
from metricvae.metrics.docking.ranking import ranking_of, ranking_terms
from metricvae.metrics.docking.records import Floats, LigandArrays
from metricvae.metrics.docking.scoring import TERMS, ScoringFunction, pair_terms
from metricvae.metrics.docking.site import DockingSite
from metricvae.metrics.docking.template import Template, similarity
from metricvae.metrics.docking.torsions import Topology
from metricvae.metrics.docking.validity import faults_of


@dataclass(frozen=True, eq=False)
class DockedPose:
    """A pose of a molecule in a site.

    Attributes:
        molecule: where it lies in the frame of the receptor.
        score: estimate of the free energy of binding, kcal/mol; lower is better.
        energy: what the search minimises: with the receptor, inside the ligand, and of its torsions, kcal/mol.
        ranking: what poses are ranked by, lower is better; without unit, see `ranking`.
        clashes: pairs of an atom of the molecule and one of the receptor that are too near, see `plausibility`; 0 where
            it was not checked.
        strain: how far the energy of the molecule lies above that of a free conformer, kcal/mol; None where it was not
            asked for, or the force field has no parameters for the molecule.
        faults: what is physically wrong with it, in a few words each, see `validity`; none in a valid pose, nor where
            it was not checked.
        similarity: mean of the Tanimoto coefficients of shape and colour with the template; None without one.
        place: in the order of what searched, from 0: by energy, or as another engine has it.
        terms: of the energy with the receptor, as `scoring.TERMS` names them, and `inside` and `torsion`, unweighted
            but for the weights of the scoring function.
        parts: of the ranking, as `ranking.WEIGHTS` names them, kcal/mol.
    """

    molecule: Molecule
    score: float
    energy: float
    ranking: float
    terms: dict[str, float]
    parts: dict[str, float]
    clashes: int
    strain: float | None
    faults: tuple[str, ...]
    similarity: float | None
    place: int = 0

    def _repr_html_(self) -> str:
        """The structural formula and the numbers that poses are judged by, in notebooks."""
        facts = {"score, kcal/mol": self.score, "ranking": self.ranking, "clashes": self.clashes, "strain": self.strain}
        return self.molecule._repr_html_() + facts_html(
            "pose", facts | {"similarity": self.similarity, "faults": ", ".join(self.faults) or "none"}
        )

    @property
    def valid(self) -> bool:
        """Whether nothing is physically wrong with it."""
        return not self.faults


def described(
    site: DockingSite,
    topology: Topology,
    ligand: LigandArrays,
    molecule: Molecule,
    exact: Field,
    minimum: Minimum,
    template: Template | None,
) -> DockedPose:
    """A minimum as a pose in the frame of the receptor, with the parts of its score."""
    pairs = near_pairs(site.around, topology.types, minimum.positions, site.scoring.cutoff)
    terms = terms_of(site.scoring, pairs)
    total = sum(terms.values())
    own = _own_terms(ligand, exact, minimum.pose)
    parts = own | ranking_terms(pairs)
    score = total / (1.0 + site.scoring.per_torsion * topology.rotatable)
    placed = replace(molecule, positions=site.to_receptor(minimum.positions))
    alike = None
    if template is not None:
        shape, colour = similarity(template, placed)
        parts |= {"template.shape": shape, "template.colour": colour}
        alike = (shape + colour) / 2
    return DockedPose(placed, score, minimum.energy, ranking_of(parts), terms | own, parts, 0, None, (), alike)


def checked(
    mol: Any, poses: Sequence[DockedPose], conformers: Sequence[Molecule], site: DockingSite, strain: bool
) -> list[DockedPose]:
    """Poses with their strain, where it is asked for, their clashes, and what is wrong with them.

    Args:
        mol: sanitised RDKit molecule without explicit hydrogens.
        poses: of it, in the frame of the receptor.
        conformers: free ones, for the strain.
        site: the site.
        strain: whether it is asked for.
    """
    places = [pose.molecule.positions for pose in poses]
    found: Sequence[float | None] | None = None
    if strain:
        found = strains(mol, places, [one.positions for one in conformers])
    around = site.to_receptor(site.around.positions)
    return [
        replace(
            pose,
            clashes=clashes(one, pose.molecule.radii, around, site.radii),
            strain=own,
            faults=faults_of(pose.molecule.smiles, one, pose.molecule.radii, around, site),
        )
        for pose, one, own in zip(poses, places, found or [None] * len(poses), strict=True)
    ]


def terms_of(scoring: ScoringFunction, pairs: NearPairs) -> dict[str, float]:
    """The terms of the energy of atoms with those around, by name; kcal/mol.

    Args:
        scoring: the scoring function.
        pairs: within its cut-off.
    """
    values = pair_terms(scoring, *pairs).sum(axis=1)
    return dict(zip(TERMS, values.tolist(), strict=True))


def _own_terms(ligand: LigandArrays, exact: Field, pose: Floats) -> dict[str, float]:
    """The energies of a ligand's own pairs and of its torsions, before their weights."""
    frames = frames_of(ligand)
    place_atoms(pose, ligand, frames)
    inside = energy_inside(ligand, exact.table, 1.0, frames)
    return {"inside": inside, "torsion": energy_of_torsions(ligand, pose, 1.0, np.zeros(len(pose) - 1))}
