"""Compiled inner loops on pixels: images to look up, the overlap at a pose, and the last steps to the best pose.

A *frame* pose (angle, x, y) maps a point p of the second object, measured from its own origin, to R p + (x, y),
measured from the origin of the first, with R = [[cos, sin], [-sin, cos]] (rows run downwards, so this turns
counter-clockwise on screen). The first object is a list of points, the second a `Grey` image.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.runtime.jit import jit_fast

BORDER = 2
"""Zero pixels around every image, enough for a bilinear look-up that was clamped to the border."""

LEVELS = 255
"""Grey levels of a `Grey` image; a mask of 0 and 1 is kept exactly."""

Levels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Single = np.float32


class Grey(NamedTuple):
    """An image to look values up in, and the origin of its object.

    Attributes:
        quads: (rows * columns,) int32; entry k packs the grey levels of pixel k, of its right and lower neighbours and
            of the one between these, a byte each: one memory access gives all that a bilinear look-up needs.
        sums: (rows * columns,) float32; the integral of the interpolated row from its start to each pixel centre.
        rows, columns: size, borders included.
        x, y: the origin, in pixels from the first pixel centre, borders included.
    """

    quads: npt.NDArray[np.int32]
    sums: npt.NDArray[np.float32]
    rows: int
    columns: int
    x: float
    y: float


def grey(levels: Levels, origin_x: float, origin_y: float) -> Grey:
    """Image (H, W) of grey levels from 0 to `LEVELS`, bordered, with an origin in it."""
    rows, columns = levels.shape[0] + 2 * BORDER, levels.shape[1] + 2 * BORDER
    quads, sums = _look_ups(np.ascontiguousarray(levels))
    return Grey(quads, sums, rows, columns, origin_x + BORDER, origin_y + BORDER)


@jit_fast
def _look_ups(levels: Levels) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """`Grey.quads` and `Grey.sums`."""
    rows, columns = levels.shape[0] + 2 * BORDER, levels.shape[1] + 2 * BORDER
    quads, sums = np.zeros(rows * columns, np.int32), np.zeros(rows * columns, np.float32)
    half = np.float32(0.5 / LEVELS)
    for i in range(levels.shape[0]):
        first = (i + BORDER) * columns + BORDER
        total, before = np.float32(0.0), np.float32(0.0)
        for j in range(levels.shape[1]):
            k, level = first + j, np.int32(levels[i, j])
            quads[k] |= level
            quads[k - 1] |= level << np.int32(8)
            quads[k - columns] |= level << np.int32(16)
            quads[k - columns - 1] |= level << np.int32(24)
            total += half * (before + np.float32(level))
            before = np.float32(level)
            sums[k] = total
        sums[first + levels.shape[1] : first + columns - BORDER] = total + half * before
    return quads, sums


@jit_fast
def measure(mask: Levels) -> tuple[int, float, float, float, int, int, int, int]:
    """Of a mask (H, W): pixels set, mean column and row, the largest distance of a pixel from there, and its box (first
    row, end of rows, first column, end of columns). No pixels set: zeros."""
    count, sum_x, sum_y = 0, 0, 0
    top, bottom, left, right = mask.shape[0], 0, mask.shape[1], 0
    ends = np.zeros((mask.shape[0], 2), np.int64)
    for row in range(mask.shape[0]):
        here, start, end = 0, -1, 0
        for column in range(mask.shape[1]):
            if mask[row, column]:
                here += 1
                sum_x += column
                start = column if start < 0 else start
                end = column + 1
        if here:
            count += here
            sum_y += here * row
            top, bottom, left, right = min(top, row), row + 1, min(left, start), max(right, end)
        ends[row, 0], ends[row, 1] = start, end
    if count == 0:
        return 0, 0.0, 0.0, 0.0, 0, 0, 0, 0
    x, y = sum_x / count, sum_y / count
    farthest = 0.0
    for row in range(top, bottom):
        if ends[row, 1]:
            across = max(x - ends[row, 0], ends[row, 1] - 1 - x)
            farthest = max(farthest, across**2 + (row - y) ** 2)
    return count, x, y, math.sqrt(farthest), top, bottom, left, right


@jit_fast
def shrink(mask: Levels, factor: int) -> Levels:
    """Mask (H, W) -> grey levels, `factor` x `factor` pixels averaged into one; the last ones are filled up with 0."""
    rows, columns = -(-mask.shape[0] // factor), -(-mask.shape[1] // factor)
    counts = np.zeros((rows, columns), np.int32)
    for row in range(mask.shape[0]):
        for column in range(columns):
            for k in range(column * factor, min(column * factor + factor, mask.shape[1])):
                counts[row // factor, column] += mask[row, k]
    return (counts * (LEVELS / factor**2) + 0.5).astype(np.uint8)


@jit_fast
def foreground(mask: Levels, count: int, origin_x: float, origin_y: float) -> Points:
    """The `count` pixels set in a mask: (2, count), x and y from the origin."""
    points = np.empty((2, count), np.float32)
    k = 0
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if mask[row, column]:
                points[0, k], points[1, k] = column - origin_x, row - origin_y
                k += 1
    return points


@jit_fast
def frame_of(image: Grey, pose: Vector) -> tuple[Single, Single, Single, Single]:
    """Cosine and sine of a frame pose, and the column and row of the image where the first object's origin falls: its
    point (x, y) falls on column c x - s y + start_u, row s x + c y + start_v. All float32."""
    cos, sin = math.cos(pose[0]), math.sin(pose[0])
    start_u = np.float32(image.x - (cos * pose[1] - sin * pose[2]))
    start_v = np.float32(image.y - (sin * pose[1] + cos * pose[2]))
    return np.float32(cos), np.float32(sin), start_u, start_v


@jit_fast
def corners(image: Grey, u: Single, v: Single) -> tuple[np.int32, Single, Single, Single, Single, Single, Single]:
    """The square of pixels around column u, row v (float32), which are kept on the image.

    Returns:
        The index of its first pixel; how far u and v lie in it; grey levels of the first pixel, and at u in the same
        row, and of both in the row below. (level at u below - level at u) * share of v + level at u is bilinear.
    """
    zero, byte = np.float32(0.0), np.int32(255)
    u = min(max(u, zero), np.float32(image.columns - 1.001))
    v = min(max(v, zero), np.float32(image.rows - 1.001))
    column, row = np.int32(u), np.int32(v)
    fu, fv = u - np.float32(column), v - np.float32(row)
    k = row * np.int32(image.columns) + column
    quad = image.quads[k]
    here, right = np.float32(quad & byte), np.float32((quad >> np.int32(8)) & byte)
    below, across = np.float32((quad >> np.int32(16)) & byte), np.float32((quad >> np.int32(24)) & byte)
    return k, fu, fv, here, here + (right - here) * fu, below, below + (across - below) * fu


@jit_fast
def overlap_at(points: Points, image: Grey, pose: Vector) -> float:
    """Overlap of the first object (its foreground points) with the second (its image) at a frame pose, in pixels.

    sum over points p of  bilinear(image, R^-1 (p - (x, y)) + origin)

    The product of the two tent functions of bilinear interpolation is what two unit squares share when they
    are shifted against each other, so at 0 and 90 degrees this is the exact area common to both pixel shapes.
    """
    c, s, start_u, start_v = frame_of(image, pose)
    total = np.float32(0.0)
    for i in range(points.shape[1]):
        px, py = points[0, i], points[1, i]
        _, _, fv, _, top, _, bottom = corners(image, c * px - s * py + start_u, s * px + c * py + start_v)
        total += top + (bottom - top) * fv
    return float(total) / LEVELS


@jit_fast
def polish(points: Points, image: Grey, pose: Vector, steps: Vector, looks: int) -> float:
    """Move `pose` (changed in place) to the best overlap near by; returns the overlap there.

    The simplex search of Nelder and Mead (1965): the overlap has ridges and cusps where edges coincide, on which
    a search along the axes stops early. At least 4 looks, at most 4 more than `looks`.

    Args:
        points, image: the two objects, as in `overlap_at`.
        pose: (3,) frame pose to begin with.
        steps: (3,) size of the first simplex: radians, pixels, pixels.
        looks: how often to compute the overlap.
    """
    corners, values = np.empty((4, 3)), np.empty(4)
    for i in range(4):
        corners[i] = pose
        if i > 0:
            corners[i, i - 1] += steps[i - 1]
        values[i] = overlap_at(points, image, corners[i])
    used = 4
    while True:
        order = np.argsort(-values)
        corners, values = corners[order], values[order]
        if used >= looks or values[0] - values[3] <= 2e-6 * values[0]:
            break
        middle = (corners[0] + corners[1] + corners[2]) / 3
        away = middle - corners[3]
        reflected = middle + away
        value = overlap_at(points, image, reflected)
        used += 1
        if values[2] < value <= values[0]:
            corners[3], values[3] = reflected, value
            continue
        factor = 2.0 if value > values[0] else 0.5 if value > values[3] else -0.5
        trial = middle + factor * away
        tried = overlap_at(points, image, trial)
        used += 1
        if tried > max(value, values[3]):
            corners[3], values[3] = trial, tried
        elif value > values[0]:
            corners[3], values[3] = reflected, value
        else:
            for i in range(1, 4):
                corners[i] = (corners[i] + corners[0]) / 2
                values[i] = overlap_at(points, image, corners[i])
            used += 3
    pose[:] = corners[0]
    return float(values[0])


@jit_fast
def sample_turned(image: Grey, angles: Vector, pitch: float, reach: int, out: npt.NDArray[np.float32]) -> None:
    """Grey levels of the object turned by each angle (radians), on grids of `pitch` pixels about its origin.

    `out` is (2 reach + 1, len(angles), 2 reach + 1): row, turn, column.
    """
    for turn in range(len(angles)):
        cos, sin = math.cos(angles[turn]), math.sin(angles[turn])
        step_u, step_v = np.float32(cos * pitch), np.float32(sin * pitch)
        for i in range(2 * reach + 1):
            y = (i - reach) * pitch
            base_u, base_v = np.float32(image.x - sin * y), np.float32(image.y + cos * y)
            for j in range(2 * reach + 1):
                d = np.float32(j - reach)
                _, _, fv, _, top, _, bottom = corners(image, base_u + step_u * d, base_v + step_v * d)
                out[i, turn, j] = top + (bottom - top) * fv
