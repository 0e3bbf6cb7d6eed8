"""A flexible ligand: rigid fragments of a molecule, the bonds that turn them, and the energies of these torsions."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from metricvae.kinds.molecule.extra import require
from metricvae.metrics.docking.atom_types import ligand_types
from metricvae.metrics.docking.records import Floats, Ints, LigandArrays

FEWEST_BONDS = 4
"""Bonds between two atoms whose interaction counts, at least: torsions are an energy of their own."""

ORDERS = 6
"""Terms of a torsional energy."""

_CONJUGATED = (
    "[CX3](=[O,S,N])-!@[NX3,N+]",  # amides, ureas, amidines
    "[CX3](=[O,S])-!@[OX2]",  # esters, carbamates
)
"""Single bonds that do not turn: they keep the form, cis or trans, of the conformer."""


@dataclass(frozen=True, eq=False)
class Topology:
    """What does not depend on the conformer: fragments, the bonds between them, and pairs of atoms.

    Attributes:
        types: (n,) of the atoms.
        fragment_of: (n,) number of the fragment of each atom.
        parents: (f,) the fragment that each fragment hangs on; -1 for the root, which is first.
        bonds: (f, 2) atoms of the bond to the parent, that of the parent first; -1 for the root.
        pairs: (p, 2) atoms that interact and whose distance changes.
        torsions: for each bond that has a torsional energy: fragment, four atoms, heights and signs of its terms.
    """

    types: Ints
    fragment_of: Ints
    parents: Ints
    bonds: Ints
    pairs: Ints
    torsions: tuple[tuple[int, tuple[int, ...], Floats, Floats], ...]

    @property
    def rotatable(self) -> int:
        """How many bonds turn."""
        return len(self.parents) - 1


def rotatable_bonds(mol: Any) -> list[tuple[int, int]]:
    """The bonds that turn, as pairs of atoms: single ones between rings and chains whose rotation moves heavy atoms.

    Left out are amides, esters and their like, and bonds to a group that looks the same from three sides (CF3).

    Args:
        mol: sanitised RDKit molecule without explicit hydrogens.

    Example:
        >>> from rdkit import Chem
        >>> rotatable_bonds(Chem.MolFromSmiles("CCOc1ccccc1NC(=O)C"))
        [(1, 2), (2, 3), (8, 9)]
    """
    fixed = {frozenset((match[0], match[2])) for one in _conjugated() for match in mol.GetSubstructMatches(one)}
    found = []
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        single = bond.GetBondTypeAsDouble() == 1.0 and not bond.IsInRing()
        pair = frozenset(atom.GetIdx() for atom in ends)
        if single and pair not in fixed and all(map(_turns, ends, reversed(ends))):
            found.append((ends[0].GetIdx(), ends[1].GetIdx()))
    return found


@functools.cache
def _conjugated() -> tuple[Any, ...]:
    chem = require("rdkit.Chem")
    return tuple(chem.MolFromSmarts(one) for one in _CONJUGATED)


def _turns(atom: Any, axis: Any) -> bool:
    """Whether rotation about the bond from `axis` to `atom` moves what is bound to `atom`."""
    others = [one for one in atom.GetNeighbors() if one.GetIdx() != axis.GetIdx()]
    if not others:
        return False
    ends = [one.GetDegree() == 1 for one in others]
    if len(others) == 1:
        linear = str(atom.GetHybridization()) == "SP"
        return not (linear and ends[0])
    alike = len(others) == 3 and len({one.GetAtomicNum() for one in others}) == 1
    return not (all(ends) and alike)


def topology_of(mol: Any) -> Topology:
    """The fragments of a molecule.

    Args:
        mol: sanitised RDKit molecule without explicit hydrogens.

    Raises:
        InputError: an element that no scoring function has.
    """
    bonds = rotatable_bonds(mol)
    distances = np.asarray(require("rdkit.Chem").GetDistanceMatrix(mol))
    groups = _fragments(mol, bonds)
    root = min(range(len(groups)), key=lambda one: (distances[groups[one]].sum() / len(groups[one]), one))
    order, parents, joints = _tree(groups, bonds, root)
    fragment_of = np.zeros(mol.GetNumAtoms(), np.int64)
    for number, group in enumerate(order):
        fragment_of[groups[group]] = number
    pairs = _pairs(distances, fragment_of, joints)
    return Topology(
        ligand_types(mol), fragment_of, np.array(parents), np.array(joints), pairs, _torsions(mol, joints, fragment_of)
    )


def _fragments(mol: Any, bonds: list[tuple[int, int]]) -> list[list[int]]:
    """The atoms of each connected part that is left without the rotatable bonds."""
    chem = require("rdkit.Chem")
    if not bonds:
        return [list(range(mol.GetNumAtoms()))]
    parted = chem.FragmentOnBonds(mol, [mol.GetBondBetweenAtoms(*pair).GetIdx() for pair in bonds], addDummies=False)
    return [sorted(one) for one in chem.GetMolFrags(parted, sanitizeFrags=False)]


def _tree(
    groups: list[list[int]], bonds: list[tuple[int, int]], root: int
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Fragments from the root outwards, the place of each one's parent, and the bond to it, the parent's atom first."""
    group_of = {atom: number for number, group in enumerate(groups) for atom in group}
    order, parents, joints = [root], [-1], [(-1, -1)]
    for place, group in enumerate(order):
        for first, second in bonds:
            for inner, outer in ((first, second), (second, first)):
                if group_of[inner] == group and group_of[outer] not in order:
                    order.append(group_of[outer])
                    parents.append(place)
                    joints.append((inner, outer))
    return order, parents, joints


