"""The complexes that a model was trained on, to say how far a new one lies from them and which are the nearest."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.extra import require

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

RADIUS, BITS = 2, 1024
"""Of Morgan fingerprints."""

LETTERS = 4
"""Residues of a word of a protein's sequence."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Training complexes.

    Attributes:
        fingerprints: (n, BITS / 8) packed Morgan fingerprints of the ligands.
        pk: (n,) their measured affinities.
        protein: (n,) numbers of their proteins.
        names: of the complexes.
        sequences: of the proteins, chains apart by `/`, as they were cut out around the ligands.
    """

    fingerprints: Bytes
    pk: npt.NDArray[np.float32]
    protein: npt.NDArray[np.int32]
    names: tuple[str, ...]
    sequences: tuple[str, ...]

    def ligand_similarity(self, fingerprint: Bytes) -> Floats:
        """(n,) Tanimoto coefficients of a ligand's (BITS / 8,) packed fingerprint with the ligands."""
        own = np.flatnonzero(np.unpackbits(fingerprint))
        return _tanimoto(self._bits[own].sum(axis=0, dtype=np.float32), np.float32(len(own)), self._sizes)

    def protein_similarity(self, sequence: str) -> Floats:
        """(proteins,) shares of the smaller set's words that a protein and each of these have in common, 0 where one
        has no word. Of a structure and of what was cut out of it around a ligand it is near 1."""
        own, (places, sizes) = words_of(sequence), self._words
        rows = np.array([row for word in own for row in places.get(word, ())], np.int64)
        least = np.minimum(len(own), sizes)
        return np.divide(np.bincount(rows, minlength=len(sizes)), least, out=np.zeros(len(sizes)), where=least > 0)

    @functools.cached_property
    def protein_similarities(self) -> Floats:
        """(proteins, proteins) similarities of the proteins with one another."""
        return np.stack([self.protein_similarity(one) for one in self.sequences])

    @functools.cached_property
    def _bits(self) -> Bytes:
        """(BITS, n) the fingerprints by bit, so that the few bits of one molecule are counted quickly."""
        return np.ascontiguousarray(np.unpackbits(self.fingerprints, axis=1).T)

    @functools.cached_property
    def _sizes(self) -> Counts:
        """(n,) bits of each fingerprint."""
        return self._bits.sum(axis=0, dtype=np.float32)

    @functools.cached_property
    def _words(self) -> tuple[dict[str, list[int]], npt.NDArray[np.int64]]:
        """The proteins that have a word, by word, and (proteins,) how many words each has."""
        words, places = [words_of(one) for one in self.sequences], dict[str, list[int]]()
        for row, held in enumerate(words):
            for word in held:
                places.setdefault(word, []).append(row)
        return places, np.array(list(map(len, words)), np.int64)


@dataclass(frozen=True)
class NearComplex:
    """A training complex near a new one.

    Attributes:
        name: of the complex.
        pk: its measured affinity.
        ligand: Tanimoto coefficient of the ligands.
        protein: share of words that the proteins have in common.
    """

    name: str
    pk: float
    ligand: float
    protein: float


def nearest(reference: Reference, ligand: Floats, protein: Floats, count: int = 3) -> tuple[NearComplex, ...]:
    """The training complexes that are nearest by the mean of both similarities, the best first.

    Args:
        reference: the training complexes.
        ligand: (n,) similarities of their ligands with the new one.
        protein: (proteins,) of their proteins.
        count: how many.
    """
    around = protein[reference.protein]
    best = np.argsort(-(ligand + around), kind="stable")[:count]
    return tuple(
        NearComplex(reference.names[row], float(reference.pk[row]), float(ligand[row]), float(around[row]))
        for row in best.tolist()
    )


def fingerprint(mol: Any) -> Bytes:
    """(BITS / 8,) packed Morgan fingerprint of a sanitised RDKit molecule."""
    generator = require("rdkit.Chem.rdFingerprintGenerator").GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    return np.packbits(generator.GetFingerprintAsNumPy(mol).astype(bool))


def tanimoto(left: Bytes, right: Bytes) -> Floats:
    """(m, n) Tanimoto coefficients of (m, b) and (n, b) packed fingerprints; 0 where both are empty.

    Example:
        >>> tanimoto(np.array([[3]], np.uint8), np.array([[1], [12]], np.uint8))
        array([[0.5, 0. ]])
    """
    a, b = (np.unpackbits(one, axis=1).astype(np.float32) for one in (left, right))
    return _tanimoto(a @ b.T, a.sum(axis=1)[:, None], b.sum(axis=1))


def _tanimoto(common: Counts, left: Counts | np.float32, right: Counts) -> Floats:
    """Tanimoto coefficients from the bits in common and those of each; 0 where both are empty."""
    union = (left + right).astype(np.float64) - common
    return np.divide(common, union, out=np.zeros_like(union), where=union > 0)


def words_of(sequence: str) -> frozenset[str]:
    """The words of `LETTERS` residues of a structure's chains."""
    chains = sequence.split("/")
    return frozenset(one[at : at + LETTERS] for one in chains for at in range(max(0, len(one) - LETTERS + 1)))


def reference_of(mols: Sequence[Any], pk: Sequence[float], sequences: Sequence[str], names: Sequence[str]) -> Reference:
    """The record of training complexes: ligands as RDKit molecules, their pK, the proteins' sequences, and names."""
    known = {one: number for number, one in enumerate(dict.fromkeys(sequences))}
    return Reference(
        np.stack([fingerprint(mol) for mol in mols]),
        np.array(pk, np.float32),
        np.array([known[one] for one in sequences], np.int32),
        tuple(names),
        tuple(known),
    )
