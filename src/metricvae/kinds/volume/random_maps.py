"""Maps of molecules as they are met: at a random resolution, in a random orientation, on a random grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.volume.records import DensityMap
from metricvae.kinds.volume.simulation import density_on

RESOLUTIONS = 3.0, 5.0
"""Angstroms, the finest and the coarsest."""

SPACINGS = 0.7, 1.7
"""Angstroms between grid points, the least and the most; never more than half the resolution."""

MARGINS = 0.8, 1.6
"""From the outermost atoms to the faces of the box, in resolutions, the least and the most."""

SHIFT = 50.0
"""Angstroms along each axis that a molecule is moved, at most."""


@dataclass(frozen=True)
class Posed:
    """A molecule as it lies, and its map.

    Attributes:
        molecule: after a random motion.
        resolution: of the map, angstroms.
        map: of it.
    """

    molecule: Molecule
    resolution: float
    map: DensityMap


def random_map(molecule: Molecule, *seed: int, resolutions: tuple[float, float] = RESOLUTIONS) -> Posed:
    """A molecule under a random motion, and its map on a random grid.

    Args:
        molecule: to be seen.
        seed: the same numbers give the same map.
        resolutions: the finest and the coarsest, angstroms.

    Raises:
        InputError: an element that has no electron scattering factor.
    """
    random = np.random.default_rng(seed)
    moved = molecule.moved(Rotation.random(rng=random).as_matrix(), random.uniform(-SHIFT, SHIFT, 3))
    resolution = float(random.uniform(*resolutions))
    spacing = float(random.uniform(SPACINGS[0], min(SPACINGS[1], resolution / 2)))
    low, high = (resolution * random.uniform(*MARGINS, 3) for _ in range(2))
    origin = moved.positions.min(axis=0) - low
    nx, ny, nz = (int(size) for size in np.ceil((moved.positions.max(axis=0) + high - origin) / spacing) + 1)
    return Posed(moved, resolution, density_on(moved, resolution, np.full(3, spacing), origin, (nx, ny, nz)))
