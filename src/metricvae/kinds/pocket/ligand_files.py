"""Where the atoms of a ligand lie that a file holds: a site is named by them, whatever their bonds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.listing import Record, records, suffix_of
from metricvae.kinds.molecule.readers import check_counts
from metricvae.kinds.molecule.standardise import MAX_COORDINATE, rdkit_checks
from metricvae.kinds.pocket.records import Floats
from metricvae.kinds.pocket.structures import STRUCTURE_ENDINGS, atom_positions

BLOCK_ENDINGS = (".sdf", ".sd", ".mol", ".mol2")

LIGAND_ENDINGS = (*BLOCK_ENDINGS, *STRUCTURE_ENDINGS)
"""Endings of files that a ligand may be in; each may have `.gz` after it."""


def positions_in(path: Path | str, title: str = "") -> Floats:
    """(n, 3) heavy atoms of a molecule in a file, or of all but waters in a PDB, PDBQT or mmCIF file; angstroms.

    Neither valences nor elements matter here, so molecules are taken that are no `Molecule`.

    Args:
        path: of the file, gzipped or not.
        title: of the molecule that is meant; the first where it is empty.

    Raises:
        InputError: the file cannot be opened, or holds no molecule with coordinates in space.
    """
    if suffix_of(path) in STRUCTURE_ENDINGS:
        return atom_positions(path)
    chosen = next((one for one in records(path) if not title or one.name == title), None)
    mol = None if chosen is None or chosen.fault else _parsed(chosen, str(path))
    if mol is None or not mol.GetNumConformers():
        raise InputError(f"{path} holds no molecule that can be read: expected one as SDF, mol2, PDB or mmCIF")
    heavy = [number for number, atom in enumerate(mol.GetAtoms()) if atom.GetAtomicNum() > 1]
    found: Floats = np.asarray(mol.GetConformer().GetPositions(), np.float64)[heavy]
    if not len(found) or not (np.abs(found) <= MAX_COORDINATE).all():
        raise InputError(f"{path} holds no heavy atom with coordinates: expected a ligand where it binds")
    return found


def _parsed(record: Record, name: str) -> Any:
    chem = require("rdkit.Chem")
    try:
        check_counts(record)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    with rdkit_checks():
        if record.kind == "mol2":
            return chem.MolFromMol2Block(record.text, sanitize=False, removeHs=False)
        return chem.MolFromMolBlock(record.text, sanitize=False, removeHs=False, strictParsing=False)
