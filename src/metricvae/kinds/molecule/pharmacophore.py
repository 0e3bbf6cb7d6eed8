"""Pharmacophore features of molecules: donors, acceptors, anions, cations, hydrophobes and rings.

The definitions are those of RDKit's `BaseFeatures.fdef` (G. Landrum et al.), as SMARTS:

| feature | families of RDKit |
| --- | --- |
| donor | `Donor` |
| acceptor | `Acceptor` |
| anion | `NegIonizable`: acids, charged or not |
| cation | `PosIonizable`: basic amines, guanidines, imidazoles, positive nitrogen |
| hydrophobe | `LumpedHydrophobe` that is no aromatic ring and no nitro group: aliphatic rings, t-butyl, isopropyl |
| ring | `Aromatic` |

A feature lies at the mean position of its atoms. Zinc binders are left out, and so are single hydrophobic atoms
(`Hydrophobe`) and hydrophobes that are aromatic rings, which count as rings: with them, searches by shape and colour
ranked fewer actives first (`docs/decisions/15-colour.md`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import Mol, rdkit_checks

TYPES = ("donor", "acceptor", "anion", "cation", "hydrophobe", "ring")
"""Types of features, by number."""

HYDROPHOBE, RING = TYPES.index("hydrophobe"), TYPES.index("ring")

TYPE_OF_FAMILY = {
    "Donor": 0,
    "Acceptor": 1,
    "NegIonizable": 2,
    "PosIonizable": 3,
    "LumpedHydrophobe": HYDROPHOBE,
    "Aromatic": RING,
}
"""The type of each of RDKit's families."""

LEFT_OUT = ("LumpedHydrophobe.Nitro2",)
"""Definitions of RDKit's that are not used."""

Group = tuple[int, tuple[int, ...]]
"""The type of a feature, and its atoms by number."""


@dataclass(frozen=True, eq=False)
class Pharmacophore:
    """The features of a molecule in space.

    Attributes:
        types: (f,) int64, numbers of `TYPES`.
        positions: (f, 3) float64, angstroms.
    """

    types: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.types)


def pharmacophore_of(molecule: Molecule) -> Pharmacophore:
    """The features of a molecule where its atoms lie, ordered by type.

    Molecules whose bonds are not known have none.

    Raises:
        InputError: its bonds break the rules of valence.

    Example:
        >>> from metricvae.kinds.molecule.conformers import conform
        >>> found = pharmacophore_of(conform("CCCCC(=O)O", seed=1)[0])
        >>> [TYPES[number] for number in found.types.tolist()]
        ['donor', 'acceptor', 'acceptor', 'anion']
    """
    groups = _groups(molecule.elements.tobytes(), molecule.bonds.tobytes(), molecule.charges.tobytes())
    types = np.array([number for number, _ in groups], np.int64)
    centres = [molecule.positions[list(atoms)].mean(axis=0) for _, atoms in groups]
    return Pharmacophore(types, np.array(centres, np.float64).reshape(-1, 3))


@functools.lru_cache(maxsize=4_096)
def _groups(elements: bytes, bonds: bytes, charges: bytes) -> tuple[Group, ...]:
    """The features of a graph of atoms and bonds, which all conformers share."""
    rows = np.frombuffer(bonds, np.int32).reshape(-1, 3)
    if not len(rows) or not rows[:, 2].all():
        return ()
    mol = _mol_of(np.frombuffer(elements, np.uint8).tolist(), rows, np.frombuffer(charges, np.int32).reshape(-1, 2))
    found: set[Group] = set()
    for number, pattern in _patterns():
        found |= {(number, tuple(sorted(match))) for match in mol.GetSubstructMatches(pattern)}
    rings = [set(atoms) for number, atoms in found if number == RING]
    lumped = {(number, atoms) for number, atoms in found if number == HYDROPHOBE and not _within(atoms, rings)}
    return tuple(sorted({(number, atoms) for number, atoms in found if number != HYDROPHOBE} | lumped))


def _within(atoms: tuple[int, ...], rings: list[set[int]]) -> bool:
    """Whether atoms are those of one of the rings, or some of them."""
    return any(ring.issuperset(atoms) for ring in rings)


def _mol_of(elements: list[int], bonds: npt.NDArray[np.int32], charges: npt.NDArray[np.int32]) -> Mol:
    """The RDKit molecule of atoms, bonds in Kekule form and charges, sanitised, its hydrogens implicit."""
    chem = require("rdkit.Chem")
    orders = {1: chem.BondType.SINGLE, 2: chem.BondType.DOUBLE, 3: chem.BondType.TRIPLE}
    mol = chem.RWMol()
    for number in elements:
        mol.AddAtom(chem.Atom(number))
    for first, second, order in bonds.tolist():
        mol.AddBond(first, second, orders[order])
    for atom, charge in charges.tolist():
        mol.GetAtomWithIdx(atom).SetFormalCharge(charge)
    with rdkit_checks():
        chem.SanitizeMol(mol)
    return mol


@functools.cache
def _patterns() -> tuple[tuple[int, Any], ...]:
    """The type and the substructure of each definition."""
    chem, features, config = require("rdkit.Chem"), require("rdkit.Chem.ChemicalFeatures"), require("rdkit.RDConfig")
    factory = features.BuildFeatureFactory(f"{config.RDDataDir}/BaseFeatures.fdef")
    return tuple(
        (TYPE_OF_FAMILY[name.split(".")[0]], chem.MolFromSmarts(smarts))
        for name, smarts in factory.GetFeatureDefs().items()
        if name.split(".")[0] in TYPE_OF_FAMILY and name not in LEFT_OUT
    )
