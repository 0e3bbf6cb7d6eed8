"""The pharmacophore roles of a receptor's atoms: by name in standard amino acids, by element and bonds elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from metricvae.kinds.pocket.records import ACCEPTOR, ANION, CATION, DONOR, HYDROPHOBE, Floats
from metricvae.kinds.pocket.residues import SIDE_CHAINS, roles_of

LONGEST_BOND = 1.95
"""Angstroms between two bound heavy atoms, at most; two sulphurs lie up to 2.1 apart."""

HYDROXYL = 1.33
"""Angstroms from which a bond of carbon to oxygen is taken to be single."""

METALS = frozenset((3, 4, 11, 12, 13, 19, 20, *range(21, 32), *range(37, 51), *range(55, 84)))
"""Atomic numbers of metals."""


HALOGENS = frozenset((9, 17, 35, 53))


def neighbours(positions: Floats) -> list[list[int]]:
    """The atoms within `LONGEST_BOND` of each atom, by number."""
    found: list[list[int]] = [[] for _ in positions]
    for one, other in cKDTree(positions).query_pairs(LONGEST_BOND, output_type="ndarray").tolist():
        found[one].append(other)
        found[other].append(one)
    return found


def receptor_roles(
    elements: npt.NDArray[np.uint8], positions: Floats, atom_names: Any, residue_names: Any
) -> npt.NDArray[np.uint8]:
    """(n,) roles of atoms, each the sum of `DONOR` ... `RING`.

    Args:
        elements: (n,) atomic numbers.
        positions: (n, 3) angstroms.
        atom_names, residue_names: (n,).
    """
    found = np.zeros(len(elements), np.uint8)
    other = []
    for number, (residue, atom) in enumerate(zip(residue_names.tolist(), atom_names.tolist(), strict=True)):
        if residue in SIDE_CHAINS:
            found[number] = roles_of(residue, atom)
        else:
            other.append(number)
    if other:
        bonds = neighbours(positions)
        for number in other:
            found[number] = _by_element(number, elements, positions, bonds[number])
    return found


def _by_element(number: int, elements: npt.NDArray[np.uint8], positions: Floats, bound: list[int]) -> int:
    """Roles of an atom of a cofactor, an ion or a modified residue."""
    element, around = int(elements[number]), [int(elements[one]) for one in bound]
    if element in METALS:
        return CATION
    if element == 8:
        return _oxygen(number, positions, bound, around)
    if element == 7:
        return {0: DONOR, 1: DONOR, 2: DONOR | ACCEPTOR}.get(len(bound), 0)
    if element in HALOGENS and not bound:
        return ANION | ACCEPTOR
    apolar = (6, 16, 34)
    return HYDROPHOBE if element in (*apolar, *HALOGENS) and all(one in apolar for one in around) else 0


def _oxygen(number: int, positions: Floats, bound: list[int], around: list[int]) -> int:
    if len(bound) == 1 and around[0] in (15, 16):
        return ACCEPTOR | ANION
    if len(bound) == 1 and np.linalg.norm(positions[number] - positions[bound[0]]) > HYDROXYL:
        return ACCEPTOR | DONOR
    return ACCEPTOR
