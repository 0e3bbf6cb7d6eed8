"""The record of a density map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Positions

ENDINGS = (".mrc", ".map", ".ccp4")
"""Endings of map files; each may have `.gz` after it."""

MOST_VOXELS = 512**3
"""Voxels of a map, at most: half a gigabyte of values."""

SPACINGS = 1e-3, 1e4
"""Angstroms between two grid points, at least and at most; along two axes they differ by `MOST_UNEVEN` times."""

MOST_UNEVEN = 1_000.0
FARTHEST = 1e7
"""Angstroms from zero to the first grid point, at most."""

LARGEST_VALUE = 1e15
"""Of a density: squares and sums of larger ones leave the range of float32."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DensityMap:
    """Values at the points of an orthogonal grid: point (i, j, k) lies at origin + spacing * (i, j, k), axes x, y, z.

    Attributes:
        values: (nx, ny, nz) float32.
        spacing: (3,) float64, angstroms from one grid point to the next.
        origin: (3,) float64, angstroms: of the first grid point.
    """

    values: Values
    spacing: Positions
    origin: Positions

    def axes(self) -> tuple[Positions, Positions, Positions]:
        """Coordinates of the grid points along x, y and z, (nx,), (ny,) and (nz,) angstroms."""
        steps = zip(self.origin, self.spacing, self.values.shape, strict=True)
        x, y, z = (start + step * np.arange(size) for start, step, size in steps)
        return x, y, z


def check_grid(spacing: Positions, origin: Positions) -> None:
    """Raise InputError unless a grid can be meant: no distance that a map of a molecule, cell or body may have is
    refused, and none that makes a comparison of two maps take all memory is taken."""
    least, most = float(np.min(spacing)), float(np.max(spacing))
    if not (
        np.isfinite(spacing).all() and SPACINGS[0] <= least and most <= SPACINGS[1] and most <= MOST_UNEVEN * least
    ):
        raise InputError(
            f"has grid points {spacing.tolist()} angstroms apart: expected {SPACINGS[0]:g} to {SPACINGS[1]:g}, alike "
            "along the axes; set the voxel size"
        )
    if not (np.abs(origin) <= FARTHEST).all():
        raise InputError(f"has the origin {origin.tolist()}: expected at most {FARTHEST:g} angstroms from zero")


def check_values(values: npt.NDArray[np.floating]) -> None:
    """Raise InputError unless all values are numbers of at most `LARGEST_VALUE`."""
    if not (np.abs(values) <= LARGEST_VALUE).all():
        wrong = int((~np.isfinite(values)).sum())
        what = f"{wrong:,} values that are NaN or infinite" if wrong else f"values beyond {LARGEST_VALUE:g}"
        raise InputError(f"has {what}: correct the map, or scale it")
