"""Shapes cut in two by a line: straight, zigzag or curved, at a random place and angle.

A line is the graph of a function over a straight axis, so every pixel lies on one side of it. Cuts are drawn until both
pieces are of useful size, hang together about as well as the shape did, and touch along a length worth matching.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Mask

Cut = Literal["straight", "zigzag", "curved"]

CUTS: tuple[Cut, ...] = get_args(Cut)

LEAST_AREA = 150
"""Pixels of the smaller piece, at least."""

LEAST_SHARE = 0.25
"""Share of the shape that the smaller piece has, at least."""

LEAST_CONTACT = 12
"""Pixels of one piece that touch the other, at least."""

WHOLENESS = 0.8
"""Share of a piece in its largest part, at least, for each share of the shape in its own."""

ATTEMPTS = 60

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """The graph of a function: `height` above an axis through `centre`, at `knots` along it, linear between them.

    Attributes:
        centre: column and row in pixels.
        angle: of the axis in radians, counter-clockwise as seen on screen.
        knots: (k,) places along the axis, rising, in pixels from the centre.
        heights: (k,) pixels.
    """

    centre: tuple[float, float]
    angle: float
    knots: Floats
    heights: Floats

    def above(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Which pixels of a canvas lie above it."""
        rows, columns = np.indices(shape)
        right, up = columns - self.centre[0], self.centre[1] - rows
        along = math.cos(self.angle) * right + math.sin(self.angle) * up
        height = math.cos(self.angle) * up - math.sin(self.angle) * right
        above: npt.NDArray[np.bool_] = height > np.interp(along, self.knots, self.heights)
        return above


def random_line(kind: Cut, centre: tuple[float, float], reach: float, rng: np.random.Generator) -> Line:
    """A line of a kind through a point, `reach` pixels long each way."""
    angle = rng.uniform(0, 2 * math.pi)
    match kind:
        case "straight":
            return Line(centre, angle, np.array([-reach, reach]), np.zeros(2))
        case "zigzag":
            steps = rng.uniform(7, 26, math.ceil((2 * reach + 26) / 7) + 1)
            knots = np.cumsum(steps) - steps[0] - reach - rng.uniform(0, 26)
            sign = np.where(np.arange(len(knots)) % 2, 1.0, -1.0)
            return Line(centre, angle, knots, sign * rng.uniform(2.5, 11, len(knots)))
    knots = np.arange(-reach, reach + 1.0)
    heights = np.zeros_like(knots)
    for _ in range(3):
        period, phase = rng.uniform(24, 140), rng.uniform(0, 2 * math.pi)
        heights += rng.uniform(0.03, 0.11) * period * np.sin(2 * math.pi * knots / period + phase)
    return Line(centre, angle, knots, heights - np.interp(0.0, knots, heights))


def cut(mask: Mask, kind: Cut, rng: np.random.Generator, *, middle: bool = False) -> tuple[Mask, Mask]:
    """Two pieces of a shape, where they lay, whose sum it is.

    Args:
        mask: (H, W).
        kind: of line.
        rng: source of chance.
        middle: through the centroid, as in the paper's setting, and not through any pixel of the shape.

    Raises:
        InputError: a blank shape, one too small to cut, or one that no line cuts into two useful pieces.
    """
    area = int(mask.sum(dtype=np.int64))
    if area < 2 * LEAST_AREA:
        raise InputError(f"the shape has {area} pixels, too few to cut: expected at least {2 * LEAST_AREA}")
    ((top, bottom), (left, right)) = ((int(ends.min()), int(ends.max()) + 1) for ends in np.nonzero(mask))
    inner = mask[top:bottom, left:right]
    rows, columns = np.nonzero(inner)
    whole = largest_share(inner)
    for _ in range(ATTEMPTS):
        pixel = rng.integers(area)
        place = (columns.mean(), rows.mean()) if middle else (columns[pixel], rows[pixel])
        centre = float(place[0]), float(place[1])
        above = random_line(kind, centre, math.hypot(*inner.shape), rng).above(inner.shape)
        pieces = inner * above, inner * ~above
        if _useful(*pieces, area, whole):
            first, second = (np.zeros_like(mask), np.zeros_like(mask))
            first[top:bottom, left:right], second[top:bottom, left:right] = pieces
            return first, second
    raise InputError(f"no {kind} line in {ATTEMPTS} cut the shape into two pieces of useful size: leave it out")


def _useful(first: Mask, second: Mask, area: int, whole: float) -> bool:
    if min(first.sum(), second.sum()) < max(LEAST_AREA, LEAST_SHARE * area):
        return False
    contact = np.count_nonzero(ndimage.binary_dilation(first) & (second > 0))
    return bool(contact >= LEAST_CONTACT) and min(map(largest_share, (first, second))) >= WHOLENESS * whole


def largest_share(mask: Mask) -> float:
    """Share of a mask's pixels that hang together in its largest part (corners are contact); 0 of a blank one."""
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(pieces.ravel())[1:]
    return float(areas.max() / areas.sum()) if len(areas) else 0.0
