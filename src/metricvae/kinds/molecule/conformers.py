"""Conformers: where the atoms of a molecule may lie, from its SMILES alone.

RDKit's ETKDG, version 3 (S. Wang et al., J. Chem. Inf. Model. 60 (2020) 2044): distance geometry with the torsion
angles that crystals prefer. Attempts are bounded by their number and not by the clock, so that the answer does not
depend on how busy the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import Mol, canonical, record_of, standard

ATTEMPTS = 20
"""Sets of coordinates that a way of embedding may try for each conformer before the next way has its turn."""

RELAXATION_STEPS = 200
"""Steps of the force field, at most."""

LARGEST_SEED = 2**31 - 1


def conform(
    smiles: str,
    seed: int,
    count: int = 1,
    *,
    name: str = "",
    relax: bool = False,
    hydrogens: bool = True,
) -> list[Molecule]:
    """Conformers of the standardised molecule in a SMILES.

    The result depends on the molecule, `seed`, `count` and the two choices, not on how the SMILES is written. Stereo
    centres and double bonds that the SMILES leaves open get one of their forms by chance.

    Args:
        smiles: one molecule; salts and solvents are stripped.
        seed: 0 to 2**31 - 1.
        count: how many, at least 1; fewer come back where some do not embed.
        name: the id; the canonical SMILES where it is empty. Of several conformers, the second has `#2` after it.
        relax: move the atoms to a minimum of the force field MMFF94 (of UFF for what that does not know).
        hydrogens: embed with hydrogens, as is advised; without them it is some three times as fast and rougher.

    Raises:
        InputError: the molecule is refused (:func:`~metricvae.kinds.molecule.standardise.standard`), nothing embeds,
            or a number is out of range.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"seed is {seed}: expected 0 to {LARGEST_SEED}")
    if count < 1:
        raise InputError(f"count is {count}: expected at least 1 conformer")
    chem = require("rdkit.Chem")
    known = canonical(standard(smiles))
    with require("rdkit.rdBase").BlockLogs():
        mol = chem.MolFromSmiles(known)
        mol = chem.AddHs(mol) if hydrogens else mol
        numbers = _embed(mol, seed, count)
        if not numbers:
            raise InputError(f"no conformer of {known} could be made: leave it out, or give one in an SDF file")
        if relax:
            mol = _relaxed(mol)
        stem = name or known
        names = [stem if not turn else f"{stem}#{turn + 1}" for turn in range(len(numbers))]
        return [record_of(mol, each, known, number) for each, number in zip(names, numbers, strict=True)]


def flat(smiles: str, *, name: str = "") -> Molecule:
    """The standardised molecule in a SMILES without a shape in space: all positions are zero.

    Args:
        smiles: one molecule; salts and solvents are stripped.
        name: the id; the canonical SMILES where it is empty.

    Raises:
        InputError: the molecule is refused (:func:`~metricvae.kinds.molecule.standardise.standard`).
    """
    chem = require("rdkit.Chem")
    known = canonical(standard(smiles))
    with require("rdkit.rdBase").BlockLogs():
        mol = chem.MolFromSmiles(known)
        mol.AddConformer(chem.Conformer(mol.GetNumAtoms()))
        return record_of(mol, name or known, known)


def _embed(mol: Mol, seed: int, count: int) -> list[int]:
    """Numbers of the conformers made by the first way of embedding that makes any."""
    geometry = require("rdkit.Chem.rdDistGeom")
    for way in _ways(geometry):
        way.randomSeed, way.maxIterations, way.numThreads = seed, ATTEMPTS, 1
        numbers = list(geometry.EmbedMultipleConfs(mol, count, way))
        if numbers:
            return numbers
    return []


def _ways(geometry: Any) -> Iterator[Any]:
    """From the best to the most forgiving: ETKDG; from random coordinates; without preferences; with rough bounds."""
    yield geometry.ETKDGv3()
    random = geometry.ETKDGv3()
    random.useRandomCoords = True
    yield random
    plain = geometry.EmbedParameters()
    plain.useRandomCoords = True
    yield plain
    last = geometry.EmbedParameters()
    last.useRandomCoords, last.ignoreSmoothingFailures = True, True
    yield last


def _relaxed(mol: Mol) -> Mol:
    """The conformers at a minimum of a force field; as they were, where no field knows the molecule."""
    fields, chem = require("rdkit.Chem.rdForceFieldHelpers"), require("rdkit.Chem")
    whole = chem.AddHs(mol, addCoords=True)
    if fields.MMFFHasAllMoleculeParams(whole):
        fields.MMFFOptimizeMoleculeConfs(whole, numThreads=1, maxIters=RELAXATION_STEPS)
    elif fields.UFFHasAllMoleculeParams(whole):
        fields.UFFOptimizeMoleculeConfs(whole, numThreads=1, maxIters=RELAXATION_STEPS)
    return whole
