"""The overlap volume of two molecules and its derivatives in float64: the refinement, and the reference of others.

V = sum_ij p^2 (pi / (a_i + a_j))^(3/2) exp(-a_i a_j / (a_i + a_j) |x_i - x_j|^2), the first-order Gaussian overlap
(J. A. Grant and B. T. Pickup, J. Phys. Chem. 99, 3503, 1995; with M. A. Gallardo, J. Comput. Chem. 17, 1653, 1996).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.gaussians import AMPLITUDE_SQUARED
from metricvae.runtime.jit import jit_strict

Vector = npt.NDArray[np.float64]
Positions = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@jit_strict
def overlap_volume(positions_a: Positions, alpha_a: Vector, positions_b: Positions, alpha_b: Vector) -> float:
    """Overlap of two sets of Gaussian atoms, in cubic angstroms.

    Args:
        positions_a, positions_b: (n, 3) and (m, 3), angstroms.
        alpha_a, alpha_b: (n,) and (m,) exponents, 1 / angstrom^2.

    >>> import numpy as np
    >>> atom, alpha = np.zeros((1, 3)), np.array([1.0])
    >>> round(overlap_volume(atom, alpha, atom, alpha), 4)  # 8 (pi / 2)^(3/2)
    15.7496
    """
    total = 0.0
    for i in range(len(positions_a)):
        for j in range(len(positions_b)):
            both = alpha_a[i] + alpha_b[j]
            square = 0.0
            for axis in range(3):
                square += (positions_a[i, axis] - positions_b[j, axis]) ** 2
            reach = math.pi / both
            total += AMPLITUDE_SQUARED * reach * math.sqrt(reach) * math.exp(-alpha_a[i] * alpha_b[j] / both * square)
    return total


@jit_strict
def derivatives(
    positions_a: Positions,
    alpha_a: Vector,
    positions_b: Positions,
    alpha_b: Vector,
    rotation: Positions,
    translation: Vector,
    gradient: Vector,
    hessian: Positions,
) -> float:
    """Overlap at a pose of B, with its derivatives with respect to a further rotation and translation.

    Args:
        positions_a, alpha_a, positions_b, alpha_b: as `overlap_volume` takes them.
        rotation, translation: (3, 3) and (3,); an atom of B at q lies at rotation @ q + translation.
        gradient: (6,) written: first derivatives with respect to the vector of a further rotation about the
            origin of B, and to a translation.
        hessian: (6, 6) written: second derivatives.

    Returns:
        The overlap, cubic angstroms.
    """
    gradient.fill(0.0)
    hessian.fill(0.0)
    total = 0.0
    u, g, d = np.empty(3), np.empty(3), np.empty(3)
    h, arm = np.empty((3, 3)), np.zeros((6, 3))
    for j in range(len(positions_b)):
        for axis in range(3):
            u[axis] = (
                rotation[axis, 0] * positions_b[j, 0]
                + rotation[axis, 1] * positions_b[j, 1]
                + rotation[axis, 2] * positions_b[j, 2]
            )
        g.fill(0.0)
        h.fill(0.0)
        for i in range(len(positions_a)):
            both = alpha_a[i] + alpha_b[j]
            k, reach = alpha_a[i] * alpha_b[j] / both, math.pi / both
            for axis in range(3):
                d[axis] = positions_a[i, axis] - u[axis] - translation[axis]
            value = (
                AMPLITUDE_SQUARED * reach * math.sqrt(reach) * math.exp(-k * (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]))
            )
            total += value
            for r in range(3):
                g[r] += 2.0 * k * value * d[r]
                h[r, r] -= 2.0 * k * value
                for s in range(3):
                    h[r, s] += 4.0 * k * k * value * d[r] * d[s]
        arm[0, 1], arm[0, 2], arm[1, 0], arm[1, 2], arm[2, 0], arm[2, 1] = -u[2], u[1], u[2], -u[0], -u[1], u[0]
        arm[3, 0], arm[4, 1], arm[5, 2] = 1.0, 1.0, 1.0
        along = u[0] * g[0] + u[1] * g[1] + u[2] * g[2]
        for r in range(6):
            for axis in range(3):
                gradient[r] += arm[r, axis] * g[axis]
            for s in range(6):
                for m in range(3):
                    for n in range(3):
                        hessian[r, s] += arm[r, m] * h[m, n] * arm[s, n]
        for r in range(3):
            hessian[r, r] -= along
            for s in range(3):
                hessian[r, s] += 0.5 * (u[r] * g[s] + u[s] * g[r])
    return total


@jit_strict
def newton_step(gradient: Vector, hessian: Positions, least: float) -> Vector:
    """(6,) Newton step of a gradient (6,) and a Hessian (6, 6).

    By an L D L' factorisation of minus the Hessian whose pivots are made positive and at least `least`, so that the
    overlap increases along the step (P. E. Gill and W. Murray, Math. Prog. 7, 311, 1974).
    """
    lower, pivots, step = np.empty((6, 6)), np.empty(6), gradient.copy()
    for r in range(6):
        for s in range(r + 1):
            entry = -hessian[r, s]
            for m in range(s):
                entry -= lower[r, m] * lower[s, m] * pivots[m]
            if s < r:
                lower[r, s] = entry / pivots[s]
            else:
                pivots[r] = max(abs(entry), least)
        for m in range(r):
            step[r] -= lower[r, m] * step[m]
    for r in range(5, -1, -1):
        step[r] /= pivots[r]
        for m in range(r + 1, 6):
            step[r] -= lower[m, r] * step[m]
    return step


@jit_strict
def rotate_by_vector(rotation: Positions, by: Vector) -> Positions:
    """(3, 3) the given rotation (3, 3), then one by |by| radians about the vector `by` (3,): Rodrigues' formula."""
    angle = math.sqrt(by[0] * by[0] + by[1] * by[1] + by[2] * by[2])
    first = math.sin(angle) / angle if angle > 1e-8 else 1.0
    second = (1.0 - math.cos(angle)) / (angle * angle) if angle > 1e-4 else 0.5
    made, motion = np.empty((3, 3)), np.empty((3, 3))
    motion[0, 0], motion[1, 1], motion[2, 2] = 1.0, 1.0, 1.0
    motion[2, 1], motion[0, 2], motion[1, 0] = first * by[0], first * by[1], first * by[2]
    motion[1, 2], motion[2, 0], motion[0, 1] = -first * by[0], -first * by[1], -first * by[2]
    for r in range(3):
        for s in range(3):
            motion[r, s] += second * (by[r] * by[s] - (angle * angle if r == s else 0.0))
    for r in range(3):
        for s in range(3):
            made[r, s] = motion[r, 0] * rotation[0, s] + motion[r, 1] * rotation[1, s] + motion[r, 2] * rotation[2, s]
    return made


