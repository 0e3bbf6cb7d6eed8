"""Proposed poses of two shapes, refined by local optimisation and compared by their exact overlap."""

from __future__ import annotations

import numpy as np

from metricvae.metrics.overlap.solver.kernels import overlap_at
from metricvae.metrics.overlap.solver.poses import PoseArray
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import COMPARED_POSES, PreparedMask, optimise_poses, overlap_record


def refine(a: PreparedMask, b: PreparedMask, poses: PoseArray, steps: int) -> Overlap:
    """The best of poses (k, 3) of `b` about the centroids, each after some steps of local optimisation.

    Args:
        a, b: the shape that stays and the one that moves.
        poses: proposals; not changed.
        steps: of each; 0 compares the proposals as they are.
    """
    if steps:
        poses = optimise_poses(a, b, poses, steps)[:COMPARED_POSES]
    return best_pose(a, b, poses)


def best_pose(a: PreparedMask, b: PreparedMask, poses: PoseArray) -> Overlap:
    """The pose of `b` among `poses` (k, 3) that overlaps `a` most, and by how much."""
    areas = [overlap_at(a.points, b.image, pose) for pose in poses]
    best = int(np.argmax(areas))
    return overlap_record(a, b, areas[best], poses[best])
