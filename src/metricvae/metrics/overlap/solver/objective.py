"""The overlap of a pair as an objective for general optimisers, and the one that the dense search runs, DIRECT."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from metricvae.metrics.overlap.solver.kernels import overlap_at
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, check_pair, overlap_record


class OverlapObjective:
    """Minus the overlap at a pose, as a function to minimise that remembers its best argument.

    Args:
        a, b: the shape that stays and the one that moves, on canvases of one size.

    Attributes:
        bounds: lower and upper end of angle (radians), x and y (pixels) about the centroids: all rotations, and all
            shifts at which the shapes can touch.

    Raises:
        InputError: the canvases differ in size, or a shape is blank.
    """

    def __init__(self, a: PreparedMask, b: PreparedMask) -> None:
        check_pair(a, b)
        self.a, self.b = a, b
        self.points, self.image = a.points, b.image
        self.area, self.pose = -1.0, np.zeros(3)
        extent = a.radius + b.radius
        self.bounds = [(-math.pi, math.pi), (-extent, extent), (-extent, extent)]

    def __call__(self, pose: npt.NDArray[np.float64]) -> float:
        """Minus the overlap in pixels at a pose (3,)."""
        area = overlap_at(self.points, self.image, np.asarray(pose, dtype=np.float64))
        if area > self.area:
            self.area, self.pose = area, np.array(pose, dtype=np.float64)
        return -area

    def best(self) -> Overlap:
        """The largest overlap evaluated so far."""
        return overlap_record(self.a, self.b, self.area, self.pose)


def direct_search(a: PreparedMask, b: PreparedMask, evaluations: int, seed: int = 0) -> Overlap:
    """The best overlap that DIRECT finds, locally biased (Gablonsky and Kelley 2001), SciPy's.

    Args:
        a, b: the shape that stays and the one that moves.
        evaluations: of the overlap.
        seed: not used, as the algorithm is deterministic; here so that all optimisers are called alike.
    """
    from scipy.optimize import direct

    objective = OverlapObjective(a, b)
    direct(objective, objective.bounds, maxfun=evaluations, maxiter=evaluations, vol_tol=0, len_tol=0)
    return objective.best()
