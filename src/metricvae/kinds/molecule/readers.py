"""Reads molecules from files as a stream; a record that gives none is reported by its number and the reason."""

from __future__ import annotations

import re
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
from metricvae.kinds.molecule.standardise import MAX_COORDINATE, Mol, canonical, parent_of, rdkit_checks, record_of

ENDINGS = (*READERS, *PDB_ENDINGS, *CIF_ENDINGS)
"""Endings of the files that :func:`read` reads; each may have `.gz` after it."""

MIN_DISTANCE = 0.6
"""Angstroms between two heavy atoms, at least: the shortest bonds measure 1.1."""

MAX_COUNT = 10_000
"""Atoms, and bonds, that a record may declare: RDKit allocates memory for them before it reads any."""

_PLANAR = 1e-3

_MOL2_COUNTS = re.compile(r"^@<TRIPOS>MOLECULE.*\n.*\n[ \t]*(\S+)(?:[ \t]+(\S+))?", re.MULTILINE)
_V3000_COUNTS = re.compile(r"^M  V30 +COUNTS[ \t]+(\S+)(?:[ \t]+(\S+))?", re.MULTILINE | re.IGNORECASE)
_V3000_CONTINUATION = re.compile(r"-[ \t]*\nM  V30 ")
_V3000_TOPOLOGY = re.compile(r"[ \t]+(?:TOPO|RXCTR)=-?\d+", re.IGNORECASE)

