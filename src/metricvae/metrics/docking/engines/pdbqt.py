"""Receptors and ligands as PDBQT, which AutoDock's family of programs reads and writes.

Engines take from hydrogens which atoms are donors, and nothing else: where they point does not count. So a receptor's
heavy atoms are those that this package docks into, with a hydrogen on each atom that it takes for a donor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.records import DONOR, Receptor
from metricvae.metrics.docking.records import Floats
from metricvae.runtime import extras

HYDROGEN = 0.98
"""Angstroms from a donor to its hydrogen."""

BOND = 1.95
"""Angstroms between two atoms that are bound, at most."""

BEYOND = 10.0
"""Angstroms outside the cube in which a receptor's atoms are kept."""

_TYPES = {6: "C", 8: "OA", 16: "SA", 15: "P", 9: "F", 17: "Cl", 35: "Br", 53: "I"}


def receptor_pdbqt(receptor: Receptor, centre: Floats, width: float) -> str:
    """The receptor about a cube as PDBQT: heavy atoms, and a hydrogen on each donor.

    Args:
        receptor: its atoms.
        centre: (3,) of the cube, angstroms.
        width: of the cube, angstroms.
    """
    near = np.abs(receptor.positions - centre).max(axis=1) < width / 2 + BEYOND
    held = receptor.select(np.flatnonzero(near))
    donors = held.roles & DONOR > 0
    heavy = [
        (_type(int(element), bool(donor)), place)
        for element, donor, place in zip(held.elements, donors, held.positions, strict=True)
    ]
    atoms = heavy + [("HD", place) for place in _hydrogens(held.positions, donors)]
    return "".join(_line(number + 1, *atom) for number, atom in enumerate(atoms))


def _hydrogens(positions: Floats, donors: np.ndarray) -> Floats:
    """(h, 3) a hydrogen on each donor, away from the atoms that it is bound to."""
    found, tree = [], cKDTree(positions)
    for place in positions[donors]:
        near = [one for one in tree.query_ball_point(place, BOND) if np.any(positions[one] != place)]
        away = (place - positions[near]).sum(axis=0) if near else np.array([1.0, 0.0, 0.0])
        found.append(place + HYDROGEN * away / max(float(np.linalg.norm(away)), 1e-6))
    return np.array(found).reshape(-1, 3)


def _type(element: int, donor: bool) -> str:
    """AutoDock's type of an atom; a nitrogen that donates and accepts is taken as one that donates."""
    if element in METALS:
        return str(require("gemmi").Element(element).name)
    return ("N" if donor else "NA") if element == 7 else _TYPES.get(element, "C")


def _line(number: int, kind: str, place: Floats) -> str:
    x, y, z = place
    return (
        f"ATOM  {number % 100000:5d} {kind[:2]:<4} REC A   1    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00     0.000 {kind:<2}\n"
    )


def ligand_pdbqt(molecule: Molecule, engine: str) -> str:
    """A molecule in its conformer, its atoms in the order of its SMILES, as PDBQT; see `mol_pdbqt`."""
    chem = require("rdkit.Chem")
    mol = chem.MolFromSmiles(molecule.smiles)
    conformer = chem.Conformer(mol.GetNumAtoms())
    conformer.SetPositions(np.ascontiguousarray(molecule.positions))
    mol.AddConformer(conformer)
    return mol_pdbqt(mol, molecule.id, engine)


def mol_pdbqt(mol: Any, name: str, engine: str) -> str:
    """A molecule of RDKit in its conformer as PDBQT, by meeko, its hydrogens added.

    Charges are zero: no engine here reads them, and Gasteiger's have none for some phosphates and metals.

    Args:
        mol: with a conformer.
        name: in messages.
        engine: whose extra brings meeko.

    Raises:
        InputError: meeko is not installed, or refuses the molecule.
    """
    meeko, chem = extras.require("meeko", engine, f"the engine {engine}"), require("rdkit.Chem")
    prepared = meeko.MoleculePreparation(charge_model="zero").prepare(chem.AddHs(mol, addCoords=True))
    text, good, message = meeko.PDBQTWriterLegacy.write_string(prepared[0])
    if not good:
        raise InputError(f"meeko cannot prepare {name}: {' '.join(message.split())}")
    return str(text)


def positions_of(text: str, molecule: Molecule, engine: str) -> list[Floats]:
    """Positions (n, 3) of a molecule's atoms in each model of a PDBQT file of poses that meeko prepared.

    Args:
        text: of the file.
        molecule: as it was prepared.
        engine: whose extra brings meeko.

    Raises:
        InputError: the atoms are not those of the molecule.
    """
    meeko, chem = extras.require("meeko", engine, f"the engine {engine}"), require("rdkit.Chem")
    found = meeko.RDKitMolCreate.from_pdbqt_mol(meeko.PDBQTMolecule(text, skip_typing=True))[0]
    posed = chem.RemoveHs(found)
    order = posed.GetSubstructMatch(chem.MolFromSmiles(molecule.smiles))
    if len(order) != posed.GetNumAtoms():
        raise InputError(f"the poses of {engine} have other atoms than {molecule.id}: leave the molecule out")
    return [np.asarray(one.GetPositions(), np.float64)[list(order)] for one in posed.GetConformers()]
