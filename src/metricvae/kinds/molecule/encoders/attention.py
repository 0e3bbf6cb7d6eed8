"""Atoms that attend to one another, and become one code: what the encoders of molecules have in common.

Attention (Vaswani et al. 2017) with a bias from what lies between two atoms, as in graph transformers (Ying et al.
2021), then pooling.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.layers import start_small

HEADS = 8
"""Of the attention; the width is a multiple of it."""

MANY = 30.0
"""Atoms of a middling molecule: sums over atoms are counted in it."""

NOWHERE = -1e4
"""Bias towards what is no atom."""


class Attention(nn.Module):
    """x + attention(x), then x + two layers; both start small. A bias for each head and pair of atoms is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        start_small(self.answer)
        start_small(self.second)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: (m, A, width); bias: (m, HEADS, A, A)."""
        query, key, value = self.ask(self.before(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        read = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        x = x + self.answer(read.transpose(1, 2).flatten(-2))
        return x + self.second(functional.silu(self.first(self.between(x))))


class Pooled(nn.Module):
    """Readings of atoms and of pairs of atoms -> mean and log-variance of q(z | x), in whatever order the atoms come.

    Args:
        atom_readings, pair_readings: how many numbers are read of an atom, and of two.
        widths: of the atoms through each layer, all the same, a multiple of `HEADS`.
        latent: size d of the code.
    """

    def __init__(self, atom_readings: int, pair_readings: int, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        width = widths[0] if widths else 0
        if not width or width % HEADS or set(widths) != {width}:
            raise InputError(f"got widths {list(widths)}: expected one or more, all the same multiple of {HEADS}")
        self.first = nn.Linear(atom_readings, width)
        self.layers = nn.ModuleList(Attention(width) for _ in widths)
        self.biases = nn.Linear(pair_readings, HEADS * len(widths))
        self.head = nn.Sequential(
            *(nn.Linear(3 * width, 2 * width), nn.LayerNorm(2 * width), nn.SiLU()),
            *(nn.Linear(2 * width, 2 * width), nn.LayerNorm(2 * width), nn.SiLU()),
        )
        self.last = nn.Linear(2 * width, 2 * latent)

    def forward(self, atoms: Tensor, pairs: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """atoms: (m, A, readings); pairs: (m, A, A, readings); there: (m, A) whether there is an atom."""
        h = self.first(atoms)
        bias = self.biases(pairs).unflatten(-1, (len(self.layers), HEADS)).permute(3, 0, 4, 1, 2)
        nowhere = torch.where(there, 0.0, NOWHERE)[:, None, None, :].to(bias.dtype)
        for layer, own in zip(self.layers, bias, strict=True):
            h = layer(h, own + nowhere)
        h = h.float() * there[..., None]
        total = h.sum(1)
        highest = h.masked_fill(~there[..., None], NOWHERE).amax(1)
        count = there.sum(1, keepdim=True).clamp(min=1)
        mean, log_variance = self.last(self.head(torch.cat([total / count, highest, total / MANY], dim=1))).chunk(2, 1)
        return mean, log_variance


def trimmed(features: Tensor, columns: int) -> Tensor:
    """Molecules (m, A, columns + A) without the rows and columns that none of them fills."""
    most = max(1, int((features[..., 3] > 0).sum(1).amax()))
    return features[:, :most, : columns + most]