def _pairs(distances: Floats, fragment_of: Ints, joints: list[tuple[int, int]]) -> Ints:
    """Pairs of atoms at least `FEWEST_BONDS` apart in fragments that move against each other.

    An atom on the axis of a bond is at rest with both of its fragments.
    """
    member = np.zeros((len(fragment_of), len(joints)), bool)
    member[np.arange(len(fragment_of)), fragment_of] = True
    for number, (inner, outer) in enumerate(joints):
        if inner >= 0:
            member[inner, number] = member[outer, fragment_of[inner]] = True
    together = (member[:, None] & member[None]).any(-1)
    return np.argwhere(np.triu(~together & (distances >= FEWEST_BONDS), 1)).astype(np.int64)


def _torsions(
    mol: Any, joints: list[tuple[int, int]], fragment_of: Ints
) -> tuple[tuple[int, tuple[int, ...], Floats, Floats], ...]:
    """Torsional energies from crystals, V_k (1 + s_k cos k phi): S. Riniker and G. A. Landrum, J. Chem. Inf. Model. 55
    (2015) 2562, as RDKit has them."""
    number_of = {frozenset(joint): number for number, joint in enumerate(joints) if joint[0] >= 0}
    found = []
    for one in require("rdkit.Chem.rdDistGeom").GetExperimentalTorsions(mol):
        atoms = tuple(one["atomIndices"])
        number = number_of.get(frozenset(atoms[1:3]))
        if number is not None:
            found.append((number, atoms, np.array(one["V"], np.float64), np.array(one["signs"], np.float64)))
    return tuple(found)


def arrays_of(topology: Topology, positions: Floats) -> LigandArrays:
    """The ligand in a reference conformer.

    Args:
        topology: of the molecule.
        positions: (n, 3) of the conformer, angstroms, in the order of the molecule's atoms.
    """
    parents, fragment_of = topology.parents, topology.fragment_of
    inner, outer = topology.bonds.T
    origins = np.where(outer[:, None] >= 0, positions[outer], positions.mean(axis=0))
    axes = np.where(inner[:, None] >= 0, origins - positions[inner], np.array([0.0, 0.0, 1.0]))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    cosines, sines, floor = _series(topology, positions)
    return LigandArrays(
        positions=positions - origins[fragment_of],
        types=topology.types,
        fragment_of=fragment_of,
        parents=parents,
        offsets=np.where(parents[:, None] >= 0, origins - origins[parents], 0.0),
        axes=axes,
        pairs=topology.pairs,
        cosines=cosines,
        sines=sines,
        torsion_floor=floor,
        inertia=_inertia(topology, positions, origins, axes),
    )


def _inertia(topology: Topology, positions: Floats, origins: Floats, axes: Floats) -> Floats:
    count = len(positions)
    spread = float(np.square(positions - origins[0]).sum()) * 2.0 / 3.0
    found = [float(count)] * 3 + [max(spread, 1.0)] * 3
    for number in range(1, len(topology.parents)):
        moved = _below(topology, number)
        away = np.cross(positions[moved] - origins[number], axes[number])
        found.append(max(float(np.square(away).sum()), 0.5))
    return np.array(found)


def _below(topology: Topology, number: int) -> Ints:
    """The atoms that a bond moves."""
    held = {number}
    for one, parent in enumerate(topology.parents.tolist()):
        if parent in held:
            held.add(one)
    return np.flatnonzero(np.isin(topology.fragment_of, list(held)))


def _series(topology: Topology, positions: Floats) -> tuple[Floats, Floats, float]:
    """Coefficients of the torsional energies in the angles that are turned from the conformer, and their least sum."""
    shape = len(topology.parents), ORDERS
    cosines, sines = np.zeros(shape), np.zeros(shape)
    orders = np.arange(1, ORDERS + 1)
    for number, atoms, heights, signs in topology.torsions:
        angle = dihedral(positions[list(atoms)])
        # turning the far end from atom 2 to atom 3 by t makes the angle phi + t, whichever end is the far one
        cosines[number] += heights * signs * np.cos(orders * angle)
        sines[number] -= heights * signs * np.sin(orders * angle)
    grid = np.linspace(-np.pi, np.pi, 361)[:, None] * orders
    floor = (np.cos(grid) @ cosines.T + np.sin(grid) @ sines.T).min(axis=0).sum()
    return cosines, sines, float(floor)


def dihedral(points: Floats) -> float:
    """The torsion angle of (4, 3) points in radians, positive as in the IUPAC convention."""
    first, axis, last = np.diff(points, axis=0)
    left, right = np.cross(first, axis), np.cross(axis, last)
    return float(np.arctan2(np.linalg.norm(axis) * (first @ right), left @ right))
