"""Docks a molecule, given by its SMILES, into a site of a receptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.atom_types import TYPES, ligand_types
from metricvae.metrics.docking.chains import Minimum, search_minima
from metricvae.metrics.docking.clustering import distinct, symmetries
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.energy import (
    Field,
    coordinates,
    energy_inside,
    energy_of_torsions,
    frames_of,
    no_maps,
    no_receptor_atoms,
    place_atoms,
)
from metricvae.metrics.docking.minimise import minimise
from metricvae.metrics.docking.plausibility import clashes, strains
from metricvae.metrics.docking.ranking import ranking_of, ranking_terms
from metricvae.metrics.docking.records import Floats, Ints, LigandArrays, ReceptorAtoms
from metricvae.metrics.docking.scoring import TERMS, ScoringFunction, pair_table, pair_terms, scoring_function
from metricvae.metrics.docking.site import DockingSite, prepare_site
from metricvae.metrics.docking.template import Template, attracted, require_in, similarity, starts_on
from metricvae.metrics.docking.torsions import Topology, arrays_of, topology_of

CANDIDATES = 30
"""Minima of the search, the best and distinct, that are refined and ranked."""

UNBOUNDED = 1e6
"""kcal/mol, a ceiling that no atom comes near."""


@dataclass(frozen=True, eq=False)
class DockedPose:
    """A pose of a molecule in a site.

    Attributes:
        molecule: where it lies in the frame of the receptor.
        score: estimate of the free energy of binding, kcal/mol; lower is better.
        energy: what the search minimises: with the receptor, inside the ligand, and of its torsions, kcal/mol.
        ranking: what poses are ranked by, lower is better; without unit, see `ranking`.
        clashes: pairs of an atom of the molecule and one of the receptor that are too near, see `plausibility`.
        strain: how far the energy of the molecule lies above that of a free conformer, kcal/mol; None where it was not
            asked for.
        similarity: mean of the Tanimoto coefficients of shape and colour with the template; None without one.
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
    similarity: float | None


def dock(
    receptor: Receptor,
    centre: Floats,
    smiles: str,
    config: DockingConfig | None = None,
    *,
    name: str = "",
    template: Template | None = None,
) -> list[DockedPose]:
    """Distinct poses of a molecule in a site, the best first.

    The answer depends on the molecule, the site and the configuration, and neither on how the SMILES is written nor
    on how the receptor lies.

    Args:
        receptor: atoms of the receptor.
        centre: (3,) of the site, angstroms.
        smiles: of the molecule; it is standardised.
        config: how.
        name: of the molecule.
        template: a ligand that is known to bind there, which leads the search.

    Raises:
        InputError: a molecule that is refused or gets no conformer, a site without atoms around, or a template
            elsewhere.
    """
    config = config or DockingConfig()
    count = config.template.conformers if template else config.conformers
    found = conform(smiles, config.seed + 1, count, name=name, distinct=0.1)
    mol = require("rdkit.Chem").MolFromSmiles(found[0].smiles)
    scoring, types = scoring_function(config.scoring), ligand_types(mol)
    site = prepare_site(receptor, centre, scoring, width=config.width, spacing=config.spacing, types=types)
    return dock_conformers(site, found, config, template)


