"""Contacts: pairs of an atom of the receptor and one of the ligand, counted by what they are and how far apart.

By element in shells of 2 angstroms out to 12, as P. J. Ballester and J. B. O. Mitchell (Bioinformatics 26 (2010) 1169)
count them in one shell; and by pharmacophore type in four shells out to 8, as D. D. Wang et al.'s ECIF (N.
Sanchez-Cruz et al., Bioinformatics 37 (2021) 1376) count types in one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.records import ACCEPTOR, ANION, CATION, DONOR, HYDROPHOBE, RING, Receptor
from metricvae.metrics.affinity.features.records import Floats, Ints, PosedComplex

ELEMENT_SHELLS = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
TYPE_SHELLS = (3.4, 4.5, 6.0, 8.0)
"""Outer radii of the shells, angstroms; the first begins at 0."""

RECEPTOR_ELEMENTS = ("C", "N", "O", "other")
LIGAND_ELEMENTS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I")
_RECEPTOR_ELEMENT = {6: 0, 7: 1, 8: 2}
_LIGAND_ELEMENT = {6: 0, 7: 1, 8: 2, 9: 3, 15: 4, 16: 5, 17: 6, 35: 7, 53: 8}

RECEPTOR_TYPES = (
    "hydrophobe",
    "ring",
    "carbon",
    "amide-N",
    "cation-N",
    "amide-O",
    "anion-O",
    "hydroxyl",
    "sulphur",
    "metal",
)
LIGAND_TYPES = (
    *("hydrophobe", "ring", "carbon", "donor-N", "acceptor-N", "plain-N"),
    *("acceptor-O", "hydroxyl", "anion-O", "halogen", "sulphur"),
)

NAMES = (
    *(
        f"contact.{shell:g}.{mine}.{other}"
        for shell in ELEMENT_SHELLS
        for mine in LIGAND_ELEMENTS
        for other in RECEPTOR_ELEMENTS
    ),
    *(f"typed.{shell:g}.{mine}.{other}" for shell in TYPE_SHELLS for mine in LIGAND_TYPES for other in RECEPTOR_TYPES),
)


def contacts(posed: PosedComplex) -> Floats:
    """(len(NAMES),) counts of pairs in shells, by the elements and by the types of both atoms."""
    receptor, distances = posed.receptor, posed.distances
    mine = np.array([_LIGAND_ELEMENT.get(one, 5) for one in posed.molecule.elements.tolist()], np.int64)
    other = np.array([_RECEPTOR_ELEMENT.get(one, 3) for one in receptor.elements.tolist()], np.int64)
    by_element = shell_counts(distances, mine, other, ELEMENT_SHELLS, len(LIGAND_ELEMENTS), len(RECEPTOR_ELEMENTS))
    types = ligand_classes(posed.mol), receptor_classes(receptor)
    by_type = shell_counts(distances, *types, TYPE_SHELLS, len(LIGAND_TYPES), len(RECEPTOR_TYPES))
    return np.concatenate([by_element, by_type])


def shell_counts(
    distances: Floats, mine: Ints, other: Ints, shells: tuple[float, ...], kinds: int, other_kinds: int
) -> Floats:
    """(shells * kinds * other_kinds,) counts of pairs, by shell, then the first atom's class, then the second's.

    Args:
        distances: (n, m) angstroms.
        mine, other: (n,) and (m,) classes of the atoms.
        shells: outer radii, angstroms, increasing; each has its outer radius.
        kinds, other_kinds: how many classes there are.

    Example:
        >>> shell_counts(np.array([[1.0, 3.0]]), np.array([0]), np.array([0, 1]), (2.0, 4.0), 1, 2)
        array([1., 0., 0., 1.])
    """
    rows, columns = np.nonzero(distances <= shells[-1])
    shell = np.searchsorted(shells, distances[rows, columns])
    code = (shell * kinds + mine[rows]) * other_kinds + other[columns]
    return np.bincount(code, minlength=len(shells) * kinds * other_kinds).astype(np.float64)


def receptor_classes(receptor: Receptor) -> Ints:
    """(m,) numbers of `RECEPTOR_TYPES`."""
    return np.array(
        [_receptor_class(*one) for one in zip(receptor.elements.tolist(), receptor.roles.tolist(), strict=True)],
        np.int64,
    )


def _receptor_class(element: int, role: int) -> int:
    if element in METALS:
        name = "metal"
    elif element == 6:
        name = "ring" if role & RING else "hydrophobe" if role & HYDROPHOBE else "carbon"
    elif element == 7:
        name = "cation-N" if role & CATION else "amide-N"
    elif element == 8:
        name = "anion-O" if role & ANION else "hydroxyl" if role & DONOR and role & ACCEPTOR else "amide-O"
    else:
        name = "sulphur"
    return RECEPTOR_TYPES.index(name)


def ligand_classes(mol: Any) -> Ints:
    """(n,) numbers of `LIGAND_TYPES` of a sanitised RDKit molecule without explicit hydrogens."""
    return np.array([LIGAND_TYPES.index(_ligand_class(atom)) for atom in mol.GetAtoms()], np.int64)


def _ligand_class(atom: Any) -> str:
    element = atom.GetAtomicNum()
    if element == 6:
        if atom.GetIsAromatic():
            return "ring"
        return "hydrophobe" if all(one.GetAtomicNum() in (1, 6) for one in atom.GetNeighbors()) else "carbon"
    if element == 7:
        if atom.GetTotalNumHs():
            return "donor-N"
        return "acceptor-N" if atom.GetDegree() < 3 else "plain-N"
    if element == 8:
        if _acid(atom):
            return "anion-O"
        return "hydroxyl" if atom.GetTotalNumHs() else "acceptor-O"
    return "halogen" if element in (9, 17, 35, 53) else "sulphur"


def _acid(oxygen: Any) -> bool:
    """Whether an oxygen is one of an acid's: two oxygens without carbon beyond on one carbon, sulphur or phosphorus."""
    if oxygen.GetDegree() != 1:
        return False
    (centre,) = oxygen.GetNeighbors()
    ends = [one for one in centre.GetNeighbors() if one.GetAtomicNum() == 8 and one.GetDegree() == 1]
    return len(ends) > 1 and any(one.GetTotalNumHs() or one.GetFormalCharge() < 0 for one in ends)
