"""Random motions of batches of point clouds, (m, P, 1 + dimension + channels) as `PointsKind.unpack` gives them."""

from __future__ import annotations

import torch
from torch import Tensor

from metricvae.nn.rotations import random_rotations


def random_motion(x: Tensor, dimension: int, generator: torch.Generator, *, rotates: bool, shifts: bool) -> Tensor:
    """Each cloud under a motion of its own; padding stays zero.

    Args:
        x: (m, P, 1 + dimension + channels) clouds.
        dimension: of space.
        generator: of the random numbers.
        rotates: whether clouds are rotated, about the origin.
        shifts: whether they are shifted, by at most twice the largest coordinate along each axis.
    """
    there, places = x[..., :1], x[..., 1 : 1 + dimension]
    if rotates:
        places = places @ random_rotations(len(x), dimension, generator).to(x).mT
    if shifts:
        largest = places.abs().amax((1, 2))[:, None]
        shift = 2 * largest * (2 * torch.rand(len(x), dimension, generator=generator).to(x) - 1)
        places = (places + shift[:, None]) * there
    return torch.cat([there, places, x[..., 1 + dimension :]], dim=-1)