def dock_conformers(
    site: DockingSite,
    conformers: Sequence[Molecule],
    config: DockingConfig | None = None,
    template: Template | None = None,
) -> list[DockedPose]:
    """Distinct poses of a molecule in a site that is ready, the best first.

    Args:
        site: see `prepare_site`.
        conformers: of one molecule, from its SMILES as `conform` makes them.
        config: how; its scoring function, width and spacing are the site's.
        template: a ligand that is known to bind there, which leads the search.

    Raises:
        InputError: an element that has no parameters, or a template elsewhere.
    """
    config = config or DockingConfig()
    mol = require("rdkit.Chem").MolFromSmiles(conformers[0].smiles)
    topology = topology_of(mol)
    ligands = [arrays_of(topology, one.positions) for one in conformers]
    table = pair_table(site.scoring)
    field = Field(site.maps, no_receptor_atoms(), table, config.inside, config.torsion, UNBOUNDED)
    exact = Field(no_maps(len(TYPES)), site.around, table, config.inside, config.torsion, UNBOUNDED)
    if template is None:
        minima = search_minima(ligands, field, site.starts, config)
    else:
        require_in(site, template)
        led = field._replace(maps=attracted(site, template, topology.types, config.template.pull))
        starts = starts_on(template, conformers, topology.rotatable, site, config.template)
        minima = search_minima(ligands, led, site.starts, config, starts)
    permutations = symmetries(mol)
    rows = _distinct(minima, permutations, config.apart, max(CANDIDATES, config.poses))
    refined = [_refined(ligands[minima[row].conformer], exact, minima[row]) for row in rows]
    refined.sort(key=lambda one: one.energy)
    apart = [refined[row] for row in _distinct(refined, permutations, config.apart, len(refined))]
    poses = [_described(site, topology, ligands[one.conformer], conformers[0], exact, one, template) for one in apart]
    poses = sorted(poses, key=lambda one: one.ranking)[: config.poses]
    if not config.strain:
        return poses
    found = strains(mol, [one.molecule.positions for one in poses], [one.positions for one in conformers])
    return [replace(pose, strain=strain) for pose, strain in zip(poses, found, strict=True)]


def _distinct(minima: Sequence[Minimum], permutations: Ints, apart: float, count: int) -> list[int]:
    return distinct(np.stack([one.positions for one in minima]), permutations, apart, count)


def _refined(ligand: LigandArrays, exact: Field, minimum: Minimum) -> Minimum:
    """A minimum without the error of the grid."""
    pose = minimum.pose.copy()
    energy = minimise(pose, ligand, exact, frames_of(ligand), 60)
    return replace(minimum, energy=energy, pose=pose, positions=coordinates(ligand, pose))


def _described(
    site: DockingSite,
    topology: Topology,
    ligand: LigandArrays,
    molecule: Molecule,
    exact: Field,
    minimum: Minimum,
    template: Template | None,
) -> DockedPose:
    """A minimum as a pose in the frame of the receptor, with the parts of its score."""
    terms = terms_of(site.scoring, site.around, topology.types, minimum.positions)
    total = sum(terms.values())
    own = _own_terms(ligand, exact, minimum.pose)
    parts = own | ranking_terms(site.around, topology.types, minimum.positions)
    score = total / (1.0 + site.scoring.per_torsion * topology.rotatable)
    placed = replace(molecule, positions=site.to_receptor(minimum.positions))
    alike = None
    if template is not None:
        shape, colour = similarity(template, placed)
        parts |= {"template.shape": shape, "template.colour": colour}
        alike = (shape + colour) / 2
    near = clashes(minimum.positions, molecule.radii, site.around.positions, site.radii)
    return DockedPose(placed, score, minimum.energy, ranking_of(parts), terms | own, parts, near, None, alike)


def terms_of(scoring: ScoringFunction, around: ReceptorAtoms, types: Ints, positions: Floats) -> dict[str, float]:
    """The terms of the energy of atoms with those around, by name; kcal/mol.

    Args:
        scoring: the scoring function.
        around: atoms of the receptor.
        types: (n,) of the ligand's atoms.
        positions: (n, 3) in the frame of `around`, angstroms.
    """
    apart = np.linalg.norm(positions[:, None] - around.positions, axis=-1)
    rows, columns = np.nonzero(apart < scoring.cutoff)
    values = pair_terms(scoring, types[rows], around.types[columns], apart[rows, columns])
    return dict(zip(TERMS, values.sum(axis=1).tolist(), strict=True))


def _own_terms(ligand: LigandArrays, exact: Field, pose: Floats) -> dict[str, float]:
    """The energies of a ligand's own pairs and of its torsions, before their weights."""
    frames = frames_of(ligand)
    place_atoms(pose, ligand, frames)
    inside = energy_inside(ligand, exact.table, 1.0, frames)
    return {"inside": inside, "torsion": energy_of_torsions(ligand, pose, 1.0, np.zeros(len(pose) - 1))}