REFINEMENT_STEPS = 12
"""At most so many Newton steps in float64."""

TOLERANCE = 1e-12
"""They end where the next one is expected to add less than this share of the overlap."""


class Channels(NamedTuple):
    """Atoms in channels: only those of one channel overlap.

    Attributes:
        positions: (n, 3) angstroms, channel after channel.
        alpha: (n,) exponents, 1 / angstrom^2.
        starts: (c + 1,) int64; where each channel starts, and n.
    """

    positions: Positions
    alpha: Vector
    starts: Whole


@jit_strict
def channel_overlap(a: Channels, b: Channels, channel: int, rotation: Positions, translation: Vector) -> float:
    """Overlap of one channel with B at a pose, cubic angstroms."""
    start, end, first, last = a.starts[channel], a.starts[channel + 1], b.starts[channel], b.starts[channel + 1]
    moved = np.empty((last - first, 3))
    for j in range(first, last):
        for axis in range(3):
            moved[j - first, axis] = (
                rotation[axis, 0] * b.positions[j, 0]
                + rotation[axis, 1] * b.positions[j, 1]
                + rotation[axis, 2] * b.positions[j, 2]
                + translation[axis]
            )
    return overlap_volume(a.positions[start:end], a.alpha[start:end], moved, b.alpha[first:last])


@jit_strict
def weighted_derivatives(
    a: Channels,
    b: Channels,
    weights: Vector,
    rotation: Positions,
    translation: Vector,
    gradient: Vector,
    hessian: Positions,
) -> float:
    """As `derivatives`, of the sum of the channels' overlaps under the weights (c,)."""
    gradient.fill(0.0)
    hessian.fill(0.0)
    total, own_gradient, own_hessian = 0.0, np.empty(6), np.empty((6, 6))
    for channel in range(len(weights)):
        start, end, first, last = a.starts[channel], a.starts[channel + 1], b.starts[channel], b.starts[channel + 1]
        if weights[channel] == 0.0 or start == end or first == last:
            continue
        total += weights[channel] * derivatives(
            a.positions[start:end],
            a.alpha[start:end],
            b.positions[first:last],
            b.alpha[first:last],
            rotation,
            translation,
            own_gradient,
            own_hessian,
        )
        for r in range(6):
            gradient[r] += weights[channel] * own_gradient[r]
            for s in range(6):
                hessian[r, s] += weights[channel] * own_hessian[r, s]
    return total


@jit_strict
def refine(
    a: Channels, b: Channels, weights: Vector, rotation: Positions, translation: Vector
) -> tuple[float, Positions, Vector]:
    """The largest weighted sum of overlaps near a pose, by Newton steps in float64.

    Args:
        a, b: the molecules; b moves.
        weights: (c,) of the channels.
        rotation, translation: as in `derivatives`.

    Returns:
        The sum in cubic angstroms, and the rotation (3, 3) and translation (3,) that reach it.
    """
    gradient, hessian = np.empty(6), np.empty((6, 6))
    value = weighted_derivatives(a, b, weights, rotation, translation, gradient, hessian)
    length = 1.0
    if not value > 0.0:
        return value, rotation, translation
    for _ in range(REFINEMENT_STEPS):
        step = length * newton_step(gradient, hessian, 1e-3 * value)
        if np.dot(step, gradient) <= TOLERANCE * value:
            break
        trial_rotation, trial_translation = rotate_by_vector(rotation, step[:3]), translation + step[3:]
        trial_gradient, trial_hessian = np.empty(6), np.empty((6, 6))
        trial = weighted_derivatives(a, b, weights, trial_rotation, trial_translation, trial_gradient, trial_hessian)
        if trial > value:
            value, rotation, translation, gradient, hessian, length = (
                trial,
                trial_rotation,
                trial_translation,
                trial_gradient,
                trial_hessian,
                1.0,
            )
        else:
            length *= 0.25
    return value, rotation, translation
