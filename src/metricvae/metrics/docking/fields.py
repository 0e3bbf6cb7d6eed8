"""Maps of a site: what an atom of each type would gain or lose at each point of a grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.metrics.docking.records import Floats, Ints, Maps, ReceptorAtoms
from metricvae.metrics.docking.scoring import BINS_PER_SQUARE, ScoringFunction, pair_table
from metricvae.runtime.jit import jit_strict

OUTSIDE = 10.0
"""kcal/mol for each angstrom that an atom lies outside the grid."""


def maps_of(around: ReceptorAtoms, width: float, spacing: float, scoring: ScoringFunction, types: Ints) -> Maps:
    """The maps of some types of atoms in a cube about the origin.

    Args:
        around: atoms of the receptor.
        width: of the cube, angstroms.
        spacing: between points of the grid, angstroms.
        scoring: the scoring function.
        types: numbers of the types that are wanted; maps of the others are zero.
    """
    table = pair_table(scoring)
    steps = int(np.ceil(width / spacing))
    origin = np.full(3, -0.5 * steps * spacing)
    wanted = np.unique(types)
    rows = np.ascontiguousarray(table[wanted].transpose(1, 2, 0))
    found = np.zeros((steps + 1, steps + 1, steps + 1, len(wanted)), np.float32)
    _add_atoms(found, origin, spacing, around.positions, around.types, rows, scoring.cutoff)
    values = np.zeros((len(table), *found.shape[:3]), np.float32)
    values[wanted] = found.transpose(3, 0, 1, 2)
    return Maps(values, origin, spacing)


@jit_strict
def _add_atoms(
    found: npt.NDArray[np.float32],
    origin: Floats,
    spacing: float,
    positions: Floats,
    types: Ints,
    rows: npt.NDArray[np.float32],
    cutoff: float,
) -> None:
    """Add the energies with each atom to the points within the cut-off of it.

    Args:
        found: (x, y, z, t), added to.
        origin, spacing: of the grid.
        positions, types: of the atoms.
        rows: (types, bins, t) energies by squared distance.
        cutoff: angstroms.
    """
    count, low, high = found.shape[3], np.empty(3, np.int64), np.empty(3, np.int64)
    for atom in range(len(positions)):
        table = rows[types[atom]]
        for axis in range(3):
            low[axis] = max(0, int(np.ceil((positions[atom, axis] - cutoff - origin[axis]) / spacing)))
            high[axis] = min(
                found.shape[axis] - 1, int(np.floor((positions[atom, axis] + cutoff - origin[axis]) / spacing))
            )
        for i in range(low[0], high[0] + 1):
            dx = (origin[0] + i * spacing - positions[atom, 0]) ** 2
            for j in range(low[1], high[1] + 1):
                dxy = dx + (origin[1] + j * spacing - positions[atom, 1]) ** 2
                if dxy >= cutoff * cutoff:
                    continue
                for k in range(low[2], high[2] + 1):
                    square = dxy + (origin[2] + k * spacing - positions[atom, 2]) ** 2
                    if square < cutoff * cutoff:
                        place = square * BINS_PER_SQUARE
                        entry = int(place)
                        share = np.float32(place - entry)
                        for t in range(count):
                            lower = table[entry, t]
                            found[i, j, k, t] += lower + share * (table[entry + 1, t] - lower)


@jit_strict
def read_map(maps: Maps, kind: int, x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """The energy of an atom of a type at a point, and its gradient; trilinear between points of the grid.

    Outside the grid the energy is that of the nearest point inside, and `OUTSIDE` for each angstrom.
    """
    values, spacing = maps.values, maps.spacing
    penalty = 0.0
    outer_x = outer_y = outer_z = 0.0
    u, v, w = (x - maps.origin[0]) / spacing, (y - maps.origin[1]) / spacing, (z - maps.origin[2]) / spacing
    top_u, top_v, top_w = values.shape[1] - 1.000001, values.shape[2] - 1.000001, values.shape[3] - 1.000001
    if u < 0.0 or u > top_u:
        inside = min(max(u, 0.0), top_u)
        penalty += abs(u - inside)
        outer_x, u = (1.0 if u > inside else -1.0), inside
    if v < 0.0 or v > top_v:
        inside = min(max(v, 0.0), top_v)
        penalty += abs(v - inside)
        outer_y, v = (1.0 if v > inside else -1.0), inside
    if w < 0.0 or w > top_w:
        inside = min(max(w, 0.0), top_w)
        penalty += abs(w - inside)
        outer_z, w = (1.0 if w > inside else -1.0), inside
    i, j, k = int(u), int(v), int(w)
    a, b, c = u - i, v - j, w - k
    v000, v001 = float(values[kind, i, j, k]), float(values[kind, i, j, k + 1])
    v010, v011 = float(values[kind, i, j + 1, k]), float(values[kind, i, j + 1, k + 1])
    v100, v101 = float(values[kind, i + 1, j, k]), float(values[kind, i + 1, j, k + 1])
    v110, v111 = float(values[kind, i + 1, j + 1, k]), float(values[kind, i + 1, j + 1, k + 1])
    v00, v01 = v000 + c * (v001 - v000), v010 + c * (v011 - v010)
    v10, v11 = v100 + c * (v101 - v100), v110 + c * (v111 - v110)
    v0, v1 = v00 + b * (v01 - v00), v10 + b * (v11 - v10)
    along_x = 0.0 if outer_x else (v1 - v0) / spacing
    along_y = 0.0 if outer_y else ((v01 - v00) * (1.0 - a) + (v11 - v10) * a) / spacing
    low = (v001 - v000) * (1.0 - b) + (v011 - v010) * b
    high = (v101 - v100) * (1.0 - b) + (v111 - v110) * b
    along_z = 0.0 if outer_z else (low * (1.0 - a) + high * a) / spacing
    energy = v0 + a * (v1 - v0) + OUTSIDE * spacing * penalty
    return energy, along_x + OUTSIDE * outer_x, along_y + OUTSIDE * outer_y, along_z + OUTSIDE * outer_z
