"""The overlaps of a batch in plain loops over numbers: the reference of the vector code in `pose_batch`."""

from __future__ import annotations

import math

import numpy as np

from metricvae.metrics.shape.solver.lanes import WIDTH
from metricvae.metrics.shape.solver.pose_batch import VALUE, Atoms, Single
from metricvae.metrics.shape.solver.quaternions import rotation_rows
from metricvae.runtime.jit import jit_fast


@jit_fast
def score_plain(a: Atoms, b: Atoms, k: Single, c: Single, batch: Single) -> None:
    """Write the overlap at each pose of a batch to row `VALUE`, as `pose_batch.score` does, one pose after the other.

    Args:
        a, b: the molecules, each about its own origin.
        k, c: as `pose_batch.pair_tables` gives them.
        batch: (FIELDS * WIDTH,) float32.
    """
    for lane in range(WIDTH):
        pose = batch[lane::WIDTH]
        row_x, row_y, row_z = rotation_rows(pose[0], pose[1], pose[2], pose[3])
        value = np.float32(0.0)
        for q in range(len(b.alpha)):
            for j in range(b.runs[q], b.runs[q + 1]):
                u, v, w = b.rows[j, 0], b.rows[j, 1], b.rows[j, 2]
                x = row_x[0] * u + row_x[1] * v + row_x[2] * w + pose[4]
                y = row_y[0] * u + row_y[1] * v + row_y[2] * w + pose[5]
                z = row_z[0] * u + row_z[1] * v + row_z[2] * w + pose[6]
                for p in range(len(a.alpha)):
                    for i in range(a.runs[p], a.runs[p + 1]):
                        dx, dy, dz = a.rows[i, 0] - x, a.rows[i, 1] - y, a.rows[i, 2] - z
                        value += c[p, q] * math.exp(-k[p, q] * (dx * dx + dy * dy + dz * dz))
        batch[VALUE * WIDTH + lane] = value
