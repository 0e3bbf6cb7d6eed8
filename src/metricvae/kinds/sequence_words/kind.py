"""The kind `sequence-words`: sequences as counts of their words of three letters."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from metricvae.core.kind import Object, ObjectKind, Packed
from metricvae.kinds.described import DescribedKind, Rows
from metricvae.kinds.sequence.kind import SequenceKind

WORD, BUCKETS = 3, 1_024
"""Letters of a word, and numbers that words are hashed to."""


@dataclass(frozen=True)
class SequenceWordsKind(DescribedKind, SequenceKind):
    """Sequences, of which encoders see 1,024 counts of words of three letters, and the number of words.

    The spectrum of C. Leslie, E. Eskin, W. S. Noble (Pac. Symp. Biocomput. 2002, 564), hashed. For few sequences with
    many values each: networks that read letters cost more and have to learn which sequences are alike.

    Example:
        >>> rows = SequenceWordsKind().numbers(["MKVLA", "MKVLA", "MKV"])
        >>> bool((rows[0] == rows[1]).all()), rows[:, -1].tolist()
        (True, [3.0, 3.0, 1.0])
    """

    name: ClassVar[str] = "sequence-words"
    same_records: ClassVar[tuple[str, ...]] = ("sequence",)
    count: ClassVar[int] = BUCKETS + 1
    counts: ClassVar[tuple[int, ...]] = (0, BUCKETS)

    def numbers(self, objects: Sequence[Object]) -> Rows:
        """(m, count): counts of words, then how many words there are."""
        found = np.zeros((len(objects), self.count), np.float32)
        for row, sequence in zip(found, objects, strict=True):
            text = sequence.upper()
            words = [text[at : at + WORD] for at in range(max(1, len(text) - WORD + 1))]
            hashed = [zlib.crc32(word.encode()) % BUCKETS for word in words]
            row[:BUCKETS] = np.bincount(hashed, minlength=BUCKETS)
            row[BUCKETS] = len(words)
        return found

    def restore(self, packed: Packed) -> list[Object]:
        """Counts do not say what sequence they are of; see `ObjectKind.restore`."""
        return ObjectKind.restore(self, packed)

    def default_latent(self, objects: int | None = None) -> int:
        """As many as any metric has by default, 128."""
        return 128
