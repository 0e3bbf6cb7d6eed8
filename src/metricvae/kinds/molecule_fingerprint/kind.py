"""The kind `molecule-fingerprint`: molecules as counts of their circular substructures, and descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from metricvae.core.kind import Object
from metricvae.kinds.described import DescribedKind, Rows
from metricvae.kinds.molecule.descriptors import NAMES
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.standardise import rdkit_checks
from metricvae.kinds.molecule_2d.kind import Molecule2dKind
from metricvae.kinds.molecule_descriptors.kind import descriptors_of, mol_of

RADIUS, BITS = 2, 1_024
"""Of Morgan's circular fingerprints: bonds from an atom, and numbers that substructures are hashed to."""


@dataclass(frozen=True)
class MoleculeFingerprintKind(DescribedKind, Molecule2dKind):
    """`Molecule` records, of which encoders see 1,024 counts of circular substructures and some sixty descriptors.

    For few molecules with measured values: networks that read atoms and bonds have to learn what these know.
    """

    name: ClassVar[str] = "molecule-fingerprint"
    accepts: ClassVar[tuple[str, ...]] = ()
    same_records: ClassVar[tuple[str, ...]] = ("molecule", "molecule-2d", "molecule-descriptors")
    caveats: ClassVar[str] = (
        "Molecules of 4 to 100 heavy atoms, as circular substructures and descriptors: neither conformers nor stereo\n"
        "are seen."
    )
    count: ClassVar[int] = len(NAMES) + BITS
    counts: ClassVar[tuple[int, ...]] = (len(NAMES), len(NAMES) + BITS)

    def numbers(self, objects: Sequence[Object]) -> Rows:
        """(m, count): descriptors (`metricvae.kinds.molecule.descriptors`), then counts."""
        generators = require("rdkit.Chem.rdFingerprintGenerator")
        generator = generators.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
        found = np.empty((len(objects), self.count), np.float32)
        with rdkit_checks():
            for row, molecule in zip(found, objects, strict=True):
                mol = mol_of(molecule)
                row[: len(NAMES)] = descriptors_of(mol)
                row[len(NAMES) :] = generator.GetCountFingerprintAsNumPy(mol)
        return found
