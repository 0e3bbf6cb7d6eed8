"""Conformers of a molecule, embedded from its SMILES.

RDKit's ETKDG, version 3 (S. Wang et al., J. Chem. Inf. Model. 60 (2020) 2044): distance geometry with the torsion
angles that are common in crystals. Attempts are bounded by their number and not by time, so that the answer does not
depend on the load of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import Mol, canonical, record_of, standard

ATTEMPTS = 20
"""Sets of coordinates that a method of embedding may try for each conformer before the next method is used."""

RELAXATION_STEPS = 200
"""Steps of minimisation in the force field, at most."""

LARGEST_SEED = 2**31 - 1


def conform(
    smiles: str,
    seed: int,
    count: int = 1,
    *,
    name: str = "",
    relax: bool = False,
    hydrogens: bool = True,
    distinct: float = 0.0,
    window: float | None = None,
) -> list[Molecule]:
    """Conformers of the standardised molecule in a SMILES.

    The result depends on the molecule, `seed`, `count` and the choices, not on how the SMILES is written. Stereo
    centres and double bonds that the SMILES leaves open get one of their forms at random.

    Args:
        smiles: one molecule; salts and solvents are stripped.
        seed: 0 to 2**31 - 1.
        count: how many, at least 1; fewer come back where some do not embed.
        name: the id; the canonical SMILES where it is empty. Of several conformers, the second has `#2` after it.
        relax: minimise the energy in the force field MMFF94 (UFF for molecules without MMFF94 parameters).
        hydrogens: embed with hydrogens, as is advised; without them it is some three times as fast and rougher.
        distinct: angstroms of root mean square deviation of the heavy atoms from all earlier conformers, at least; one
            that is nearer is left out.
        window: with it conformers are relaxed, come in the order of their energies, and those more than so many
            kcal/mol above the lowest are left out.

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
        numbers = _embed(mol, seed, count, distinct)
        if not numbers:
            raise InputError(f"no conformer of {known} could be made: leave it out, or give one in an SDF file")
        if relax or window is not None:
            mol, energies = _relaxed(mol)
            numbers = _low(numbers, energies, window)
        stem = name or known
        names = [stem if not index else f"{stem}#{index + 1}" for index in range(len(numbers))]
        return [record_of(mol, each, known, number) for each, number in zip(names, numbers, strict=True)]


def flat(smiles: str, *, name: str = "") -> Molecule:
    """The standardised molecule in a SMILES without coordinates: all positions are zero.

    Args:
        smiles: one molecule; salts and solvents are stripped.
        name: the id; the canonical SMILES where it is empty.

    Raises:
        InputError: the molecule is refused (:func:`~metricvae.kinds.molecule.standardise.standard`).
    """
    return flat_of(standard(smiles), name)


def flat_of(parent: Mol, name: str = "") -> Molecule:
    """The same of a molecule that was standardised already, whose conformers are lost."""
    chem, known = require("rdkit.Chem"), canonical(parent)
    parent.RemoveAllConformers()
    parent.AddConformer(chem.Conformer(parent.GetNumAtoms()))
    return record_of(parent, name or known, known)


def _embed(mol: Mol, seed: int, count: int, distinct: float) -> list[int]:
    """Numbers of the conformers of the first method of embedding that succeeds."""
    geometry = require("rdkit.Chem.rdDistGeom")
    for method in _methods(geometry):
        # the n-th of several conformers has the seed n * seed modulo LARGEST_SEED: 0 gives one conformer many times
        method.randomSeed = 1 if count > 1 and seed % LARGEST_SEED == 0 else seed
        method.maxIterations, method.numThreads = ATTEMPTS, 1
        method.pruneRmsThresh, method.onlyHeavyAtomsForRMS = distinct or -1.0, True
        numbers = list(geometry.EmbedMultipleConfs(mol, count, method))
        if numbers:
            return numbers
    return []


def _methods(geometry: Any) -> Iterator[Any]:
    """From best to most permissive: ETKDG; from random coordinates; without torsion preferences; with rough bounds."""
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


def _relaxed(mol: Mol) -> tuple[Mol, list[float]]:
    """The conformers at a minimum of a force field, and their energies in kcal/mol; unchanged and all 0 where none has
    parameters for the molecule."""
    fields, chem = require("rdkit.Chem.rdForceFieldHelpers"), require("rdkit.Chem")
    whole = chem.AddHs(mol, addCoords=True)
    found = [(0, 0.0)] * whole.GetNumConformers()
    if fields.MMFFHasAllMoleculeParams(whole):
        found = fields.MMFFOptimizeMoleculeConfs(whole, numThreads=1, maxIters=RELAXATION_STEPS)
    elif fields.UFFHasAllMoleculeParams(whole):
        found = fields.UFFOptimizeMoleculeConfs(whole, numThreads=1, maxIters=RELAXATION_STEPS)
    return whole, [float(energy) for _, energy in found]


def _low(numbers: list[int], energies: list[float], window: float | None) -> list[int]:
    """The conformers within a window of energies, lowest first; all in their order where there is no window."""
    if window is None:
        return numbers
    least = min(energies)
    kept = sorted(
        (energy, number) for number, energy in zip(numbers, energies, strict=True) if energy <= least + window
    )
    return [number for _, number in kept]
