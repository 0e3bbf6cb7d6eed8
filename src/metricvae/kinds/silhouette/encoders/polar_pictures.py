"""Polar pictures: masks resampled in polar coordinates about their centroids.

A shape that is shifted has the same picture, and a shape that is rotated has the same picture moved along its rings, up
to what resampling pixels loses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.kinds.pictures.polar import ring_spectrum
from metricvae.nn.layers import circular_pad


@dataclass(frozen=True)
class PolarGrid:
    """The grid of a polar picture.

    Attributes:
        rings: outwards.
        sectors: around.
        reach: radius of the outermost ring in canvas sides; what lies further from the centroid is not seen.
        oversampling: samples along each side of a cell, averaged.
    """

    rings: int
    sectors: int
    reach: float
    oversampling: int


def centroids(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean column and row of (m, 1, H, W) masks, (m,) each, in pixels from the canvas centre; 0 for a blank one."""
    height, width = x.shape[-2:]
    columns = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    rows = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
    area = x.sum((1, 2, 3)).clamp(min=1e-6)
    return (x.sum((1, 2)) * columns).sum(-1) / area, (x.sum((1, 3)) * rows).sum(-1) / area


def polar_pictures(x: Tensor, grid: PolarGrid) -> Tensor:
    """(m, 1, H, W) masks -> (m, 1, rings, sectors): coverage of each cell of a polar grid about the centroid.

    Sector k lies in the direction (cos, -sin)(2 pi k / sectors) of (right, down): rotating the shape counter-clockwise
    moves its picture towards higher sectors.
    """
    height, width = x.shape[-2:]
    x = x.float()
    finer, reach = grid.oversampling, grid.reach * max(height, width)
    rings, sectors = grid.rings * finer, grid.sectors * finer
    radius = (torch.arange(rings, device=x.device) + 0.5) * (reach / rings)
    angle = (torch.arange(sectors, device=x.device) + 0.5 - finer / 2) * (2 * math.pi / sectors)
    right, down = radius[:, None] * angle.cos(), -radius[:, None] * angle.sin()
    centre_x, centre_y = centroids(x)
    places = torch.stack(
        [(right + centre_x[:, None, None]) * (2 / width), (down + centre_y[:, None, None]) * (2 / height)], dim=-1
    )
    fine = functional.grid_sample(x, places, mode="bilinear", padding_mode="zeros", align_corners=False)
    return functional.avg_pool2d(fine, finer)


def ring_descriptors(rings: Tensor, frequencies: int) -> Tensor:
    """The spectrum of the rings normalised to length 1, and the logarithm of its length before."""
    spectrum = ring_spectrum(rings, frequencies)
    length = spectrum.norm(dim=1, keepdim=True) + 1e-6
    return torch.cat([spectrum / length, length.log()], dim=1)


def rescale_pictures(pictures: Tensor, factor: float) -> Tensor:
    """Polar pictures (m, 1, rings, sectors) of the same shapes `factor` times as large, linear between rings."""
    rings = pictures.shape[-2]
    ring = (torch.arange(rings, device=pictures.device) + 0.5) / factor - 0.5
    below = ring.floor()
    share = (ring - below)[:, None]
    bordered = functional.pad(pictures, (0, 0, 1, 1))
    row = (below.long() + 1).clamp(0, rings + 1)
    return bordered[:, :, row] * (1 - share) + bordered[:, :, (row + 1).clamp(max=rings + 1)] * share


def render_pictures(pictures: Tensor, reach: float, side: int) -> Tensor:
    """Polar pictures (m, 1, rings, sectors) on a square canvas, centroid in the middle: (m, 1, side, side)."""
    rings, sectors = pictures.shape[-2:]
    offset = torch.arange(side, device=pictures.device) - (side - 1) / 2
    radius = torch.hypot(offset[None, :], offset[:, None]) * (rings / (reach * side))
    sector = torch.atan2(-offset[:, None], offset[None, :]) * (sectors / (2 * math.pi))
    across = (2 * (sector % sectors) + 3) / (sectors + 2) - 1
    places = torch.stack([across, radius * (2 / rings) - 1], dim=-1).expand(len(pictures), -1, -1, -1)
    inside = (radius < rings).to(pictures.dtype)
    padded = circular_pad(pictures, 1)
    return functional.grid_sample(padded, places, mode="bilinear", padding_mode="border", align_corners=False) * inside
