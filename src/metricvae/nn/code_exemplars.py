"""Where codes of objects lie, told by some of them: an exemplar prior.

Normal distributions and small mixtures of them draw codes where no object is, from which a decoder writes what is less
like the objects. Draws around codes of real objects lie where these do (M. Norouzi et al. 2020, *Exemplar VAE: Linking
Generative Models, Nearest Neighbor Retrieval, and Data Augmentation*). Codes are kept with four bits a number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metricvae.nn.nibbles import VALUES, packed, unpacked

EXEMPLARS = 1_200
"""Codes that are kept, at most."""

LEVELS, STEP = VALUES, 0.4
"""Values that a number of a kept code has, and their distance in standard deviations of that number: the rounding moves
a number by 0.12 of these, and decoders learn from codes with 0.1 of noise."""

SPREAD = 0.3
"""Share h of the standard deviation of a draw that is not its exemplar's: the sum keeps the variance of the codes."""


class CodeExemplars(nn.Module):
    """Codes (k, d) of objects, evenly spread over those of a training.

    Args:
        code_width: numbers of a code, d.

    Attributes:
        center, scale: (d,) mean and standard deviation of each number, over all codes.
        packed: (`EXEMPLARS`, (d + 1) // 2) uint8, two numbers a byte.
        count: () int64, how many are kept; 0 before `fit`.

    Example:
        Codes in two groups; draws from one wide normal distribution are put into the groups:

        >>> codes = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
        >>> codes[:, 0] = 10 * codes[:, 0].sign() + codes[:, 0]
        >>> exemplars = CodeExemplars(4)
        >>> exemplars.fit(codes)
        >>> drawn = exemplars.place(torch.randn(500, 4), torch.Generator().manual_seed(1))
        >>> bool((drawn[:, 0].abs() > 5).all())
        True
    """

    center: Tensor
    scale: Tensor
    packed: Tensor
    count: Tensor

    def __init__(self, code_width: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(code_width))
        self.register_buffer("scale", torch.ones(code_width))
        self.register_buffer("packed", torch.zeros(EXEMPLARS, (code_width + 1) // 2, dtype=torch.uint8))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def fit(self, codes: Tensor) -> None:
        """Keep some of the codes (m, d) of objects, evenly spread over the rows; the same ones give the same."""
        self.center.copy_(codes.mean(0))
        self.scale.copy_(codes.std(0, correction=0).clamp_min(1e-6))
        some = codes[:: -(-len(codes) // EXEMPLARS)].to(self.center)
        levels = ((some - self.center) / (STEP * self.scale) + (LEVELS - 1) / 2).round().clamp(0, LEVELS - 1)
        self.packed.zero_()
        self.packed[: len(some)] = packed(levels)
        self.count.fill_(len(some))

    def codes(self, rows: Tensor) -> Tensor:
        """(n, d) kept codes by their numbers (n,)."""
        levels = unpacked(self.packed[rows], len(self.center))
        return self.center + STEP * self.scale * (levels.to(self.center) - (LEVELS - 1) / 2)

    def place(self, codes: Tensor, generator: torch.Generator) -> Tensor:
        """Codes (n, d) drawn from one distribution of all, moved to exemplars that are drawn; the generator is on the
        CPU."""
        rows = torch.randint(int(self.count), (len(codes),), generator=generator).to(self.packed.device)
        return self.center + (1 - SPREAD**2) ** 0.5 * (self.codes(rows) - self.center) + SPREAD * (codes - self.center)
