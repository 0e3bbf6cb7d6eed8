"""Alphabets of sequences: their letters, and which one some sequences are written in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

PROTEIN, DNA, TEXT = "protein", "dna", "text"
ALPHABETS = (PROTEIN, DNA, TEXT)

LETTERS = {PROTEIN: "ACDEFGHIKLMNPQRSTVWYBJOUXZ*-", DNA: "ACGTUN-"}
"""Letters of proteins (the twenty amino acids first) and of DNA and RNA; of text, those that occur."""

CORE = {PROTEIN: "ACDEFGHIKLMNPQRSTVWY", DNA: "ACGT"}
"""Letters that encoders tell apart; the rest counts as one, and U of RNA as T."""

RARE = frozenset("BJOUXZ")
"""Letters that stand for uncertain or unusual amino acids."""

RARE_SHARE = 0.05
"""Sequences with a larger share of rare letters are no proteins but words in capitals."""

PRINTABLE = "".join(map(chr, range(32, 127)))
"""Characters of text of which nothing is known."""

MOST_CHARACTERS = 120
"""Characters of text that are told apart; the rest counts as one."""


@dataclass(frozen=True)
class LetterCounts:
    """How often each character occurs in some sequences, and how long the longest one is."""

    counts: Counter[str]
    longest: int

    @classmethod
    def of(cls, sequences: Iterable[str]) -> LetterCounts:
        """Counted in one pass."""
        counts: Counter[str] = Counter()
        longest = 0
        for one in sequences:
            counts.update(one)
            longest = max(longest, len(one))
        return cls(counts, longest)

    @property
    def alphabet(self) -> str:
        """DNA where only its letters occur, in either case; protein where only letters of amino acids do, mostly
        capitals and few rare ones; else text."""
        letters: Counter[str] = Counter()
        for letter, count in self.counts.items():
            letters[letter.upper()] += count
        total = max(1, sum(letters.values()))
        if set(letters) <= set(LETTERS[DNA]):
            return DNA
        capitals = sum(count for letter, count in self.counts.items() if letter.isupper())
        rare = sum(letters[letter] for letter in RARE)
        proteins = set(letters) <= set(LETTERS[PROTEIN]) and capitals > 0.5 * total and rare <= RARE_SHARE * total
        return PROTEIN if proteins else TEXT

    @property
    def characters(self) -> str:
        """The most frequent characters, in the order of their code points."""
        ranked = sorted(self.counts, key=lambda letter: (-self.counts[letter], letter))
        return "".join(sorted(ranked[:MOST_CHARACTERS]))
