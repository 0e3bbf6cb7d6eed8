"""The interfaces by which a metric has objects generated to constraints, and the records that go between.

The loop of proposing, verifying, repairing and choosing is the same for all (`metricvae.generation`). A metric offers
an `ObjectGenerator`: how a decoded picture becomes an object, how that is repaired until it keeps its bounds, and what
of several constraints cannot be. A binary metric may offer a `ComplementModel`: what is left of a whole object without
one of its parts.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.constraints import Span, near
from metricvae.core.kind import Object, ObjectKind
from metricvae.core.metric import Solution, Solver

Floats = npt.NDArray[np.float64]

MARGIN = 0.005
"""Share by which ends are kept off while searching: the exact search may find a little less the other way round."""


@dataclass(frozen=True)
class RequiredObject:
    """An object that is required, with what the metric with it must be.

    Attributes:
        name: of the object.
        object: as its kind reads it.
        prepared: the same as the solver prepares it.
        magnitude: of it.
        value: span of the metric, closeness turned into values.
        closeness: span of the closeness; None where it does not count.
    """

    name: str
    object: Object
    prepared: Any
    magnitude: float
    value: Span
    closeness: Span | None = None


@dataclass(frozen=True)
class Bounds:
    """All numeric constraints as spans.

    Attributes:
        kind: of the objects that are generated.
        solver: of the metric.
        magnitude: span of the magnitude.
        asked: whether the magnitude was asked for, by itself or through a closeness.
        required: the required objects, each once.
    """

    kind: ObjectKind
    solver: Solver
    magnitude: Span
    asked: bool
    required: tuple[RequiredObject, ...]

    def place_of(self, name_or_object: Object) -> int:
        """Which of the required objects one is."""
        key = identity(self.kind, name_or_object)
        return next(i for i, one in enumerate(self.required) if identity(self.kind, one.object) == key)


def identity(kind: ObjectKind, value: Object) -> bytes:
    """Bytes that are equal for equal objects."""
    return kind.pack([value]).tobytes()


@dataclass(frozen=True)
class Measured:
    """An object against its bounds.

    Attributes:
        magnitude: of it.
        solutions: the exact answer for each required object, which is the one that moves.
    """

    magnitude: float
    solutions: tuple[Solution, ...]

    def values(self, bounds: Bounds) -> Floats:
        """(k,) in the order of targets: values, and the magnitude if it was asked for."""
        values = [found.value for found in self.solutions]
        return np.array([*values, self.magnitude] if bounds.asked else values, dtype=np.float64)

    def violation(self, bounds: Bounds) -> float:
        """By how much the worst number lies outside its span; 0 where all hold."""
        found = [_inner(bounds.magnitude).violation(self.magnitude)]
        for one, solution in zip(bounds.required, self.solutions, strict=True):
            found.append(_inner(one.value).violation(solution.value))
            if one.closeness is not None:
                close = tanimoto(solution.value, self.magnitude, one.magnitude)
                found.append(_inner(one.closeness).violation(close))
        return max(found)


def tanimoto(value: float, magnitude: float, other: float) -> float:
    """Tanimoto coefficient of a value and two magnitudes: of overlaps and areas, the intersection over union."""
    return value / (magnitude + other - value)


def _inner(span: Span) -> Span:
    """A span without what lies next to its lower end, and next to both ends of what is tolerated about a target."""
    if span.target is None:
        return Span(span.low + min(MARGIN * span.low, 0.1 * (span.high - span.low)), span.high)
    around, margin = near(span.target), MARGIN * span.target
    return Span(max(span.low, around.low + margin), min(span.high, around.high - margin), span.target)


@dataclass(frozen=True)
class Candidate:
    """An object that keeps its bounds, before it is encoded again."""

    object: Object
    measured: Measured


Measure = Callable[[Object], Measured]
"""Solves an object with every required one."""


class ObjectGenerator(abc.ABC):
    """How objects of a metric between objects of one kind are generated. Pictures are what a decoder draws."""

    @abc.abstractmethod
    def magnitude_range(self, part: bool) -> tuple[float, float]:
        """The least and the largest magnitude of an object, or of one that is a part of another.

        Args:
            part: whether it is to be the counterpart of an object.
        """

    @abc.abstractmethod
    def check_range(self, constraint: str, span: Span, least: float) -> None:
        """Raise InputError if no object has a magnitude in a span.

        Args:
            constraint: as it is written.
            span: of the magnitude.
            least: magnitude of an object.
        """

    @abc.abstractmethod
    def check_together(self, first: RequiredObject, second: RequiredObject, magnitude: Span) -> None:
        """Raise InputError if no object of such a magnitude can meet two constraints, as far as can be proven."""

    @abc.abstractmethod
    def realise(self, picture: Floats) -> Object:
        """The object that a decoded picture shows; an empty one where it shows none."""

    @abc.abstractmethod
    def repair(self, picture: Floats, targets: Floats, bounds: Bounds, least: float, measure: Measure) -> Any:
        """The object of a picture once it keeps the bounds, a `Candidate`; None where it does not come to that.

        Args:
            picture: as the decoder draws it.
            targets: (k,) values, and the magnitude if it was asked for, that the object is to have.
            bounds: to keep.
            least: magnitude below which it is given up.
            measure: of an object; to be called for whatever is tried.
        """


class ComplementModel(abc.ABC):
    """How the counterpart of an object is found: in a larger object that holds it, what is left without it."""

    @abc.abstractmethod
    def draw_wholes(self, magnitude: float, count: int, rng: np.random.Generator) -> Floats:
        """What whole objects are to have, (count, 2): the metric with the part, and the magnitude.

        Args:
            magnitude: of the part.
            count: of whole objects.
            rng: source of randomness.
        """

    @abc.abstractmethod
    def remainder(self, part: Object, picture: Floats, pose: Any) -> Floats | None:
        """The picture of a whole object without its part.

        Args:
            part: that the whole holds.
            picture: of the whole.
            pose: that lays the whole on the part.

        Returns:
            a picture like that of the whole; None where nothing useful is left.
        """
