"""The records of a structure, of a binding site on it, and of the pocket there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.pharmacophore import TYPES, Pharmacophore
from metricvae.kinds.molecule.records import Molecule

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

ATOM_NAME, RESIDUE_NAME, RESIDUE_ID = "U4", "U5", "U16"
"""Types of names in memory; longer ones are cut."""

IMAGE_RADIUS = 1.7
"""Angstroms, of a pseudo-atom of an image: a carbon atom."""

DONOR, ACCEPTOR, ANION, CATION, HYDROPHOBE, RING = (1 << number for number in range(len(TYPES)))
"""Bits of a receptor atom's roles, in the order of `TYPES`."""


@dataclass(frozen=True, eq=False)
class Receptor:
    """n heavy atoms of a macromolecule, its ions and cofactors among them.

    Attributes:
        elements: (n,) uint8, atomic numbers.
        positions: (n, 3) float64, angstroms.
        radii: (n,) float64, van der Waals radii in angstroms.
        roles: (n,) uint8, the sum of `DONOR` ... `RING`.
        atom_names: (n,) as in the file, `CA`.
        residue_names: (n,) standard names where there is one (`HIS` for `HIE`).
        residue_ids: (n,) chain and number, `A:45`.
    """

    elements: npt.NDArray[np.uint8]
    positions: Floats
    radii: Floats
    roles: npt.NDArray[np.uint8]
    atom_names: Texts
    residue_names: Texts
    residue_ids: Texts

    def __len__(self) -> int:
        return len(self.elements)

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Receptor:
        """Some of the atoms."""
        return Receptor(*(getattr(self, field.name)[rows] for field in fields(Receptor)))


@dataclass(frozen=True, eq=False)
class SmallMolecule:
    """A residue of a structure that is no part of its polymers, water or ion: a ligand, cofactor or additive.

    Attributes:
        name: of the residue, `HEM`.
        id: chain and number, `A:301`.
        elements: (n,) uint8.
        positions: (n, 3) float64, angstroms.
        atom_names: (n,).
    """

    name: str
    id: str
    elements: npt.NDArray[np.uint8]
    positions: Floats
    atom_names: Texts


@dataclass(frozen=True, eq=False)
class Structure:
    """What a file of a macromolecule holds, as `metricvae.kinds.pocket.structures` sorts it.

    Attributes:
        path: of the file, for messages.
        receptor: polymers and what is bound to them, ions and metals.
        cofactors: small molecules that belong to the receptor unless a site says that they are the ligand.
        ligands: all other small molecules; they are no part of the receptor.
        sequence: one-letter codes of the different chains, sorted, `/` between them.
        facts: what was kept and left out, by what it is: how many, or their names.
    """

    path: str
    receptor: Receptor
    cofactors: tuple[SmallMolecule, ...]
    ligands: tuple[SmallMolecule, ...]
    sequence: str
    facts: Mapping[str, int | str]


@dataclass(frozen=True, eq=False)
class Pocket:
    """A binding site: the atoms of the receptor around it, and its negative image.

    The negative image is the density that a ligand would have which fills the site: pseudo-atoms of carbon's size, and
    pharmacophore features where the receptor asks for them. See `metricvae.kinds.pocket.image`.

    Attributes:
        id: the file's name and the site, `1abc.pdb@ligand=LIG`.
        receptor: atoms around the image, where they lie in the file.
        image: (m, 3) float64, positions of the pseudo-atoms in angstroms, the most buried first.
        buriedness: (m,) float64, share of directions in which the receptor is near, from 0 to 1.
        feature_types: (f,) int64, numbers of `TYPES`.
        features: (f, 3) float64, their positions in angstroms.
        centre: (3,) float64, of the site in angstroms: of the ligand, the residues, the point or the cavity.
        sequence: of the structure's chains, as `Structure` has it.
        facts: as `Structure` has them.
    """

    id: str
    receptor: Receptor
    image: Floats
    buriedness: Floats
    feature_types: npt.NDArray[np.int64]
    features: Floats
    centre: Floats
    sequence: str
    facts: Mapping[str, int | str]

    @property
    def radii(self) -> Floats:
        """(m,) radii of the pseudo-atoms, angstroms."""
        return np.full(len(self.image), IMAGE_RADIUS)

    @property
    def pharmacophore(self) -> Pharmacophore:
        """The features of the image."""
        return Pharmacophore(self.feature_types, self.features)

    @property
    def exclusion(self) -> tuple[Floats, Floats]:
        """Positions (n, 3) and radii (n,), angstroms, of what no ligand may lie in: the atoms of the receptor."""
        return self.receptor.positions, self.receptor.radii

    def moved(self, rotation: npt.ArrayLike, translation: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Pocket:
        """The pocket with every position p at R p + t: receptor, image, features and centre.

        Args:
            rotation: R, (3, 3).
            translation: t, (3,), angstroms.
        """
        turn, shift = np.asarray(rotation, float).T, np.asarray(translation, float)
        return replace(
            self,
            receptor=replace(self.receptor, positions=self.receptor.positions @ turn + shift),
            image=self.image @ turn + shift,
            features=self.features @ turn + shift,
            centre=self.centre @ turn + shift,
        )

    def as_molecule(self) -> Molecule:
        """The image as atoms without bonds, which programs for molecules show: pseudo-atoms are carbons, and features
        the atoms of `FEATURE_ELEMENTS` and `FEATURE_CHARGES`."""
        kinds = self.feature_types
        charged = np.flatnonzero(FEATURE_CHARGES[kinds])
        charges = np.column_stack([len(self.image) + charged, FEATURE_CHARGES[kinds][charged]]).astype(np.int32)
        return Molecule(
            id=self.id,
            smiles="",
            elements=np.concatenate([np.full(len(self.image), 6), FEATURE_ELEMENTS[kinds]]).astype(np.uint8),
            positions=np.concatenate([self.image, self.features]),
            charges=charges,
        )


FEATURE_ELEMENTS = np.array([7, 8, 8, 7, 16, 17])
"""Atomic number that stands for each type of feature: nitrogen for donors and cations, oxygen for acceptors and anions,
sulphur for hydrophobes, chlorine for rings."""

FEATURE_CHARGES = np.array([0, 0, -1, 1, 0, 0])
"""Formal charge that stands for each type of feature."""
