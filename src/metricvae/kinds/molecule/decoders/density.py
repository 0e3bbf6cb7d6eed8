"""Density maps of molecules on axes of their own, and a decoder that draws them.

A map says how far each point of a cubic grid lies inside a molecule: 1 - exp(-density), with the density of
`metricvae.metrics.shape.solver`, the sum over the atoms of p exp(-alpha |r - r_i|^2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.gaussians import AMPLITUDE, KAPPA
from metricvae.kinds.molecule.transforms import present

SIDE, SPACING = 24, 0.9
"""Grid points along each edge of a map, and angstroms between them."""

STAGES = 4
"""Of the decoder: 3, 6, 12 and 24 points along each edge."""

FLIPS = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
"""The proper ways of turning axes round."""


def grid(device: torch.device | str = "cpu") -> Tensor:
    """(SIDE,) angstroms from the centre."""
    return (torch.arange(SIDE, device=device) - (SIDE - 1) / 2) * SPACING


def density_maps(clouds: Tensor) -> Tensor:
    """Molecules (m, A, 4 or more) on axes of their own -> (m, 1, SIDE, SIDE, SIDE) in [0, 1], along x, y, z."""
    radius = clouds[..., 3]
    alpha = KAPPA / torch.where(present(clouds), radius, 1.0).square()
    away = (clouds[..., :3, None] - grid(clouds.device)).square()
    along = torch.exp(-alpha[..., None, None] * away) * present(clouds)[..., None, None]
    density = AMPLITUDE * torch.einsum("mai,maj,mak->mijk", *along.unbind(2))
    return -torch.expm1(-density)[:, None]


def flipped(maps: Tensor) -> Tensor:
    """(m, 1, s, s, s) -> (m, 4, s, s, s): maps with two axes turned round, in the order of `FLIPS`."""
    turned = [maps.flip([place + 2 for place, sign in enumerate(flip) if sign < 0]) for flip in FLIPS]
    return torch.cat(turned, dim=1)


class SolidDecoder(nn.Module):
    """Codes -> logits of a density map, (m, 1, SIDE, SIDE, SIDE): the molecule on axes of its own.

    Args:
        widths: channels of the `STAGES` stages; the points along each edge are doubled between two.
        latent: size d of the code.
    """

    weight: Tensor | None = None

    def __init__(self, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        if len(widths) != STAGES:
            raise InputError(f"got {len(widths)} widths of a decoder of density maps: expected {STAGES}")
        self.edge = SIDE >> (STAGES - 1)
        self.start = nn.Linear(latent, widths[0] * self.edge**3)
        pairs = zip(widths, [*widths[1:], 1], strict=True)
        self.stages = nn.ModuleList(nn.Conv3d(a, b, 3, padding=1) for a, b in pairs)

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).unflatten(1, (-1, self.edge, self.edge, self.edge))
        for depth, stage in enumerate(self.stages):
            if depth:
                h = functional.interpolate(h, scale_factor=2, mode="nearest")
            h = stage(functional.silu(h))
        return h

    def reconstruction(self, logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the maps with their axes turned round to where the two agree best."""
        turned = flipped(features.float())
        drawn = logits.detach().float().sigmoid()
        best = (turned * drawn).sum((2, 3, 4)).argmax(1)
        return logits, turned[torch.arange(len(turned), device=turned.device), best][:, None]

    def painted(self, logits: Tensor) -> Tensor:
        """The maps, (m, 1, SIDE, SIDE, SIDE) in [0, 1]."""
        return logits.sigmoid()
