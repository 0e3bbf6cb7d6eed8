"""Compiled inner loops of the planar overlap: the overlap at a pose, its slopes, walks uphill, scans.

A *frame* pose (angle, x, y) maps a point p of the second object, measured from its own origin, to R p + (x, y),
measured from the origin of the first, with R = [[cos, sin], [-sin, cos]] (rows run downwards, so this turns
counter-clockwise on screen). The first object is a list of points, the second a `Grey` image.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

BORDER = 2
"""Zero pixels around every image, enough for a bilinear look-up that was clamped to the border."""

LEVELS = 255
"""Grey levels of a `Grey` image; a mask of 0 and 1 is kept exactly."""

Image = npt.NDArray[np.float32]
Points = npt.NDArray[np.float32]
Spectra = npt.NDArray[np.complex64]
Vector = npt.NDArray[np.float64]

_jit = njit(cache=True, fastmath=True, nogil=True, error_model="numpy")


class Grey(NamedTuple):
    """An image to look values up in, and the origin of its object.

    Attributes:
        quads: (rows * columns,) int32; entry k packs the grey levels of pixel k, of its right and lower neighbours and
            of the one between these, a byte each: one memory access gives all that a bilinear look-up needs.
        rows, columns: size, borders included.
        x, y: the origin, in pixels from the first pixel centre, borders included.
    """

    quads: npt.NDArray[np.int32]
    rows: int
    columns: int
    x: float
    y: float


def grey(image: npt.ArrayLike, origin_x: float, origin_y: float) -> Grey:
    """Image (H, W) of values in [0, 1] with an origin in it, cut to `LEVELS` grey levels and bordered."""
    level = np.rint(bordered(image) * LEVELS).astype(np.uint32)
    quads = level.copy()
    quads[:, :-1] |= level[:, 1:] << 8
    quads[:-1] |= level[1:] << 16
    quads[:-1, :-1] |= level[1:, 1:] << 24
    rows, columns = level.shape
    return Grey(quads.ravel().view(np.int32), rows, columns, origin_x + BORDER, origin_y + BORDER)


def bordered(image: npt.ArrayLike) -> Image:
    """Image (H, W) with `BORDER` zero pixels on every side, float32."""
    return np.pad(np.asarray(image, dtype=np.float32), BORDER)


def foreground(image: npt.NDArray[np.float32], origin_x: float, origin_y: float) -> Points:
    """Non-zero pixels as a (3, n) array: x, y from the origin (pixels), and the pixel's weight."""
    rows, columns = np.nonzero(image)
    return np.stack([columns - origin_x, rows - origin_y, image[rows, columns]]).astype(np.float32)


@_jit
def overlap_at(points: Points, image: Grey, pose: Vector) -> float:
    """Overlap of the first object (its foreground points) with the second (its image) at a frame pose, in pixels.

    sum over points p of  weight(p) * bilinear(image, R^-1 (p - (x, y)) + origin)

    The product of the two tent functions of bilinear interpolation is what two unit squares share when they
    are shifted against each other, so at 0 and 90 degrees this is the exact area common to both pixel shapes.
    """
    cos, sin = math.cos(pose[0]), math.sin(pose[0])
    c, s = np.float32(cos), np.float32(sin)
    start_u = np.float32(image.x - (cos * pose[1] - sin * pose[2]))
    start_v = np.float32(image.y - (sin * pose[1] + cos * pose[2]))
    limit_u, limit_v = np.float32(image.columns - 1.001), np.float32(image.rows - 1.001)
    columns, byte, zero = np.int32(image.columns), np.int32(255), np.float32(0.0)
    quads = image.quads
    total = zero
    for i in range(points.shape[1]):
        px, py = points[0, i], points[1, i]
        u = min(max(c * px - s * py + start_u, zero), limit_u)
        v = min(max(s * px + c * py + start_v, zero), limit_v)
        column, row = np.int32(u), np.int32(v)
        fu, fv = u - np.float32(column), v - np.float32(row)
        quad = quads[row * columns + column]
        here, right = np.float32(quad & byte), np.float32((quad >> np.int32(8)) & byte)
        below, across = np.float32((quad >> np.int32(16)) & byte), np.float32((quad >> np.int32(24)) & byte)
        top, bottom = here + (right - here) * fu, below + (across - below) * fu
        total += points[2, i] * (top + (bottom - top) * fv)
    return float(total) / LEVELS


