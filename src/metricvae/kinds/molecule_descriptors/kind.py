"""The kind `molecule-descriptors`: molecules as some sixty descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.kinds.described import DescribedKind, Rows
from metricvae.kinds.molecule.descriptors import NAMES, ligand_numbers
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import rdkit_checks
from metricvae.kinds.molecule_2d.kind import Molecule2dKind


@dataclass(frozen=True)
class MoleculeDescriptorsKind(DescribedKind, Molecule2dKind):
    """`Molecule` records, of which encoders see some sixty descriptors: size, logP, polar surface, donors, groups.

    For few molecules with measured values where new ones are unlike them: substructures would be learned by heart.
    """

    name: ClassVar[str] = "molecule-descriptors"
    accepts: ClassVar[tuple[str, ...]] = ()
    same_records: ClassVar[tuple[str, ...]] = ("molecule", "molecule-2d", "molecule-fingerprint")
    caveats: ClassVar[str] = (
        "Molecules of 4 to 100 heavy atoms, as descriptors: neither conformers nor stereo are seen."
    )
    count: ClassVar[int] = len(NAMES)

    def numbers(self, objects: Sequence[Object]) -> Rows:
        """(m, count): descriptors (`metricvae.kinds.molecule.descriptors`)."""
        with rdkit_checks():
            rows = [descriptors_of(mol_of(molecule)) for molecule in objects]
        return np.array(rows, np.float32)


def mol_of(molecule: Molecule) -> Any:
    """The RDKit molecule of a record's SMILES.

    Raises:
        InputError: it has none.
    """
    mol = require("rdkit.Chem").MolFromSmiles(molecule.smiles)
    if mol is None or not molecule.smiles:
        raise InputError(f"{molecule.id or 'a molecule'} has no SMILES that RDKit reads: leave it out")
    return mol


def descriptors_of(mol: Any) -> Rows:
    """(count,) descriptors of an RDKit molecule, 0 for one that is no finite number."""
    return np.nan_to_num(ligand_numbers(mol), posinf=0.0, neginf=0.0).astype(np.float32)
