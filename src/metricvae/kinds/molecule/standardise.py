"""Standardises molecules: the organic parent without salts and solvents, neutralised, and sanitised by RDKit.

The functions here take and give RDKit molecules; :func:`record_of` turns one with coordinates into a `Molecule`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import SYMBOLS, Molecule

FEWEST_ATOMS = 4
"""Heavy atoms of the parent, at least: fewer have no shape to compare."""

MOST_ATOMS = 100
"""Heavy atoms of the parent, at most: drugs have 15 to 50, and larger things are peptides and polymers."""

LONGEST_SMILES = 4000
"""Characters; a parent of 100 heavy atoms needs some 300, and salts and labels add to it."""

MAX_COORDINATE = 9999.0
"""Angstroms from zero along an axis, at most."""

Mol = Any


def standard(smiles: str) -> Mol:
    """The parent in a SMILES: its largest organic fragment, neutralised and sanitised, hydrogens implicit.

    Raises:
        InputError: the SMILES does not parse, breaks the rules of valence or aromaticity, or has a parent that
            :func:`parent_of` refuses.
    """
    chem = require("rdkit.Chem")
    shown = smiles if len(smiles) <= 60 else f"{smiles[:57]}..."
    if len(smiles) > LONGEST_SMILES:
        raise InputError(f"{shown!r} has {len(smiles):,} characters, expected a SMILES of at most {LONGEST_SMILES:,}")
    if not smiles.isascii() or not smiles.isprintable() or " " in smiles:
        raise InputError(f"{shown!r} is not a SMILES: expected letters, digits and signs without spaces")
    with rdkit_checks():
        mol = chem.MolFromSmiles(smiles, sanitize=False)
        if mol is None or mol.GetNumAtoms() == 0:
            raise InputError(f"{shown!r} does not parse as a SMILES: correct or remove it")
        return parent_of(mol)


def parent_of(mol: Mol) -> Mol:
    """The parent of an RDKit molecule, sanitised or not; conformers are kept, hydrogens and atom numbers are not.

    Raises:
        InputError: the parent breaks the rules of valence or aromaticity, has no carbon, has an element outside
            :data:`~metricvae.kinds.molecule.records.SYMBOLS` (metals among them), or has fewer than
            :data:`FEWEST_ATOMS` or more than :data:`MOST_ATOMS` heavy atoms.
    """
    chem = require("rdkit.Chem")
    with rdkit_checks():
        parent = largest_organic(mol)
        numbers = [atom.GetAtomicNum() for atom in parent.GetAtoms()]
        check_elements([number for number in numbers if number != 1])
        chem.SanitizeMol(parent)
        if 1 in numbers:
            parent = chem.RemoveAllHs(parent)
        charged = any(atom.GetFormalCharge() for atom in parent.GetAtoms())
        parent = _uncharger().uncharge(parent) if charged else parent
        for atom in parent.GetAtoms():
            atom.SetAtomMapNum(0)
        if charged or 1 in numbers:
            chem.SanitizeMol(parent)
        chem.AssignStereochemistry(parent, cleanIt=True, force=True)
    return parent


@contextlib.contextmanager
def rdkit_checks() -> Iterator[None]:
    """Silence RDKit's log, and report what it raises on a molecule as bad input.

    Raises:
        InputError: RDKit raised ValueError (a rule of chemistry) or RuntimeError (one of its internal conditions).
    """
    try:
        with require("rdkit.rdBase").BlockLogs():
            yield
    except InputError:
        raise
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"the molecule is not valid ({reason}): correct or remove it") from None


def largest_organic(mol: Mol) -> Mol:
    """The connected component of a molecule with the most heavy atoms (then the most mass), with carbon if any has."""
    fragments = require("rdkit.Chem").GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    return max(fragments, key=_organic_size) if len(fragments) > 1 else fragments[0]


def check_elements(numbers: list[int]) -> None:
    """Accept the atomic numbers of the heavy atoms of an organic molecule of useful size.

    Raises:
        InputError: as :func:`parent_of` says.
    """
    if not FEWEST_ATOMS <= len(numbers) <= MOST_ATOMS:
        raise InputError(
            f"the molecule has {len(numbers)} heavy atoms, expected {FEWEST_ATOMS} to {MOST_ATOMS}: leave it out"
        )
    if 6 not in numbers:
        raise InputError("the molecule has no carbon: expected an organic one, leave it out")
    foreign = sorted(set(numbers) - set(SYMBOLS))
    if foreign:
        table = require("rdkit.Chem").GetPeriodicTable()
        name = table.GetElementSymbol(foreign[0]) if 0 < foreign[0] < 119 else "an atom of no element"
        raise InputError(
            f"the molecule has {name}, expected {', '.join(SYMBOLS.values())} and hydrogen only: "
            "leave out metals, query atoms and attachment points"
        )


def canonical(mol: Mol) -> str:
    """Canonical isomeric SMILES."""
    return str(require("rdkit.Chem").MolToSmiles(mol))


def record_of(mol: Mol, name: str, smiles: str, conformer: int = -1) -> Molecule:
    """The heavy atoms of an RDKit molecule in one of its conformers, with its bonds in Kekule form.

    Args:
        mol: sanitised, with a conformer; explicit hydrogens are left out.
        name: becomes the id.
        smiles: of the molecule.
        conformer: RDKit's number of it.
    """
    chem = require("rdkit.Chem")
    kekulised = chem.Mol(mol)
    chem.Kekulize(kekulised, clearAromaticFlags=True)
    atoms = [(atom.GetIdx(), atom.GetAtomicNum(), atom.GetFormalCharge()) for atom in kekulised.GetAtoms()]
    heavy = [atom for atom in atoms if atom[1] > 1]
    row = {index: number for number, (index, *_) in enumerate(heavy)}
    bonds = [
        (row[begin], row[end], _order(bond.GetBondTypeAsDouble()))
        for bond in kekulised.GetBonds()
        if (begin := bond.GetBeginAtomIdx()) in row and (end := bond.GetEndAtomIdx()) in row
    ]
    charges = [(row[index], charge) for index, _, charge in heavy if charge]
    return Molecule(
        id=name,
        smiles=smiles,
        elements=np.array([element for _, element, _ in heavy], dtype=np.uint8),
        positions=np.array(kekulised.GetConformer(conformer).GetPositions(), dtype=np.float64)[list(row)],
        bonds=np.array(bonds, dtype=np.int32).reshape(-1, 3),
        charges=np.array(charges, dtype=np.int32).reshape(-1, 2),
    )


def _order(order: float) -> int:
    """1, 2 or 3; 0 for a bond that is none of these."""
    return int(order) if order in (1.0, 2.0, 3.0) else 0


def _organic_size(fragment: Mol) -> tuple[bool, int, float, str]:
    numbers = [atom.GetAtomicNum() for atom in fragment.GetAtoms()]
    heavy = sum(number > 1 for number in numbers)
    mass = sum(atom.GetMass() for atom in fragment.GetAtoms())
    return 6 in numbers, heavy, mass, canonical(fragment) if heavy < MOST_ATOMS else ""


@functools.cache
def _uncharger() -> Any:
    return require("rdkit.Chem.MolStandardize.rdMolStandardize").Uncharger()
