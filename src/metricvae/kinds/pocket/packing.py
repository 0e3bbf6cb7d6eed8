"""Pockets in memory: their negative images as arrays of atoms, as `metricvae.kinds.molecule.packing` has molecules.

A pseudo-atom takes the element and charge that stand for the feature nearest to it, where one lies within `NEAR`; all
have the radius of carbon. So the encoders, density maps and magnitudes of molecules are those of images too.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from metricvae.kinds.molecule.packing import COLUMNS, Atoms, links
from metricvae.kinds.pocket.records import FEATURE_CHARGES, FEATURE_ELEMENTS, IMAGE_RADIUS, Pocket

NEAR = 1.5
"""Angstroms from a feature to the pseudo-atom that stands for it, at most."""

CARBON = 6


def image_atoms(pocket: Pocket) -> Atoms:
    """The array of a pocket's image, (m, 6 + m)."""
    count = len(pocket.image)
    found = np.zeros((count, COLUMNS + count), np.float32)
    found[:, :3], found[:, 3], found[:, 4] = pocket.image, IMAGE_RADIUS, CARBON
    if len(pocket.features):
        apart, nearest = cKDTree(pocket.features).query(pocket.image)
        rows = np.flatnonzero(apart <= NEAR)
        kinds = pocket.feature_types[nearest[rows]]
        found[rows, 4], found[rows, 5] = FEATURE_ELEMENTS[kinds], FEATURE_CHARGES[kinds]
    found[:, COLUMNS:] = links(count, np.zeros((0, 3), np.int32))
    return found
