"""The overlap along an outline: by the divergence theorem, a sum over a shape's edge in place of one over its pixels.

    integral over A of b  =  sum over segments of A's outline of  n_u * B(u, v),   B(u, v) = integral of b(., v) up to u

with (n_u, n_v) the outward normal of a segment, as long as the segment, and (u, v) its middle: the divergence theorem
for the field (B, 0). The gradient of the overlap with respect to a shift of A is the sum of b(u, v) times the normal,
and with respect to a rotation of A the sum of b(u, v) times the moment of the normal about the centre of rotation.
A silhouette of 200 x 200 pixels has ten times as many pixels as segments of two pixels.

Poses and images are those of :mod:`metricvae.metrics.overlap.solver.kernels`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.kinds.silhouette.outlines import Outline
from metricvae.metrics.overlap.solver.kernels import MAX_LEVEL, LookupImage, Vector, bilinear_corners, lookup_transform
from metricvae.runtime.jit import jit_fast


@jit_fast
def gradient_along(outline: Outline, image: LookupImage, pose: Vector, gradient: Vector) -> None:
    """Gradient of the overlap with respect to the pose, written to `gradient` (3,).

    The image is that of the second shape, so a shift of it by (x, y) shifts the outline of the first by -(x, y).

    Args:
        outline: (4, n) of the first shape.
        image: the second shape.
        pose: (3,) angle in radians, x and y in pixels.
        gradient: (3,) to write to: pixels of overlap per radian, and per pixel of x and of y.
    """
    c, s, start_u, start_v = lookup_transform(image, pose)
    zero = np.float32(0.0)
    along_x, along_y, moment = zero, zero, zero
    for i in range(outline.shape[1]):
        px, py, normal_x, normal_y = outline[0, i], outline[1, i], outline[2, i], outline[3, i]
        _, _, fv, _, top, _, bottom = bilinear_corners(image, c * px - s * py + start_u, s * px + c * py + start_v)
        value = top + (bottom - top) * fv
        push_x, push_y = value * normal_x, value * normal_y
        along_x -= push_x
        along_y -= push_y
        moment += push_y * px - push_x * py
    gradient[1], gradient[2] = along_x / MAX_LEVEL, along_y / MAX_LEVEL
    gradient[0] = moment / MAX_LEVEL + pose[1] * gradient[2] - pose[2] * gradient[1]


@jit_fast
def overlap_along(outline: Outline, image: LookupImage, pose: Vector) -> float:
    """Overlap of the shape inside an outline (4, n) with an image at a pose (3,), in pixels: `overlap_at` to 0.1 %."""
    c, s, start_u, start_v = lookup_transform(image, pose)
    half, sums, columns = np.float32(0.5 / MAX_LEVEL), image.sums, np.int32(image.columns)
    total = np.float32(0.0)
    for i in range(outline.shape[1]):
        px, py, normal_x, normal_y = outline[0, i], outline[1, i], outline[2, i], outline[3, i]
        k, fu, fv, here, top, below, bottom = bilinear_corners(
            image, c * px - s * py + start_u, s * px + c * py + start_v
        )
        upper, lower = sums[k] + half * fu * (here + top), sums[k + columns] + half * fu * (below + bottom)
        total += (c * normal_x - s * normal_y) * (upper + (lower - upper) * fv)
    return float(total)


@jit_fast
def rprop_ascent(
    outline: Outline, fine: Outline, image: LookupImage, poses: npt.NDArray[np.float64], steps: Vector, iterations: int
) -> Vector:
    """Local optimisation of poses by resilient steps, in place; returns the overlap that each reaches, (k,) pixels.

    Rprop (M. Riedmiller and H. Braun, *A direct adaptive method for faster backpropagation learning*, 1993): each
    coordinate moves by its own step length in the direction of its derivative; the length grows while the derivative
    keeps its sign and shrinks when the sign changes. Only signs count, so the ridges and cusps where edges coincide
    cost no more iterations than smooth maxima.

    Args:
        outline: (4, n) of the first shape, for the gradient.
        fine: (4, m) of the first shape, for the overlap that is returned.
        image: the second shape.
        poses: (k, 3) to optimise.
        steps: (3,) first step lengths: radians, pixels, pixels.
        iterations: of each pose.
    """
    reached = np.empty(len(poses))
    gradient, before = np.zeros(3), np.zeros(3)
    for k in range(len(poses)):
        pose, length = poses[k], steps.copy()
        before[:] = 0.0
        for _ in range(iterations):
            gradient_along(outline, image, pose, gradient)
            for axis in range(3):
                sign = np.sign(gradient[axis])
                if sign * before[axis] > 0:
                    length[axis] = min(1.2 * length[axis], 2.0 * steps[axis])
                elif sign * before[axis] < 0:
                    length[axis] *= 0.4
                before[axis] = sign
                pose[axis] += sign * length[axis]
        reached[k] = overlap_along(fine, image, pose)
    return reached
