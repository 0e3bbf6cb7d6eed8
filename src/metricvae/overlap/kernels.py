"""Compiled inner loops of the planar overlap: sampling a moved image, and the overlap at a pose.

Images are float32 with a border of `BORDER` zero pixels, so a look-up never tests whether it is inside.
A *frame* pose (cos, sin, x, y) maps a point p of the second image, measured from its own origin, to
R p + (x, y), measured from the origin of the first image, with R = [[cos, sin], [-sin, cos]] (rows run
downwards, so this turns counter-clockwise on screen).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

BORDER = 2
"""Zero pixels around every image, enough for a bilinear look-up that was clamped to the border."""

Image = npt.NDArray[np.float32]
Points = npt.NDArray[np.float32]

_jit = njit(cache=True, fastmath=True, nogil=True, error_model="numpy")


def bordered(image: npt.ArrayLike) -> Image:
    """Image (H, W) with `BORDER` zero pixels on every side, float32."""
    return np.pad(np.asarray(image, dtype=np.float32), BORDER)


def foreground(image: npt.NDArray[np.float32], origin_x: float, origin_y: float) -> Points:
    """Non-zero pixels as a (3, n) array: x, y from the origin (pixels), and the pixel's weight."""
    rows, columns = np.nonzero(image)
    return np.stack([columns - origin_x, rows - origin_y, image[rows, columns]]).astype(np.float32)


@_jit
def overlap_at(
    points: Points, image: Image, origin_x: float, origin_y: float, cos: float, sin: float, x: float, y: float
) -> float:
    """Overlap of the first object (its foreground points) with the second (its image) at a frame pose, in pixels.

    sum over points p of  weight(p) * bilinear(image, R^-1 (p - (x, y)) + origin)

    The product of the two tent functions of bilinear interpolation is what two unit squares share when they
    are shifted against each other, so at 0 and 90 degrees this is the exact area common to both pixel shapes.
    """
    rows, columns = image.shape
    limit_u = np.float32(columns - 1.001)
    limit_v = np.float32(rows - 1.001)
    c, s = np.float32(cos), np.float32(sin)
    start_u = np.float32(origin_x + BORDER - (cos * x - sin * y))
    start_v = np.float32(origin_y + BORDER - (sin * x + cos * y))
    flat = image.ravel()
    zero, one = np.float32(0.0), np.float32(1.0)
    total = zero
    for i in range(points.shape[1]):
        px, py = points[0, i], points[1, i]
        u = min(max(c * px - s * py + start_u, zero), limit_u)
        v = min(max(s * px + c * py + start_v, zero), limit_v)
        column, row = np.int32(u), np.int32(v)
        fu, fv = u - np.float32(column), v - np.float32(row)
        k = row * np.int32(columns) + column
        top = flat[k] * (one - fu) + flat[k + 1] * fu
        bottom = flat[k + columns] * (one - fu) + flat[k + columns + 1] * fu
        total += points[2, i] * (top * (one - fv) + bottom * fv)
    return float(total)


@_jit
def sample(
    image: Image, origin_x: float, origin_y: float, cos: float, sin: float, spacing: float, reach: int, out: Image
) -> None:
    """Sample a turned image on a grid of the given spacing (pixels), its origin at the centre of `out`.

    `out` (n, n) is overwritten; only cells within `reach` of the centre can be non-zero.
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
def climb(
    points: Points,
    image: Image,
    origin_x: float,
    origin_y: float,
    pose: npt.NDArray[np.float64],
    angle_step: float,
    shift_step: float,
    halvings: int,
) -> float:
    """Pattern search: walk `pose` (angle in radians, x, y; changed in place) uphill and return the overlap there.

    Each round tries a step either way along the angle and both shifts and keeps what gains; a round without
    gain halves the steps, `halvings` times.
    """
    best = overlap_at(points, image, origin_x, origin_y, math.cos(pose[0]), math.sin(pose[0]), pose[1], pose[2])
    steps = np.array([angle_step, shift_step, shift_step])
    trial = pose.copy()
    for _ in range(halvings + 1):
        for _round in range(20):
            gained = False
            for axis in range(3):
                for sign in (1.0, -1.0):
                    moved = False
                    while True:
                        trial[:] = pose
                        trial[axis] += sign * steps[axis]
                        value = overlap_at(
                            points,
                            image,
                            origin_x,
                            origin_y,
                            math.cos(trial[0]),
                            math.sin(trial[0]),
                            trial[1],
                            trial[2],
                        )
                        if value <= best:
                            break
                        best = value
                        pose[:] = trial
                        gained = moved = True
                    if moved:
                        break
            if not gained:
                break
        steps *= 0.5
    return best
