"""Planar poses: the one convention, and the conversion between its two forms.

With x to the right and y down, as pixels are counted, a counter-clockwise rotation on screen by an angle is the matrix

    R = [[cos, sin], [-sin, cos]].

A :class:`~metricvae.metrics.overlap.solver.records.Pose` (angle_deg, dx, dy), as in files and reports, is in degrees
and about the canvas centre c: a point p of the second object goes to c + R (p - c) + (dx, dy).

A *pose about origins* (angle, x, y), as in compiled loops, is in radians and between an origin o_a of the first object
and o_b of the second, such as their centroids: a point p goes to o_a + R (p - o_b) + (x, y). The compiled loops read
them from arrays (k, 3) of float64.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from metricvae.metrics.overlap.solver.records import Pose

PoseArray = npt.NDArray[np.float64]
"""Poses about origins, (k, 3): angle (radians), x, y (pixels)."""

Point = tuple[float, float]


def canvas_pose(pose: npt.ArrayLike, origin_a: Point = (0.0, 0.0), origin_b: Point = (0.0, 0.0)) -> Pose:
    """The pose about the canvas centre that is the same motion as a pose about origins.

    Both forms send p to the same point for every p where

        (dx, dy) = o_a - R o_b + (x, y).

    Args:
        pose: (3,) angle in radians, x and y in pixels.
        origin_a: origin of the object that stays, pixels right and down of the canvas centre.
        origin_b: origin of the object that moves.

    >>> canvas_pose([0.0, 3.0, 4.0], origin_a=(10.0, 0.0), origin_b=(1.0, 1.0))
    Pose(angle_deg=0.0, dx=12.0, dy=3.0)
    """
    angle, x, y = (float(value) for value in np.asarray(pose))
    cos, sin = math.cos(angle), math.sin(angle)
    dx = origin_a[0] - cos * origin_b[0] - sin * origin_b[1] + x
    dy = origin_a[1] + sin * origin_b[0] - cos * origin_b[1] + y
    return Pose(math.degrees(angle), dx, dy)


def origin_pose(pose: Pose, origin_a: Point = (0.0, 0.0), origin_b: Point = (0.0, 0.0)) -> npt.NDArray[np.float64]:
    """The inverse of `canvas_pose`: (3,) angle in radians, x and y = (dx, dy) - o_a + R o_b.

    >>> origin_pose(Pose(0.0, 12.0, 3.0), origin_a=(10.0, 0.0), origin_b=(1.0, 1.0)).tolist()
    [0.0, 3.0, 4.0]
    """
    angle = math.radians(pose.angle_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    x = pose.dx - origin_a[0] + cos * origin_b[0] + sin * origin_b[1]
    y = pose.dy - origin_a[1] - sin * origin_b[0] + cos * origin_b[1]
    return np.array([angle, x, y])


def inverse_poses(poses: PoseArray) -> PoseArray:
    """The motions that undo each of `poses` (k, 3), with the two origins swapped: p = R^T q - R^T (x, y).

    >>> inverse_poses(np.array([[0.0, 3.0, 4.0]])).tolist()
    [[-0.0, -3.0, -4.0]]
    """
    cos, sin, x, y = np.cos(poses[:, 0]), np.sin(poses[:, 0]), poses[:, 1], poses[:, 2]
    return np.column_stack([-poses[:, 0], sin * y - cos * x, -sin * x - cos * y])


def relative_pose(a: Pose, b: Pose) -> Pose:
    """The motion T_a T_b^-1, which puts an object moved by `b` where the motion `a` would have put it.

    Its angle is that of `a` less that of `b`, and with R the rotation by that angle its shift is t_a - R t_b.

    >>> relative_pose(Pose(0.0, 5.0, 0.0), Pose(0.0, 2.0, 1.0))
    Pose(angle_deg=0.0, dx=3.0, dy=-1.0)
    """
    angle_deg = a.angle_deg - b.angle_deg
    angle = math.radians(angle_deg)
    dx = a.dx - math.cos(angle) * b.dx - math.sin(angle) * b.dy
    dy = a.dy + math.sin(angle) * b.dx - math.cos(angle) * b.dy
    return Pose(wrap_degrees(angle_deg), dx, dy)


def wrap_degrees(angle_deg: float) -> float:
    """An angle in degrees brought into [-180, 180).

    >>> wrap_degrees(270.0)
    -90.0
    """
    return (angle_deg + 180) % 360 - 180
