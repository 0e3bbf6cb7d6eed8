"""A complex as its features are computed from it: the ligand where it lies, and the atoms of the receptor around."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.atom_types import ligand_types, receptor_types

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REACH = 12.0
"""Angstroms from an atom of the ligand to the atoms of the receptor that are looked at, at most."""


@dataclass(frozen=True, eq=False)
class PosedComplex:
    """A ligand where it lies in a receptor.

    Attributes:
        receptor: the m atoms within `REACH` of the ligand; hydrogens and waters are left out.
        molecule: the ligand, n heavy atoms in the frame of the receptor.
    """

    receptor: Receptor
    molecule: Molecule

    @functools.cached_property
    def distances(self) -> Floats:
        """(n, m) angstroms from the atoms of the ligand to those of the receptor."""
        found: Floats = cdist(self.molecule.positions, self.receptor.positions)
        return found

    @functools.cached_property
    def mol(self) -> Any:
        """The ligand as an RDKit molecule without hydrogens, its atoms in the order of `molecule`."""
        chem = require("rdkit.Chem")
        with require("rdkit.rdBase").BlockLogs():
            found = chem.MolFromMolBlock(mol_block(self.molecule), removeHs=False)
            return chem.RemoveHs(found)

    @functools.cached_property
    def ligand_types(self) -> Ints:
        """(n,) types of the ligand's atoms, as docking has them."""
        return ligand_types(self.mol)

    @functools.cached_property
    def receptor_types(self) -> Ints:
        """(m,) types of the receptor's atoms."""
        return receptor_types(self.receptor)


def posed_complex(receptor: Receptor, molecule: Molecule) -> PosedComplex:
    """A ligand with the atoms of a receptor that lie within `REACH` of it."""
    low, high = molecule.positions.min(axis=0) - REACH, molecule.positions.max(axis=0) + REACH
    boxed = np.flatnonzero(((receptor.positions >= low) & (receptor.positions <= high)).all(axis=1))
    distances = cdist(molecule.positions, receptor.positions[boxed])
    near = boxed[distances.min(axis=0) <= REACH] if len(boxed) else boxed
    return PosedComplex(receptor.select(near), molecule)
