"""Upper bounds of the overlap in a cell of motions, for the branch and bound of `certify`.

A motion is (angle, s), with the shift s in the frame of the second shape: the pixel p of the first shape, measured
from its centroid, falls on q = R^T p - s of the second, measured from its centroid, where R^T rotates clockwise by
the angle. The overlap is the sum over p of f(q), with f the bilinear interpolation of the second mask. A *cell* is a
box of motions: angles within `h_angle` of its middle, shifts within `h` along either axis. In a cell, q moves from its
place at the middle by at most

    d(p) = |p| h_angle + sqrt(2) h,

as a chord of an arc is not longer than the arc. So what p contributes anywhere in the cell is bounded by the values
of f within d(p) of its place at the middle:

- **Wide cells**: 1 if the second shape is within d(p), else 0, from a distance map; pixels are gathered in blocks.
- **Narrow cells**, the smaller of two bounds. First order: f(q) + g d(p), up to 1, with g the largest gradient of f in
  the neighbourhood. Second order: all pixels move together, so the sum gains its own derivatives times the half widths
  of the cell, and each pixel adds only the remainder that `cell_bound` derives. A pixel near which f is constant is
  settled for all parts of the cell.

The loops are compiled with IEEE arithmetic in the order that is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from metricvae.metrics.overlap.solver.search import PreparedMask
from metricvae.runtime.jit import jit_strict

MARGIN = 16
"""Empty pixels around the second shape's maps; beyond them the distance is bounded by that to the border."""

MAX_DEPTH = 16
"""Splits of a narrow cell, at most; by then it is a few millionths of a pixel wide."""


@dataclass(frozen=True)
class ShapeMaps:
    """The second shape, bordered by `MARGIN`.

    Attributes:
        squares: (H, W, 10) float32, of the square between a pixel and its right, lower and diagonal neighbours: its
            bilinear form (value, derivative along u, derivative along v, mixed derivative); the largest gradient and
            the largest mixed derivative in the 3 x 3 squares around it; by how much the derivative across a side can
            rise where a path leaves the square to the left, right, top and bottom.
        distance: (H, W) float32 pixels from each pixel centre to the nearest point where the interpolation is not 0.
        x, y: the centroid.
    """

    squares: npt.NDArray[np.float32]
    distance: npt.NDArray[np.float32]
    x: float
    y: float


def shape_maps(b: PreparedMask) -> ShapeMaps:
    """The maps of the second shape, see `ShapeMaps`."""
    value = np.pad(b.mask, MARGIN).astype(np.float32)
    here, right = value[:-1, :-1], value[:-1, 1:]
    below, across = value[1:, :-1], value[1:, 1:]
    # Bilinear in between: each partial derivative is largest and smallest on an edge of the square.
    along_u, along_v = np.stack([right - here, across - below]), np.stack([below - here, across - right])
    twist = across - right - below + here
    squares = np.zeros((*value.shape, 10), np.float32)
    inner = squares[:-1, :-1]
    inner[..., 0], inner[..., 1], inner[..., 2], inner[..., 3] = here, along_u[0], along_v[0], twist
    steep = np.hypot(np.abs(along_u).max(0), np.abs(along_v).max(0))
    inner[..., 4] = scipy.ndimage.maximum_filter(steep, 3)
    inner[..., 5] = scipy.ndimage.maximum_filter(np.abs(twist), 3)
    # Crossing a side changes the derivative across it alone. Only a rise matters for an upper bound.
    for side, (along, axis) in enumerate(((along_u, 1), (along_u, 1), (along_v, 0), (along_v, 0))):
        low, high = along.min(0), along.max(0)
        # right, bottom: a larger derivative beyond; left, top: a smaller one, as the path runs against it
        rise = np.roll(high, -1, axis) - low if side % 2 else high - np.roll(low, 1, axis)
        inner[..., 6 + side] = scipy.ndimage.maximum_filter(rise.clip(min=0), 3)
    # The interpolated mask is not zero within one pixel of a set one along both axes. So the nearest such point to a
    # pixel centre is a pixel centre.
    touched = scipy.ndimage.binary_dilation(value > 0, np.ones((3, 3), bool))
    distance = scipy.ndimage.distance_transform_edt(~touched).astype(np.float32)
    x, y = b.centroid
    return ShapeMaps(squares, distance, x + MARGIN, y + MARGIN)


