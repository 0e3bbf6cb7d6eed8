"""What the exact search says of a shape that was made, against the bounds it is to keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.generation.bounds import Bounds
from metricvae.generation.constraints import Span, near
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, move_mask, solve

Floats = npt.NDArray[np.float64]

INWARDS = 0.005
"""Share by which ends are kept off while searching: the exact search may find a little less the other way round."""


@dataclass(frozen=True)
class Measured:
    """A shape against its bounds.

    Attributes:
        area: pixels.
        overlaps: the exact answer for each target, the target being the one that moves.
    """

    area: int
    overlaps: tuple[Overlap, ...]

    def values(self, bounds: Bounds) -> Floats:
        """(k,) in the order of wishes: overlaps, and the area if it was asked for."""
        overlaps = [found.area for found in self.overlaps]
        return np.array([*overlaps, self.area] if bounds.asked else overlaps, dtype=np.float64)

    def off(self, bounds: Bounds) -> float:
        """By how much the worst number lies outside its span; 0 where all hold."""
        off = [_inner(bounds.area).off(self.area)]
        for target, found in zip(bounds.targets, self.overlaps, strict=True):
            off.append(_inner(target.overlap).off(found.area))
            if target.closeness is not None:
                off.append(_inner(target.closeness).off(closeness(found)))
        return max(off)


def measure(mask: Mask, bounds: Bounds) -> Measured:
    """Solve a shape with every target."""
    shape = PreparedMask(mask)
    return Measured(shape.area, tuple(solve(shape, target.shape) for target in bounds.targets))


def laid(mask: Mask, measured: Measured, bounds: Bounds) -> Floats:
    """(k, H, W) the targets as they lie on the shape, and for the area a canvas full of ones."""
    moved = [
        move_mask(target.shape.mask, found.pose)
        for target, found in zip(bounds.targets, measured.overlaps, strict=True)
    ]
    return np.stack([*moved, np.ones(mask.shape)] if bounds.asked else moved)


def closeness(found: Overlap) -> float:
    """Intersection over union at the best overlap."""
    return found.area / (found.area_a + found.area_b - found.area)


def _inner(span: Span) -> Span:
    """A span without what lies next to its lower end, and next to both ends of what is tolerated about a wish."""
    if span.wish is None:
        return Span(span.low + min(INWARDS * span.low, 0.1 * (span.high - span.low)), span.high)
    around, margin = near(span.wish), INWARDS * span.wish
    return Span(max(span.low, around.low + margin), min(span.high, around.high - margin), span.wish)
