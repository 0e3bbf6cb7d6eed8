"""Convolutions between the atoms of a molecule, pooled to one code: a tenth of the cost of attention, or less.

Each layer sums the values of all other atoms under a few filters, which are learned functions of the features of a
pair of atoms (continuous-filter convolutions: K. Schuett et al., SchNet, 2017; here the filters of a layer are fewer
than its channels, and a linear layer mixes what they gather).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.kinds.molecule.encoders.pooling import pooled
from metricvae.nn.layers import hidden_layers, scale_initial_weights

FILTERS = 8
"""Filters of a layer."""

POOLED = 4
"""Numbers of an atom that are pooled, for each of its channels."""


class AtomConvolution(nn.Module):
    """x + f(x, sums of neighbours under filters); f starts small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gather, self.second = nn.Linear((FILTERS + 1) * width, width), nn.Linear(width, width)
        scale_initial_weights(self.second)

    def forward(self, x: Tensor, filters: Tensor) -> Tensor:
        """x: (m, A, width); filters: (m, FILTERS * A, A)."""
        h = self.norm(x)
        sums = (filters @ h).unflatten(1, (FILTERS, -1)).transpose(1, 2).flatten(-2)
        return x + self.second(functional.silu(self.gather(torch.cat([h, sums], dim=-1))))


class AtomConvolutions(nn.Module):
    """Features of atoms and of pairs of atoms -> mean and log-variance of q(z | x), invariant to the order of atoms.

    The arguments are those of `metricvae.kinds.molecule.encoders.attention.AtomTransformer`; `heads` is not used.
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
        self.typical_atoms = typical_atoms
        self.first = nn.Linear(atom_features, width)
        self.layers = nn.ModuleList(AtomConvolution(width) for _ in widths)
        self.filters = nn.Linear(pair_features, FILTERS * len(widths))
        self.widen = nn.Linear(width, POOLED * width)
        self.head = hidden_layers(3 * POOLED * width, POOLED * width, POOLED * width)
        self.last = nn.Linear(POOLED * width, 2 * latent)

    def forward(self, atoms: Tensor, pairs: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """atoms: (m, A, features); pairs: (m, A, A, features); there: (m, A) whether there is an atom."""
        h = self.first(atoms)
        filters = self.filters(pairs) * there[:, None, :, None] / self.typical_atoms**0.5
        for layer, own in zip(self.layers, filters.permute(3, 0, 1, 2).chunk(len(self.layers)), strict=True):
            h = layer(h, own.transpose(0, 1).flatten(1, 2))
        h = functional.silu(self.widen(h))
        mean, log_variance = self.last(self.head(pooled(h, there, self.typical_atoms))).chunk(2, 1)
        return mean, log_variance