def displacements(points: npt.NDArray[np.float64], half: float, half_angle: float) -> npt.NDArray[np.float64]:
    """The bound d(p) of each point in a cell of these half widths, (n,) pixels."""
    return np.hypot(points[0], points[1]) * half_angle + math.sqrt(2) * half


def pixel_blocks(points: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Pixels gathered into squares of `side`: (4, n) x and y of the middle, number of pixels, radius of the square."""
    if side == 1:
        return np.vstack([points, np.zeros(points.shape[1])])
    corner = np.floor((points[:2] - points[:2].min(1, keepdims=True) + 0.5) / side).astype(np.int64)
    places, counts = np.unique(corner, axis=1, return_counts=True)
    middle = places * side + (side - 1) / 2 + points[:2].min(1, keepdims=True)
    return np.vstack([middle, counts, np.full(len(counts), (side - 1) / math.sqrt(2))])


@jit_strict
def mark_wide_cells(points, reach, distance, origin_x, origin_y, cells, target, left):  # type: ignore[no-untyped-def]
    """Mark in `left` the cells that may exceed the target: enough of their points have the second shape in reach.

    Args:
        points: (4, n) blocks, as `pixel_blocks` gives them.
        reach: (n,) pixels by which a point moves in a cell, with the radius of its block.
        distance, origin_x, origin_y: see `ShapeMaps`.
        cells: (k, 3) of one size.
        target: pixels.
        left: (k,) bool to write to.
    """
    rows, columns = distance.shape
    weight_of_all = points[2].sum()
    for k in range(len(cells)):
        cos, sin = math.cos(cells[k, 0]), math.sin(cells[k, 0])
        start_u, start_v = origin_x - cells[k, 1], origin_y - cells[k, 2]
        missed = 0.0
        for i in range(points.shape[1]):
            u = cos * points[0, i] - sin * points[1, i] + start_u
            v = sin * points[0, i] + cos * points[1, i] + start_v
            near_u, near_v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
            column, row = int(near_u + 0.5), int(near_v + 0.5)
            # The distance map changes by no more than the distance moved on it.
            away = math.sqrt((u - column) ** 2 + (v - row) ** 2)
            if u == near_u and v == near_v:
                if distance[row, column] - away >= reach[i]:
                    missed += points[2, i]
            elif max(abs(u - near_u), abs(v - near_v)) >= reach[i]:  # outside the map there is nothing
                missed += points[2, i]
            if weight_of_all - missed <= target:
                break
        left[k] = weight_of_all - missed > target


@jit_strict
def bound_narrow_cells(  # type: ignore[no-untyped-def]
    points, squares, origin_x, origin_y, roots, half, half_angle, target, max_cells
):
    """Whether all cells below `roots` can be shown not to exceed the target, and how many were bounded.

    Depth first. `active[depth]` lists the points that are not settled for the cells of that depth, `number[depth]` of
    them, and `settled[depth]` is the sum of what the others contribute.

    Args:
        points: (3, n) x, y from the centroid of the first shape, and 1.
        squares, origin_x, origin_y: see `ShapeMaps`.
        roots: (k, 3) cells of half widths `half` and `half_angle`.
        target: pixels.
        max_cells: stop after so many.
    """
    count = points.shape[1]
    radius = np.sqrt(points[0] ** 2 + points[1] ** 2)
    active = np.empty((MAX_DEPTH + 2, count), dtype=np.int32)
    number = np.zeros(MAX_DEPTH + 2, dtype=np.int64)
    settled = np.zeros(MAX_DEPTH + 2)
    stack = np.empty((8 * (MAX_DEPTH + 2), 3))
    depths = np.empty(8 * (MAX_DEPTH + 2), dtype=np.int64)
    visited = 0
    number[0] = count
    for i in range(count):
        active[0, i] = i
    for root in range(len(roots)):
        stack[0] = roots[root]
        depths[0] = 0
        height = 1
        while height:
            height -= 1
            depth = depths[height]
            angle, shift_x, shift_y = stack[height, 0], stack[height, 1], stack[height, 2]
            h, h_angle = half / 2.0**depth, half_angle / 2.0**depth
            visited += 1
            if visited > max_cells or depth > MAX_DEPTH:
                return False, visited
            bound, number[depth + 1], settled[depth + 1] = cell_bound(
                *(points, radius, squares, origin_x - shift_x, origin_y - shift_y, angle, h, h_angle),
                *(active[depth, : number[depth]], settled[depth], active[depth + 1]),
            )
            if bound <= target:
                continue
            for part in range(8):
                stack[height, 0] = angle + (h_angle if part & 1 else -h_angle) / 2
                stack[height, 1] = shift_x + (h if part & 2 else -h) / 2
                stack[height, 2] = shift_y + (h if part & 4 else -h) / 2
                depths[height] = depth + 1
                height += 1
    return True, visited


@jit_strict
def cell_bound(  # type: ignore[no-untyped-def]
    points, radius, squares, start_u, start_v, angle, h, h_angle, active, settled, unsettled
):
    """Upper bound of the overlap in one narrow cell.

    A point falls on (u, v) = R^T p + start. In its square of pixels f is bilinear, with value f, derivatives f_u and
    f_v, and mixed derivative f_uv; let g be the largest gradient nearby and d the displacement d(p). Then

    - first order:  sum of min(1, f + g d);
    - second order: sum of f + (|sum f_u| + |sum f_v|) h + |sum (x f_v - y f_u)| h_angle + sum of remainders,

    where (x, y) = R^T p, so that x f_v - y f_u is the derivative with respect to the angle. The remainder of a point is
    the sum of |f_uv| d^2 / 2, as a bilinear function departs from its tangent plane by f_uv du dv; of
    g |p| h_angle^2 / 2, as an arc departs from its tangent by at most |p| h_angle^2 / 2; and, for each axis, of the
    largest rise of the derivative across a side of the square times the part of d beyond that side.

    Args:
        points, radius: (3, n) x, y, 1, and (n,) distances from the centroid.
        squares: see `ShapeMaps`.
        start_u, start_v: column and row of the image at which the centroid falls.
        angle, h, h_angle: angle of the cell's middle, and its half widths.
        active: (m,) indices of the points that are not settled, whose number and sum are returned for the parts.
        settled: what the others contribute.
        unsettled: (n,) to write the indices of the points to that are not settled in the cell's parts.

    Returns:
        The bound, the number of points that are not settled, and what the others contribute.
    """
    rows, columns = squares.shape[0], squares.shape[1]
    cos, sin = math.cos(angle), math.sin(angle)
    first, value, rest = settled, settled, 0.0
    slope_u, slope_v, slope_angle = 0.0, 0.0, 0.0
    count, constant = 0, settled
    for i in active:
        x, y = cos * points[0, i] - sin * points[1, i], sin * points[0, i] + cos * points[1, i]
        u, v = x + start_u, y + start_v
        if u < 2.0 or v < 2.0 or u >= columns - 3.0 or v >= rows - 3.0:  # empty: the margin exceeds the displacement
            continue
        column, row = int(u), int(v)
        square = squares[row, column]
        fu, fv = u - column, v - row
        here = square[0] + square[1] * fu + (square[2] + square[3] * fu) * fv
        steepest = square[4]
        if steepest == 0.0:
            constant += here
            first += here
            value += here
            continue
        unsettled[count] = i
        count += 1
        d = radius[i] * h_angle + 1.4142135623730951 * h
        first += min(1.0, here + steepest * d)
        value += here
        along_u, along_v = square[1] + square[3] * fv, square[2] + square[3] * fu
        slope_u += along_u
        slope_v += along_v
        slope_angle += x * along_v - y * along_u
        rest += 0.5 * (square[5] * d * d + steepest * radius[i] * h_angle * h_angle)
        rest += max(square[6] * max(0.0, d - fu), square[7] * max(0.0, d - 1.0 + fu))
        rest += max(square[8] * max(0.0, d - fv), square[9] * max(0.0, d - 1.0 + fv))
    second = value + (abs(slope_u) + abs(slope_v)) * h + abs(slope_angle) * h_angle + rest
    return min(first, second), count, constant
