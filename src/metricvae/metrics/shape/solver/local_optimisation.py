"""Local optimisation of sixteen poses at once by damped Newton steps, as in Levenberg and Marquardt's method."""

from __future__ import annotations

import numpy as np

from metricvae.metrics.shape.solver.gradients import pose_derivatives
from metricvae.metrics.shape.solver.lanes import WIDTH, absolute, broadcast, load, maximum, minimum, square_root, store
from metricvae.metrics.shape.solver.pose_batch import (
    DAMPING,
    FIELDS,
    GRADIENT,
    HESSIAN,
    SCALE,
    Atoms,
    Single,
    keep_better,
)
from metricvae.runtime.jit import jit_strict

MIN_CURVATURE = np.float32(0.02)
"""Least curvature that a step assumes along an axis, in units of `SCALE`."""

MAX_STEP = np.float32(0.6)
"""Longest rotation (radians) and half the longest translation (angstroms) of one step."""


@jit_strict
def damped_newton_step(batch: Single, trial: Single, work: Single) -> None:
    """Write to `trial` the poses one damped Newton step from those of `batch`.

    The step solves (-H + damping * scale) s = gradient by an L D L' factorisation whose pivots are made positive, so
    that the overlap increases along it wherever the overlap is not concave (P. E. Gill and W. Murray, Math. Prog. 7,
    311, 1974).

    Args:
        batch: poses and their derivatives.
        trial: its pose rows are written.
        work: (27 * WIDTH,) float32 scratch space.
    """
    damping = load(batch, DAMPING * WIDTH)
    for r in range(6):
        scale = load(batch, (SCALE + min(r, 3)) * WIDTH) + np.float32(1e-6)
        for s in range(r):
            entry = np.float32(0.0) - load(batch, (HESSIAN + r * (r + 1) // 2 + s) * WIDTH)
            for m in range(s):
                left, right = load(work, (r * (r + 1) // 2 + m) * WIDTH), load(work, (s * (s + 1) // 2 + m) * WIDTH)
                entry = entry - left * right * load(work, (m * (m + 1) // 2 + m) * WIDTH)
            store(work, (r * (r + 1) // 2 + s) * WIDTH, entry / load(work, (s * (s + 1) // 2 + s) * WIDTH))
        pivot = damping * scale - load(batch, (HESSIAN + r * (r + 1) // 2 + r) * WIDTH)
        for m in range(r):
            left = load(work, (r * (r + 1) // 2 + m) * WIDTH)
            pivot = pivot - left * left * load(work, (m * (m + 1) // 2 + m) * WIDTH)
        store(work, (r * (r + 1) // 2 + r) * WIDTH, maximum(absolute(pivot), MIN_CURVATURE * scale))
        known = load(batch, (GRADIENT + r) * WIDTH)
        for m in range(r):
            known = known - load(work, (r * (r + 1) // 2 + m) * WIDTH) * load(work, (21 + m) * WIDTH)
        store(work, (21 + r) * WIDTH, known)
    for back in range(6):
        r = 5 - back
        answer = load(work, (21 + r) * WIDTH) / load(work, (r * (r + 1) // 2 + r) * WIDTH)
        for m in range(r + 1, 6):
            answer = answer - load(work, (m * (m + 1) // 2 + r) * WIDTH) * load(work, (21 + m) * WIDTH)
        store(work, (21 + r) * WIDTH, answer)
    _apply_step(batch, trial, work)


@jit_strict
def _apply_step(batch: Single, trial: Single, work: Single) -> None:
    """Write to `trial` the poses after a step, rows 21 to 26 of `work`, of length at most `MAX_STEP`."""
    ox, oy, oz = load(work, 21 * WIDTH), load(work, 22 * WIDTH), load(work, 23 * WIDTH)
    sx, sy, sz = load(work, 24 * WIDTH), load(work, 25 * WIDTH), load(work, 26 * WIDTH)
    one, half, quarter = broadcast(np.float32(1.0)), np.float32(0.5), np.float32(0.25)
    longest = maximum(ox * ox + oy * oy + oz * oz, quarter * (sx * sx + sy * sy + sz * sz))
    share = minimum(one, MAX_STEP / square_root(longest + np.float32(1e-12)))
    store(trial, 4 * WIDTH, load(batch, 4 * WIDTH) + share * sx)
    store(trial, 5 * WIDTH, load(batch, 5 * WIDTH) + share * sy)
    store(trial, 6 * WIDTH, load(batch, 6 * WIDTH) + share * sz)
    ox, oy, oz = half * share * ox, half * share * oy, half * share * oz
    w, x, y, z = load(batch, 0), load(batch, WIDTH), load(batch, 2 * WIDTH), load(batch, 3 * WIDTH)
    new_w, new_x = w - ox * x - oy * y - oz * z, x + ox * w + oy * z - oz * y
    new_y, new_z = y + oy * w + oz * x - ox * z, z + oz * w + ox * y - oy * x
    length = square_root(new_w * new_w + new_x * new_x + new_y * new_y + new_z * new_z)
    store(trial, 0, new_w / length)
    store(trial, WIDTH, new_x / length)
    store(trial, 2 * WIDTH, new_y / length)
    store(trial, 3 * WIDTH, new_z / length)


DAMPING_DECREASE, DAMPING_INCREASE = np.float32(0.2), np.float32(8.0)
"""What the damping is multiplied by after a step that increased the overlap, and after one that did not."""


@jit_strict
def optimise(a: Atoms, b: Atoms, k: Single, c: Single, batch: Single, trial: Single, work: Single, steps: int) -> None:
    """Take damped Newton steps from the poses of a batch; one that does not increase the overlap is undone.

    Args:
        a, b, k, c: as in `pose_derivatives`.
        batch: (FIELDS * WIDTH,) float32; poses with their derivatives, overwritten.
        trial, work: (FIELDS * WIDTH,) and (27 * WIDTH,) float32 scratch space.
        steps: how many.
    """
    for _ in range(steps):
        damped_newton_step(batch, trial, work)
        pose_derivatives(a, b, k, c, trial)
        damping = load(batch, DAMPING * WIDTH)
        store(trial, DAMPING * WIDTH, DAMPING_DECREASE * damping)
        store(batch, DAMPING * WIDTH, DAMPING_INCREASE * damping + np.float32(0.01))
        keep_better(batch, trial, FIELDS)
