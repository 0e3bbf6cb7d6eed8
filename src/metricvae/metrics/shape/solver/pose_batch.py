"""Batches of sixteen poses in compiled code: their layout, their overlaps, and their initial translations.

The overlap of molecules A and B at a pose is V = sum_ij c_ij exp(-k_ij |a_i - x_j|^2) with x_j = R b_j + t, where
k_ij = alpha_i alpha_j / (alpha_i + alpha_j) and c_ij = p^2 (pi / (alpha_i + alpha_j))^(3/2) (J. A. Grant and
B. T. Pickup, J. Phys. Chem. 99, 3503, 1995). Both molecules lie about their own origins, and their atoms come in runs
of one radius each, so that k and c are numbers, not tables, in the innermost loop. Runs whose c is 0 do not interact.

A *batch* holds `WIDTH` poses and what is known of them, in a flat float32 array of `FIELDS` rows of `WIDTH` numbers:

- rows `POSE`: quaternion w, x, y, z and translation x, y, z;
- row `DAMPING`: how much the next Newton step is damped;
- row `VALUE`: the overlap V;
- rows `GRADIENT`: its first derivatives in a rotation (left of R, about the origin of B) and a translation;
- rows `HESSIAN`: the lower triangle of the second ones;
- rows `SCALE`: the curvature along each rotation and any translation if every pair of atoms were tied by a spring of
  its present force (sum of 2 k V and its moments): the natural unit of damping.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.gaussians import AMPLITUDE_SQUARED
from metricvae.metrics.shape.solver.lanes import (
    WIDTH,
    broadcast,
    exp2_fast,
    load,
    maximum,
    multiply_add,
    select,
    store,
)
from metricvae.metrics.shape.solver.quaternions import Row, rotation_rows
from metricvae.runtime.jit import jit_strict

Single = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

POSE, DAMPING, VALUE, GRADIENT, HESSIAN, SCALE, FIELDS = 0, 7, 8, 9, 15, 36, 40
"""First row of each field of a batch, and the number of rows."""

LOG2E = 1.4426950408889634


class Atoms(NamedTuple):
    """A molecule's atoms as the inner loops read them, about its own origin, those of one radius in one run.

    Attributes:
        rows: (n, 10) float32; x, y, z, x x, x y, x z, y y, y z, z z, x x + y y + z z (angstroms and their squares).
        runs: (m + 1,) int64; where each run starts, and n.
        alpha: (m,) float64; the exponent of each run's atoms, 1 / angstrom^2.
        positions: (n, 3) float64; x, y, z once more.
    """

    rows: Single
    runs: Whole
    alpha: Vector
    positions: Vector


@jit_strict
def pair_tables(alpha_a: Vector, alpha_b: Vector) -> tuple[Single, Single]:
    """k and c of each pair of runs, (m_a, m_b) float32 each."""
    k, c = np.empty((len(alpha_a), len(alpha_b)), np.float32), np.empty((len(alpha_a), len(alpha_b)), np.float32)
    for p in range(len(alpha_a)):
        for q in range(len(alpha_b)):
            both = alpha_a[p] + alpha_b[q]
            k[p, q] = alpha_a[p] * alpha_b[q] / both
            c[p, q] = AMPLITUDE_SQUARED * (np.pi / both) ** 1.5
    return k, c


@jit_strict
def batch_rotations(batch: Single) -> tuple[Row, Row, Row]:
    """The nine entries of the rotation matrices, row by row, as registers."""
    return rotation_rows(load(batch, 0), load(batch, WIDTH), load(batch, 2 * WIDTH), load(batch, 3 * WIDTH))


@jit_strict
def score(a: Atoms, b: Atoms, k: Single, c: Single, batch: Single) -> None:
    """Write the overlap at each pose, in cubic angstroms to a relative 1e-4, to row `VALUE`."""
    row_x, row_y, row_z = batch_rotations(batch)
    shift_x, shift_y, shift_z = load(batch, 4 * WIDTH), load(batch, 5 * WIDTH), load(batch, 6 * WIDTH)
    value = broadcast(np.float32(0.0))
    for q in range(len(b.alpha)):
        for j in range(b.runs[q], b.runs[q + 1]):
            bx, by, bz = b.rows[j, 0], b.rows[j, 1], b.rows[j, 2]
            x = row_x[0] * bx + row_x[1] * by + row_x[2] * bz + shift_x
            y = row_y[0] * bx + row_y[1] * by + row_y[2] * bz + shift_y
            z = row_z[0] * bx + row_z[1] * by + row_z[2] * bz + shift_z
            square = x * x + y * y + z * z
            for p in range(len(a.alpha)):
                if c[p, q] == 0.0:
                    continue
                fall = np.float32(LOG2E) * k[p, q]
                twice = np.float32(2.0) * fall
                along_x, along_y, along_z, start = twice * x, twice * y, twice * z, (-fall) * square
                total = broadcast(np.float32(0.0))
                for i in range(a.runs[p], a.runs[p + 1]):
                    row = a.rows[i]
                    exponent = multiply_add(row[2], along_z, start - fall * row[9])
                    exponent = multiply_add(row[0], along_x, multiply_add(row[1], along_y, exponent))
                    total = total + exp2_fast(exponent)
                value = multiply_add(c[p, q], total, value)
    store(batch, VALUE * WIDTH, value)


@jit_strict
def set_initial_translation(a: Atoms, b: Atoms, batch: Single, end: int) -> None:
    """Write translations along the first axis of A.

    For `end` 0 the centres coincide; for 1 and -1 the far or the near ends along that axis do.
    """
    along, _, _ = batch_rotations(batch)
    translation = broadcast(np.float32(0.0))
    if end != 0:
        far = broadcast(np.float32(-1e9))
        for j in range(len(b.rows)):
            row = b.rows[j]
            reach = along[0] * row[0] + along[1] * row[1] + along[2] * row[2]
            far = maximum(far, np.float32(end) * reach)
        farthest = np.float32(-1e9)
        for i in range(len(a.rows)):
            farthest = max(farthest, np.float32(end) * a.rows[i, 0])
        translation = np.float32(end) * (farthest - far)
    store(batch, 4 * WIDTH, translation)
    store(batch, 5 * WIDTH, broadcast(np.float32(0.0)))
    store(batch, 6 * WIDTH, broadcast(np.float32(0.0)))


@jit_strict
def keep_better(batch: Single, trial: Single, rows: int) -> None:
    """Where `trial` has the higher overlap, its lanes replace those of `batch`, in the first `rows` rows."""
    before, after = load(batch, VALUE * WIDTH), load(trial, VALUE * WIDTH)
    for row in range(rows):
        store(batch, row * WIDTH, select(after, before, load(trial, row * WIDTH), load(batch, row * WIDTH)))


@jit_strict
def score_initial_translations(a: Atoms, b: Atoms, k: Single, c: Single, batch: Single, trial: Single) -> None:
    """Score rotations centre on centre and with either end level; translation and overlap are those of the best."""
    set_initial_translation(a, b, batch, 0)
    score(a, b, k, c, batch)
    for end in (1, -1):
        for row in range(4):
            store(trial, row * WIDTH, load(batch, row * WIDTH))
        set_initial_translation(a, b, trial, end)
        score(a, b, k, c, trial)
        keep_better(batch, trial, VALUE + 1)
