"""From a row to a ligand that lies in its receptor, with every reason why one does not.

A pose is refused where no affinity could follow from it: the orders of its bonds are unknown, it lies in another frame
than the receptor or outside of the site, it is bound to the receptor by a covalent bond, or its atoms lie in the
receptor's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.listing import records
from metricvae.kinds.molecule.readers import Skipped, molecule_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.records import Floats, Structure
from metricvae.kinds.pocket.sites import of_ligand, place
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.affinity.features.records import PosedComplex, posed_complex

BOND = 1.95
"""Angstroms between atoms of the ligand and of the receptor, neither of a metal, that are bound or clash."""

INSIDE = 1.1
"""Angstroms below which no bond is that short: one atom lies in the other."""

MOST_NEAR = 3
"""Pairs of atoms within `BOND` from which on a pose clashes; modelled poses of congeners have one or two."""

TOUCHING, FEWEST_TOUCHING = 5.0, 0.25
"""Angstroms to the receptor, and the share of the ligand's atoms that must be so near."""

SITE_REACH = 10.0
"""Angstroms from the centre of a named site to that of the ligand, at most."""


@dataclass
class ComplexReader:
    """Reads complexes one by one; of some in turn that share a receptor or a file of ligands, that is read once.

    Attributes:
        structure: the receptor that was read last, by its path.
        ligands: the file of ligands that was read last, by its path.
    """

    structure: tuple[str, Structure] | None = None
    ligands: tuple[str, dict[str, Molecule | str]] | None = None

    def receptor_of(self, path: str) -> Structure:
        """The structure in a file."""
        if self.structure is None or self.structure[0] != path:
            self.structure = path, structure_of(path)
        return self.structure[1]

    def ligand_of(self, path: str, title: str = "") -> Molecule:
        """A molecule of a file by its title, or the first.

        Raises:
            InputError: no such molecule, or one that is refused.
        """
        if self.ligands is None or self.ligands[0] != path:
            self.ligands = path, ligands_in(path)
        held = self.ligands[1]
        found = held.get(title) if title else next(iter(held.values()), None)
        if found is None:
            raise InputError(f"{path} has no ligand {title}".rstrip() + ": expected one in the receptor's frame")
        if isinstance(found, str):
            raise InputError(found)
        return found

    def posed(self, structure: Structure, molecule: Molecule, site: str = "auto") -> PosedComplex:
        """A ligand in a structure, which must be near the site where one is named; see `check_pose`."""
        if site != "auto":
            centre = place(structure, site).centre
            away = float(np.linalg.norm(molecule.centre - centre))
            if away > SITE_REACH:
                raise InputError(
                    f"the ligand lies {away:.0f} angstroms from the centre of the site {site}: expected at most "
                    f"{SITE_REACH:g}"
                )
        found = posed_complex(of_ligand(structure, molecule.positions).receptor, molecule)
        check_pose(found)
        return found


def ligands_in(path: str) -> dict[str, Molecule | str]:
    """The molecules of a file that have coordinates, or why one is refused, by their titles; the first of each.

    Raises:
        InputError: the file cannot be read.
    """
    found: dict[str, Molecule | str] = {}
    for record in records(path):
        read = molecule_of(record)
        value = str(read) if isinstance(read, Skipped) else read
        found.setdefault(record.name or f"#{record.number}", value)
    return found


def check_pose(posed: PosedComplex) -> None:
    """Refuse a pose that cannot be that of a bound ligand.

    Raises:
        InputError: the ligand has bonds of unknown order, is bound covalently, clashes, or lies outside of every
            pocket.
    """
    if not posed.molecule.smiles:
        raise InputError("the ligand has bonds of unknown order: give it as SDF or mol2 with the orders")
    distances = posed.distances
    touching = (distances.min(axis=1) < TOUCHING).mean() if distances.shape[1] else 0.0
    if touching < FEWEST_TOUCHING:
        raise InputError(
            f"{touching:.0%} of the ligand's atoms are within {TOUCHING:g} angstroms of the receptor, "
            f"expected at least {FEWEST_TOUCHING:.0%}: it floats outside of the site, or has another frame"
        )
    near = close_pairs(posed)
    if len(near) == 1 and near[0] >= INSIDE:
        raise InputError(
            f"an atom of the ligand is {near[0]:.2f} angstroms from one of the receptor: covalent ligands are "
            "not scored"
        )
    if len(near) >= MOST_NEAR or (len(near) and near[0] < INSIDE):
        raise InputError(
            f"{len(near)} pairs of atoms of ligand and receptor are within {BOND:g} angstroms, the nearest "
            f"{near[0]:.2f}: the pose clashes, dock or minimise it first"
        )


def close_pairs(posed: PosedComplex) -> Floats:
    """(k,) distances below `BOND` between the ligand and atoms of the receptor that are no metals, the least first."""
    metal = np.isin(posed.receptor.elements, list(METALS))
    distances = posed.distances[:, ~metal]
    return np.sort(distances[distances < BOND])
