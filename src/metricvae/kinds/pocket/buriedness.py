"""How buried a point is among the atoms of a receptor: the share of directions in which one is near."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from metricvae.kinds.pocket.records import Floats
from metricvae.runtime.jit import jit_strict

DIRECTIONS = 60
"""Rays from each point."""

REACH = 9.0
"""Angstroms that a ray is followed."""

WIDTH = 2.0
"""Angstroms from a ray within which an atom is hit: a carbon and some of the solvent's radius."""


@functools.cache
def sphere_directions(count: int) -> Floats:
    """(count, 3) unit vectors spread evenly, on a Fibonacci lattice (A. Gonzalez, Math. Geosci. 42 (2010) 49)."""
    height = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    turn = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(count)
    across = np.sqrt(1.0 - height**2)
    return np.column_stack([across * np.cos(turn), across * np.sin(turn), height])


def buriedness(points: Floats, atoms: Floats) -> Floats:
    """(n,) share of directions from each of (n, 3) points in which an atom is met within `REACH`, from 0 to 1.

    As LIGSITE counts protein-solvent-protein events (M. Hendlich et al., J. Mol. Graph. Model. 15 (1997) 359), with
    many rays in the place of seven lines.

    Args:
        points: angstroms.
        atoms: (m, 3) positions of the receptor's atoms, angstroms.

    Example:
        >>> wall = 2.0 * sphere_directions(100)
        >>> buriedness(np.zeros((1, 3)), wall).tolist(), buriedness(np.full((1, 3), 50.0), wall).tolist()
        ([1.0], [0.0])
    """
    near = cKDTree(atoms).query_ball_point(points, REACH, return_sorted=True)
    starts = np.concatenate([[0], np.cumsum([len(one) for one in near], dtype=np.int64)]).astype(np.int64)
    rows = np.fromiter(itertools.chain.from_iterable(near), np.int64, int(starts[-1]))
    return _blocked(points, atoms, starts, rows, sphere_directions(DIRECTIONS), WIDTH)


@jit_strict
def _blocked(
    points: Floats,
    atoms: Floats,
    starts: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    rays: Floats,
    width: float,
) -> Any:
    found = np.zeros(len(points))
    hit = np.zeros(len(rays), np.bool_)
    for place in range(len(points)):
        hit[:] = False
        for row in rows[starts[place] : starts[place + 1]]:
            x, y, z = atoms[row] - points[place]
            whole = x * x + y * y + z * z - width * width
            for ray in range(len(rays)):
                along = x * rays[ray, 0] + y * rays[ray, 1] + z * rays[ray, 2]
                if along > 0.0 and whole < along * along:
                    hit[ray] = True
        found[place] = hit.sum() / len(rays)
    return found
