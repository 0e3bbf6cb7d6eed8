"""What a shape that is to be generated must satisfy, as it is written on the command line and as records.

    A.png=1783          its overlap with a shape: within 5 % of a wish; >=, <= or a range 1500..1800 likewise
    area=4000           its area in pixels
    like:A.png>=0.7     its closeness to a shape: intersection over union where they overlap most
    match:half.png      it is the missing half of a half
    plausible           it is like the training shapes, by the model's novelty, and in one piece

Every requirement has one number that decides, and a span in which it has to lie.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Mask

TOLERANCE = 0.05
"""Share of a wish by which the number may miss it."""

GRAMMAR = "FILE=1783, FILE>=1500, FILE=1500..1800, area=4000, like:FILE>=0.7, match:FILE or plausible"

_WRITTEN = re.compile(r"(?s)(?P<subject>.+)(?P<operator>>=|<=|(?<![<>])=)(?P<number>[^<>=]*)")


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`.

    Attributes:
        low, high: ends, both included.
        wish: what is best; None where all are alike.
    """

    low: float
    high: float
    wish: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a number lies in it."""
        return self.low <= value <= self.high

    def off(self, value: float) -> float:
        """By how much a number lies outside it, as a share of the nearer end; 0 inside."""
        end = min(max(value, self.low), self.high)
        return abs(value - end) / max(abs(end), 1e-9)

    def __str__(self) -> str:
        """As it is written behind the subject."""
        if self.wish is not None:
            return f"={self.wish:.10g}"
        if self.high == math.inf:
            return f">={self.low:.10g}"
        return f"<={self.high:.10g}" if self.low == 0 else f"={self.low:.10g}..{self.high:.10g}"


def near(wish: float) -> Span:
    """The numbers within `TOLERANCE` of a wish."""
    return Span(wish * (1 - TOLERANCE), wish * (1 + TOLERANCE), wish)


@dataclass(frozen=True)
class OverlapWith:
    """The maximum overlap with a shape, in pixels.

    Attributes:
        name: of the shape.
        mask: (200, 200), the shape itself.
        span: of the overlap.
    """

    name: str
    mask: Mask = field(compare=False, repr=False)
    span: Span

    def __str__(self) -> str:
        return f"{self.name}{self.span}"


@dataclass(frozen=True)
class Area:
    """The area in pixels."""

    span: Span

    def __str__(self) -> str:
        return f"area{self.span}"


@dataclass(frozen=True)
class Like:
    """The closeness to a shape: intersection over union where they overlap most, in [0, 1]."""

    name: str
    mask: Mask = field(compare=False, repr=False)
    span: Span

    def __str__(self) -> str:
        span = Span(self.span.low, math.inf) if self.span.high == 1 and self.span.wish is None else self.span
        return f"like:{self.name}{span}"


@dataclass(frozen=True)
class Match:
    """The missing half of a half: a model of halves calls both a match. What decides is its distance of the two."""

    name: str
    mask: Mask = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"match:{self.name}"


@dataclass(frozen=True)
class Plausible:
    """Like the training shapes: a novelty of at most 1, and one piece. What decides is the novelty."""

    span: Span = Span(0.0, 1.0)

    def __str__(self) -> str:
        return "plausible"


Requirement = OverlapWith | Area | Like | Match | Plausible


def parse_requirement(text: str, read: Callable[[str], Mask]) -> Requirement:
    """The requirement that a text says.

    Args:
        text: as the head of this module has it; it is split at its last operator, so a file's name may hold one.
        read: gives the mask of a named file.

    Raises:
        InputError: no such requirement, a number that is none or out of its range, or what `read` raises.
    """
    if text.strip() == "plausible":
        return Plausible()
    if text.startswith("match:"):
        name = _named(text, text.removeprefix("match:"))
        return Match(name, read(name))
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise InputError(f"the requirement '{text}' cannot be read: expected {GRAMMAR}")
    subject, span = written["subject"], _span(text, written["operator"], written["number"])
    if subject == "area":
        return Area(span)
    if subject.startswith("like:"):
        name = _named(text, subject.removeprefix("like:"))
        return Like(name, read(name), _closeness(text, span))
    return OverlapWith(subject, read(subject), span)


def _named(text: str, name: str) -> str:
    if not name:
        raise InputError(f"the requirement '{text}' names no file: expected {GRAMMAR}")
    return name


def _span(text: str, operator: str, number: str) -> Span:
    low, dots, high = number.partition("..")
    if dots:
        if operator != "=":
            raise InputError(f"the requirement '{text}' has a range behind {operator}: write = before a range")
        ends = _positive(text, low), _positive(text, high)
        if ends[0] > ends[1]:
            raise InputError(f"the requirement '{text}' has a range that ends before it begins: exchange its ends")
        return Span(*ends)
    value = _positive(text, number)
    return near(value) if operator == "=" else Span(value, math.inf) if operator == ">=" else Span(0.0, value)


def _positive(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise InputError(f"the requirement '{text}' has '{number}' for a number: expected {GRAMMAR}") from None
    if not 0 < value < math.inf:
        raise InputError(f"the requirement '{text}' has the number {number}: expected one above 0")
    return value


def _closeness(text: str, span: Span) -> Span:
    asked = span.low if span.high == math.inf else span.high if span.wish is None else span.wish
    if asked > 1:
        raise InputError(f"the requirement '{text}' asks for a closeness of {asked:g}: expected at most 1")
    return Span(span.low, min(span.high, 1.0), span.wish)
