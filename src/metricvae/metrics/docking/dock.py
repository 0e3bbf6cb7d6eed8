"""Docks a molecule, given by its SMILES, into a site of a receptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.atom_types import TYPES, ligand_types
from metricvae.metrics.docking.chains import Minimum, search_minima
from metricvae.metrics.docking.clustering import distinct, symmetries
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.described import DockedPose, checked, described
from metricvae.metrics.docking.energy import Field, coordinates, energy_of, frames_of, no_maps, no_receptor_atoms
from metricvae.metrics.docking.engines.engine import OWN, Engine, EngineJob, engine_of
from metricvae.metrics.docking.minimise import minimise
from metricvae.metrics.docking.records import Floats, Ints, LigandArrays
from metricvae.metrics.docking.scoring import pair_table, scoring_function
from metricvae.metrics.docking.site import DockingSite, prepare_site
from metricvae.metrics.docking.template import Template, attracted, require_in, starts_on
from metricvae.metrics.docking.torsions import Topology, arrays_of, topology_of

CANDIDATES = 30
"""Minima of the search, the best and distinct, that are refined and ranked."""

FREE = 8
"""Free conformers, at most, that the strain of poses is measured against."""

UNBOUNDED = 1e6
"""kcal/mol, a ceiling that no atom comes near."""


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
    found = _conformers(smiles, config, name, template)
    types = ligand_types(require("rdkit.Chem").MolFromSmiles(found[0].smiles))
    return _docked(site_of(receptor, centre, config, types), receptor, found, config, template)


def dock_into(
    site: DockingSite,
    receptor: Receptor,
    smiles: str,
    config: DockingConfig,
    *,
    name: str = "",
    template: Template | None = None,
) -> list[DockedPose]:
    """Distinct poses of a molecule in a site that is ready for all molecules, the best first; see `dock`.

    Args:
        site: as `site_of` gives it for the same configuration.
        receptor: of the site.
        smiles, config, name, template: as for `dock`.
    """
    return _docked(site, receptor, _conformers(smiles, config, name, template), config, template)


def site_of(receptor: Receptor, centre: Floats, config: DockingConfig, types: Ints | None = None) -> DockingSite:
    """A site as a configuration has it, for molecules of some types of atoms or of all; see `prepare_site`."""
    scoring = scoring_function(config.scoring)
    return prepare_site(receptor, centre, scoring, width=config.width, spacing=config.spacing, types=types)


def _conformers(smiles: str, config: DockingConfig, name: str, template: Template | None) -> list[Molecule]:
    count = config.template.conformers if template else config.conformers
    return conform(smiles, config.seed + 1, count, name=name, distinct=0.1)


def _docked(
    site: DockingSite,
    receptor: Receptor,
    conformers: Sequence[Molecule],
    config: DockingConfig,
    template: Template | None,
) -> list[DockedPose]:
    if config.engine != OWN:
        return dock_by_engine(site, conformers, engine_of(config.engine), receptor, config, template)
    return dock_conformers(site, conformers, config, template)


def dock_conformers(
    site: DockingSite,
    conformers: Sequence[Molecule],
    config: DockingConfig | None = None,
    template: Template | None = None,
    *,
    check: bool = True,
) -> list[DockedPose]:
    """Distinct poses of a molecule in a site that is ready, the best first.

    Args:
        site: see `prepare_site`.
        conformers: of one molecule, from its SMILES as `conform` makes them.
        config: how; its scoring function, width and spacing are the site's.
        template: a ligand that is known to bind there, which leads the search.
        check: whether the poses are searched for clashes and physical faults, and strain is computed.

    Raises:
        InputError: an element that has no parameters, or a template elsewhere.
    """
    config = config or DockingConfig()
    mol = require("rdkit.Chem").MolFromSmiles(conformers[0].smiles)
    topology, permutations = topology_of(mol), symmetries(mol)
    exact = _field(site, config)._replace(maps=no_maps(len(TYPES)), around=site.around)
    ligands = [arrays_of(topology, one.positions) for one in conformers]
    minima = _own_minima(ligands, topology, site, conformers, config, template)
    rows = _distinct(minima, permutations, config.apart, max(CANDIDATES, config.poses))
    refined = sorted((_refined(ligands[minima[row].conformer], exact, minima[row]) for row in rows), key=_energy)
    apart = [refined[row] for row in _distinct(refined, permutations, config.apart, len(refined))]
    poses = [described(site, topology, ligands[one.conformer], conformers[0], exact, one, template) for one in apart]
    best = _ranked(poses, config.poses)
    return checked(mol, best, conformers[:FREE], site, config.strain) if check else best


def dock_by_engine(
    site: DockingSite,
    conformers: Sequence[Molecule],
    engine: Engine,
    receptor: Receptor,
    config: DockingConfig | None = None,
    template: Template | None = None,
) -> list[DockedPose]:
    """Distinct poses that another engine finds, as it leaves them, ranked and checked as our own, the best first.

    Args:
        site: see `prepare_site`.
        conformers: of one molecule; the engine gets the first.
        engine: see `metricvae.metrics.docking.engines.engine`.
        receptor: of the site.
        config: how; what is of our own search is not used.
        template: a ligand that is known to bind there, which enters the ranking.

    Raises:
        InputError: the engine is not installed, or finds no pose.
    """
    config, first = config or DockingConfig(), conformers[0]
    job = EngineJob(receptor, site.centre, config.width, first, config.poses, config.exhaustiveness, config.seed)
    mol = require("rdkit.Chem").MolFromSmiles(first.smiles)
    topology, exact = topology_of(mol), _field(site, config)._replace(maps=no_maps(len(TYPES)), around=site.around)
    found = []
    for positions in engine(job):
        places = site.from_receptor(positions)
        ligand = arrays_of(topology, places)
        pose = np.concatenate([places.mean(axis=0), [1.0], np.zeros(3 + topology.rotatable)])
        energy = energy_of(pose, ligand, exact, frames_of(ligand), np.zeros(len(pose) - 1))
        minimum = Minimum(energy, 0, pose, places)
        found.append(described(site, topology, ligand, first, exact, minimum, template))
    if not found:
        raise InputError(f"{config.engine} found no pose of {first.id}: name another site or engine")
    return checked(mol, _ranked(found, config.poses), conformers[:FREE], site, config.strain)


def _energy(minimum: Minimum) -> float:
    return minimum.energy


def _field(site: DockingSite, config: DockingConfig) -> Field:
    """What a search minimises, in the maps of a site."""
    table = pair_table(site.scoring)
    return Field(site.maps, no_receptor_atoms(), table, config.inside, config.torsion, UNBOUNDED)


def _own_minima(
    ligands: Sequence[LigandArrays],
    topology: Topology,
    site: DockingSite,
    conformers: Sequence[Molecule],
    config: DockingConfig,
    template: Template | None,
) -> list[Minimum]:
    field = _field(site, config)
    if template is None:
        return search_minima(ligands, field, site.starts, config)
    require_in(site, template)
    led = field._replace(maps=attracted(site, template, topology.types, config.template.pull))
    starts = starts_on(template, conformers, topology.rotatable, site, config.template)
    return search_minima(ligands, led, site.starts, config, starts)


def _ranked(poses: Sequence[DockedPose], count: int) -> list[DockedPose]:
    """So many poses, of all in the order of what searched, the best first."""
    numbered = [replace(one, place=place) for place, one in enumerate(poses)]
    return sorted(numbered, key=lambda one: one.ranking)[:count]


def _distinct(minima: Sequence[Minimum], permutations: Ints, apart: float, count: int) -> list[int]:
    return distinct(np.stack([one.positions for one in minima]), permutations, apart, count)


def _refined(ligand: LigandArrays, exact: Field, minimum: Minimum) -> Minimum:
    """A minimum without the error of the grid."""
    pose = minimum.pose.copy()
    energy = minimise(pose, ligand, exact, frames_of(ligand), 60)
    return replace(minimum, energy=energy, pose=pose, positions=coordinates(ligand, pose))
