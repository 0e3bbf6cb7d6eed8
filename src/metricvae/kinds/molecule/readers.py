"""Reading molecules from files: every good one, and a note by number and reason in the place of every bad one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.ligands import CIF_ENDINGS, PDB_ENDINGS, read_ligands
from metricvae.kinds.molecule.listing import READERS, Record, records, suffix_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import Mol, canonical, parent_of, record_of

ENDINGS = (*READERS, *PDB_ENDINGS, *CIF_ENDINGS)
"""Endings of the files that :func:`read` reads; each may have `.gz` after it."""

NEAREST = 0.6
"""Angstroms; two heavy atoms nearer than that have no real coordinates (the shortest bonds measure 1.1)."""

FURTHEST = 9999.0
"""Angstroms from zero, at most."""

_FLAT = 1e-3


@dataclass(frozen=True)
class Skipped:
    """A record that gave no molecule.

    Attributes:
        number: of the line or record in its file; the first is 1.
        unit: what `number` counts: `line` or `record`.
        name: as the file has it; may be empty.
        reason: one line.
    """

    number: int
    unit: str
    name: str
    reason: str

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{self.unit} {self.number}{named}: {self.reason}"


def read(path: Path | str, *, embed: bool = False, seed: int = 0) -> Iterator[Molecule | Skipped]:
    """The molecules of a file, one at a time, in its order; `Skipped` in the place of each that cannot be had.

    The formats are those of :func:`~metricvae.kinds.molecule.listing.records`, and PDB and mmCIF, from which the
    ligands come (:func:`~metricvae.kinds.molecule.ligands.read_ligands`). Where there are coordinates, the atoms
    keep them; a SMILES gets a conformer. The id is the name in the file, or the file's name and the number.

    Args:
        path: file, gzipped or not.
        embed: make conformers of mol blocks with flat or missing coordinates too, instead of skipping them.
        seed: of the conformers.

    Raises:
        InputError: the file cannot be opened or has another ending, or the extra `chem` is missing.
    """
    ending = suffix_of(path)
    if ending not in ENDINGS:
        raise InputError(f"{path} ends in {ending or 'nothing'!r}: expected one of {', '.join(ENDINGS)}, or one + .gz")
    require("rdkit.Chem")
    stem = Path(path).name
    if ending in READERS:
        return (molecule_of(record, stem, embed=embed, seed=seed) for record in records(path))
    return _ligands(path, stem)


def read_one(path: Path | str, *, embed: bool = False, seed: int = 0) -> Molecule:
    """The first molecule of a file.

    Raises:
        InputError: as :func:`read`; or the file holds no molecule, or its first one cannot be had.
    """
    first = next(iter(read(path, embed=embed, seed=seed)), None)
    if first is None:
        raise InputError(f"{path} holds no molecule: expected at least one")
    if isinstance(first, Skipped):
        raise InputError(f"{path}, {first}")
    return first


def molecule_of(record: Record, stem: str = "", *, embed: bool = False, seed: int = 0) -> Molecule | Skipped:
    """The molecule in the text of a record.

    Args:
        record: of :func:`~metricvae.kinds.molecule.listing.records`.
        stem: of the id, before the record's number, where the record has no name.
        embed: make a conformer where the coordinates are flat or missing.
        seed: of the conformer.
    """
    name = record.name or f"{stem}:{record.number}".lstrip(":")
    try:
        if record.fault:
            raise InputError(record.fault)
        if record.kind == "smiles":
            return conform(record.text, seed, name=name)[0]
        return _from_block(record, name, embed, seed)
    except InputError as error:
        return Skipped(record.number, record.unit, record.name, str(error))


def _from_block(record: Record, name: str, embed: bool, seed: int) -> Molecule:
    chem = require("rdkit.Chem")
    with require("rdkit.rdBase").BlockLogs():
        mol = _parsed(record)
        lack = _lack_of_space(mol, record)
        if not lack:
            chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
        parent = parent_of(mol)
        known = "" if any(bond.HasQuery() for bond in parent.GetBonds()) else canonical(parent)
        if not lack:
            lack = _lack_of_room(parent)
        if not lack:
            return record_of(parent, name, known)
    if embed and known:
        return conform(known, seed, name=name)[0]
    raise InputError(f"{lack}: give 3-D coordinates, or ask for conformers to be made (embed)")


def _parsed(record: Record) -> Mol:
    """A sanitised RDKit molecule with all that its block has."""
    chem = require("rdkit.Chem")
    parse = chem.MolFromMolBlock if record.kind == "sdf" else chem.MolFromMol2Block
    mol = parse(record.text, sanitize=True, removeHs=False)
    if mol is None:
        rough = parse(record.text, sanitize=False, removeHs=False)
        problems = [] if rough is None else [fault.Message() for fault in chem.DetectChemistryProblems(rough)]
        if problems:
            raise InputError(f"the molecule is not valid ({problems[0]}): correct or remove it")
        format_name = "mol block (V2000 or V3000)" if record.kind == "sdf" else "mol2 block"
        raise InputError(f"the record is not a whole {format_name}: correct or remove it")
    if mol.GetNumAtoms() == 0:
        raise InputError("the record has no atoms: remove it")
    return mol if record.kind == "sdf" else _with_implied_hydrogens(mol)


def _with_implied_hydrogens(mol: Mol) -> Mol:
    """A molecule of a mol2 block; where it left all hydrogens out, RDKit took their places for radicals."""
    atoms = list(mol.GetAtoms())
    if not any(atom.GetAtomicNum() == 1 for atom in atoms):
        for atom in atoms:
            atom.SetNoImplicit(False)
            atom.SetNumRadicalElectrons(0)
        mol.UpdatePropertyCache()
    return mol


def _lack_of_space(mol: Mol, record: Record) -> str:
    """What is wrong with the coordinates of all atoms; empty where nothing is.

    Flat molecules are real only where the block says that it has three dimensions and no atom contradicts it.
    """
    if not mol.GetNumConformers():
        return "the record has no coordinates"
    positions = np.asarray(mol.GetConformer().GetPositions())
    if not np.isfinite(positions).all() or np.abs(positions).max() > FURTHEST:
        return f"the record has coordinates that are no numbers within {FURTHEST:,.0f} angstroms"
    if not positions.any():
        return "all coordinates in the record are zero"
    if np.ptp(positions[:, 2]) > _FLAT:
        return ""
    heading = record.text.split("\n", 2)[1] if record.kind == "sdf" else ""
    if heading[20:22].upper() == "3D" and not any(_needs_room(atom) for atom in mol.GetAtoms()):
        return ""
    return "the record has 2-D coordinates"


def _lack_of_room(parent: Mol) -> str:
    """What is wrong with the coordinates of the heavy atoms; empty where nothing is."""
    positions = np.asarray(parent.GetConformer().GetPositions())
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1) + np.diag(np.full(len(positions), np.inf))
    return f"two atoms lie within {NEAREST} angstroms of each other" if distances.min() < NEAREST else ""


def _needs_room(atom: Any) -> bool:
    """Whether its neighbours cannot lie in one plane with it."""
    hybrid = require("rdkit.Chem").HybridizationType
    return bool(atom.GetAtomicNum() == 6 and atom.GetHybridization() == hybrid.SP3 and atom.GetDegree() >= 3)


def _ligands(path: Path | str, stem: str) -> Iterator[Molecule | Skipped]:
    for number, (name, found) in enumerate(read_ligands(path), start=1):
        if isinstance(found, Molecule):
            yield found
        else:
            yield Skipped(number, "record", name, found)
