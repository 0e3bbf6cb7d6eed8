"""Compiled inner loops over pixels: images to interpolate, the overlap at a pose, and its refinement by Nelder-Mead.

Poses (angle, x, y) follow the convention of :mod:`metricvae.metrics.overlap.solver.poses`: radians counter-clockwise
on screen, then pixels right and down, about an origin in each object (the centroids). The first object is a list of
points, the second a `LookupImage`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.runtime.jit import jit_fast

BORDER = 2
"""Zero pixels around every image, enough for a bilinear interpolation clamped to the border."""

MAX_LEVEL = 255
"""Highest grey level of a `LookupImage`; a mask of 0 and 1 is represented exactly."""

GreyLevels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Single = np.float32


class LookupImage(NamedTuple):
    """An image to interpolate, and the origin of its object.

    Attributes:
        quads: (rows * columns,) int32; entry k packs the grey levels of pixel k and of its right, lower and lower
            right neighbours, a byte each: one memory access gives all that bilinear interpolation needs.
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


def lookup_image(levels: GreyLevels, origin_x: float, origin_y: float) -> LookupImage:
    """A `LookupImage` of grey levels (H, W) from 0 to `MAX_LEVEL`, with `BORDER` zero pixels around it.

    Args:
        levels: (H, W) uint8.
        origin_x, origin_y: column and row of the object's origin in `levels`, pixels.
    """
    rows, columns = levels.shape[0] + 2 * BORDER, levels.shape[1] + 2 * BORDER
    quads, sums = _lookup_arrays(np.ascontiguousarray(levels))
    return LookupImage(quads, sums, rows, columns, origin_x + BORDER, origin_y + BORDER)


@jit_fast
def _lookup_arrays(levels: GreyLevels) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The arrays `LookupImage.quads` and `LookupImage.sums` of grey levels (H, W)."""
    rows, columns = levels.shape[0] + 2 * BORDER, levels.shape[1] + 2 * BORDER
    quads, sums = np.zeros(rows * columns, np.int32), np.zeros(rows * columns, np.float32)
    half = np.float32(0.5 / MAX_LEVEL)
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
def measure_mask(mask: GreyLevels) -> tuple[int, float, float, float, int, int, int, int]:
    """Area, centroid, radius and bounding box of a mask (H, W); zeros for a blank one.

    Returns:
        Pixels set; mean column and mean row; the largest distance of a pixel from there; first row, end of rows, first
        column, end of columns.
    """
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
def downsample(mask: GreyLevels, factor: int) -> GreyLevels:
    """Grey levels of a mask (H, W) with `factor` x `factor` pixels averaged into one, padded with zeros at the end."""
    rows, columns = -(-mask.shape[0] // factor), -(-mask.shape[1] // factor)
    counts = np.zeros((rows, columns), np.int32)
    for row in range(mask.shape[0]):
        for column in range(columns):
            for k in range(column * factor, min(column * factor + factor, mask.shape[1])):
                counts[row // factor, column] += mask[row, k]
    return (counts * (MAX_LEVEL / factor**2) + 0.5).astype(np.uint8)


@jit_fast
def foreground_points(mask: GreyLevels, count: int, origin_x: float, origin_y: float) -> Points:
    """Coordinates of the `count` pixels set in a mask: (2, count), x and y from the origin in pixels."""
    points = np.empty((2, count), np.float32)
    k = 0
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if mask[row, column]:
                points[0, k], points[1, k] = column - origin_x, row - origin_y
                k += 1
    return points


@jit_fast
def lookup_transform(image: LookupImage, pose: Vector) -> tuple[Single, Single, Single, Single]:
    """The inverse of a pose as a map from points of the first object to pixels of the image, float32.

    A point p of the first object lies at R^T (p - t) of the second. So p = (x, y) falls on column
    c x - s y + start_u and row s x + c y + start_v of the image, where (start_u, start_v) = (image.x, image.y) - R^T t.

    Returns:
        c, s, start_u, start_v: cosine and sine of the angle, and the pixel of the first object's origin.
    """
    cos, sin = math.cos(pose[0]), math.sin(pose[0])
    start_u = np.float32(image.x - (cos * pose[1] - sin * pose[2]))
    start_v = np.float32(image.y - (sin * pose[1] + cos * pose[2]))
    return np.float32(cos), np.float32(sin), start_u, start_v


@jit_fast
def bilinear_corners(
    image: LookupImage, u: Single, v: Single
) -> tuple[np.int32, Single, Single, Single, Single, Single, Single]:
    """The four pixels around column u, row v (float32, clamped to the image) that bilinear interpolation needs.

    Returns:
        The index of the first pixel; the fractions fu and fv of u and v; the level of the first pixel, the level at u
        in its row, and both in the row below. The bilinear value is top + (bottom - top) * fv, with top and bottom
        the levels at u.
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
def overlap_at(points: Points, image: LookupImage, pose: Vector) -> float:
    """Overlap of the first object (its foreground points) with the second (its image) at a pose, in pixels.

    sum over points p of  bilinear(image, R^T (p - (x, y)) + origin)

    The product of the two tent functions of bilinear interpolation is the area common to two unit squares that are
    shifted against each other, so at 0 and 90 degrees this is the exact area common to both pixel shapes.

    Args:
        points: (2, n) float32 from the first object's origin.
        image: the second object.
        pose: (3,) angle in radians, x and y in pixels.
    """
    c, s, start_u, start_v = lookup_transform(image, pose)
    total = np.float32(0.0)
    for i in range(points.shape[1]):
        px, py = points[0, i], points[1, i]
        _, _, fv, _, top, _, bottom = bilinear_corners(image, c * px - s * py + start_u, s * px + c * py + start_v)
        total += top + (bottom - top) * fv
    return float(total) / MAX_LEVEL


