"""What a docked pose costs besides its score: strain of the molecule, and clashes with the receptor.

As PoseBusters has them (M. Buttenschoen, G. M. Morris, C. M. Deane, Chem. Sci. 15 (2024) 3130): the energy of the pose
against that of free conformers, and pairs of atoms that are too near.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from metricvae.kinds.molecule.extra import require
from metricvae.metrics.docking.records import Floats

TOO_NEAR = 0.75
"""Share of the sum of two van der Waals radii below which two atoms clash."""

FREEDOM = 0.3
"""Angstroms that heavy atoms may move as a pose is relaxed, without cost: bond lengths and angles of a docked pose are
those of another conformer."""

RESTRAINT = 50.0
"""kcal/mol per square angstrom beyond that."""

STEPS = 200
"""Steps of minimisation in the force field, at most."""


def clashes(positions: Floats, radii: Floats, around: Floats, around_radii: Floats) -> int:
    """How many pairs of a ligand's and the receptor's atoms are too near.

    Args:
        positions, radii: (n, 3) and (n,) of the ligand, angstroms.
        around, around_radii: (m, 3) and (m,) of the receptor, angstroms.

    Example:
        >>> clashes(np.zeros((1, 3)), np.array([1.7]), np.array([[2.5, 0, 0], [2.6, 0, 0]]), np.array([1.7, 1.7]))
        1
    """
    return int((cdist(positions, around) < TOO_NEAR * (radii[:, None] + around_radii)).sum())


def strains(mol: Any, poses: Sequence[Floats], conformers: Sequence[Floats]) -> list[float] | None:
    """How far the energy of each pose lies above that of the best free conformer, in kcal/mol (MMFF94s).

    Poses are relaxed with their heavy atoms held to `FREEDOM`, conformers freely; poses relaxed without restraint count
    as conformers too, so no strain is negative but for rounding. None where the force field has no parameters for the
    molecule.

    Args:
        mol: sanitised RDKit molecule without explicit hydrogens.
        poses, conformers: (n, 3) each, angstroms.
    """
    chem, fields = require("rdkit.Chem"), require("rdkit.Chem.rdForceFieldHelpers")
    with require("rdkit.rdBase").BlockLogs():
        whole = chem.AddHs(mol)
        if not fields.MMFFHasAllMoleculeParams(whole):
            return None
        held = [_relaxed(mol, pose, True) for pose in poses]
        free = [_relaxed(mol, one, False) for one in [*conformers, *poses]]
    return [max(0.0, energy - min(free)) for energy in held]


def _relaxed(mol: Any, positions: Floats, held: bool) -> float:
    """The energy of a molecule at a minimum near heavy atoms, kcal/mol."""
    chem, fields = require("rdkit.Chem"), require("rdkit.Chem.rdForceFieldHelpers")
    placed = chem.Mol(mol)
    conformer = chem.Conformer(len(positions))
    conformer.SetPositions(np.ascontiguousarray(positions))
    placed.RemoveAllConformers()
    placed.AddConformer(conformer)
    whole = chem.AddHs(placed, addCoords=True)
    properties = fields.MMFFGetMoleculeProperties(whole, "MMFF94s")
    field = fields.MMFFGetMoleculeForceField(whole, properties)
    if held:
        for atom in range(len(positions)):
            field.MMFFAddPositionConstraint(atom, FREEDOM, RESTRAINT)
    field.Initialize()
    field.Minimize(maxIts=STEPS)
    bare = fields.MMFFGetMoleculeForceField(whole, properties)
    return float(bare.CalcEnergy())
