"""Groups of sixteen poses in compiled code: how they are held, scored, and seated end to end.

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

from metricvae.metrics.shape.solver.lanes import WIDTH, Register, higher, load, pick, rough_power, spread, store
from metricvae.metrics.shape.solver.volumes import P2
from metricvae.runtime.jit import jit_strict

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


@jit_strict
def pair_tables(alpha_a: Vector, alpha_b: Vector) -> tuple[Single, Single]:
    """k and c of each pair of runs, (m_a, m_b) float32 each."""
    k, c = np.empty((len(alpha_a), len(alpha_b)), np.float32), np.empty((len(alpha_a), len(alpha_b)), np.float32)
    for p in range(len(alpha_a)):
        for q in range(len(alpha_b)):
            both = alpha_a[p] + alpha_b[q]
            k[p, q] = alpha_a[p] * alpha_b[q] / both
            c[p, q] = P2 * (np.pi / both) ** 1.5
    return k, c


@jit_strict
def rotation_of(group: Single) -> tuple[Register, Register, Register]:
    """The nine entries of the rotation matrices, row by row, as lanes."""
    w, x, y, z = load(group, 0), load(group, WIDTH), load(group, 2 * WIDTH), load(group, 3 * WIDTH)
    one, two = np.float32(1.0), np.float32(2.0)
    return (
        (one - two * (y * y + z * z), two * (x * y - w * z), two * (x * z + w * y)),
        (two * (x * y + w * z), one - two * (x * x + z * z), two * (y * z - w * x)),
        (two * (x * z - w * y), two * (y * z + w * x), one - two * (x * x + y * y)),
    )


@jit_strict
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


@jit_strict
def seat(a: Atoms, b: Atoms, group: Single, end: int) -> None:
    """Write shifts along the first axis of A: 0 centre on centre, 1 and -1 so that the ends of both are level."""
    along, _, _ = rotation_of(group)
    shift = spread(np.float32(0.0))
    if end != 0:
        far = spread(np.float32(-1e9))
        for j in range(len(b.rows)):
            row = b.rows[j]
            reach = along[0] * row[0] + along[1] * row[1] + along[2] * row[2]
            far = higher(far, np.float32(end) * reach)
        farthest = np.float32(-1e9)
        for i in range(len(a.rows)):
            farthest = max(farthest, np.float32(end) * a.rows[i, 0])
        shift = np.float32(end) * (farthest - far)
    store(group, 4 * WIDTH, shift)
    store(group, 5 * WIDTH, spread(np.float32(0.0)))
    store(group, 6 * WIDTH, spread(np.float32(0.0)))


@jit_strict
def keep_better(group: Single, trial: Single, rows: int) -> None:
    """Where `trial` has the higher overlap, its lanes replace those of `group`, in the first `rows` rows."""
    before, after = load(group, VALUE * WIDTH), load(trial, VALUE * WIDTH)
    for row in range(rows):
        store(group, row * WIDTH, pick(after, before, load(trial, row * WIDTH), load(group, row * WIDTH)))


@jit_strict
def score_seats(a: Atoms, b: Atoms, k: Single, c: Single, group: Single, trial: Single) -> None:
    """Score rotations centre on centre and with either end level; shift and overlap are those of the best."""
    seat(a, b, group, 0)
    score(a, b, k, c, group)
    for end in (1, -1):
        for row in range(4):
            store(trial, row * WIDTH, load(group, row * WIDTH))
        seat(a, b, trial, end)
        score(a, b, k, c, trial)
        keep_better(group, trial, VALUE + 1)
