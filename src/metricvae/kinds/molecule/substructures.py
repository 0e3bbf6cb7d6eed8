"""Which molecules of an index contain a substructure, and how alike they are as graphs."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.errors import InputError
from metricvae.core.item_tests import ItemTest
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.properties import PATTERN, PATTERN_BITS, contains_bits, probe
from metricvae.kinds.molecule.standardise import Mol

LONGEST_SMARTS = 2_000
"""Characters."""

SMILES = "smiles"

MORGAN_RADIUS, MORGAN_BITS = 2, 2_048

Bools = npt.NDArray[np.bool_]


def substructure_test(smarts: str) -> ItemTest:
    """Whether a molecule contains a pattern: fingerprints say quickly which cannot, the rest is matched from SMILES.

    Molecules whose bonds are not known contain nothing.

    Args:
        smarts: the pattern; hydrogens that it names as atoms count as hydrogens of the atoms they are bonded to.

    Raises:
        InputError: it does not parse.
    """
    pattern = pattern_from(smarts)
    bits = probe(require("rdkit.Chem").Mol(pattern))

    def possible(table: pa.Table) -> Bools:
        return contains_bits(packed_bits(table[PATTERN]), bits[None])

    def holds(table: pa.Table) -> Bools:
        mols = (_mol(text) for text in table[SMILES].to_pylist())
        return np.array([mol is not None and mol.HasSubstructMatch(pattern) for mol in mols], bool)

    return ItemTest((PATTERN,), possible, (SMILES,), holds)


def pattern_from(smarts: str) -> Mol:
    """A pattern from SMARTS; hydrogens that it names as atoms count as hydrogens of the atoms they are bonded to.

    Raises:
        InputError: it does not parse.
    """
    shown = smarts if len(smarts) <= 60 else f"{smarts[:57]}..."
    chem = require("rdkit.Chem")
    readable = smarts.isascii() and smarts.isprintable() and len(smarts) <= LONGEST_SMARTS
    with require("rdkit.rdBase").BlockLogs():
        pattern = chem.MolFromSmarts(smarts, mergeHs=True) if readable else None
    if pattern is None or not pattern.GetNumAtoms():
        raise InputError(f"{shown!r} does not parse as SMARTS: expected a pattern of atoms and bonds, as C(=O)[OH]")
    return pattern


def packed_bits(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """(n, b) bytes of a column of fingerprints; zeros where there is none."""
    width = PATTERN_BITS // 8
    whole = column.combine_chunks().fill_null(bytes(width)) if column.null_count else column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], column.type)
    buffer = whole.buffers()[1]
    start = whole.offset * width
    if buffer is None:
        return np.zeros((0, width), np.uint8)
    return np.frombuffer(buffer, np.uint8)[start : start + len(whole) * width].reshape(-1, width)


def morgan_fingerprints(smiles: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """(n, b) packed bits of circular fingerprints of radius 2 (D. Rogers and M. Hahn, J. Chem. Inf. Model. 50 (2010)
    742); zeros where a molecule's bonds are not known."""
    generator = morgan_generator()
    to_bytes = require("rdkit.DataStructs").BitVectToBinaryText
    found = np.zeros((len(smiles), MORGAN_BITS // 8), np.uint8)
    for place, mol in enumerate(map(_mol, smiles.to_pylist())):
        if mol is not None:
            found[place] = np.frombuffer(to_bytes(generator.GetFingerprint(mol)), np.uint8)
    return found


@functools.cache
def morgan_generator() -> Any:
    """RDKit's generator of the fingerprints of `morgan_fingerprints`."""
    return require("rdkit.Chem.rdFingerprintGenerator").GetMorganGenerator(radius=MORGAN_RADIUS, fpSize=MORGAN_BITS)


def _mol(smiles: str | None) -> Any:
    with require("rdkit.rdBase").BlockLogs():
        return require("rdkit.Chem").MolFromSmiles(smiles) if smiles else None