@_jit
def slopes_at(points: Points, image: Grey, pose: Vector, slopes: Vector) -> float:
    """`overlap_at`, and its derivatives after angle, x and y, written to `slopes` (3,), up to the factor `LEVELS`."""
    cos, sin = math.cos(pose[0]), math.sin(pose[0])
    c, s = np.float32(cos), np.float32(sin)
    start_u = np.float32(image.x - (cos * pose[1] - sin * pose[2]))
    start_v = np.float32(image.y - (sin * pose[1] + cos * pose[2]))
    limit_u, limit_v = np.float32(image.columns - 1.001), np.float32(image.rows - 1.001)
    origin_u, origin_v = np.float32(image.x), np.float32(image.y)
    columns, byte, zero = np.int32(image.columns), np.int32(255), np.float32(0.0)
    quads = image.quads
    total, along_u, along_v, turning = zero, zero, zero, zero
    for i in range(points.shape[1]):
        px, py, weight = points[0, i], points[1, i], points[2, i]
        u = min(max(c * px - s * py + start_u, zero), limit_u)
        v = min(max(s * px + c * py + start_v, zero), limit_v)
        column, row = np.int32(u), np.int32(v)
        fu, fv = u - np.float32(column), v - np.float32(row)
        quad = quads[row * columns + column]
        here, right = np.float32(quad & byte), np.float32((quad >> np.int32(8)) & byte)
        below, across = np.float32((quad >> np.int32(16)) & byte), np.float32((quad >> np.int32(24)) & byte)
        above_u, below_u = right - here, across - below
        top, bottom = here + above_u * fu, below + below_u * fu
        slope_u, slope_v = weight * (above_u + (below_u - above_u) * fv), weight * (bottom - top)
        total += weight * (top + (bottom - top) * fv)
        along_u += slope_u
        along_v += slope_v
        turning += (u - origin_u) * slope_v - (v - origin_v) * slope_u
    slopes[0] = turning
    slopes[1] = -c * along_u - s * along_v
    slopes[2] = s * along_u - c * along_v
    return float(total) / LEVELS


@_jit
def ascend(points: Points, image: Grey, frames: npt.NDArray[np.float64], steps: Vector, rounds: int) -> Vector:
    """Walk every frame (k, 3) uphill, in place; returns the overlap that each reaches, (k,).

    Resilient steps (Rprop: M. Riedmiller and H. Braun 1993): each coordinate moves by a length of its own in the
    direction its slope points to; the length grows while the slope keeps its sign and shrinks when it turns. Only signs
    count, so the ridges and cusps where edges coincide cost no more than smooth hills. The best pose seen is kept.
    """
    reached = np.empty(len(frames))
    slopes, before = np.zeros(3), np.zeros(3)
    for k in range(len(frames)):
        pose, length = frames[k].copy(), steps.copy()
        before[:] = 0.0
        best = -1.0
        for turn in range(rounds + 1):
            here = slopes_at(points, image, pose, slopes)
            if here > best:
                best = here
                frames[k] = pose
            if turn == rounds:
                break
            for axis in range(3):
                sign = np.sign(slopes[axis])
                if sign * before[axis] > 0:
                    length[axis] = min(1.2 * length[axis], 2.0 * steps[axis])
                elif sign * before[axis] < 0:
                    length[axis] *= 0.4
                before[axis] = sign
                pose[axis] += sign * length[axis]
        reached[k] = best
    return reached


@_jit
def climb(points: Points, image: Grey, pose: Vector, steps: Vector, halvings: int) -> float:
    """Pattern search: walk `pose` (changed in place) uphill and return the overlap there.

    Each round tries a step either way along the angle and both shifts and keeps what gains; a round without
    gain halves the steps, `halvings` times.
    """
    best = overlap_at(points, image, pose)
    lengths, trial, sign = steps.copy(), pose.copy(), np.ones(3)
    for _ in range(halvings + 1):
        for _round in range(20):
            gained = False
            for axis in range(3):
                for _way in range(2):
                    moved = False
                    while True:
                        trial[:] = pose
                        trial[axis] += sign[axis] * lengths[axis]
                        value = overlap_at(points, image, trial)
                        if value <= best:
                            break
                        best = value
                        pose[:] = trial
                        gained = moved = True
                    if moved:
                        break
                    sign[axis] = -sign[axis]
            if not gained:
                break
        lengths *= 0.5
    return best