@jit_fast
def nelder_mead(points: Points, image: LookupImage, pose: Vector, steps: Vector, evaluations: int) -> float:
    """Move `pose` (changed in place) to a local maximum of the overlap; returns the overlap there, in pixels.

    The simplex search of J. A. Nelder and R. Mead, *A simplex method for function minimization* (1965): the overlap
    has ridges and cusps where edges coincide, on which a search along the axes stops early.

    Args:
        points, image: the two objects, as in `overlap_at`.
        pose: (3,) pose to start from.
        steps: (3,) size of the first simplex: radians, pixels, pixels.
        evaluations: of the overlap; at least 4 are made, and at most 4 more than this.
    """
    simplex, values = np.empty((4, 3)), np.empty(4)
    for i in range(4):
        simplex[i] = pose
        if i > 0:
            simplex[i, i - 1] += steps[i - 1]
        values[i] = overlap_at(points, image, simplex[i])
    used = 4
    while True:
        order = np.argsort(-values)
        simplex, values = simplex[order], values[order]
        if used >= evaluations or values[0] - values[3] <= 2e-6 * values[0]:
            break
        middle = (simplex[0] + simplex[1] + simplex[2]) / 3
        away = middle - simplex[3]
        reflected = middle + away
        value = overlap_at(points, image, reflected)
        used += 1
        if values[2] < value <= values[0]:
            simplex[3], values[3] = reflected, value
            continue
        factor = 2.0 if value > values[0] else 0.5 if value > values[3] else -0.5
        trial = middle + factor * away
        tried = overlap_at(points, image, trial)
        used += 1
        if tried > max(value, values[3]):
            simplex[3], values[3] = trial, tried
        elif value > values[0]:
            simplex[3], values[3] = reflected, value
        else:
            for i in range(1, 4):
                simplex[i] = (simplex[i] + simplex[0]) / 2
                values[i] = overlap_at(points, image, simplex[i])
            used += 3
    pose[:] = simplex[0]
    return float(values[0])


@jit_fast
def sample_rotated(
    image: LookupImage, angles: Vector, spacing: float, reach: int, out: npt.NDArray[np.float32]
) -> None:
    """Grey levels of the object rotated by each angle, sampled on a square grid about its origin.

    Args:
        image: the object.
        angles: (k,) radians counter-clockwise.
        spacing: pixels between two samples.
        reach: samples from the origin to each side.
        out: (2 reach + 1, k, 2 reach + 1) to write to: row, rotation, column.
    """
    for k in range(len(angles)):
        cos, sin = math.cos(angles[k]), math.sin(angles[k])
        step_u, step_v = np.float32(cos * spacing), np.float32(sin * spacing)
        for i in range(2 * reach + 1):
            y = (i - reach) * spacing
            base_u, base_v = np.float32(image.x - sin * y), np.float32(image.y + cos * y)
            for j in range(2 * reach + 1):
                d = np.float32(j - reach)
                _, _, fv, _, top, _, bottom = bilinear_corners(image, base_u + step_u * d, base_v + step_v * d)
                out[i, k, j] = top + (bottom - top) * fv
