"""The overlap volume of two molecules and its derivatives in float64: the last steps, and what others are checked with.

V = sum_ij p^2 (pi / (a_i + a_j))^(3/2) exp(-a_i a_j / (a_i + a_j) |x_i - x_j|^2), the first-order Gaussian overlap
(J. A. Grant and B. T. Pickup, J. Phys. Chem. 99, 3503, 1995; with M. A. Gallardo, J. Comput. Chem. 17, 1653, 1996).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from metricvae.runtime.jit import jit_fast

Vector = npt.NDArray[np.float64]
Places = npt.NDArray[np.float64]
P2 = 8.0
"""Square of an atom's height."""


@jit_fast
def overlap_volume(places_a: Places, alpha_a: Vector, places_b: Places, alpha_b: Vector) -> float:
    """Overlap of atoms at (n, 3) and (m, 3) angstroms with exponents (n,) and (m,), in cubic angstroms."""
    total = 0.0
    for i in range(len(places_a)):
        for j in range(len(places_b)):
            both = alpha_a[i] + alpha_b[j]
            square = 0.0
            for axis in range(3):
                square += (places_a[i, axis] - places_b[j, axis]) ** 2
            reach = math.pi / both
            total += P2 * reach * math.sqrt(reach) * math.exp(-alpha_a[i] * alpha_b[j] / both * square)
    return total


@jit_fast
def derivatives(
    places_a: Places,
    alpha_a: Vector,
    places_b: Places,
    alpha_b: Vector,
    turn: Places,
    shift: Vector,
    slope: Vector,
    curve: Places,
) -> float:
    """Overlap at a pose of B, with its first and second derivatives after a turn and a shift.

    Args:
        places_a, alpha_a, places_b, alpha_b: as `overlap_volume` takes them.
        turn, shift: (3, 3) and (3,); an atom of B at q lies at turn @ q + shift.
        slope: (6,) written: derivatives after the vector of a further turn about the origin of B, and after a shift.
        curve: (6, 6) written: second derivatives.

    Returns:
        The overlap, cubic angstroms.
    """
    slope.fill(0.0)
    curve.fill(0.0)
    total = 0.0
    u, g, d = np.empty(3), np.empty(3), np.empty(3)
    h, arm = np.empty((3, 3)), np.zeros((6, 3))
    for j in range(len(places_b)):
        for axis in range(3):
            u[axis] = turn[axis, 0] * places_b[j, 0] + turn[axis, 1] * places_b[j, 1] + turn[axis, 2] * places_b[j, 2]
        g.fill(0.0)
        h.fill(0.0)
        for i in range(len(places_a)):
            both = alpha_a[i] + alpha_b[j]
            k, reach = alpha_a[i] * alpha_b[j] / both, math.pi / both
            for axis in range(3):
                d[axis] = places_a[i, axis] - u[axis] - shift[axis]
            value = P2 * reach * math.sqrt(reach) * math.exp(-k * (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]))
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
                slope[r] += arm[r, axis] * g[axis]
            for s in range(6):
                for m in range(3):
                    for n in range(3):
                        curve[r, s] += arm[r, m] * h[m, n] * arm[s, n]
        for r in range(3):
            curve[r, r] -= along
            for s in range(3):
                curve[r, s] += 0.5 * (u[r] * g[s] + u[s] * g[r])
    return total


@jit_fast
def uphill(slope: Vector, curve: Places, least: float) -> Vector:
    """(6,) Newton step, by an L D L' factorisation of -`curve` whose pivots are made positive and at least `least`."""
    lower, pivots, step = np.empty((6, 6)), np.empty(6), slope.copy()
    for r in range(6):
        for s in range(r + 1):
            entry = -curve[r, s]
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


@jit_fast
def turned(turn: Places, by: Vector) -> Places:
    """(3, 3) the rotation `turn`, then a turn by |by| radians about `by` (Rodrigues' formula)."""
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
            made[r, s] = motion[r, 0] * turn[0, s] + motion[r, 1] * turn[1, s] + motion[r, 2] * turn[2, s]
    return made


LAST_STEPS = 12
"""At most so many Newton steps in float64."""

CLOSE = 1e-12
"""They end where the next one promises less than this share of the overlap."""


@jit_fast
def polish(
    places_a: Places, alpha_a: Vector, places_b: Places, alpha_b: Vector, turn: Places, shift: Vector
) -> tuple[float, Places, Vector]:
    """The largest overlap near a pose (see `derivatives`), and the rotation and shift that reach it."""
    slope, curve = np.empty(6), np.empty((6, 6))
    value = derivatives(places_a, alpha_a, places_b, alpha_b, turn, shift, slope, curve)
    length = 1.0
    for _ in range(LAST_STEPS):
        step = length * uphill(slope, curve, 1e-3 * value)
        if np.dot(step, slope) <= CLOSE * value:
            break
        trial_turn, trial_shift = turned(turn, step[:3]), shift + step[3:]
        trial_slope, trial_curve = np.empty(6), np.empty((6, 6))
        trial = derivatives(places_a, alpha_a, places_b, alpha_b, trial_turn, trial_shift, trial_slope, trial_curve)
        if trial > value:
            value, turn, shift, slope, curve, length = trial, trial_turn, trial_shift, trial_slope, trial_curve, 1.0
        else:
            length *= 0.25
    return value, turn, shift
