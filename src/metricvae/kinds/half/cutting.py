"""Cut shapes in two along a random line: straight, zigzag or curved.

A line is the graph of a function over a straight axis, so every pixel lies on one side of it. Lines are drawn at random
until both pieces are large enough, about as connected as the shape was, and share a contact that is long enough.
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

MIN_AREA = 150
"""Least area of the smaller piece, pixels."""

MIN_SHARE = 0.25
"""Least area of the smaller piece, as a share of the shape's."""

MIN_CONTACT = 12
"""Least number of pixels of one piece that touch the other."""

MIN_CONNECTIVITY = 0.8
"""Least share of a piece's largest connected component, relative to that share of the whole shape."""

ATTEMPTS = 60
"""Random lines that are tried for a cut."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """The graph of a piecewise linear function above an axis through a point.

    Attributes:
        centre: column and row in pixels.
        angle: of the axis in radians, counter-clockwise as seen on screen.
        knots: (k,) increasing positions along the axis, pixels from the centre.
        heights: (k,) values there, pixels above the axis.
    """

    centre: tuple[float, float]
    angle: float
    knots: Floats
    heights: Floats

    def above(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Whether each pixel of a canvas (H, W) lies above the line.

        >>> Line((1.0, 1.0), 0.0, np.array([-9.0, 9.0]), np.zeros(2)).above((3, 3)).any(axis=1).tolist()
        [True, False, False]
        """
        rows, columns = np.indices(shape)
        right, up = columns - self.centre[0], self.centre[1] - rows
        along = math.cos(self.angle) * right + math.sin(self.angle) * up
        height = math.cos(self.angle) * up - math.sin(self.angle) * right
        above: npt.NDArray[np.bool_] = height > np.interp(along, self.knots, self.heights)
        return above


def random_line(kind: Cut, centre: tuple[float, float], reach: float, rng: np.random.Generator) -> Line:
    """A random line of a kind through a point.

    Args:
        kind: of line.
        centre: column and row of the point.
        reach: pixels that the line extends to each side.
        rng: of the random numbers.
    """
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
    """Cut a shape along a random line into two pieces, which stay in place and add up to it.

    Args:
        mask: (H, W) uint8 of 0 and 1.
        kind: of line.
        rng: of the random numbers.
        middle: through the centroid, the paper's setting; else through a random pixel of the shape.

    Raises:
        InputError: a blank shape, one too small to cut, or one that no line cuts into two useful pieces.
    """
    area = int(mask.sum(dtype=np.int64))
    if area < 2 * MIN_AREA:
        raise InputError(f"the shape has {area} pixels, too few to cut: expected at least {2 * MIN_AREA}")
    ((top, bottom), (left, right)) = ((int(ends.min()), int(ends.max()) + 1) for ends in np.nonzero(mask))
    inner = mask[top:bottom, left:right]
    rows, columns = np.nonzero(inner)
    whole = largest_component_share(inner)
    for _ in range(ATTEMPTS):
        pixel = rng.integers(area)
        place = (columns.mean(), rows.mean()) if middle else (columns[pixel], rows[pixel])
        centre = float(place[0]), float(place[1])
        above = random_line(kind, centre, math.hypot(*inner.shape), rng).above(inner.shape)
        pieces = inner * above, inner * ~above
        if _are_useful(*pieces, area, whole):
            first, second = (np.zeros_like(mask), np.zeros_like(mask))
            first[top:bottom, left:right], second[top:bottom, left:right] = pieces
            return first, second
    raise InputError(f"no {kind} line in {ATTEMPTS} cut the shape into two pieces of useful size: leave it out")


def _are_useful(first: Mask, second: Mask, area: int, whole: float) -> bool:
    """Whether two pieces are large enough, touch enough, and are as connected as a shape with share `whole`."""
    if min(first.sum(), second.sum()) < max(MIN_AREA, MIN_SHARE * area):
        return False
    contact = np.count_nonzero(ndimage.binary_dilation(first) & (second > 0))
    return (
        bool(contact >= MIN_CONTACT) and min(map(largest_component_share, (first, second))) >= MIN_CONNECTIVITY * whole
    )


def largest_component_share(mask: Mask) -> float:
    """Share of a mask's pixels in its largest connected component (8-connectivity); 0 for a blank mask.

    >>> largest_component_share(np.array([[1, 0, 1, 1, 1]], np.uint8))
    0.75
    """
    components, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(components.ravel())[1:]
    return float(areas.max() / areas.sum()) if len(areas) else 0.0
