"""Density maps of molecules on their principal axes, which `metricvae.nn.density.DensityDecoder` draws.

A map says how far each point of a cubic grid lies inside a molecule: 1 - exp(-density), with the density of
`metricvae.metrics.shape.solver`, the sum over the atoms of p exp(-alpha |r - r_i|^2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from metricvae.kinds.molecule.gaussians import AMPLITUDE, KAPPA
from metricvae.kinds.molecule.transforms import present
from metricvae.nn.principal_axes import grid_axis


def density_maps(molecules: Tensor, side: int, spacing: float) -> Tensor:
    """Molecules (m, A, 4 or more) on their principal axes -> (m, 1, side, side, side) in [0, 1], along x, y, z.

    Args:
        molecules: x, y, z and radius of each atom in angstroms; a radius of 0 is no atom.
        side: grid points along each edge.
        spacing: angstroms between them.
    """
    radius = molecules[..., 3]
    alpha = KAPPA / torch.where(present(molecules), radius, 1.0).square()
    away = (molecules[..., :3, None] - grid_axis(side, spacing, molecules.device)).square()
    along = torch.exp(-alpha[..., None, None] * away) * present(molecules)[..., None, None]
    density = AMPLITUDE * torch.einsum("mai,maj,mak->mijk", *along.unbind(2))
    return -torch.expm1(-density)[:, None]
