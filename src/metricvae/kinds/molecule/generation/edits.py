"""Edits of one or two molecules: a part exchanged, a core exchanged, two molecules crossed, grown, shrunk, or one atom
changed. Each is drawn at random and may come to nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.generation.fragment_pool import (
    FragmentPool,
    MoleculePart,
    bonded,
    cut,
    cuttable_bonds,
    environment,
    relabelled,
)
from metricvae.kinds.molecule.standardise import Mol

SPREAD = 2.0
"""Standard deviation of the difference of sizes when a part is exchanged, heavy atoms."""

GROWN = (1, 7)
"""Heavy atoms of what is grown onto a molecule."""

SHRUNK = 6
"""Heavy atoms of what is taken off, at most."""

ATOMS = {6: (7, 8, 16), 7: (6, 8), 8: (6, 7, 16), 16: (6, 8), 9: (17, 6), 17: (9, 6, 35), 35: (17, 9)}
"""By which elements an atom may be replaced, by atomic number."""

Edit = Callable[[Mol, Mol, FragmentPool, np.random.Generator], Mol | None]
"""A molecule, another one, the pool, the source of randomness."""


def exchange_part(mol: Mol, _: Mol, pool: FragmentPool, rng: np.random.Generator) -> Mol | None:
    """What lies on one side of a bond becomes another part of about its size."""
    kept, removed = _cut_once(mol, rng)
    if kept is None or removed is None:
        return None
    new = pool.end_for(kept.ends[0], round(removed.size + rng.normal(0, SPREAD)), rng)
    return None if new is None else bonded([kept.mol, new.mol])


def exchange_core(mol: Mol, _: Mol, pool: FragmentPool, rng: np.random.Generator) -> Mol | None:
    """What lies between two bonds becomes another linker, which may stand the other way round."""
    bonds = _bonds(mol)
    if len(bonds) < 2:
        return None
    parts = _parts(mol, tuple(rng.choice(bonds, 2, replace=False).tolist()))
    middle = next(one for one in parts if len(one.ends) == 2)
    first, second = sorted((one for one in parts if len(one.ends) == 1), key=_label)
    size = round(middle.size + rng.normal(0, SPREAD))
    found = pool.linker_for(first.ends[0], second.ends[0], size, rng)
    if found is None:
        return None
    linker, turned = found
    return bonded([relabelled(first, [1]), relabelled(linker, [2, 1] if turned else [1, 2]), relabelled(second, [2])])


def cross(mol: Mol, other: Mol, pool: FragmentPool, rng: np.random.Generator) -> Mol | None:
    """A part of one molecule and a part of another."""
    first, removed = _cut_once(mol, rng)
    second, _ = _cut_once(other, rng)
    if first is None or second is None or removed is None or not pool.fits(first.ends[0], second.ends[0]):
        return None
    return bonded([first.mol, second.mol])


def grow(mol: Mol, _: Mol, pool: FragmentPool, rng: np.random.Generator) -> Mol | None:
    """A hydrogen becomes a part."""
    chem = require("rdkit.Chem")
    free = [atom for atom in mol.GetAtoms() if atom.GetTotalNumHs() and not atom.GetFormalCharge()]
    if not free:
        return None
    atom = free[int(rng.integers(len(free)))]
    new = pool.end_for(environment(atom), int(rng.integers(*GROWN, endpoint=True)), rng)
    if new is None:
        return None
    open_mol = chem.RWMol(mol)
    dummy = chem.Atom(0)
    dummy.SetIsotope(1)
    open_mol.AddBond(atom.GetIdx(), open_mol.AddAtom(dummy), chem.BondType.SINGLE)
    changed = open_mol.GetAtomWithIdx(atom.GetIdx())
    if changed.GetNumExplicitHs():
        changed.SetNumExplicitHs(changed.GetNumExplicitHs() - 1)
    return bonded([open_mol.GetMol(), new.mol])


def shrink(mol: Mol, _: Mol, pool: FragmentPool, rng: np.random.Generator) -> Mol | None:
    """A small part becomes a hydrogen."""
    chem = require("rdkit.Chem")
    kept, removed = _cut_once(mol, rng)
    if kept is None or removed is None or removed.size > SHRUNK:
        return None
    found = chem.RWMol(kept.mol)
    dummy = next(atom for atom in found.GetAtoms() if atom.GetAtomicNum() == 0)
    dummy.SetAtomicNum(1)
    dummy.SetIsotope(0)
    return _sanitised(chem.RemoveHs(found, sanitize=False))


def change_atom(mol: Mol, _: Mol, pool: FragmentPool, rng: np.random.Generator) -> Mol | None:
    """One atom becomes one of another element."""
    chem = require("rdkit.Chem")
    changed = chem.RWMol(mol)
    atom = changed.GetAtomWithIdx(int(rng.integers(mol.GetNumAtoms())))
    others = ATOMS.get(atom.GetAtomicNum())
    if others is None or atom.GetFormalCharge():
        return None
    atom.SetAtomicNum(others[int(rng.integers(len(others)))])
    atom.SetNumExplicitHs(0)
    atom.SetNoImplicit(False)
    found = _sanitised(changed.GetMol())
    if found is None:
        return None
    own = found.GetAtomWithIdx(atom.GetIdx())
    fine = all(pool.fits(environment(own), environment(one)) or one.IsInRing() for one in own.GetNeighbors())
    return found if fine else None


EDITS: tuple[tuple[Edit, float], ...] = (
    (exchange_part, 0.34),
    (exchange_core, 0.26),
    (cross, 0.12),
    (grow, 0.1),
    (shrink, 0.08),
    (change_atom, 0.1),
)
"""All edits, and how often each is tried."""


@functools.lru_cache(maxsize=1024)
def _bonds(mol: Mol) -> tuple[int, ...]:
    """Where a molecule may be cut: parents are edited many times."""
    return tuple(cuttable_bonds(mol))


@functools.lru_cache(maxsize=8192)
def _parts(mol: Mol, bonds: tuple[int, ...]) -> tuple[MoleculePart, ...]:
    return tuple(cut(mol, bonds))


def _label(part: MoleculePart) -> int:
    return next(atom.GetIsotope() for atom in part.mol.GetAtoms() if atom.GetAtomicNum() == 0)


def _cut_once(mol: Mol, rng: np.random.Generator) -> tuple[MoleculePart | None, MoleculePart | None]:
    """The larger and the smaller part at a bond, or now and then the other way round."""
    bonds = _bonds(mol)
    if not bonds:
        return None, None
    parts = sorted(_parts(mol, (bonds[int(rng.integers(len(bonds)))],)), key=lambda one: -one.size)
    if len(parts) != 2:
        return None, None
    return (parts[1], parts[0]) if rng.random() < 0.2 else (parts[0], parts[1])


def _sanitised(mol: Mol) -> Mol | None:
    with require("rdkit.rdBase").BlockLogs():
        try:
            require("rdkit.Chem").SanitizeMol(mol)
        except (ValueError, RuntimeError):
            return None
    return mol
