"""Occupancy maps of point clouds on the axes of their frame, and a decoder that draws them.

A map says how much of a cloud lies about each point of a square or cubic grid: 1 - exp(-density), where each point of
the cloud is a Gaussian. The grid spans the same number of radii of gyration for every cloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.nn.coders import DecoderConfig, Picture
from metricvae.nn.mlp import PerceptronDecoder
from metricvae.nn.principal_axes import best_flips, grid_axis

EXTENT = 4.5
"""Radii of gyration from the first grid point of an axis to the last."""

TYPICAL_POINTS = 32.0
"""Points that a map shows: the density of any cloud is scaled to theirs."""


@dataclass(frozen=True)
class OccupancyDecoderConfig(DecoderConfig):
    """Hyperparameters of `OccupancyDecoder`; `dimension` and `grid_side` are those of the encoder's pictures.

    Attributes:
        dimension: of space, 2 or 3.
        grid_side: grid points along each edge of a map.
        widths: hidden layers.
        principal: whether clouds are drawn on their principal axes, whose directions are arbitrary.
    """

    name: ClassVar[str] = "occupancy"

    dimension: int = 3
    grid_side: int = 12
    widths: tuple[int, ...] = (128,)
    principal: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimension not in (2, 3) or not self.widths:
            raise InputError(f"got dimension {self.dimension} and widths {self.widths}: expected 2 or 3, and one width")

    @property
    def picture(self) -> Picture:
        return "occupancy", self.dimension, self.grid_side

    def build(self, latent: int) -> OccupancyDecoder:
        return OccupancyDecoder(self, latent)


class OccupancyDecoder(PerceptronDecoder):
    """Codes -> logits of an occupancy map, (m, 1, side, side) in the plane, (m, 1, side, side, side) in space.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: OccupancyDecoderConfig, latent: int) -> None:
        super().__init__(latent, config.widths, (config.grid_side,) * config.dimension)
        self.config = config

    def reconstruction(self, logits: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the maps with their axes flipped to where the two agree best."""
        return logits, best_flips(logits, pictures) if self.config.principal else pictures


def occupancy_maps(places: Tensor, there: Tensor, side: int) -> Tensor:
    """Clouds in their frame -> (m, side^k) maps in [0, 1], the last axis fastest.

    Args:
        places: (m, P, k) coordinates in radii of gyration, k = 2 or 3.
        there: (m, P) whether there is a point.
        side: grid points along each edge.
    """
    spacing = EXTENT / (side - 1)
    away = (places[..., None] - grid_axis(side, spacing, places.device)) / spacing
    along = torch.exp(-0.5 * away.square()) * there[..., None, None]
    count = there.sum(1).clamp(min=1)[:, None]
    letters = "ijk"[: places.shape[2]]
    equation = ",".join(f"ma{letter}" for letter in letters) + f"->m{letters}"
    density = torch.einsum(equation, *along.unbind(2)).flatten(1)
    return -torch.expm1(-density * (TYPICAL_POINTS / count))
