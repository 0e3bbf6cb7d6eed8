"""Sixteen poses at once walked uphill by damped Newton steps."""

from __future__ import annotations

import numpy as np

from metricvae.metrics.shape.solver.gradients import slopes
from metricvae.metrics.shape.solver.groups import CURVE, DAMPING, FIELDS, SCALE, SLOPE, Atoms, Single, keep_better
from metricvae.metrics.shape.solver.lanes import WIDTH, higher, load, lower, root, size, spread, store
from metricvae.runtime.jit import jit_strict

FLOOR = np.float32(0.02)
"""Least curvature a step reckons with, in units of `SCALE`."""

FARTHEST = np.float32(0.6)
"""Longest turn (radians) and half the longest shift (angstroms) of one step."""


@jit_strict
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


@jit_strict
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


@jit_strict
def climb(a: Atoms, b: Atoms, k: Single, c: Single, group: Single, trial: Single, work: Single, rounds: int) -> None:
    """Walk the poses of a group, whose derivatives are known, uphill; a step that does not lead up is not made."""
    for _ in range(rounds):
        step(group, trial, work)
        slopes(a, b, k, c, trial)
        damping = load(group, DAMPING * WIDTH)
        store(trial, DAMPING * WIDTH, EASE * damping)
        store(group, DAMPING * WIDTH, BRAKE * damping + np.float32(0.01))
        keep_better(group, trial, FIELDS)
