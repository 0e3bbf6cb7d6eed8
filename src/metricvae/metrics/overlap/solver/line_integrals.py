"""The overlap along an outline: by the divergence theorem, a sum over a shape's edge in place of one over its pixels.

    integral over A of b  =  sum over chords of A's outline of  (normal along u) * (integral of b along its row up to u)

and how the overlap changes when A moves is what b holds at the outline, times the outline's normal. A silhouette
of 200 x 200 pixels has ten times as many pixels as it has chords of two pixels.

Poses and images are those of :mod:`metricvae.metrics.overlap.solver.kernels`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.kinds.silhouette.outlines import Outline
from metricvae.metrics.overlap.solver.kernels import LEVELS, Grey, Vector, corners, frame_of
from metricvae.runtime.jit import jit_fast


@jit_fast
def slopes_along(outline: Outline, image: Grey, pose: Vector, slopes: Vector) -> None:
    """Derivatives of the overlap after angle (a radian), x and y (a pixel), in pixels, written to `slopes` (3,)."""
    c, s, start_u, start_v = frame_of(image, pose)
    zero = np.float32(0.0)
    along_x, along_y, turning = zero, zero, zero
    for i in range(outline.shape[1]):
        px, py, normal_x, normal_y = outline[0, i], outline[1, i], outline[2, i], outline[3, i]
        _, _, fv, _, top, _, bottom = corners(image, c * px - s * py + start_u, s * px + c * py + start_v)
        value = top + (bottom - top) * fv
        push_x, push_y = value * normal_x, value * normal_y
        along_x -= push_x
        along_y -= push_y
        turning += push_y * px - push_x * py
    slopes[1], slopes[2] = along_x / LEVELS, along_y / LEVELS
    slopes[0] = turning / LEVELS + pose[1] * slopes[2] - pose[2] * slopes[1]


@jit_fast
def overlap_along(outline: Outline, image: Grey, pose: Vector) -> float:
    """Overlap of the shape behind an outline with an image at a frame pose, in pixels: `overlap_at` to about 0.1 %."""
    c, s, start_u, start_v = frame_of(image, pose)
    half, sums, columns = np.float32(0.5 / LEVELS), image.sums, np.int32(image.columns)
    total = np.float32(0.0)
    for i in range(outline.shape[1]):
        px, py, normal_x, normal_y = outline[0, i], outline[1, i], outline[2, i], outline[3, i]
        k, fu, fv, here, top, below, bottom = corners(image, c * px - s * py + start_u, s * px + c * py + start_v)
        upper, lower = sums[k] + half * fu * (here + top), sums[k + columns] + half * fu * (below + bottom)
        total += (c * normal_x - s * normal_y) * (upper + (lower - upper) * fv)
    return float(total)


@jit_fast
def ascend(
    outline: Outline, judged: Outline, image: Grey, frames: npt.NDArray[np.float64], steps: Vector, rounds: int
) -> Vector:
    """Walk every frame (k, 3) uphill, in place; returns the overlap along `judged` that each reaches, (k,).

    Resilient steps (Rprop: M. Riedmiller and H. Braun 1993): each coordinate moves by a length of its own in the
    direction its slope points to; the length grows while the slope keeps its sign and shrinks when it turns. Only signs
    count, so the ridges and cusps where edges coincide cost no more than smooth hills.
    """
    reached = np.empty(len(frames))
    slopes, before = np.zeros(3), np.zeros(3)
    for k in range(len(frames)):
        pose, length = frames[k], steps.copy()
        before[:] = 0.0
        for _ in range(rounds):
            slopes_along(outline, image, pose, slopes)
            for axis in range(3):
                sign = np.sign(slopes[axis])
                if sign * before[axis] > 0:
                    length[axis] = min(1.2 * length[axis], 2.0 * steps[axis])
                elif sign * before[axis] < 0:
                    length[axis] *= 0.4
                before[axis] = sign
                pose[axis] += sign * length[axis]
        reached[k] = overlap_along(judged, image, pose)
    return reached
