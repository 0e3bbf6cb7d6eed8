"""Pairs of an atom of a ligand and one of the receptor that are near enough to act on each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from metricvae.metrics.docking.records import Floats, Ints, ReceptorAtoms


class NearPairs(NamedTuple):
    """p pairs of atoms.

    Attributes:
        first, second: (p,) types of the ligand's and of the receptor's atoms.
        distances: (p,) angstroms.
    """

    first: Ints
    second: Ints
    distances: Floats


def near_pairs(around: ReceptorAtoms, types: Ints, positions: Floats, cutoff: float) -> NearPairs:
    """The pairs below a cut-off.

    Args:
        around: atoms of the receptor.
        types: (n,) of the ligand's atoms.
        positions: (n, 3) in the frame of `around`, angstroms.
        cutoff: angstroms.
    """
    apart = cdist(positions, around.positions)
    rows, columns = np.nonzero(apart < cutoff)
    return NearPairs(types[rows], around.types[columns], apart[rows, columns])
