"""Local minimisation of poses by the quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno, compiled.

Coordinates are a shift, a rotation vector about the origin of the root, and torsions (J. Nocedal and S. Wright,
Numerical Optimization, 2006, chapters 3 and 6). The first Hessian is diagonal, by the inertia of each coordinate, so
that a radian that sweeps half of the ligand counts for more than one that turns a methoxy group.
"""

from __future__ import annotations

import numpy as np

from metricvae.metrics.docking.energy import Field, Frames, energy_of
from metricvae.metrics.docking.records import Floats, LigandArrays
from metricvae.runtime.jit import jit_strict

STIFFNESS = 2.0
"""kcal/mol per square angstrom and atom: the curvature that is assumed at first."""

LONGEST_SHIFT, LARGEST_ANGLE = 1.0, 0.6
"""Angstroms and radians of one step, at most."""

SUFFICIENT = 1e-4
"""Share of the decrease along the gradient that a step must bring (Armijo's condition)."""

HALVINGS = 8
"""Times that a step is shortened, at most."""

CONVERGED = 1e-4
"""kcal/mol of decrease that the gradient promises, at which a minimisation ends."""


@jit_strict
def moved(pose: Floats, step: Floats, length: float, found: Floats) -> None:
    """Write to `found` a pose after `length` times a step: shift, rotation vector, torsions."""
    for r in range(3):
        found[r] = pose[r] + length * step[r]
    x, y, z = length * step[3], length * step[4], length * step[5]
    angle = np.sqrt(x * x + y * y + z * z)
    scale = 0.5 if angle < 1e-8 else np.sin(0.5 * angle) / angle
    c, x, y, z = np.cos(0.5 * angle), scale * x, scale * y, scale * z
    w, i, j, k = pose[3], pose[4], pose[5], pose[6]
    found[3], found[4] = c * w - x * i - y * j - z * k, c * i + x * w + y * k - z * j
    found[5], found[6] = c * j - x * k + y * w + z * i, c * k + x * j - y * i + z * w
    norm = np.sqrt(found[3] ** 2 + found[4] ** 2 + found[5] ** 2 + found[6] ** 2)
    for r in range(3, 7):
        found[r] /= norm
    for r in range(7, len(pose)):
        found[r] = pose[r] + length * step[r - 1]


@jit_strict
def _shortened(step: Floats) -> None:
    """Scale a step to one that is no longer than is allowed along any coordinate."""
    longest = 0.0
    for r in range(len(step)):
        longest = max(longest, abs(step[r]) / (LONGEST_SHIFT if r < 3 else LARGEST_ANGLE))
    if longest > 1.0:
        step /= longest


@jit_strict
def minimise(pose: Floats, ligand: LigandArrays, field: Field, frames: Frames, steps: int) -> float:
    """Minimise the energy from a pose, in place.

    Args:
        pose: (7 + torsions,), overwritten by the minimum.
        ligand, field: what the energy is of.
        frames: scratch space; the positions are those of the last evaluation, not of the minimum.
        steps: at most.

    Returns:
        The energy of the minimum, kcal/mol.
    """
    size = len(pose) - 1
    gradient, later, step, change = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    trial, inverse, learned = np.empty(len(pose)), np.zeros((size, size)), False
    _begin(inverse, ligand)
    energy = energy_of(pose, ligand, field, frames, gradient)
    for _ in range(steps):
        for r in range(size):
            total = 0.0
            for s in range(size):
                total -= inverse[r, s] * gradient[s]
            step[r] = total
        _shortened(step)
        slope = 0.0
        for r in range(size):
            slope += step[r] * gradient[r]
        length, lower = 1.0, energy
        for _ in range(HALVINGS if slope <= -CONVERGED else 0):
            moved(pose, step, length, trial)
            lower = energy_of(trial, ligand, field, frames, later)
            if lower <= energy + SUFFICIENT * length * slope:
                break
            length *= max(0.1, min(0.5, -0.5 * slope * length / (lower - energy - slope * length)))
        if lower >= energy:
            if not learned:
                break
            _begin(inverse, ligand)  # at a kink, what was learned of the curvature may lead nowhere
            learned = False
            continue
        for r in range(size):
            change[r], step[r] = later[r] - gradient[r], length * step[r]
        _update(inverse, step, change)
        learned = True
        pose[:], gradient[:], energy = trial, later, lower
    return energy


@jit_strict
def _begin(inverse: Floats, ligand: LigandArrays) -> None:
    """Write the first inverse Hessian."""
    inverse[:] = 0.0
    for r in range(len(inverse)):
        inverse[r, r] = 1.0 / (STIFFNESS * ligand.inertia[r])


@jit_strict
def _update(inverse: Floats, step: Floats, change: Floats) -> None:
    """Update the inverse Hessian by a step and the change of the gradient along it."""
    size = len(step)
    curvature = 0.0
    for r in range(size):
        curvature += step[r] * change[r]
    if curvature < 1e-10:
        return
    image = np.zeros(size)
    norm = 0.0
    for r in range(size):
        for s in range(size):
            image[r] += inverse[r, s] * change[s]
        norm += image[r] * change[r]
    scale = (1.0 + norm / curvature) / curvature
    for r in range(size):
        for s in range(size):
            inverse[r, s] += scale * step[r] * step[s] - (image[r] * step[s] + step[r] * image[s]) / curvature
