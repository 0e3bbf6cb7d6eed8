"""The atoms of a receptor in cubic cells, so that the overlap of a molecule with them looks at near ones alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.gaussians import AMPLITUDE_SQUARED
from metricvae.runtime.jit import jit_strict

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

REACH = 7.0
"""Angstroms between two atoms from which their overlap, below 1e-6 of what it is at none, is left out; and the
edge of a cell."""


class ReceptorCells(NamedTuple):
    """n atoms, cell after cell.

    Attributes:
        positions: (n, 3) angstroms.
        alpha: (n,) exponents, 1 / angstrom^2.
        starts: (c + 1,) where the atoms of each of c cells start.
        origin: (3,) the corner of the first cell.
        shape: (3,) cells along each axis; the outermost are empty.
    """

    positions: Floats
    alpha: Floats
    starts: Whole
    origin: Floats
    shape: Whole


def receptor_cells(positions: Floats, alpha: Floats) -> ReceptorCells:
    """Atoms (n, 3) with exponents (n,) in cells.

    Example:
        >>> cells = receptor_cells(np.array([[0.0, 0, 0], [20.0, 0, 0]]), np.ones(2))
        >>> cells.shape.tolist(), cells.starts[-1].item()
        ([5, 3, 3], 2)
    """
    origin = positions.min(axis=0) - REACH
    places = ((positions - origin) // REACH).astype(np.int64)
    shape = places.max(axis=0) + 2
    numbers = np.ravel_multi_index(tuple(places.T), tuple(shape))
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(math.prod(shape.tolist()) + 1))
    return ReceptorCells(positions[order], alpha[order], starts.astype(np.int64), origin, shape)


@jit_strict
def overlap_with_cells(
    cells: ReceptorCells, positions: Floats, alpha: Floats, rotation: Floats, translation: Floats
) -> float:
    """Overlap volume of a receptor with atoms at a pose, cubic angstroms.

    Args:
        cells: the receptor's atoms.
        positions, alpha: (m, 3) and (m,) of the atoms that are moved.
        rotation, translation: (3, 3) and (3,), x -> R x + t.
    """
    total = 0.0
    point, first, last = np.empty(3), np.empty(3, np.int64), np.empty(3, np.int64)
    for atom in range(len(positions)):
        for axis in range(3):
            point[axis] = (
                rotation[axis, 0] * positions[atom, 0]
                + rotation[axis, 1] * positions[atom, 1]
                + rotation[axis, 2] * positions[atom, 2]
                + translation[axis]
            )
            place = math.floor((point[axis] - cells.origin[axis]) / REACH)
            first[axis], last[axis] = max(place - 1, 0), min(place + 2, cells.shape[axis])
        for x in range(first[0], last[0]):
            for y in range(first[1], last[1]):
                row = (x * cells.shape[1] + y) * cells.shape[2]
                for other in range(cells.starts[row + min(first[2], last[2])], cells.starts[row + last[2]]):
                    square = 0.0
                    for axis in range(3):
                        square += (cells.positions[other, axis] - point[axis]) ** 2
                    if square < REACH * REACH:
                        both = alpha[atom] + cells.alpha[other]
                        wide = math.pi / both
                        total += wide * math.sqrt(wide) * math.exp(-alpha[atom] * cells.alpha[other] / both * square)
    return AMPLITUDE_SQUARED * total
