"""Batches of maps on cubic grids, (m, 1, s, s, s) along x, y, z: resampled in other frames, moved, and their axes.

Coordinates are in units of the cube: a grid reaches from -1 to 1, the points lying in the middle of its s cells.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from metricvae.kinds.volume.interpolation import spline_matrix
from metricvae.nn.rotations import rotation_matrices

CONTOUR = 0.1
"""Share of a map's highest value above which its density counts for its centre and axes."""

AT_ONCE = 64
"""Maps that are resampled together, so that memory stays small."""


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    """(m, 3, 3) uniformly random rotations."""
    return rotation_matrices(functional.normalize(torch.randn(count, 4, generator=generator), dim=1))


def resample(maps: Tensor, rotation: Tensor, centre: Tensor) -> Tensor:
    """The maps in other frames: the value at p is that of the map at `rotation` @ p + `centre`, and 0 outside.

    Read off a grid twice as fine, made by cubic splines, by trilinear interpolation.

    Args:
        maps: (m, 1, s, s, s).
        rotation: (m, 3, 3).
        centre: (m, 3).
    """
    parts = [
        _resample(*(part[start : start + AT_ONCE] for part in (maps, rotation, centre)))
        for start in range(0, len(maps), AT_ONCE)
    ]
    return torch.cat(parts) if parts else maps


def _resample(maps: Tensor, rotation: Tensor, centre: Tensor) -> Tensor:
    frame = torch.cat([rotation, centre[..., None]], dim=2).to(maps)
    backwards = torch.stack([frame[:, axis, [2, 1, 0, 3]] for axis in (2, 1, 0)], dim=1)  # PyTorch counts z, y, x
    grid = functional.affine_grid(backwards, list(maps.shape), align_corners=False)
    return functional.grid_sample(_twice_as_fine(maps), grid, padding_mode="zeros", align_corners=False)


def _twice_as_fine(maps: Tensor) -> Tensor:
    finer = _finer_matrix(maps.shape[-1]).to(maps)
    for _ in range(3):
        maps = (maps @ finer.T).permute(0, 1, 4, 2, 3)
    return maps


@functools.cache
def _finer_matrix(side: int) -> Tensor:
    """(2 s, s), from values in the middles of cells to those in the middles of half cells."""
    fine = (np.arange(2 * side) + 0.5) / 2 - 0.5
    return torch.from_numpy(spline_matrix(side, fine).astype(np.float32))


def move(maps: Tensor, generator: torch.Generator, shift: float) -> Tensor:
    """Each map under a rotation and a translation of its own, about the middle of the cube.

    Args:
        maps: (m, 1, s, s, s).
        generator: of the random numbers.
        shift: translations are of at most so much along each axis, the cube's edge being 2.
    """
    rotation = random_rotations(len(maps), generator)
    centre = shift * (2 * torch.rand(len(maps), 3, generator=generator) - 1)
    return resample(maps, rotation, centre)


def to_principal_axes(maps: Tensor) -> Tensor:
    """The maps about their centres, on their principal axes, the longest first.

    Centre and axes are the mean and the eigenvectors of the covariance of the points, weighted by the density above
    `CONTOUR`. The directions of the axes are arbitrary, their handedness not.
    """
    centre, axes = centre_and_axes(maps)
    return resample(maps, axes, centre)


def centre_and_axes(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(m, 3) and (m, 3, 3), of `to_principal_axes`; axes in the columns."""
    side = maps.shape[-1]
    values = maps[:, 0].float()
    mass = (values - CONTOUR * values.amax((1, 2, 3), keepdim=True)).clamp(min=0)
    mass = mass / mass.sum((1, 2, 3), keepdim=True).clamp(min=1e-12)
    at = (2 * torch.arange(side, device=maps.device) + 1) / side - 1
    sums = [mass.sum(other) for other in ((2, 3), (1, 3), (1, 2))]
    centre = torch.stack([along @ at for along in sums], dim=1)
    planes = [mass.sum(3), mass.sum(2), mass.sum(1)]
    spread = torch.zeros(len(maps), 3, 3, device=maps.device)
    for axis in range(3):
        spread[:, axis, axis] = sums[axis] @ at.square()
    for (i, j), plane in zip(((0, 1), (0, 2), (1, 2)), planes, strict=True):
        spread[:, i, j] = spread[:, j, i] = torch.einsum("mxy,x,y->m", plane, at, at)
    spread = spread - centre[:, :, None] * centre[:, None]
    axes = torch.linalg.eigh(spread.cpu().double())[1].flip(-1)
    axes = axes * torch.where(torch.linalg.det(axes) < 0, -1.0, 1.0)[:, None, None]
    return centre, axes.to(maps)
