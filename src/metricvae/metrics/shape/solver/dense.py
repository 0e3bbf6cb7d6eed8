"""The slow reference for overlays: a fine grid of rotations, and every translation of each, on density maps.

The overlap is the inner product of the two densities rho(r) = sum_i p exp(-alpha_i |r - r_i|^2), so on a grid
finer than the atoms the best translation at a rotation is the peak of a cross-correlation. No derivatives, no climbs,
no random numbers: it shares nothing with the fast search but the definition.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.fft
from scipy.spatial.transform import Rotation

from metricvae.kinds.molecule.gaussians import AMPLITUDE
from metricvae.metrics.shape.solver.bodies import Prepared
from metricvae.metrics.shape.solver.records import Overlay
from metricvae.metrics.shape.solver.shifts import Floats, Values, best_shifts, spectrum
from metricvae.metrics.shape.solver.starts import spiral
from metricvae.metrics.shape.solver.volumes import overlap_volume

PITCH = 0.75
"""Angstroms between grid points: the integral of a product of two atoms is right to 0.1 % at twice that."""

BATCH = 16
KEPT = 8
"""Rotations of the grid around which finer ones are tried."""

HALVINGS = 5
"""How often the step from one rotation to the next is halved."""


def overlay_dense(a: Prepared, b: Prepared, rotations: int = 2000) -> Overlay:
    """The largest overlap of two molecules by full enumeration; the last digits by ever finer grids of rotations.

    Args:
        a, b: the molecules; `b` moves.
        rotations: in the first grid; about (8 pi^2 / rotations)^(1/3) radians apart.
    """
    search = _Enumeration(a, b)
    turns = Rotation.from_quat(spiral(rotations), scalar_first=True)
    values, shifts = search.at(turns)
    best = np.argsort(-values)[:KEPT]
    step = (8 * np.pi**2 / rotations) ** (1 / 3) / 2
    around = np.array([corner for corner in itertools.product((-1.0, 0.0, 1.0), repeat=3)])
    kept = [(turns[int(i)], values[i], shifts[i]) for i in best]
    for _ in range(HALVINGS):
        for i, (turn, _, _) in enumerate(kept):
            near = Rotation.from_rotvec(step * around) * turn
            values, shifts = search.at(near)
            top = int(np.argmax(values))
            kept[i] = near[top], values[top], shifts[top]
        step /= 2
    turn, value, shift = max(kept, key=lambda one: float(one[1]))
    rotation = a.axes @ turn.as_matrix() @ b.axes.T
    return Overlay(float(value), a.volume, b.volume, rotation, a.centre + a.axes @ shift - rotation @ b.centre)


class _Enumeration:
    """The best translation at any rotation of `b` against `a`, both on their own axes."""

    def __init__(self, a: Prepared, b: Prepared) -> None:
        self.a, self.b = a.atoms.places, b.atoms.places
        self.alpha_a, self.alpha_b = (np.repeat(one.atoms.alpha, np.diff(one.atoms.runs)) for one in (a, b))
        reach = sum(float(np.linalg.norm(places, axis=1).max()) for places in (self.a, self.b))
        size = scipy.fft.next_fast_len(int(2 * (reach + 4.0) / PITCH), real=True)
        self.axis = (np.arange(size) - size // 2) * PITCH
        self.fixed = spectrum(density(self.a, self.alpha_a, self.axis))

    def at(self, turns: Rotation) -> tuple[Floats, Floats]:
        """Overlaps (k,), exact at the shifts (k, 3) found."""
        values, shifts = np.empty(len(turns)), np.empty((len(turns), 3))
        matrices = turns.as_matrix()
        for start in range(0, len(turns), BATCH):
            moved = [self.b @ matrix.T for matrix in matrices[start : start + BATCH]]
            cubes = np.array([density(places, self.alpha_b, self.axis) for places in moved])
            _, steps = best_shifts(self.fixed, cubes)
            for i, (places, shift) in enumerate(zip(moved, steps * PITCH, strict=True)):
                values[start + i] = overlap_volume(self.a, self.alpha_a, places + shift, self.alpha_b)
                shifts[start + i] = shift
        return values, shifts


def density(places: Floats, alpha: Floats, axis: Floats) -> Values:
    """(n, n, n) density of atoms (m, 3) with exponents (m,) at the points of a cubic grid with coordinates (n,).

    A Gaussian in space is a product of three on the axes: sum_i (f_i(x) g_i(y)) h_i(z), a product of matrices.
    """
    along = [np.exp(-alpha[:, None] * (places[:, i, None] - axis) ** 2).astype(np.float32) for i in range(3)]
    plane = (along[0][:, :, None] * along[1][:, None, :]).reshape(len(places), -1)
    cube = np.float32(AMPLITUDE) * plane.T @ along[2]
    return np.asarray(cube.reshape((len(axis),) * 3), np.float32)
