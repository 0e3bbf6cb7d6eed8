"""How silhouettes are generated to constraints on their overlaps.

What is proven to be impossible is refused first. With area(A) written a, the largest overlap of A and B written m, and
X the shape that is to be made, D(A, B) = a + b - 2 m is a metric over shapes up to motions: the least symmetric
difference. Its triangle inequalities for A, B and X bound what X may be, v and w being its overlaps with A and B:

    area(X) >= v + w - m,    v >= m + w - b,    w >= m + v - a.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metricvae.core.constraints import Span
from metricvae.core.errors import InputError
from metricvae.core.generation import (
    Bounds,
    Candidate,
    Floats,
    Measure,
    Measured,
    ObjectGenerator,
    RequiredObject,
)
from metricvae.kinds.silhouette.generation.pixel_refinement import (
    Condition,
    condition,
    erase,
    largest_piece,
    logits_of,
    most_likely,
)
from metricvae.kinds.silhouette.records import SIZE, Mask
from metricvae.metrics.overlap.solver.search import move_mask, solve

LEAST_AREA, LEAST_PART = 300, 150
"""Pixels of whatever is generated, and of a missing part, at least."""

MOST_AREA = SIZE * SIZE - 1

SLACK = 0.01
"""Share by which the overlap of two required shapes may be above what the search found, when bounds are drawn from it.
Far more than it ever was, see benchmarks/RESULTS.md."""

REPAIRS = 5
"""Times that a mask is repaired before its candidate is given up."""


@dataclass(frozen=True)
class OverlapGenerator(ObjectGenerator):
    """Masks in one piece, repaired where the decoder is least sure of its pixels."""

    def magnitude_range(self, part: bool) -> tuple[float, float]:
        return LEAST_PART if part else LEAST_AREA, MOST_AREA

    def check_range(self, constraint: str, span: Span, least: float) -> None:
        if span.high < least or (span.target or least) < least:
            raise InputError(f"{constraint}: whatever is made has at least {least:g} pixels, ask for more")
        if max(span.low, span.target or 0) > MOST_AREA:
            raise InputError(f"{constraint}: the canvas has {SIZE * SIZE:,} pixels, ask for fewer")

    def check_together(self, first: RequiredObject, second: RequiredObject, magnitude: Span) -> None:
        """The three triangle inequalities."""
        most = solve(first.prepared, second.prepared).area
        least = first.value.low + second.value.low - most * (1 + SLACK)
        known = f"{first.name} and {second.name} overlap by {most:.0f} pixels at most"
        if least > magnitude.high:
            raise InputError(
                f"{known}, so overlaps of {first.value.low:.6g} and {second.value.low:.6g} need an area of at least "
                f"{least:.0f}, and at most {magnitude.high:.6g} is allowed: ask for less overlap or more area"
            )
        for one, other in ((first, second), (second, first)):
            forced = most * (1 - SLACK) + other.value.low - other.magnitude
            if forced > one.value.high:
                raise InputError(
                    f"{known}, so an overlap of {other.value.low:.6g} with {other.name} brings one of at least "
                    f"{forced:.0f} with {one.name}, and at most {one.value.high:.6g} is allowed: loosen one"
                )

    def realise(self, picture: Floats) -> Mask:
        return largest_piece(logits_of(picture))

    def repair(
        self, picture: Floats, targets: Floats, bounds: Bounds, least: float, measure: Measure
    ) -> Candidate | None:
        logits = logits_of(picture)
        now, before = logits, list[Condition]()
        for _ in range(1 + REPAIRS * bool(len(targets))):
            mask = largest_piece(now)
            logits = erase(logits, (now > 0) & (mask == 0))
            if mask.sum(dtype=np.int64) < least:
                return None
            measured = measure(mask)
            if measured.violation(bounds) == 0:
                return Candidate(mask, measured)
            if len(targets):
                overlaid = overlay_required(mask, measured, bounds)
                conditions = [condition(*one) for one in zip(overlaid, targets.tolist(), strict=True)]
                now = most_likely(logits, [*conditions, *before])
                before += [replace(one, at_most=True) for one in conditions[: len(measured.solutions)]]
        return None


def overlay_required(mask: Mask, measured: Measured, bounds: Bounds) -> Floats:
    """(k, H, W) the required shapes where they overlap a mask most, and for the area a canvas full of ones."""
    moved = [move_mask(one.object, found.pose) for one, found in zip(bounds.required, measured.solutions, strict=True)]
    return np.stack([*moved, np.ones(mask.shape)] if bounds.asked else moved)
