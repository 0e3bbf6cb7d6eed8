"""Records of a planar overlap: the pose and the area."""

from __future__ import annotations

from dataclasses import dataclass

MAX_CELLS = 2_000_000
"""Boxes of motions after which a proof of an overlap is given up."""


@dataclass(frozen=True)
class Pose:
    """A planar rigid motion of the second object.

    Rotate it by `angle_deg` counter-clockwise (as seen on screen) about the canvas centre c, then shift it by `dx`
    pixels to the right and `dy` pixels down. With x to the right and y down, a point p goes to

        c + R p' + (dx, dy),   p' = p - c,   R = [[cos, sin], [-sin, cos]].

    Attributes:
        angle_deg: degrees.
        dx, dy: pixels.
    """

    angle_deg: float
    dx: float
    dy: float


@dataclass(frozen=True)
class Overlap:
    """The largest overlap that was found, with its pose.

    Attributes:
        area: overlap in pixels at `pose`; never above the smaller of the two areas.
        pose: motion of the second object that gives `area`.
        area_a: pixels of the first object.
        area_b: pixels of the second object.
    """

    area: float
    pose: Pose
    area_a: int
    area_b: int
