"""ECFP4 Tanimoto similarity of molecules, which are known to the model by their atoms in space alone.

Molecules of the source `fragments` have little in common. Each comes with analogues, which have further small groups on
it, so that similarities spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import LARGEST_SEED, conform
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.fragments import stream_smiles
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows

FIRST_SEED = 7_000
"""Seed of the molecules is added to it, so that no shipped model was trained on them."""

ANALOGUES = 3
"""Molecules that are made of each."""

SUBSTITUENTS = ("F", "Cl", "C", "OC", "C#N", "C(F)(F)F", "N(C)C", "CC", "O")
"""SMILES of the groups that take the place of hydrogens, by their first atoms."""

MOST_SUBSTITUENTS = 3
"""Groups that an analogue has more than what it is made of, at most."""

RADIUS, BITS = 2, 2_048
"""Of ECFP4."""

COUNTED = 256
"""Bins of the counts that are the embedding."""


def make_molecules(count: int, seed: int) -> MadeObjects:
    """Molecules and their analogues, in one conformer each; those of one scaffold share a split."""
    rng = np.random.default_rng([seed, 10])
    found: dict[str, Molecule] = {}
    for smiles in stream_smiles(count, FIRST_SEED + seed):
        for one in [smiles, *(substitute(smiles, rng) for _ in range(ANALOGUES))]:
            molecule = _conformer(one, int(rng.integers(LARGEST_SEED)))
            if molecule is not None and len(found) < count:
                found.setdefault(molecule.smiles, molecule)
        if len(found) == count:
            break
    molecules = list(found.values())
    groups = np.unique([scaffold_group(one.smiles, one.id) for one in molecules], return_inverse=True)[1]
    magnitudes = np.array([_magnitudes(one) for one in molecules])
    return MadeObjects(molecules, groups, groups, magnitudes, _counts(molecules))


def substitute(smiles: str, rng: np.random.Generator) -> str:
    """A molecule with one to three groups in the place of hydrogens on carbon, aromatic where there is any."""
    chem = require("rdkit.Chem")
    mol = chem.MolFromSmiles(smiles)
    for _ in range(int(rng.integers(1, MOST_SUBSTITUENTS + 1))):
        places = mol.GetSubstructMatches(chem.MolFromSmarts("[cH]")) or mol.GetSubstructMatches(
            chem.MolFromSmarts("[CX4;H2,H3]")
        )
        if not places:
            break
        atoms = mol.GetNumAtoms()
        group = chem.MolFromSmiles(SUBSTITUENTS[int(rng.integers(len(SUBSTITUENTS)))])
        joined = chem.RWMol(chem.CombineMols(mol, group))
        joined.AddBond(places[int(rng.integers(len(places)))][0], atoms, chem.BondType.SINGLE)
        mol = joined.GetMol()
        chem.SanitizeMol(mol)
    return str(chem.MolToSmiles(mol))


def _conformer(smiles: str, seed: int) -> Molecule | None:
    """A molecule in space; None where it cannot be embedded."""
    try:
        return conform(smiles, seed)[0]
    except InputError:
        return None


def write_molecule(path: Path, molecule: Molecule) -> Path:
    """A mol block, without the SMILES."""
    path = path.with_suffix(".sdf")
    write_sdf(path, [molecule])
    return path


def measure_tanimoto(molecules: Sequence[Molecule]) -> Measure:
    """Tanimoto similarity of ECFP4 fingerprints of 2,048 bits by RDKit."""
    structs, chem = require("rdkit.DataStructs"), require("rdkit.Chem")
    generator = require("rdkit.Chem.rdFingerprintGenerator").GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    prints = [generator.GetFingerprint(chem.MolFromSmiles(one.smiles)) for one in molecules]

    def similarities(first: Rows, second: Rows) -> Floats:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([structs.TanimotoSimilarity(prints[a], prints[b]) for a, b in ends])

    return similarities


def _counts(molecules: Sequence[Molecule]) -> Floats:
    """(m, COUNTED) Morgan counts of radius 1."""
    chem = require("rdkit.Chem")
    made = require("rdkit.Chem.rdFingerprintGenerator")
    generator = made.GetMorganGenerator(radius=1, fpSize=COUNTED)
    return np.array([generator.GetCountFingerprintAsNumPy(chem.MolFromSmiles(one.smiles)) for one in molecules], float)


def _magnitudes(molecule: Molecule) -> list[float]:
    """Atoms, atoms other than carbon, bonds, and extents along the principal axes."""
    centred = molecule.positions - molecule.centre
    extents = np.ptp(centred @ np.linalg.eigh(centred.T @ centred)[1], axis=0)
    atoms = float(len(molecule.elements))
    return [atoms, float((molecule.elements != 6).sum()), float(len(molecule.bonds)), *extents.tolist()]
