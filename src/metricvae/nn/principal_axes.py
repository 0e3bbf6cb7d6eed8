"""Objects on their principal axes: the axes, the rotations that map them to themselves, and maps drawn on them.

A body that is rotated to its principal axes about its centre keeps nothing of a motion but the directions of the axes,
up to the rotations that change the signs of an even number of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

AXIS_FLIPS_BY_DIMENSION: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((1, 1), (-1, -1)),
    3: ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)),
}
"""The rotations that map principal axes to themselves, by the dimension of space: signs of the axes."""

AXIS_FLIPS = AXIS_FLIPS_BY_DIMENSION[3]
"""Those of three dimensions."""


def principal_axes(spread: Tensor) -> Tensor:
    """(m, k, k) matrices of second moments -> (m, k, k) float64 axes in columns, on the CPU, the longest first.

    The directions of the axes are arbitrary, their handedness is not.
    """
    axes = torch.linalg.eigh(spread.cpu().double())[1].flip(-1)
    return axes * torch.where(torch.linalg.det(axes) < 0, -1.0, 1.0)[:, None, None]


def gaussian_basis(x: Tensor, count: int, furthest: float) -> Tensor:
    """(...) -> (..., count): Gaussians with centres evenly spaced from 0 to `furthest`, as wide as their spacing."""
    centres = torch.linspace(0.0, furthest, count, device=x.device)
    return torch.exp(-0.5 * ((x[..., None] - centres) * ((count - 1) / furthest)).square())


def grid_axis(side: int, spacing: float, device: torch.device | str = "cpu") -> Tensor:
    """(side,) coordinates of the grid points along each axis, from the centre."""
    return (torch.arange(side, device=device) - (side - 1) / 2) * spacing


def flip_maps(maps: Tensor) -> Tensor:
    """(m, 1, s, ...) maps with one axis of a grid for each of 2 or 3 dimensions -> (m, f, s, ...): under each of the f
    rotations of `AXIS_FLIPS_BY_DIMENSION`, in their order."""
    flips = AXIS_FLIPS_BY_DIMENSION[maps.ndim - 2]
    flipped = [maps.flip([place + 2 for place, sign in enumerate(flip) if sign < 0]) for flip in flips]
    return torch.cat(flipped, dim=1)


def best_flips(logits: Tensor, maps: Tensor) -> Tensor:
    """Maps (m, 1, s, ...) in [0, 1] with their axes flipped to where each agrees best with logits of that shape."""
    flipped = flip_maps(maps.float())
    drawn = logits.detach().float().sigmoid()
    best = (flipped * drawn).flatten(2).sum(2).argmax(1)
    return flipped[torch.arange(len(flipped), device=flipped.device), best][:, None]
