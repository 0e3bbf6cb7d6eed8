"""Clusters of near-identical sequences, so that no test sequence has a copy among those of the training.

Greedy, as CD-HIT clusters (Li & Godzik 2006): the longest sequence first, each joins the first cluster whose
representative shares enough of its words (a Jaccard index of sets of words, estimated from the smallest hashes of
each: Broder 1997), or begins one. Chains of similar sequences do not run together, as by single linkage they would.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from metricvae.kinds.sequence.alphabets import DNA, PROTEIN, TEXT

WORD = {PROTEIN: 3, DNA: 8, TEXT: 3}
"""Letters of a word."""


def sketch(sequence: str, word: int, size: int = 64) -> frozenset[int]:
    """The `size` smallest hashes of the words of a sequence, ends marked."""
    marked = f"^{sequence}$"
    words = {marked[start : start + word] for start in range(max(1, len(marked) - word + 1))}
    return frozenset(sorted(zlib.crc32(one.encode()) for one in words)[:size])


def clusters(sequences: Sequence[str], alphabet: str, least: float = 0.5) -> list[int]:
    """The number of each sequence's representative among `sequences`.

    Args:
        sequences: all of them.
        alphabet: that they are written in; its `WORD` is compared.
        least: Jaccard index from which a sequence joins a cluster.

    Example:
        >>> clusters(["the red house", "the red horse cart", "the red house."], "text")
        [2, 1, 2]
    """
    word = WORD[alphabet]
    found = list(range(len(sequences)))
    holding: dict[int, list[int]] = defaultdict(list)
    sketches: dict[int, frozenset[int]] = {}
    for number in sorted(range(len(sequences)), key=lambda one: (-len(sequences[one]), one)):
        own = sketch(sequences[number], word)
        shared = Counter(other for code in own for other in holding.get(code, ()))
        index = {other: count / (len(own) + len(sketches[other]) - count) for other, count in shared.items()}
        nearest = max(index, key=index.__getitem__, default=number)
        if index.get(nearest, 0.0) >= least:
            found[number] = nearest
        else:
            sketches[number] = own
            for code in own:
                holding[code].append(number)
    return found
