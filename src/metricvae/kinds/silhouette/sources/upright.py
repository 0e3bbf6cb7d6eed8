"""Four families of shapes that stand upright: wrenches, stars, scissors and moose, as in Figure 1.4 of the paper.

Their parameters vary less than those of the families of the training data, and none of them is rotated, so that two
numbers say nearly all of a shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.drawing import (
    bar,
    disc,
    equal_angles,
    filled_polygon,
    polar_points,
    stroke,
    taper,
    union,
)
from metricvae.kinds.silhouette.sources.families import Family
from metricvae.kinds.silhouette.sources.raster import rasterise

MARGIN = 2
"""Empty pixels at the edges of the canvas, at least."""

ANTLER = np.array([
    *((0, 0), (0.25, 0.12), (0.62, 0.14), (0.92, 0.34), (0.98, 0.72), (0.8, 0.5), (0.74, 0.86), (0.58, 0.52)),
    *((0.46, 0.84), (0.36, 0.48), (0.2, 0.66), (0.16, 0.34), (-0.04, 0.12)),
])  # fmt: skip
"""(13, 2), one antler, rooted at the origin: a broad palm to the right, with points along its upper edge."""


BODY = np.array([
    *((-1.0, 0.1), (-0.95, 0.5), (-0.3, 0.56), (0.35, 0.78), (0.72, 0.55), (0.7, 0.05), (0.2, -0.08), (-0.5, -0.02)),
])  # fmt: skip
"""(8, 2), corners of a moose's trunk, to be smoothed; the hump is to the right."""


def spanner(rng: np.random.Generator) -> BaseGeometry:
    """A wrench with an open jaw at the upper end and an eye at the lower one."""
    length, width = rng.uniform(1.5, 2.1), rng.uniform(0.26, 0.44)
    head, jaw = rng.uniform(0.42, 0.54), rng.uniform(0.3, 0.4)
    eye = head * 0.8
    shape = union([bar(-width / 2, 0, width / 2, length), disc(0, length, head), disc(0, 0, eye)])
    return shape.difference(union([bar(-jaw / 2, length, jaw / 2, length + 2 * head), disc(0, 0, eye / 2)]))


def five_pointed_star(rng: np.random.Generator) -> BaseGeometry:
    """A star of five points, one of them up."""
    inner = rng.uniform(0.36, 0.56)
    angles = equal_angles(10, math.pi / 2)
    return filled_polygon(polar_points(angles, np.tile([1.0, inner], 5)))


def open_scissors(rng: np.random.Generator) -> BaseGeometry:
    """Scissors with the points up: two crossed blades with finger holes, more or less open."""
    opening, blade = rng.uniform(12, 28), rng.uniform(1.2, 1.6)
    half = union(
        [
            filled_polygon([(-0.14, -0.7), (-0.16, 0), (-0.02, blade), (0.04, blade), (0.12, 0), (0.12, -0.7)]),
            disc(0.1, -0.95, 0.4),
        ]
    )
    half = half.difference(disc(0.1, -0.95, 0.2))
    one = affinity.rotate(half, opening, origin=(0, 0))
    return union([one, affinity.scale(one, -1, 1, origin=(0, 0))])


def moose(rng: np.random.Generator) -> BaseGeometry:
    """A moose from the side: palmate antlers, a long muzzle with a bell, a hump, four legs."""
    antlers, leg, stride = rng.uniform(0.8, 1.15), rng.uniform(0.85, 1.1), rng.uniform(0.0, 0.16)
    body = filled_polygon(_smooth(BODY))
    head = taper([(0.55, 0.4), (1.0, 0.72), (1.25, 0.72), (1.68, 0.42)], 0.62, 0.24).union(disc(1.66, 0.42, 0.15))
    bell = taper([(1.1, 0.5), (1.12, 0.14)], 0.2, 0.06)
    legs = [
        stroke([(x, 0.2), (x + bend, 0.2 - leg / 2), (x + foot * stride, -leg)], 0.17)
        for x, bend, foot in ((-0.85, -0.04, -1), (-0.62, -0.03, 1), (0.42, 0.02, -1), (0.62, 0.02, 1))
    ]
    palms = [filled_polygon(antlers * ANTLER * (side, 1)) for side in (1, -1)]
    antler = affinity.translate(union(palms), 1.08, 0.88)
    return union([body, head, bell, *legs, antler])


def _smooth(path: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A closed line through the same places without corners: each edge is cut at its quarters, twice."""
    for _ in range(2):
        following = np.roll(path, -1, axis=0)
        path = np.stack([0.75 * path + 0.25 * following, 0.25 * path + 0.75 * following], axis=1).reshape(-1, 2)
    return path


UPRIGHT: tuple[Family, ...] = tuple(
    Family(name, make)
    for name, make in (
        ("wrenches", spanner),
        ("stars", five_pointed_star),
        ("scissors", open_scissors),
        ("moose", moose),
    )
)
"""The families of Figure 1.4."""


@dataclass(frozen=True)
class UprightShapes:
    """m shapes.

    Attributes:
        masks: (m, side, side) uint8 of 0 and 1.
        families: (m,) int64, numbers of their families in `UPRIGHT`.
    """

    masks: Mask
    families: npt.NDArray[np.int64]


def draw_upright(count: int, side: int, seed: int) -> UprightShapes:
    """`count` shapes of random families on a canvas of `side` pixels, as they stand.

    >>> draw_upright(3, 32, seed=0).masks.shape
    (3, 32, 32)
    """
    rng = np.random.default_rng(seed)
    families = rng.integers(len(UPRIGHT), size=count)
    masks = [rasterise(UPRIGHT[k].draw(rng), side / 2 - MARGIN, size=side) for k in families]
    return UprightShapes(np.stack(masks), families)