_COUNTS_LINE = 3
_BOND_FIELDS = 12
"""Letters of a bond in V2000: its atoms, order and stereo; topology and reacting centre come after them."""


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
    """The molecules of a file, one at a time, in its order; a `Skipped` for each record that gave none.

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
        InputError: as :func:`read`; or the file holds no molecule, or its first record gave none.
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
    name = record.id_in(stem)
    try:
        if record.fault:
            raise InputError(record.fault)
        with rdkit_checks():
            if record.kind == "smiles":
                return conform(record.text, seed, name=name)[0]
            return _from_block(record, name, embed, seed)
    except InputError as error:
        return Skipped(record.number, record.unit, record.name, str(error))


def _from_block(record: Record, name: str, embed: bool, seed: int) -> Molecule:
    chem = require("rdkit.Chem")
    mol = _parsed(record)
    heading = record.text.split("\n", 2)[1] if record.kind == "sdf" else ""
    fault = coordinate_fault(mol, declared=heading[20:22].upper() == "3D")
    if not fault:
        chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
    parent = parent_of(mol)
    smiles = "" if any(bond.HasQuery() for bond in parent.GetBonds()) else canonical(parent)
    fault = fault or _clash_fault(parent)
    if not fault:
        return record_of(parent, name, smiles)
    if embed and smiles:
        return conform(smiles, seed, name=name)[0]
    raise InputError(f"{fault}: give 3-D coordinates, or ask for conformers to be made (embed)")


def _parsed(record: Record) -> Mol:
    """A sanitised RDKit molecule with all that its block has."""
    chem = require("rdkit.Chem")
    check_counts(record)
    parse = chem.MolFromMolBlock if record.kind == "sdf" else chem.MolFromMol2Block
    text = _without_topology(record.text) if record.kind == "sdf" else record.text
    mol = parse(text, sanitize=True, removeHs=False)
    if mol is None:
        rough = parse(text, sanitize=False, removeHs=False)
        problems = [] if rough is None else [fault.Message() for fault in chem.DetectChemistryProblems(rough)]
        if problems:
            raise InputError(f"the molecule is not valid ({problems[0]}): correct or remove it")
        format_name = "mol block (V2000 or V3000)" if record.kind == "sdf" else "mol2 block"
        raise InputError(f"the record is not a whole {format_name}: correct or remove it")
    if mol.GetNumAtoms() == 0:
        raise InputError("the record has no atoms: remove it")
    return mol if record.kind == "sdf" else _with_implied_hydrogens(mol)


def _without_topology(text: str) -> str:
    """A mol block whose bonds do not say whether they are in a ring, or in the centre of a reaction.

    The format has these for queries, and RDKit takes a bond with either for a query's, of unknown order. The files of
    PDBbind have them on all bonds.
    """
    lines = text.split("\n")
    counts = lines[_COUNTS_LINE] if len(lines) > _COUNTS_LINE else ""
    if counts.rstrip().endswith("V3000"):
        return _V3000_TOPOLOGY.sub("", text)
    try:
        atoms, bonds = int(counts[:3]), int(counts[3:6])
    except ValueError:
        return text  # no mol block, as its reader will say
    begin = _COUNTS_LINE + 1 + atoms
    lines[begin : begin + bonds] = [line[:_BOND_FIELDS] for line in lines[begin : begin + bonds]]
    return "\n".join(lines)


def check_counts(record: Record) -> None:
    """Refuse a record that declares more atoms or bonds than :data:`MAX_COUNT`, or negative ones.

    A V2000 block cannot: its counts have three digits.
    """
    if record.kind == "sdf":
        declared = _V3000_COUNTS.findall(_V3000_CONTINUATION.sub("", record.text))
    else:
        declared = _MOL2_COUNTS.findall(record.text)
    for count in (count for counts in declared for count in counts if count):
        if not re.fullmatch(r"\+?0*\d{1,9}", count) or int(count) > MAX_COUNT:
            raise InputError(f"the record declares {count[:20]} atoms or bonds, expected 0 to {MAX_COUNT:,}: remove it")


def _with_implied_hydrogens(mol: Mol) -> Mol:
    """A molecule of a mol2 block; where it left all hydrogens out, the radicals that RDKit assumed become hydrogens."""
    atoms = list(mol.GetAtoms())
    if not any(atom.GetAtomicNum() == 1 for atom in atoms):
        for atom in atoms:
            atom.SetNoImplicit(False)
            atom.SetNumRadicalElectrons(0)
        mol.UpdatePropertyCache()
    return mol


def coordinate_fault(mol: Mol, *, declared: bool) -> str:
    """Why the coordinates of all atoms cannot be used; empty where they can.

    A planar molecule is accepted only where it is declared to have three dimensions and has no tetrahedral carbon.

    Args:
        mol: with or without a conformer.
        declared: whether the coordinates are said to be in space.
    """
    if not mol.GetNumConformers():
        return "the record has no coordinates"
    positions = np.asarray(mol.GetConformer().GetPositions())
    if not np.isfinite(positions).all() or np.abs(positions).max(initial=0.0) > MAX_COORDINATE:
        return f"the record has coordinates that are no numbers within {MAX_COORDINATE:,.0f} angstroms"
    if not positions.any():
        return "all coordinates in the record are zero"
    if np.ptp(positions[:, 2]) > _PLANAR:
        return ""
    if declared and not any(_is_tetrahedral(atom) for atom in mol.GetAtoms()):
        return ""
    return "the record has 2-D coordinates"


def _clash_fault(parent: Mol) -> str:
    """Which heavy atoms are closer together than any bond; empty where none are."""
    positions = np.asarray(parent.GetConformer().GetPositions())
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1) + np.diag(np.full(len(positions), np.inf))
    return f"two atoms lie within {MIN_DISTANCE} angstroms of each other" if distances.min() < MIN_DISTANCE else ""


def _is_tetrahedral(atom: Any) -> bool:
    """Whether an atom is an sp3 carbon whose neighbours cannot all lie in one plane with it."""
    hybrid = require("rdkit.Chem").HybridizationType
    return bool(atom.GetAtomicNum() == 6 and atom.GetHybridization() == hybrid.SP3 and atom.GetDegree() >= 3)


def _ligands(path: Path | str, stem: str) -> Iterator[Molecule | Skipped]:
    for number, (name, found) in enumerate(read_ligands(path), start=1):
        if isinstance(found, Molecule):
            yield found
        else:
            yield Skipped(number, "record", name, found)
