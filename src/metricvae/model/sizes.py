"""How large objects are, in the unit of the metric: what an object has in common with itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from metricvae.model.solid import HEIGHT, KAPPA
from metricvae.objects.clouds import present


def sizes_of(x: Tensor) -> Tensor:
    """(m,) pixels of masks (m, 1, H, W), or self-overlaps of molecules (m, A, 4 or more)."""
    return x.sum((1, 2, 3)) if x.ndim == 4 else self_overlaps(x)


def self_overlaps(molecules: Tensor) -> Tensor:
    """(m,) first-order Gaussian overlaps of molecules (m, A, 4 or more) with themselves, cubic angstroms.

    sum_ij p^2 (pi / (a_i + a_j))^(3/2) exp(-a_i a_j / (a_i + a_j) |x_i - x_j|^2), a = KAPPA / radius^2 (J. A. Grant and
    B. T. Pickup, J. Phys. Chem. 99 (1995) 3503).
    """
    there = present(molecules)
    alpha = KAPPA / torch.where(there, molecules[..., 3], 1.0).square()
    both = alpha[:, :, None] + alpha[:, None]
    apart = (molecules[:, :, None, :3] - molecules[:, None, :, :3]).square().sum(-1)
    terms = (math.pi / both) ** 1.5 * torch.exp(-alpha[:, :, None] * alpha[:, None] / both * apart)
    return HEIGHT**2 * (terms * (there[:, :, None] & there[:, None])).sum((1, 2))
