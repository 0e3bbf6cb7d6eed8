"""Cubic splines along one axis of a grid, as matrices: a grid in space takes one for each axis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

Floats = npt.NDArray[np.float64]

EDGE = 2
"""Zeros that are put on either end of an axis, where a spline falls to 0."""


def spline_matrix(count: int, at: Floats, width: float = 0.0) -> Floats:
    """(k, n) matrix from values at the points 0 to n - 1 to those of their cubic spline at k points, 0 outside.

    Args:
        count: n.
        at: (k,) points.
        width: of the interval around each of these points over which the mean is taken; 0 for the values themselves.
    """
    nodes = np.arange(-EDGE, count + EDGE, dtype=np.float64)
    spline = CubicSpline(nodes, np.pad(np.eye(count), ((EDGE, EDGE), (0, 0))), bc_type="natural")
    first, last = nodes[0], nodes[-1]
    if width > 0:
        total = spline.antiderivative()
        low, high = (np.clip(at + side * width / 2, first, last) for side in (-1, 1))
        return np.asarray((total(high) - total(low)) / width)
    inside = (at >= first) & (at <= last)
    return np.asarray(spline(np.clip(at, first, last)) * inside[:, None])
