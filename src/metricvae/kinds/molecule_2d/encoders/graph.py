"""A network that looks at atoms and bonds alone, for molecules whose shape in space is not known.

How two atoms are linked stands where the distance stands for a network that sees them in space
(`metricvae.kinds.molecule.encoders.point_set`): by one bond of some order, or by so many bonds on the shortest way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from metricvae.kinds.molecule.encoders.attention import MANY, Pooled, trimmed
from metricvae.kinds.molecule.encoders.point_set import MoleculeEncoder, on_axes
from metricvae.kinds.molecule.packing import COLUMNS
from metricvae.kinds.molecule.transforms import present

KINDS = (6, 7, 8, 9, 15, 16, 17, 35, 53)
"""Elements that are told apart, by atomic number; all others are one more."""

CHARGES, LINKS = 3, 31
"""Negative, none, positive; codes of `metricvae.kinds.molecule.packing.LINKED`."""


class GraphEncoder(MoleculeEncoder):
    """Molecules as atoms and bonds, wherever they lie in space -> mean and log-variance of q(z | x).

    Args:
        widths: of the atoms through each layer, all the same, a multiple of 8.
        latent: size d of the code.
    """

    def __init__(self, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.pooled = Pooled(len(KINDS) + 1 + CHARGES + LINKS, LINKS, widths, latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, A, 6 + A), the atoms on axes of their own, which nothing but the pictures sees."""
        return on_axes(x)

    def read(self, features: Tensor) -> Tensor:
        """(m, LINKS + kinds + 1): how atoms are linked, of what kinds they are, and how many."""
        there = present(features)
        count = there.sum(1, keepdim=True).clamp(min=1).float()
        linked = link_readings(features).sum((1, 2)) / count.square()
        return torch.cat([linked, kind_readings(features).sum(1) / count, count / MANY], dim=1)

    def encoded(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = trimmed(features, COLUMNS)
        linked = link_readings(features)
        atoms = torch.cat([kind_readings(features), charge_readings(features), linked.sum(2) / MANY**0.5], dim=-1)
        mean, log_variance = self.pooled(atoms, linked, present(features))
        return mean, log_variance


def kind_readings(molecules: Tensor) -> Tensor:
    """(m, A, kinds + 1) of 0 and 1."""
    known = molecules[..., 4, None] == molecules.new_tensor(KINDS)
    other = ~known.any(-1, keepdim=True) & present(molecules)[..., None]
    return torch.cat([known, other], dim=-1).float()


def charge_readings(molecules: Tensor) -> Tensor:
    """(m, A, CHARGES) of 0 and 1."""
    sign = molecules[..., 5, None].sign() == molecules.new_tensor([-1.0, 0.0, 1.0])
    return (sign & present(molecules)[..., None]).float()


def link_readings(molecules: Tensor) -> Tensor:
    """(m, A, A, LINKS) of 0 and 1."""
    return (molecules[..., COLUMNS:, None] == torch.arange(1, LINKS + 1, device=molecules.device)).float()
