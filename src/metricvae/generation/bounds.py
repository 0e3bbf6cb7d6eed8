"""What requirements can be met together, by what can be proven before anything is searched for.

With area(A) written a, the largest overlap of A and B written m, and X the shape that is to be made,
D(A, B) = a + b - 2 m is a metric over shapes up to motions: the least symmetric difference. Its triangle inequalities
for A, B and X bound what X may be, v and w being its overlaps with A and B:

    area(X) >= v + w - m,    v >= m + w - b,    w >= m + v - a

and an overlap is never above either area. A closeness r to A bounds both: v = r (a + x) / (1 + r), r a <= x <= a / r.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metricvae.core.errors import InputError
from metricvae.generation.constraints import Area, Like, Match, OverlapWith, Requirement, Span
from metricvae.kinds.silhouette.records import SIZE, Mask
from metricvae.metrics.overlap.solver.search import PreparedMask, solve

LEAST_AREA = 300
"""Pixels of whatever is made, at least."""

LEAST_HALF = 150
"""The same for a missing half."""

MOST_AREA = SIZE * SIZE - 1

SLACK = 0.01
"""Share by which the overlap of two required shapes may be above what the search found, when bounds are drawn from it.
Far more than it ever was, see benchmarks/RESULTS.md."""


@dataclass(frozen=True)
class Target:
    """A required shape, with what its overlap must be.

    Attributes:
        name: of the shape.
        shape: itself.
        overlap: span of the overlap, closeness turned into overlap.
        closeness: span of the closeness; None where it does not count.
    """

    name: str
    shape: PreparedMask
    overlap: Span
    closeness: Span | None = None


@dataclass(frozen=True)
class Bounds:
    """All numeric requirements as spans.

    Attributes:
        area: span of the area.
        asked: whether the area was asked for, by itself or through a closeness.
        targets: the required shapes, each once.
    """

    area: Span
    asked: bool
    targets: tuple[Target, ...]

    def place_of(self, mask: Mask) -> int:
        """Which target a shape is."""
        return next(i for i, target in enumerate(self.targets) if np.array_equal(target.shape.mask, mask))


def bounds_of(requirements: Sequence[Requirement]) -> Bounds:
    """The spans of area and overlaps.

    Raises:
        InputError: no requirement, more than one half to match, or requirements that nothing can meet.
    """
    if not requirements:
        raise InputError("got no requirement: give at least one")
    if sum(isinstance(one, Match) for one in requirements) > 1:
        raise InputError("got two halves to match: a shape is the missing half of one, give one match")
    least = LEAST_HALF if any(isinstance(one, Match) for one in requirements) else LEAST_AREA
    area, asked = _area_of(requirements, least)
    targets = tuple(_targets_of(requirements, area))
    for target in targets:
        _check_alone(target, area)
    for first, second in itertools.combinations(targets, 2):
        _check_together(first, second, area)
    return Bounds(area, asked, targets)


def _area_of(requirements: Sequence[Requirement], least: int) -> tuple[Span, bool]:
    """The span of the area, and whether it was asked for."""
    area, asked = Span(least, MOST_AREA), False
    for one in requirements:
        if isinstance(one, Area):
            _check_area(one, least)
            area, asked = _both(area, one.span, "area"), True
        elif isinstance(one, Like):
            size = int(one.mask.sum(dtype=np.int64))
            closest = Span(max(one.span.low, 1e-3) * size, size / max(one.span.low, 1e-3))
            area, asked = _both(area, closest, f"area (for {one})"), True
    return area, asked


def _check_area(one: Area, least: int) -> None:
    if one.span.high < least or (one.span.wish or least) < least:
        raise InputError(f"{one}: whatever is made has at least {least} pixels, ask for more")
    if max(one.span.low, one.span.wish or 0) > MOST_AREA:
        raise InputError(f"{one}: the canvas has {SIZE * SIZE:,} pixels, ask for fewer")


def _both(span: Span, other: Span, what: str) -> Span:
    """The numbers in both spans."""
    low, high = max(span.low, other.low), min(span.high, other.high)
    if low > high:
        raise InputError(
            f"{what} is required to be both {_in_words(span)} and {_in_words(other)}: no number is, loosen one"
        )
    wishes = [wish for wish in (other.wish, span.wish) if wish is not None and low <= wish <= high]
    return Span(low, high, wishes[0] if wishes else None)


def _in_words(span: Span) -> str:
    return f"from {span.low:.6g} to {span.high:.6g}"


def _targets_of(requirements: Sequence[Requirement], area: Span) -> Iterator[Target]:
    """The required shapes; requirements on the same shape are joined."""
    joined: dict[bytes, Target] = {}
    for one in requirements:
        if isinstance(one, OverlapWith | Like):
            size = int(one.mask.sum(dtype=np.int64))
            wish = max(one.span.low, one.span.wish or 0)
            if isinstance(one, OverlapWith) and wish > size:
                raise InputError(
                    f"{one}: {one.name} has {size:,} pixels, and no overlap is above that; ask for at most {size}"
                )
            key = one.mask.tobytes()
            target = joined.get(key) or Target(one.name, PreparedMask(one.mask), Span(0.0, min(size, area.high)))
            joined[key] = _with(target, one, size, area)
    yield from joined.values()


def _with(target: Target, one: OverlapWith | Like, size: int, area: Span) -> Target:
    what = f"the overlap with {target.name}"
    if isinstance(one, OverlapWith):
        if max(one.span.low, one.span.wish or 0) > area.high:
            raise InputError(
                f"{one}: that is above the largest area that is allowed, {area.high:.6g} pixels; ask for less overlap "
                "or more area"
            )
        return replace(target, overlap=_both(target.overlap, one.span, what))
    share = {end: value / (1 + value) for end, value in (("low", one.span.low), ("high", one.span.high))}
    implied = Span(share["low"] * (size + area.low), share["high"] * (size + area.high))
    closeness = one.span if target.closeness is None else _both(target.closeness, one.span, f"closeness to {one.name}")
    return replace(target, overlap=_both(target.overlap, implied, what), closeness=closeness)


def _check_alone(target: Target, area: Span) -> None:
    if target.overlap.low > area.high:
        raise InputError(
            f"the overlap with {target.name} is to be at least {target.overlap.low:.6g} pixels, above the largest area "
            f"that is allowed, {area.high:.6g}: ask for less overlap or more area"
        )


def _check_together(first: Target, second: Target, area: Span) -> None:
    """The three triangle inequalities."""
    most = solve(first.shape, second.shape).area
    least = first.overlap.low + second.overlap.low - most * (1 + SLACK)
    known = f"{first.name} and {second.name} overlap by {most:.0f} pixels at most"
    if least > area.high:
        raise InputError(
            f"{known}, so overlaps of {first.overlap.low:.6g} and {second.overlap.low:.6g} need an area of at least "
            f"{least:.0f}, and at most {area.high:.6g} is allowed: ask for less overlap or more area"
        )
    for one, other in ((first, second), (second, first)):
        forced = most * (1 - SLACK) + other.overlap.low - other.shape.area
        if forced > one.overlap.high:
            raise InputError(
                f"{known}, so an overlap of {other.overlap.low:.6g} with {other.name} brings one of at least "
                f"{forced:.0f} with {one.name}, and at most {one.overlap.high:.6g} is allowed: loosen one"
            )


def shapes_of(requirements: Sequence[Requirement]) -> list[tuple[str, Mask]]:
    """The shapes that requirements name, each once, in their order."""
    found: dict[bytes, tuple[str, Mask]] = {}
    for one in requirements:
        if isinstance(one, OverlapWith | Like | Match):
            found.setdefault(one.mask.tobytes(), (one.name, one.mask))
    return list(found.values())
