"""The record of a density map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.records import Positions

ENDINGS = (".mrc", ".map", ".ccp4")
"""Endings of map files; each may have `.gz` after it."""

MOST_VOXELS = 512**3
"""Voxels of a map, at most: half a gigabyte of values."""

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