@_jit
def sample(
    image: Image, origin_x: float, origin_y: float, cos: float, sin: float, spacing: float, reach: int, out: Image
) -> None:
    """Sample a turned image on a grid of the given spacing (pixels), its origin at the centre of `out`.

    `image` is `bordered`, its origin measured without the border. `out` (n, n) is overwritten; only cells within
    `reach` of the centre can be non-zero.
    """
    rows, columns = image.shape
    n = out.shape[0]
    middle = n // 2
    limit_u = np.float32(columns - 1.001)
    limit_v = np.float32(rows - 1.001)
    zero, one = np.float32(0.0), np.float32(1.0)
    step_u, step_v = np.float32(cos * spacing), np.float32(sin * spacing)
    flat = image.ravel()
    out[:, :] = zero
    low, high = max(middle - reach, 0), min(middle + reach + 1, n)
    for i in range(low, high):
        y = (i - middle) * spacing
        base_u = np.float32(origin_x + BORDER - sin * y)
        base_v = np.float32(origin_y + BORDER + cos * y)
        for j in range(low, high):
            d = np.float32(j - middle)
            u = min(max(base_u + step_u * d, zero), limit_u)
            v = min(max(base_v + step_v * d, zero), limit_v)
            column, row = np.int32(u), np.int32(v)
            fu, fv = u - np.float32(column), v - np.float32(row)
            k = row * np.int32(columns) + column
            top = flat[k] * (one - fu) + flat[k + 1] * fu
            bottom = flat[k + columns] * (one - fu) + flat[k + columns + 1] * fu
            out[i, j] = top * (one - fv) + bottom * fv


@_jit
def cross_spectra(still: Spectra, turning: Spectra, out: Spectra) -> None:
    """Spectra of the correlations of one image (n, m) with k turned ones (k, n, m), and with each turned half a circle
    more, written to `out` (2 k, n, m): still * conj(turning), then still * turning (a half turn conjugates)."""
    count = turning.shape[0]
    for k in range(count):
        for i in range(still.shape[0]):
            for j in range(still.shape[1]):
                a, b = still[i, j], turning[k, i, j]
                rr, ii, ir, ri = a.real * b.real, a.imag * b.imag, a.imag * b.real, a.real * b.imag
                out[k, i, j] = complex(rr + ii, ir - ri)
                out[count + k, i, j] = complex(rr - ii, ir + ri)


@_jit
def peaks(correlation: Image, apart: int, height: Image, at: npt.NDArray[np.int32]) -> None:
    """The two highest peaks of each (n, n) correlation of a stack (k, n, n), which wraps around.

    The second is the highest cell more than `apart` cells from the first, along rows or columns. Heights are written to
    `height` (k, 2), cells (row, column) to `at` (k, 2, 2).
    """
    n = correlation.shape[1]
    tops = np.empty(n, dtype=np.float32)
    for k in range(correlation.shape[0]):
        for row in range(n):
            tops[row] = correlation[k, row].max()
        row = int(np.argmax(tops))
        column = int(np.argmax(correlation[k, row]))
        height[k, 0] = tops[row]
        at[k, 0, 0], at[k, 0, 1] = row, column
        for i in range(-apart, apart + 1):  # rows near the first peak: what is left of them beside it
            near = (row + i + n) % n
            tops[near] = -np.inf
            for j in range(apart + 1, n - apart):
                tops[near] = max(tops[near], correlation[k, near, (column + j) % n])
        row = int(np.argmax(tops))
        first_row = at[k, 0, 0]
        beside = min((row - first_row + n) % n, (first_row - row + n) % n) <= apart
        height[k, 1] = -np.inf
        for j in range(apart + 1, n - apart) if beside else range(0, n):
            other = (column + j) % n
            if correlation[k, row, other] > height[k, 1]:
                height[k, 1] = correlation[k, row, other]
                at[k, 1, 0], at[k, 1, 1] = row, other
