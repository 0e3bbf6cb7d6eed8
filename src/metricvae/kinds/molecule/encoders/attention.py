"""Attention between the atoms of a molecule, pooled to one code.

Attention (Vaswani et al. 2017) with a bias from the features of each pair of atoms, as in graph transformers (Ying et
al. 2021), then pooling.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.encoders.pooling import MASKED, pooled
from metricvae.nn.layers import hidden_layers, scale_initial_weights


class Attention(nn.Module):
    """x + attention(x), then x + two layers; both branches start small. The bias of each pair of atoms is given."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = nn.Linear(width, 3 * width), nn.Linear(width, width)  # names stand in saved models
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        scale_initial_weights(self.answer)
        scale_initial_weights(self.second)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: (m, A, width); bias: (m, heads, A, A)."""
        query, key, value = self.ask(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        x = x + self.answer(attended.transpose(1, 2).flatten(-2))
        return x + self.second(functional.silu(self.first(self.between(x))))


class AtomTransformer(nn.Module):
    """Features of atoms and of pairs of atoms -> mean and log-variance of q(z | x), invariant to the order of atoms.

    Args:
        atom_features, pair_features: how many there are of an atom, and of a pair.
        widths: of the atoms through each layer, all the same, a multiple of `heads`.
        heads: of the attention.
        typical_atoms: sums over atoms are divided by it.
        latent: size d of the code.
    """

    def __init__(
        self,
        atom_features: int,
        pair_features: int,
        widths: Sequence[int],
        heads: int,
        typical_atoms: float,
        latent: int,
    ) -> None:
        super().__init__()
        width = widths[0]
        self.heads, self.typical_atoms = heads, typical_atoms
        self.first = nn.Linear(atom_features, width)
        self.layers = nn.ModuleList(Attention(width, heads) for _ in widths)
        self.biases = nn.Linear(pair_features, heads * len(widths))
        self.head = hidden_layers(3 * width, 2 * width, 2 * width)
        self.last = nn.Linear(2 * width, 2 * latent)

    def forward(self, atoms: Tensor, pairs: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """atoms: (m, A, features); pairs: (m, A, A, features); there: (m, A) whether there is an atom."""
        h = self.first(atoms)
        bias = self.biases(pairs).unflatten(-1, (len(self.layers), self.heads)).permute(3, 0, 4, 1, 2)
        mask = torch.where(there, 0.0, MASKED)[:, None, None, :].to(bias.dtype)
        for layer, own in zip(self.layers, bias, strict=True):
            h = layer(h, own + mask)
        mean, log_variance = self.last(self.head(pooled(h, there, self.typical_atoms))).chunk(2, 1)
        return mean, log_variance


def check_widths(widths: Sequence[int], heads: int) -> None:
    """Raise InputError unless the layers can have these widths."""
    if not widths or widths[0] % heads or len(set(widths)) > 1:
        raise InputError(f"got widths {list(widths)}: expected one or more, all the same multiple of {heads}")
