"""Ligands in files of macromolecules (PDB, mmCIF): the small molecules among the residues, by gemmi."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.errors import InputError, shortened
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.listing import suffix_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import MAX_COORDINATE, check_elements
from metricvae.kinds.molecule.streams import read_bytes

LARGEST_STRUCTURE = 64 * 2**20
"""Bytes of a structure file, decompressed: some 600,000 atoms. Read, one of short mmCIF values takes a gigabyte."""

ADDITIVES = frozenset(
    [
        *("ACE", "ACT", "ACY", "BCT", "BME", "BOG", "BU3", "CAC", "CIT", "DMF", "DMS", "DOD", "DTT", "EDO", "EOH"),
        *("EPE", "FLC", "FMT", "GOL", "HED", "IMD", "IPA", "MES", "MLI", "MPD", "MRD", "NH2", "OLC", "PDO", "PE4"),
        *("PEG", "PG4", "PGE", "PGO", "P6G", "SO4", "PO4", "TAR", "TLA", "TRS", "UNX"),
    ]
)
"""Residues that crystals are grown from or kept in: no ligands, as a rule."""

BOND_SLACK = 0.4
"""Angstroms by which two bonded atoms may lie further apart than their covalent radii say."""

_ASCII = bytes(range(128)) + b"?" * 128

PDB_ENDINGS = (".pdb", ".ent")
CIF_ENDINGS = (".cif", ".mmcif")


def read_ligands(path: Path | str) -> Iterator[tuple[str, Molecule | str]]:
    """The ligands of the first model of a structure, each with its name, or with the reason why it is refused.

    A ligand is a residue that is no part of a polymer, no amino acid or nucleotide, no water, no ion (of fewer than
    four heavy atoms) and none of :data:`ADDITIVES`. Of alternative places of an atom that of the highest
    occupancy is taken. The files say neither bond orders nor charges, so two atoms within bonding distance get a bond,
    of order 0, and the SMILES is empty. A ligand that spans several residues comes in as many parts.

    Raises:
        InputError: the file cannot be opened, is larger than :data:`LARGEST_STRUCTURE`, or is no structure.
    """
    structure = read_structure(path)
    for chain in structure[0]:
        for residue in filter(_is_ligand, chain):
            name = f"{residue.name}-{chain.name}-{residue.seqid}"
            try:
                yield name, _ligand(name, residue)
            except InputError as error:
                yield name, str(error)


def read_structure(path: Path | str, mend: Callable[[str], str] | None = None) -> Any:
    """A gemmi structure with at least one atom in its first model, its entities told apart.

    Args:
        path: of a file, gzipped or not; one that ends in :data:`CIF_ENDINGS` is mmCIF, any other PDB.
        mend: what the text of a PDB file goes through before it is parsed.

    Raises:
        InputError: the file cannot be opened, is larger than :data:`LARGEST_STRUCTURE`, or is no structure.
    """
    gemmi = require("gemmi")
    # Other characters than ASCII stand in comments and titles only; one byte for each keeps the columns of PDB.
    text = read_bytes(path, LARGEST_STRUCTURE).translate(_ASCII).decode("ascii")
    try:
        if suffix_of(path) not in CIF_ENDINGS:
            structure = gemmi.read_pdb_string(mend(text) if mend else text)
        else:
            structure = gemmi.make_structure_from_block(gemmi.cif.read_string(text).sole_block())
        structure.setup_entities()
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(
            f"{path} is not a structure that can be read ({shortened(error, 160)}): expected PDB or mmCIF"
        ) from error
    if not len(structure) or not len(structure[0]):
        raise InputError(f"{path} holds no atom: expected a PDB or mmCIF file")
    return structure


def _is_ligand(residue: Any) -> bool:
    gemmi = require("gemmi")
    if residue.entity_type in (gemmi.EntityType.Polymer, gemmi.EntityType.Water) or residue.name in ADDITIVES:
        return False
    known = gemmi.find_tabulated_residue(residue.name)
    return not (known.is_water() or known.is_amino_acid() or known.is_nucleic_acid()) and len(_atoms(residue)) >= 4


def _atoms(residue: Any) -> list[Any]:
    """Heavy atoms, each at its location of the highest occupancy."""
    best: dict[str, Any] = {}
    for atom in residue:
        if not atom.is_hydrogen() and (atom.name not in best or atom.occ > best[atom.name].occ):
            best[atom.name] = atom
    return list(best.values())


def _ligand(name: str, residue: Any) -> Molecule:
    atoms = _atoms(residue)
    check_elements([atom.element.atomic_number for atom in atoms])
    positions = np.array([atom.pos.tolist() for atom in atoms], dtype=np.float64)
    if not (np.abs(positions) <= MAX_COORDINATE).all():
        raise InputError(f"the ligand has coordinates that are no numbers within {MAX_COORDINATE:,.0f} angstroms")
    reach = np.array([atom.element.covalent_r for atom in atoms])
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    near = np.argwhere(np.triu(distances < reach[:, None] + reach + BOND_SLACK, k=1))
    return Molecule(
        id=name,
        smiles="",
        elements=np.array([atom.element.atomic_number for atom in atoms], dtype=np.uint8),
        positions=positions,
        bonds=np.column_stack([near, np.zeros(len(near), dtype=near.dtype)]).astype(np.int32),
    )
