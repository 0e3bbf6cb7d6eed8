"""Random rotations in the plane and in space."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def random_rotations(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    """(count, k, k) uniformly random rotation matrices (K. Shoemake, *Uniform random rotations*, 1992).

    Args:
        count: how many.
        dimension: k, 2 or 3.
        generator: of the random numbers.
    """
    if dimension == 3:
        quaternions = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1)
        return rotation_matrices(quaternions)
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cosine, -sine], dim=-1), torch.stack([sine, cosine], dim=-1)], dim=-2)


def rotation_matrices(quaternions: Tensor) -> Tensor:
    """(m, 3, 3) rotation matrices of unit quaternions (m, 4), the real part first.

    The compiled version is :func:`metricvae.metrics.shape.solver.quaternions.rotation_rows`.
    """
    w, x, y, z = quaternions.unbind(-1)
    rows = [
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
