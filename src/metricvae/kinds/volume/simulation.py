"""Simulates the density map of a molecule at a resolution, as an electron microscope measures it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.records import Molecule, Positions
from metricvae.kinds.volume.records import MOST_VOXELS, DensityMap

RESOLUTION = 4.0
"""Angstroms, the default: rings are filled and side groups stand out, as in a good cryo-EM map."""

SPACING = 1.0
"""Angstroms, the default: a quarter of the default resolution."""


def density(
    molecule: Molecule,
    resolution: float = RESOLUTION,
    spacing: float = SPACING,
    margin: float | None = None,
) -> DensityMap:
    """The map of a molecule at a resolution, on a cubic grid whose points are whole multiples of the spacing.

    Each heavy atom at p has the density of its electron scattering factor f(s) = sum_i a_i exp(-b_i s^2)
    (International Tables for Crystallography C, table 4.3.2.2; s = sin(theta) / lambda in 1/A, f in A), blurred:

        rho(r) = sum_i a_i (4 pi / B_i)^(3/2) exp(-4 pi^2 |r - p|^2 / B_i),   B_i = b_i + 4 d^2

    A point seen at the resolution d is thus a Gaussian of standard deviation d / (pi sqrt(2)), whose Fourier transform
    has fallen to 1/e at the wave number 1/d (the convention of ChimeraX's molmap). The integral of rho is sum_i a_i
    over all atoms, in A; rho times 47.878 V A^2 is the Coulomb potential in volts. Hydrogens are left out.

    Args:
        molecule: where it is.
        resolution: d, angstroms, above 0.
        spacing: of the grid points, angstroms, above 0 and at most half the resolution.
        margin: angstroms from the outermost atom centres to the edge, at least; twice the resolution plus 2 A where
            it is not given.

    Raises:
        InputError: a number out of range, an atom far out in space or a grid of more than
            :data:`~metricvae.kinds.volume.records.MOST_VOXELS`.
    """
    margin = 2 * resolution + 2 if margin is None else margin
    if not (0 < spacing <= resolution / 2 < math.inf and 0 <= margin < math.inf):
        raise InputError(
            f"resolution is {resolution}, spacing {spacing}, margin {margin} angstroms: expected a spacing of at most "
            "half the resolution, both above 0, and a margin of 0 or more"
        )
    first = np.floor((molecule.positions.min(axis=0) - margin) / spacing)
    sizes = np.ceil((molecule.positions.max(axis=0) + margin) / spacing) - first + 1
    if not np.prod(sizes) <= MOST_VOXELS:
        raise InputError(f"a map of {molecule.id} would have more than {MOST_VOXELS:,} voxels: choose a wider spacing")
    shape = int(sizes[0]), int(sizes[1]), int(sizes[2])
    return density_on(molecule, resolution, np.full(3, float(spacing)), first * spacing, shape)


def density_on(
    molecule: Molecule, resolution: float, spacing: Positions, origin: Positions, shape: tuple[int, int, int]
) -> DensityMap:
    """The map of :func:`density` on a grid of (nx, ny, nz) points that is given; what lies outside it is cut off.

    Args:
        molecule: where it is.
        resolution: angstroms.
        spacing: (3,) angstroms.
        origin: (3,) angstroms, where the first grid point lies.
        shape: nx, ny, nz.
    """
    grid = DensityMap(np.empty(shape, dtype=np.float32), spacing, origin)
    amplitudes, widths, places = _gaussians(molecule, resolution)
    # A Gaussian in space is the product of one along each axis.
    x, y, z = (
        np.exp(-4 * math.pi**2 * (points - place[:, None]) ** 2 / widths[:, None])
        for points, place in zip(grid.axes(), places.T, strict=True)
    )
    weighted = (amplitudes * (4 * math.pi / widths) ** 1.5)[:, None] * x
    for row in range(shape[1]):
        grid.values[:, row] = weighted.T @ (y[:, row, None] * z)
    return grid


def _gaussians(molecule: Molecule, resolution: float) -> tuple[Positions, Positions, Positions]:
    """Amplitudes (k,), widths B (k,) and centres (k, 3) of the Gaussians of all atoms."""
    amplitudes, widths = element_gaussians(molecule.elements.tolist(), resolution)
    return amplitudes.ravel(), widths.ravel(), np.repeat(molecule.positions, 5, axis=0)


def element_gaussians(elements: Sequence[int], resolution: float) -> tuple[Positions, Positions]:
    """Amplitudes a and widths B, (n, 5) each, of the Gaussians of atoms of these atomic numbers; see :func:`density`.

    Raises:
        InputError: an element that has no electron scattering factor.
    """
    factors = np.array([_scattering_factor(int(number)) for number in elements]).reshape(-1, 2, 5)
    return np.ascontiguousarray(factors[:, 0]), factors[:, 1] + 4 * resolution**2


@functools.cache
def _scattering_factor(number: int) -> npt.NDArray[np.float64]:
    """(10,) a_1 ... a_5, b_1 ... b_5 of an element's electron scattering factor."""
    factor = require("gemmi").Element(number).c4322
    if factor is None:
        raise InputError(f"element number {number} has no electron scattering factor: leave the molecule out")
    return np.array(factor.get_coefs(), dtype=np.float64)
