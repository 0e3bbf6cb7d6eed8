"""Compiled inner loops of the overlay: sixteen poses at once are scored, and walked uphill by Newton steps.

The overlap of molecules A and B at a pose is V = sum_ij c_ij exp(-k_ij |a_i - x_j|^2) with x_j = R b_j + t, where
k_ij = alpha_i alpha_j / (alpha_i + alpha_j) and c_ij = p^2 (pi / (alpha_i + alpha_j))^(3/2) (J. A. Grant and
B. T. Pickup, J. Phys. Chem. 99, 3503, 1995). Both molecules lie about their own origins, and their atoms come in runs
of one radius each, so that k and c are numbers, not tables, in the innermost loop.

Poses and what is known of them are held in flat float32 arrays of `FIELDS` rows of `WIDTH` lanes, called a *group*:
rows `POSE` hold quaternion w, x, y, z and shift x, y, z; row `DAMPING` how much the next step is held back; row `VALUE`
the overlap V; rows `SLOPE` its first derivatives after a turn (left of R, about the origin of B) and a shift; rows
`CURVE` the lower triangle of the second ones; rows `SCALE` what each turn and any shift would weigh if every pair of
atoms were tied by a spring of its present force (sum of 2 k V and its moments), the natural unit of damping.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from metricvae.overlap.spatial.lanes import (
    WIDTH,
    Register,
    higher,
    load,
    lower,
    pick,
    power,
    root,
    rough_power,
    size,
    spread,
    store,
)
from metricvae.overlap.spatial.volumes import P2

compiled = njit(cache=True, nogil=True, error_model="numpy")

Single = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

POSE, DAMPING, VALUE, SLOPE, CURVE, SCALE, FIELDS = 0, 7, 8, 9, 15, 36, 40
"""First row of each field of a group, and the number of rows."""

LOG2E = 1.4426950408889634


class Atoms(NamedTuple):
    """A molecule's atoms as the inner loops read them, about its own origin, those of one radius in one run.

    Attributes:
        rows: (n, 10) float32; x, y, z, x x, x y, x z, y y, y z, z z, x x + y y + z z (angstroms and their squares).
        runs: (m + 1,) int64; where each run starts, and n.
        alpha: (m,) float64; the exponent of each run's atoms, 1 / angstrom^2.
        places: (n, 3) float64; x, y, z once more.
    """

    rows: Single
    runs: Whole
    alpha: Vector
    places: Vector


@compiled
def pair_tables(alpha_a: Vector, alpha_b: Vector) -> tuple[Single, Single]:
    """k and c of each pair of runs, (m_a, m_b) float32 each."""
    k, c = np.empty((len(alpha_a), len(alpha_b)), np.float32), np.empty((len(alpha_a), len(alpha_b)), np.float32)
    for p in range(len(alpha_a)):
        for q in range(len(alpha_b)):
            both = alpha_a[p] + alpha_b[q]
            k[p, q] = alpha_a[p] * alpha_b[q] / both
            c[p, q] = P2 * (np.pi / both) ** 1.5
    return k, c


@compiled
def rotation_of(group: Single) -> tuple[Register, Register, Register]:
    """The nine entries of the rotation matrices, row by row, as lanes."""
    w, x, y, z = load(group, 0), load(group, WIDTH), load(group, 2 * WIDTH), load(group, 3 * WIDTH)
    one, two = np.float32(1.0), np.float32(2.0)
    return (
        (one - two * (y * y + z * z), two * (x * y - w * z), two * (x * z + w * y)),
        (two * (x * y + w * z), one - two * (x * x + z * z), two * (y * z - w * x)),
        (two * (x * z - w * y), two * (y * z + w * x), one - two * (x * x + y * y)),
    )


@compiled
def score(a: Atoms, b: Atoms, k: Single, c: Single, group: Single) -> None:
    """Write the overlap at each pose, to 1e-4, to row `VALUE`."""
    row_x, row_y, row_z = rotation_of(group)
    shift_x, shift_y, shift_z = load(group, 4 * WIDTH), load(group, 5 * WIDTH), load(group, 6 * WIDTH)
    value = spread(np.float32(0.0))
    for q in range(len(b.alpha)):
        for j in range(b.runs[q], b.runs[q + 1]):
            bx, by, bz = b.rows[j, 0], b.rows[j, 1], b.rows[j, 2]
            x = row_x[0] * bx + row_x[1] * by + row_x[2] * bz + shift_x
            y = row_y[0] * bx + row_y[1] * by + row_y[2] * bz + shift_y
            z = row_z[0] * bx + row_z[1] * by + row_z[2] * bz + shift_z
            square = x * x + y * y + z * z
            for p in range(len(a.alpha)):
                fall = np.float32(LOG2E) * k[p, q]
                twice = np.float32(2.0) * fall
                along_x, along_y, along_z, start = twice * x, twice * y, twice * z, (-fall) * square
                total = spread(np.float32(0.0))
                for i in range(a.runs[p], a.runs[p + 1]):
                    row = a.rows[i]
                    total = total + rough_power(
                        row[0] * along_x + (row[1] * along_y + (row[2] * along_z + (start - fall * row[9])))
                    )
                value = value + c[p, q] * total
    store(group, VALUE * WIDTH, value)


@compiled
def _add(group: Single, row: int, amount: Register) -> None:
    store(group, row * WIDTH, load(group, row * WIDTH) + amount)


@compiled
def slopes(a: Atoms, b: Atoms, k: Single, c: Single, group: Single) -> None:
    """Write overlap, first and second derivatives and their scale at each pose to the rows from `VALUE` on.

    With w = 2 k c exp(..), the sums of w, w a_i and w a_i a_i' over the atoms of A give an atom of B its force
    g = sum w (a_i - x_j) and second derivatives H = sum w (2 k d d' - 1), d = a_i - x_j. A turn by the vector o moves
    it by o x u + (o x (o x u)) / 2 with u = R b_j, a shift by itself: the chain rule does the rest.
    """
    zero = spread(np.float32(0.0))
    for row in range(VALUE, FIELDS):
        store(group, row * WIDTH, zero)
    row_x, row_y, row_z = rotation_of(group)
    shift_x, shift_y, shift_z = load(group, 4 * WIDTH), load(group, 5 * WIDTH), load(group, 6 * WIDTH)
    for q in range(len(b.alpha)):
        for j in range(b.runs[q], b.runs[q + 1]):
            bx, by, bz = b.rows[j, 0], b.rows[j, 1], b.rows[j, 2]
            ux = row_x[0] * bx + row_x[1] * by + row_x[2] * bz
            uy = row_y[0] * bx + row_y[1] * by + row_y[2] * bz
            uz = row_z[0] * bx + row_z[1] * by + row_z[2] * bz
            x, y, z = ux + shift_x, uy + shift_y, uz + shift_z
            square = x * x + y * y + z * z
            value, weight, gx, gy, gz = zero, zero, zero, zero, zero
            hxx, hxy, hxz, hyy, hyz, hzz = zero, zero, zero, zero, zero, zero
            for p in range(len(a.alpha)):
                fall = np.float32(LOG2E) * k[p, q]
                twice = np.float32(2.0) * fall
                along_x, along_y, along_z, start = twice * x, twice * y, twice * z, (-fall) * square
                s, sx, sy, sz = zero, zero, zero, zero
                sxx, sxy, sxz, syy, syz, szz = zero, zero, zero, zero, zero, zero
                for i in range(a.runs[p], a.runs[p + 1]):
                    row = a.rows[i]
                    e = power(row[0] * along_x + (row[1] * along_y + (row[2] * along_z + (start - fall * row[9]))))
                    s, sx, sy, sz = s + e, sx + row[0] * e, sy + row[1] * e, sz + row[2] * e
                    sxx, sxy, sxz = sxx + row[3] * e, sxy + row[4] * e, sxz + row[5] * e
                    syy, syz, szz = syy + row[6] * e, syz + row[7] * e, szz + row[8] * e
                stiff = np.float32(2.0) * k[p, q]
                force = stiff * c[p, q]
                bend = stiff * force
                value, weight = value + c[p, q] * s, weight + force * s
                gx, gy, gz = gx + force * (sx - s * x), gy + force * (sy - s * y), gz + force * (sz - s * z)
                hxx = hxx + bend * (sxx - sx * x - sx * x + s * x * x)
                hxy = hxy + bend * (sxy - sx * y - sy * x + s * x * y)
                hxz = hxz + bend * (sxz - sx * z - sz * x + s * x * z)
                hyy = hyy + bend * (syy - sy * y - sy * y + s * y * y)
                hyz = hyz + bend * (syz - sy * z - sz * y + s * y * z)
                hzz = hzz + bend * (szz - sz * z - sz * z + s * z * z)
            hxx, hyy, hzz = hxx - weight, hyy - weight, hzz - weight
            _add(group, VALUE, value)
            _chain(group, (ux, uy, uz), (gx, gy, gz), (hxx, hxy, hxz, hyy, hyz, hzz), weight)


@compiled
def _chain(
    group: Single,
    place: tuple[Register, Register, Register],
    force: tuple[Register, Register, Register],
    curve: tuple[Register, Register, Register, Register, Register, Register],
    weight: Register,
) -> None:
    """Add one atom's share to the derivatives after turn and shift: u = (x, y, z), force g, second derivatives h."""
    (x, y, z), (gx, gy, gz), (hxx, hxy, hxz, hyy, hyz, hzz) = place, force, curve
    _add(group, SLOPE, y * gz - z * gy)
    _add(group, SLOPE + 1, z * gx - x * gz)
    _add(group, SLOPE + 2, x * gy - y * gx)
    _add(group, SLOPE + 3, gx)
    _add(group, SLOPE + 4, gy)
    _add(group, SLOPE + 5, gz)
    # (u x) h, column by column: turn against shift
    pxx, pyx, pzx = y * hxz - z * hxy, z * hxx - x * hxz, x * hxy - y * hxx
    pxy, pyy, pzy = y * hyz - z * hyy, z * hxy - x * hyz, x * hyy - y * hxy
    pxz, pyz, pzz = y * hzz - z * hyz, z * hxz - x * hzz, x * hyz - y * hxz
    along, half = x * gx + y * gy + z * gz, np.float32(0.5)
    _add(group, CURVE, y * pxz - z * pxy + x * gx - along)
    _add(group, CURVE + 1, y * pyz - z * pyy + half * (x * gy + y * gx))
    _add(group, CURVE + 2, z * pyx - x * pyz + y * gy - along)
    _add(group, CURVE + 3, y * pzz - z * pzy + half * (x * gz + z * gx))
    _add(group, CURVE + 4, z * pzx - x * pzz + half * (y * gz + z * gy))
    _add(group, CURVE + 5, x * pzy - y * pzx + z * gz - along)
    _add(group, CURVE + 6, pxx)
    _add(group, CURVE + 7, pyx)
    _add(group, CURVE + 8, pzx)
    _add(group, CURVE + 9, hxx)
    _add(group, CURVE + 10, pxy)
    _add(group, CURVE + 11, pyy)
    _add(group, CURVE + 12, pzy)
    _add(group, CURVE + 13, hxy)
    _add(group, CURVE + 14, hyy)
    _add(group, CURVE + 15, pxz)
    _add(group, CURVE + 16, pyz)
    _add(group, CURVE + 17, pzz)
    _add(group, CURVE + 18, hxz)
    _add(group, CURVE + 19, hyz)
    _add(group, CURVE + 20, hzz)
    _add(group, SCALE, weight * (y * y + z * z))
    _add(group, SCALE + 1, weight * (x * x + z * z))
    _add(group, SCALE + 2, weight * (x * x + y * y))
    _add(group, SCALE + 3, weight)


FLOOR = np.float32(0.02)
"""Least curvature a step reckons with, in units of `SCALE`."""

FARTHEST = np.float32(0.6)
"""Longest turn (radians) and half the longest shift (angstroms) of one step."""


@compiled
def step(group: Single, trial: Single, work: Single) -> None:
    """Write the poses one damped Newton step uphill from those of `group` to `trial`.

    The step solves (-H + damping * scale) s = slope by an L D L' factorisation whose pivots are made positive, so that
    it leads uphill wherever the overlap is not concave (P. E. Gill and W. Murray, Math. Prog. 7, 311, 1974).

    Args:
        group: poses and their derivatives.
        trial: its pose rows are written.
        work: (27 * WIDTH,) float32 scratch space.
    """
    damping = load(group, DAMPING * WIDTH)
    for r in range(6):
        scale = load(group, (SCALE + min(r, 3)) * WIDTH) + np.float32(1e-6)
        for s in range(r):
            entry = np.float32(0.0) - load(group, (CURVE + r * (r + 1) // 2 + s) * WIDTH)
            for m in range(s):
                left, right = load(work, (r * (r + 1) // 2 + m) * WIDTH), load(work, (s * (s + 1) // 2 + m) * WIDTH)
                entry = entry - left * right * load(work, (m * (m + 1) // 2 + m) * WIDTH)
            store(work, (r * (r + 1) // 2 + s) * WIDTH, entry / load(work, (s * (s + 1) // 2 + s) * WIDTH))
        pivot = damping * scale - load(group, (CURVE + r * (r + 1) // 2 + r) * WIDTH)
        for m in range(r):
            left = load(work, (r * (r + 1) // 2 + m) * WIDTH)
            pivot = pivot - left * left * load(work, (m * (m + 1) // 2 + m) * WIDTH)
        store(work, (r * (r + 1) // 2 + r) * WIDTH, higher(size(pivot), FLOOR * scale))
        known = load(group, (SLOPE + r) * WIDTH)
        for m in range(r):
            known = known - load(work, (r * (r + 1) // 2 + m) * WIDTH) * load(work, (21 + m) * WIDTH)
        store(work, (21 + r) * WIDTH, known)
    for back in range(6):
        r = 5 - back
        answer = load(work, (21 + r) * WIDTH) / load(work, (r * (r + 1) // 2 + r) * WIDTH)
        for m in range(r + 1, 6):
            answer = answer - load(work, (m * (m + 1) // 2 + r) * WIDTH) * load(work, (21 + m) * WIDTH)
        store(work, (21 + r) * WIDTH, answer)
    _move(group, trial, work)


@compiled
def _move(group: Single, trial: Single, work: Single) -> None:
    """Carry out a step, rows 21 to 26 of `work`, no longer than `FARTHEST`."""
    ox, oy, oz = load(work, 21 * WIDTH), load(work, 22 * WIDTH), load(work, 23 * WIDTH)
    sx, sy, sz = load(work, 24 * WIDTH), load(work, 25 * WIDTH), load(work, 26 * WIDTH)
    one, half, quarter = spread(np.float32(1.0)), np.float32(0.5), np.float32(0.25)
    longest = higher(ox * ox + oy * oy + oz * oz, quarter * (sx * sx + sy * sy + sz * sz))
    share = lower(one, FARTHEST / root(longest + np.float32(1e-12)))
    store(trial, 4 * WIDTH, load(group, 4 * WIDTH) + share * sx)
    store(trial, 5 * WIDTH, load(group, 5 * WIDTH) + share * sy)
    store(trial, 6 * WIDTH, load(group, 6 * WIDTH) + share * sz)
    ox, oy, oz = half * share * ox, half * share * oy, half * share * oz
    w, x, y, z = load(group, 0), load(group, WIDTH), load(group, 2 * WIDTH), load(group, 3 * WIDTH)
    new_w, new_x = w - ox * x - oy * y - oz * z, x + ox * w + oy * z - oz * y
    new_y, new_z = y + oy * w + oz * x - ox * z, z + oz * w + ox * y - oy * x
    length = root(new_w * new_w + new_x * new_x + new_y * new_y + new_z * new_z)
    store(trial, 0, new_w / length)
    store(trial, WIDTH, new_x / length)
    store(trial, 2 * WIDTH, new_y / length)
    store(trial, 3 * WIDTH, new_z / length)


EASE, BRAKE = np.float32(0.2), np.float32(8.0)
"""What the damping is multiplied by after a step that led uphill, and after one that did not."""


@compiled
def climb(a: Atoms, b: Atoms, k: Single, c: Single, group: Single, trial: Single, work: Single, rounds: int) -> None:
    """Walk the poses of a group, whose derivatives are known, uphill; a step that does not lead up is not made."""
    for _ in range(rounds):
        step(group, trial, work)
        slopes(a, b, k, c, trial)
        before, after, damping = load(group, VALUE * WIDTH), load(trial, VALUE * WIDTH), load(group, DAMPING * WIDTH)
        store(trial, DAMPING * WIDTH, EASE * damping)
        store(group, DAMPING * WIDTH, BRAKE * damping + np.float32(0.01))
        for row in range(FIELDS):
            store(group, row * WIDTH, pick(after, before, load(trial, row * WIDTH), load(group, row * WIDTH)))
