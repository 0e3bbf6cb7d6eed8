"""The slow reference for overlays: a fine grid of rotations, and every translation of each, on density maps.

The overlap is the inner product of the two densities rho(r) = sum_i p exp(-alpha_i |r - r_i|^2), so on a grid
finer than the atoms the best translation at a rotation is the peak of a cross-correlation. No derivatives, no
local optimisation, no random numbers: it shares nothing with the fast search but the definition.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.fft
from scipy.spatial.transform import Rotation

from metricvae.kinds.molecule.gaussians import AMPLITUDE
from metricvae.metrics.shape.solver.cross_correlation import Floats, Values, best_translations, spectrum
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule
from metricvae.metrics.shape.solver.initial_rotations import super_fibonacci
from metricvae.metrics.shape.solver.records import Overlay
from metricvae.metrics.shape.solver.volumes import overlap_volume

PITCH = 0.75
"""Angstroms between grid points: the integral of a product of two atoms is right to 0.1 % at twice that."""

BATCH = 16
KEPT = 8
"""Rotations of the grid around which finer ones are tried."""

HALVINGS = 5
"""How often the step from one rotation to the next is halved."""


def overlay_dense(a: PreparedMolecule, b: PreparedMolecule, rotations: int = 2000) -> Overlay:
    """The largest overlap of two molecules by full enumeration; the last digits by ever finer grids of rotations.

    Args:
        a, b: the molecules; `b` moves.
        rotations: in the first grid; about (8 pi^2 / rotations)^(1/3) radians apart.
    """
    search = _Enumeration(a, b)
    grid = Rotation.from_quat(super_fibonacci(rotations), scalar_first=True)
    values, translations = search.at(grid)
    best = np.argsort(-values)[:KEPT]
    step = (8 * np.pi**2 / rotations) ** (1 / 3) / 2
    around = np.array([corner for corner in itertools.product((-1.0, 0.0, 1.0), repeat=3)])
    candidates = [(grid[int(i)], values[i], translations[i]) for i in best]
    for _ in range(HALVINGS):
        for i, (rotation, _, _) in enumerate(candidates):
            near = Rotation.from_rotvec(step * around) * rotation
            values, translations = search.at(near)
            top = int(np.argmax(values))
            candidates[i] = near[top], values[top], translations[top]
        step /= 2
    relative, value, translation = max(candidates, key=lambda one: float(one[1]))
    rotation = a.axes @ relative.as_matrix() @ b.axes.T
    return Overlay(float(value), a.volume, b.volume, rotation, a.centre + a.axes @ translation - rotation @ b.centre)


class _Enumeration:
    """The best translation at any rotation of `b` against `a`, both on their own axes."""

    def __init__(self, a: PreparedMolecule, b: PreparedMolecule) -> None:
        self.a, self.b = a.atoms.positions, b.atoms.positions
        self.alpha_a, self.alpha_b = (np.repeat(one.atoms.alpha, np.diff(one.atoms.runs)) for one in (a, b))
        reach = sum(float(np.linalg.norm(positions, axis=1).max()) for positions in (self.a, self.b))
        size = scipy.fft.next_fast_len(int(2 * (reach + 4.0) / PITCH), real=True)
        self.axis = (np.arange(size) - size // 2) * PITCH
        self.fixed = spectrum(density_grid(self.a, self.alpha_a, self.axis))

    def at(self, rotations: Rotation) -> tuple[Floats, Floats]:
        """Overlaps (k,), exact at the translations (k, 3) found."""
        values, translations = np.empty(len(rotations)), np.empty((len(rotations), 3))
        matrices = rotations.as_matrix()
        for start in range(0, len(rotations), BATCH):
            moved = [self.b @ matrix.T for matrix in matrices[start : start + BATCH]]
            cubes = np.array([density_grid(positions, self.alpha_b, self.axis) for positions in moved])
            _, steps = best_translations(self.fixed, cubes)
            for i, (positions, translation) in enumerate(zip(moved, steps * PITCH, strict=True)):
                values[start + i] = overlap_volume(self.a, self.alpha_a, positions + translation, self.alpha_b)
                translations[start + i] = translation
        return values, translations


def density_grid(positions: Floats, alpha: Floats, axis: Floats) -> Values:
    """(n, n, n) density of atoms (m, 3) with exponents (m,) at the points of a cubic grid with coordinates (n,).

    A Gaussian in space is a product of three on the axes: sum_i (f_i(x) g_i(y)) h_i(z), a product of matrices.
    """
    along = [np.exp(-alpha[:, None] * (positions[:, i, None] - axis) ** 2).astype(np.float32) for i in range(3)]
    plane = (along[0][:, :, None] * along[1][:, None, :]).reshape(len(positions), -1)
    cube = np.float32(AMPLITUDE) * plane.T @ along[2]
    return np.asarray(cube.reshape((len(axis),) * 3), np.float32)
