"""Local alignment score of proteins that evolved from common ancestors, normalised by their scores with themselves.

The raw score grows with the length of what is aligned, so that lengths alone would foretell much of it. Divided by the
geometric mean of both scores with themselves it lies between 0 and 1, and says how much of two proteins is alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows
from metricvae.runtime.extras import require

AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"

FREQUENCIES = np.array(
    [
        8.25,
        5.53,
        4.06,
        5.46,
        1.38,
        3.93,
        6.72,
        7.07,
        2.27,
        5.91,
        9.65,
        5.80,
        2.41,
        3.86,
        4.74,
        6.65,
        5.36,
        1.10,
        2.92,
        6.86,
    ]
)
"""Percent of each amino acid in the proteins of Swiss-Prot, in the order of `AMINO_ACIDS`."""

LENGTHS = (80, 250)
"""Residues of an ancestor, least and most."""

MEMBERS = 6
"""Proteins of a family."""

DIVERGENCE = (0.02, 0.7)
"""Rounds of substitution between an ancestor and a protein, least and most: in one round each residue is drawn anew
given the one before, with the odds of BLOSUM62, so that two thirds of them or so change."""

INDELS = 0.02
"""Insertions and deletions a residue and a round."""

INDEL_LENGTH = 3.0
"""Residues of an insertion or deletion, on average."""

GAPS = (11, 1)
"""Costs of the first and of each further residue of a gap, as BLAST has them for BLOSUM62."""


def make_proteins(count: int, seed: int) -> MadeObjects:
    """Proteins in families, each of which shares a split."""
    rng = np.random.default_rng([seed, 5])
    chances = substitution_chances()
    sequences: list[str] = []
    while len(sequences) < count:
        ancestor = rng.choice(len(AMINO_ACIDS), int(rng.integers(*LENGTHS)), p=FREQUENCIES / FREQUENCIES.sum())
        sequences += [_text(evolve(ancestor, float(rng.uniform(*DIVERGENCE)), chances, rng)) for _ in range(MEMBERS)]
    sequences = sequences[:count]
    groups = np.arange(count) // MEMBERS
    magnitudes = np.array([_composition(sequence) for sequence in sequences])
    return MadeObjects(sequences, groups, groups, magnitudes, np.array([_pairs(one) for one in sequences]))


def substitution_chances() -> Floats:
    """(20, 20) probability of each amino acid, given the one it takes the place of: p_b 2^(s_ab / 2), normalised."""
    matrix = require("parasail", "any-metric", "the alignment score").blosum62.matrix[:20, :20]
    odds = (FREQUENCIES / FREQUENCIES.sum()) * 2.0 ** (np.asarray(matrix, np.float64) / 2)
    chances: Floats = odds / odds.sum(1, keepdims=True)
    return chances


def evolve(ancestor: Rows, rounds: float, chances: Floats, rng: np.random.Generator) -> Rows:
    """A descendant (n',) of an ancestor (n,), both as places in `AMINO_ACIDS`."""
    ends, protein = np.cumsum(chances, axis=1), ancestor.copy()
    for length in [1.0] * int(rounds) + [rounds % 1]:
        changed = rng.random(len(protein)) < length
        draws = rng.random((len(protein), 1))
        drawn = np.minimum((ends[protein] < draws).sum(1), len(AMINO_ACIDS) - 1)
        protein = np.where(changed, drawn, protein)
    for _ in range(rng.poisson(INDELS * rounds * len(protein))):
        place, length = int(rng.integers(len(protein))), int(rng.geometric(1 / INDEL_LENGTH))
        if rng.random() < 0.5:
            new = rng.choice(len(AMINO_ACIDS), length, p=FREQUENCIES / FREQUENCIES.sum())
            protein = np.insert(protein, place, new)
        elif len(protein) - length >= LENGTHS[0] // 2:
            protein = np.delete(protein, np.s_[place : place + length])
    return protein


def measure_alignment(sequences: Sequence[str]) -> Measure:
    """Smith-Waterman scores with affine gaps by parasail, over the geometric mean of both scores with themselves."""
    parasail = require("parasail", "any-metric", "the alignment score")

    def score(a: str, b: str) -> float:
        return float(parasail.sw_striped_sat(a, b, *GAPS, parasail.blosum62).score)

    own = [score(sequence, sequence) for sequence in sequences]

    def similarities(first: Rows, second: Rows) -> Floats:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([score(sequences[a], sequences[b]) / (own[a] * own[b]) ** 0.5 for a, b in ends])

    return similarities


def _text(protein: Rows) -> str:
    return "".join(AMINO_ACIDS[place] for place in protein)


def _composition(sequence: str) -> list[float]:
    """Length, and the share of each amino acid."""
    return [float(len(sequence)), *(sequence.count(letter) / len(sequence) for letter in AMINO_ACIDS)]


def _pairs(sequence: str) -> Floats:
    """(400,) square roots of the shares of all pairs of neighbours: counts of 2-mers whose distance is Hellinger's."""
    codes = np.array([AMINO_ACIDS.index(letter) for letter in sequence])
    counts = np.bincount(20 * codes[:-1] + codes[1:], minlength=400)
    return np.sqrt(counts / counts.sum())
