"""k-mers of sequences: counts of the short ones, and random projections of the counts of longer ones.

Two sequences that align share k-mers, also gapped ones (patterns of places with gaps between), and the inner product of
their counts says how many (the spectrum kernel: Leslie et al. 2002). There are too many k-mers to count each one;
hashed to `buckets` numbers and projected at random, products keep their expectation (Johnson & Lindenstrauss 1984).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

Patterns = tuple[tuple[int, ...], ...]
"""Places of the letters of a k-mer, from its first: (0, 1) neighbours, (0, 2) letters two places apart."""

_MULTIPLIER = 2_654_435_761
"""Knuth's, of multiplicative hashing."""


class KmerCounts(nn.Module):
    """(m, L) letters 0 to `letters` (0 behind the end) -> (m, F) counts of the k-mers of some patterns.

    Args:
        letters: that are told apart.
        patterns: of the k-mers.
        buckets: numbers that the k-mers of a pattern are hashed to, where there are more.
    """

    def __init__(self, letters: int, patterns: Patterns, buckets: int) -> None:
        super().__init__()
        self.letters, self.patterns = letters, patterns
        self.sizes = [min(letters ** len(pattern), buckets) for pattern in patterns]

    def forward(self, letters: Tensor) -> Tensor:
        places = torch.arange(letters.shape[1], device=letters.device)
        counts = []
        for pattern, size in zip(self.patterns, self.sizes, strict=True):
            code = torch.zeros_like(letters)
            whole = torch.ones_like(letters, dtype=torch.bool)
            for offset in pattern:
                there = letters.roll(-offset, 1)
                there = torch.where(places < letters.shape[1] - offset, there, torch.zeros_like(there))
                whole &= there > 0
                code = code * self.letters + (there - 1).clamp(min=0)
            if self.letters ** len(pattern) > size:
                code = (code * _MULTIPLIER % 2**32) * size // 2**32
            count = torch.zeros(len(letters), size, device=letters.device)
            counts.append(count.scatter_add_(1, code, whole.float()))
        return torch.cat(counts, dim=1)


class KmerSketch(nn.Module):
    """(m, L) letters -> (m, r) random projection of the counts of the k-mers of all patterns.

    The projection has random signs from a stream of bits that NumPy keeps the same for ever, so it is no weight and is
    not stored with them.

    Args:
        letters, patterns, buckets: as for `KmerCounts`.
        size: r, numbers of the projection.
    """

    projection: Tensor

    def __init__(self, letters: int, patterns: Patterns, buckets: int, size: int) -> None:
        super().__init__()
        self.counts = KmerCounts(letters, patterns, buckets)
        signs = _random_signs(sum(self.counts.sizes) * size).reshape(-1, size)
        self.register_buffer("projection", signs / size**0.5, persistent=False)

    def forward(self, letters: Tensor) -> Tensor:
        return self.counts(letters) @ self.projection


def _random_signs(count: int) -> Tensor:
    """(count,) numbers 1 and -1, always the same."""
    words = np.random.PCG64(0).random_raw(-(-count // 64)).astype("<u8")
    return torch.from_numpy(np.unpackbits(words.view(np.uint8))[:count] * np.float32(2.0) - np.float32(1.0))
