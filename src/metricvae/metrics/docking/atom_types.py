"""Types of atoms that scoring functions of docking tell apart: element, hydrophobic, donor, acceptor.

As in X-Score (R. Wang, L. Lai, S. Wang, J. Comput.-Aided Mol. Des. 16 (2002) 11) and AutoDock Vina: a carbon is
hydrophobic where none of its neighbours is a heteroatom; nitrogens and oxygens donate and accept by their bonds; a
metal donates. Acids count as deprotonated and basic amines as protonated, whatever the form of the molecule that is
given.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.records import ACCEPTOR, DONOR, HYDROPHOBE, Receptor

TYPES = (
    *("C.hydrophobic", "C.polar"),
    *("N.plain", "N.donor", "N.acceptor", "N.both"),
    *("O.plain", "O.donor", "O.acceptor", "O.both"),
    *("F", "Cl", "Br", "I", "S", "P", "Si", "B", "metal"),
)
"""Types of atoms, by number."""

_NUMBER = {name: number for number, name in enumerate(TYPES)}
METAL = _NUMBER["metal"]
ELEMENT_OF = (6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 9, 17, 35, 53, 16, 15, 14, 5, 0)
"""Atomic number of each type; 0 for metals."""

HYDROPHOBES = [_NUMBER[name] for name in ("C.hydrophobic", "F", "Cl", "Br", "I")]
DONORS = [_NUMBER[name] for name in ("N.donor", "N.both", "O.donor", "O.both", "metal")]
ACCEPTORS = [_NUMBER[name] for name in ("N.acceptor", "N.both", "O.acceptor", "O.both")]

_BY_ELEMENT = {9: "F", 17: "Cl", 35: "Br", 53: "I", 16: "S", 34: "S", 52: "S", 15: "P", 33: "P", 14: "Si", 5: "B"}
"""Types of elements that have but one; selenium and tellurium are taken as sulphur, arsenic as phosphorus."""

_SUFFIX = ("plain", "donor", "acceptor", "both")

Types = npt.NDArray[np.int64]


def _number(element: int, hydrophobic: bool, donor: bool, acceptor: bool) -> int:
    if element == 6:
        return _NUMBER["C.hydrophobic" if hydrophobic else "C.polar"]
    if element in (7, 8):
        return _NUMBER[f"{'N' if element == 7 else 'O'}.{_SUFFIX[donor + 2 * acceptor]}"]
    return METAL if element in METALS else _NUMBER[_BY_ELEMENT.get(element, "S")]


def receptor_types(receptor: Receptor) -> Types:
    """(n,) types of a receptor's atoms, by their elements and roles.

    A nitrogen of a histidine both donates and accepts, since its tautomer is not known.
    """
    return np.array(
        [
            _number(element, bool(role & HYDROPHOBE), bool(role & DONOR), bool(role & ACCEPTOR))
            for element, role in zip(receptor.elements.tolist(), receptor.roles.tolist(), strict=True)
        ],
        np.int64,
    )


def ligand_types(mol: Any) -> Types:
    """(n,) types of the atoms of a sanitised RDKit molecule without explicit hydrogens.

    Raises:
        InputError: an element that no scoring function has.

    Example:
        >>> from rdkit import Chem
        >>> [TYPES[number] for number in ligand_types(Chem.MolFromSmiles("CCC(=O)O"))]
        ['C.hydrophobic', 'C.hydrophobic', 'C.polar', 'O.acceptor', 'O.acceptor']
    """
    donors, acceptors = _matches(mol, "donor"), _matches(mol, "acceptor")
    found = []
    for atom in mol.GetAtoms():
        element = atom.GetAtomicNum()
        if element not in (6, 7, 8) and element not in _BY_ELEMENT:
            raise InputError(f"{atom.GetSymbol()} has no parameters for docking: leave the molecule out")
        around = [one.GetAtomicNum() for one in atom.GetNeighbors()]
        hydrophobic = all(one in (6, 1) for one in around)
        found.append(_number(element, hydrophobic, atom.GetIdx() in donors, atom.GetIdx() in acceptors))
    return np.array(found, np.int64)


def molecule_types(molecule: Molecule) -> Types:
    """(n,) types of the atoms of a molecule, by its bonds and charges.

    Raises:
        InputError: an element that no scoring function has, or bonds that break the rules of valence.
    """
    mol = require("rdkit.Chem").MolFromMolBlock(mol_block(molecule))
    if mol is None:
        raise InputError(f"the bonds of {molecule.id} break the rules of valence: give it as an SDF with all bonds")
    return ligand_types(mol)


_SMARTS = {
    "donor": (
        "[N!H0,n!H0]",  # also amides and ammonium
        "[O!H0;!$(O[C,S,P]=[O,S,N])]",  # hydroxyl, of no acid
        "[NX3;H0;+0;$(N([CX4])([CX4])[CX4]);!$(NC=[O,S,N])]",  # tertiary amines are protonated
    ),
    "acceptor": (
        "[O,o]",
        "[n;H0;X2]",
        "[N;X2;H0;+0;!$(N=[N+])]",
        "[NX1]#C",
    ),
}
"""What gives and takes hydrogen bonds; first atoms of the matches."""


@functools.cache
def _patterns(name: str) -> tuple[Any, ...]:
    chem = require("rdkit.Chem")
    return tuple(chem.MolFromSmarts(one) for one in _SMARTS[name])


def _matches(mol: Any, name: str) -> set[int]:
    """The atoms that match one of the patterns of a name."""
    return {match[0] for pattern in _patterns(name) for match in mol.GetSubstructMatches(pattern)}
