"""What an object that is to be generated must satisfy, as it is written on the command line and as records.

    A.png=1783          its metric with an object: within 5 % of a target; >=, <= or a range 1500..1800 likewise
    area=4000           its magnitude, by the name that its kind has for it
    like:A.png>=0.7     its closeness to an object: the Tanimoto coefficient, of areas the intersection over union
    match:half.png      it is the counterpart of an object: a model of a binary metric calls both a match
    plausible           it is like the training objects, by the model's novelty, and whole

Every constraint has one number that decides, and a span in which it has to lie.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metricvae.core.errors import InputError, shortened

TOLERANCE = 0.05
"""Share of a target by which the number may miss it."""

_WRITTEN = re.compile(r"(?s)(?P<subject>.+)(?P<operator>>=|<=|(?<![<>])=)(?P<number>[^<>=]*)")


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`.

    Attributes:
        low, high: ends, both included.
        target: what is best; None where all are alike.
    """

    low: float
    high: float
    target: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a number lies in it."""
        return self.low <= value <= self.high

    def violation(self, value: float) -> float:
        """By how much a number lies outside it, as a share of the nearer end; 0 inside."""
        end = min(max(value, self.low), self.high)
        return abs(value - end) / max(abs(end), 1e-9)

    def __str__(self) -> str:
        """As it is written behind the subject."""
        if self.target is not None:
            return f"={self.target:.10g}"
        if self.high == math.inf:
            return f">={self.low:.10g}"
        return f"<={self.high:.10g}" if self.low == 0 else f"={self.low:.10g}..{self.high:.10g}"


def near(target: float) -> Span:
    """The numbers within `TOLERANCE` of a target."""
    margin = TOLERANCE * abs(target)
    return Span(target - margin, target + margin, target)


@dataclass(frozen=True)
class ValueWith:
    """The metric with an object, in the metric's unit.

    Attributes:
        name: of the object.
        object: itself, as its kind reads it.
        span: of the value.
    """

    name: str
    object: Any = field(compare=False, repr=False)
    span: Span

    def __str__(self) -> str:
        return f"{self.name}{self.span}"


@dataclass(frozen=True)
class Magnitude:
    """The magnitude, in the kind's unit.

    Attributes:
        span: of it.
        name: that the kind has for it.
    """

    span: Span
    name: str = "magnitude"

    def __str__(self) -> str:
        return f"{self.name}{self.span}"


@dataclass(frozen=True)
class Closeness:
    """The closeness to an object, value / (magnitude + magnitude - value), in [0, 1]."""

    name: str
    object: Any = field(compare=False, repr=False)
    span: Span

    def __str__(self) -> str:
        span = Span(self.span.low, math.inf) if self.span.high == 1 and self.span.target is None else self.span
        return f"like:{self.name}{span}"


@dataclass(frozen=True)
class Match:
    """The counterpart of an object: a model of a binary metric calls both a match, which decides."""

    name: str
    object: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"match:{self.name}"


@dataclass(frozen=True)
class Plausible:
    """Like the training objects: a novelty of at most 1, which decides."""

    span: Span = Span(0.0, 1.0)

    def __str__(self) -> str:
        return "plausible"


Constraint = ValueWith | Magnitude | Closeness | Match | Plausible


def parse_constraint(text: str, read: Callable[[str], Any], magnitude: str) -> Constraint:
    """The constraint that a text says.

    Args:
        text: as the head of this module has it; it is split at its last operator, so a file's name may hold one.
        read: gives the object in a named file.
        magnitude: what the kind calls the magnitude, as `area`.

    Raises:
        InputError: no such constraint, a number that is none or out of its range, or what `read` raises.
    """
    if text.strip() == "plausible":
        return Plausible()
    grammar = f"FILE=1783, FILE>=1500, FILE=1500..1800, {magnitude}=4000, like:FILE>=0.7, match:FILE or plausible"
    if text.startswith("match:"):
        name = _named(text, text.removeprefix("match:"), grammar)
        return Match(name, read(name))
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise InputError(f"the requirement '{shortened(text)}' cannot be read: expected {grammar}")
    subject = written["subject"]
    span = parse_span(text, written["operator"], written["number"], lambda n: _positive(text, n, grammar), lowest=0.0)
    if subject == magnitude:
        return Magnitude(span, magnitude)
    if subject.startswith("like:"):
        name = _named(text, subject.removeprefix("like:"), grammar)
        return Closeness(name, read(name), _closeness(text, span))
    return ValueWith(subject, read(subject), span)


def _named(text: str, name: str, grammar: str) -> str:
    if not name:
        raise InputError(f"the requirement '{shortened(text)}' names no file: expected {grammar}")
    return name


def parse_span(text: str, operator: str, number: str, read: Callable[[str], float], lowest: float = -math.inf) -> Span:
    """The span that an operator and a number, or a range of two, say.

    Args:
        text: of the whole requirement, for messages.
        operator: `=`, `>=`, `<=`, `>` or `<`.
        number: as written; `a..b` is a range.
        read: a number from its text.
        lowest: of all numbers.

    Raises:
        InputError: a range behind another operator or the wrong way round, or what `read` raises.
    """
    low, dots, high = number.partition("..")
    if dots:
        if operator != "=":
            raise InputError(
                f"the requirement '{shortened(text)}' has a range behind {operator}: write = before a range"
            )
        ends = read(low), read(high)
        if ends[0] > ends[1]:
            raise InputError(
                f"the requirement '{shortened(text)}' has a range that ends before it begins: exchange its ends"
            )
        return Span(*ends)
    value = read(number)
    match operator:
        case ">=":
            return Span(value, math.inf)
        case "<=":
            return Span(lowest, value)
        case ">":
            return Span(math.nextafter(value, math.inf), math.inf)
        case "<":
            return Span(lowest, math.nextafter(value, -math.inf))
    return near(value)


def _positive(text: str, number: str, grammar: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise InputError(
            f"the requirement '{shortened(text)}' has '{shortened(number)}' for a number: expected {grammar}"
        ) from None
    if not 0 < value < math.inf:
        raise InputError(
            f"the requirement '{shortened(text)}' has the number {shortened(number)}: expected one above 0"
        )
    return value


def _closeness(text: str, span: Span) -> Span:
    asked = span.low if span.high == math.inf else span.high if span.target is None else span.target
    if asked > 1:
        raise InputError(f"the requirement '{shortened(text)}' asks for a closeness of {asked:g}: expected at most 1")
    return Span(span.low, min(span.high, 1.0), span.target)
