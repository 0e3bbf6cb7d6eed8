"""What constraints can be met together, by what can be proven before anything is searched for.

A value is never above what the magnitudes of its two objects allow (`Metric.limits`). A closeness r to an object of
magnitude a bounds the magnitude x and the value v alike: v = r (a + x) / (1 + r), r a <= x <= a / r. What else is known
of two required objects together is the metric's (`ObjectGenerator.check_together`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metricvae.core.constraints import Closeness, Constraint, Magnitude, Match, Span, ValueWith
from metricvae.core.errors import InputError
from metricvae.core.generation import Bounds, ObjectGenerator, RequiredObject, identity
from metricvae.core.kind import Object, ObjectKind
from metricvae.core.metric import Metric, Solver
from metricvae.generation.verification import magnitude_of

LEAST_CLOSENESS = 1e-3
"""Below this a closeness bounds nothing."""


def bounds_of(constraints: Sequence[Constraint], metric: Metric, kind: ObjectKind) -> Bounds:
    """The spans of magnitude and values.

    Args:
        constraints: at least one.
        metric: with a generator.
        kind: of the objects that are generated.

    Raises:
        InputError: no constraint, more than one object to match, constraints that nothing can meet, or a metric whose
            objects are not generated.
    """
    if not constraints:
        raise InputError("got no requirement: give at least one")
    if sum(isinstance(one, Match) for one in constraints) > 1:
        raise InputError("got two halves to match: a shape is the missing half of one, give one match")
    generator, solver = require_object_generator(metric)
    least, most = generator.magnitude_range(any(isinstance(one, Match) for one in constraints))
    builder = _Builder(metric, kind, generator, solver)
    magnitude, asked = builder.magnitude(constraints, least, most)
    required = tuple(builder.required(constraints, magnitude))
    for one in required:
        builder.check_alone(one, magnitude)
    for first, second in itertools.combinations(required, 2):
        generator.check_together(first, second, magnitude)
    return Bounds(kind, solver, magnitude, asked, required)


def require_object_generator(metric: Metric) -> tuple[ObjectGenerator, Solver]:
    """How the metric's objects are generated, and the solver that verifies them.

    Raises:
        InputError: they are not generated.
    """
    generator, solver = metric.generator, metric.solver
    if generator is None or solver is None:
        raise InputError(f"a model of the metric {metric.name} cannot generate: give one of a metric that can, overlap")
    return generator, solver


@dataclass(frozen=True)
class _Builder:
    """Spans of one metric, with the words of its kind in messages."""

    metric: Metric
    kind: ObjectKind
    generator: ObjectGenerator
    solver: Solver

    def magnitude(self, constraints: Sequence[Constraint], least: float, most: float) -> tuple[Span, bool]:
        """The span of the magnitude, and whether it was asked for."""
        name = self.kind.magnitude_name
        span, asked = Span(least, most), False
        for one in constraints:
            if isinstance(one, Magnitude):
                self.generator.check_range(str(one), one.span, least)
                span, asked = _both(span, one.span, name), True
            elif isinstance(one, Closeness):
                size, low = magnitude_of(self.kind, one.object), max(one.span.low, LEAST_CLOSENESS)
                span, asked = _both(span, Span(low * size, size / low), f"{name} (for {one})"), True
        return span, asked

    def required(self, constraints: Sequence[Constraint], magnitude: Span) -> Iterator[RequiredObject]:
        """The required objects; constraints on the same object are merged."""
        merged: dict[bytes, RequiredObject] = {}
        for one in constraints:
            if isinstance(one, ValueWith | Closeness):
                key = identity(self.kind, one.object)
                known = merged.get(key) or self._required(one, magnitude)
                self._check_value(one, known)
                merged[key] = self._merge(known, one, magnitude)
        yield from merged.values()

    def _required(self, one: ValueWith | Closeness, magnitude: Span) -> RequiredObject:
        size = magnitude_of(self.kind, one.object)
        value = Span(0.0, self._most(size, magnitude.high))
        return RequiredObject(one.name, one.object, self.solver.prepare(one.object), size, value)

    def _most(self, magnitude: float, other: float) -> float:
        """The largest value of two objects of such magnitudes."""
        return float(self.metric.limits(np.array([magnitude], np.float64), np.array([other], np.float64))[1][0])

    def _check_value(self, one: ValueWith | Closeness, known: RequiredObject) -> None:
        target, size = max(one.span.low, one.span.target or 0), known.magnitude
        if isinstance(one, ValueWith) and target > self._most(size, np.inf):
            raise InputError(
                f"{one}: {one.name} has {size:,.10g} {self.kind.magnitude_unit}, and no {self.metric.name} is above "
                f"that; ask for at most {size:.10g}"
            )

    def _merge(self, known: RequiredObject, one: ValueWith | Closeness, magnitude: Span) -> RequiredObject:
        what, size = f"the {self.metric.name} with {known.name}", known.magnitude
        if isinstance(one, ValueWith):
            if max(one.span.low, one.span.target or 0) > magnitude.high:
                raise InputError(
                    f"{one}: that is above the largest {self.kind.magnitude_name} that is allowed, "
                    f"{magnitude.high:.6g} {self.kind.magnitude_unit}; {self._advice}"
                )
            return replace(known, value=_both(known.value, one.span, what))
        low, high = (value / (1 + value) for value in (one.span.low, one.span.high))
        implied = Span(low * (size + magnitude.low), high * (size + magnitude.high))
        closeness = (
            one.span if known.closeness is None else _both(known.closeness, one.span, f"closeness to {one.name}")
        )
        return replace(known, value=_both(known.value, implied, what), closeness=closeness)

    def check_alone(self, one: RequiredObject, magnitude: Span) -> None:
        """Raise InputError if a required value is above all magnitudes that are allowed."""
        if one.value.low > magnitude.high:
            raise InputError(
                f"the {self.metric.name} with {one.name} is to be at least {one.value.low:.6g} "
                f"{self.kind.magnitude_unit}, above the largest {self.kind.magnitude_name} that is allowed, "
                f"{magnitude.high:.6g}: {self._advice}"
            )

    @property
    def _advice(self) -> str:
        return f"ask for less {self.metric.name} or more {self.kind.magnitude_name}"


def _both(span: Span, other: Span, what: str) -> Span:
    """The numbers in both spans."""
    low, high = max(span.low, other.low), min(span.high, other.high)
    if low > high:
        raise InputError(
            f"{what} is required to be both {_in_words(span)} and {_in_words(other)}: no number is, loosen one"
        )
    targets = [target for target in (other.target, span.target) if target is not None and low <= target <= high]
    return Span(low, high, targets[0] if targets else None)


def _in_words(span: Span) -> str:
    return f"from {span.low:.6g} to {span.high:.6g}"


def objects_of(constraints: Sequence[Constraint], kind: ObjectKind) -> list[tuple[str, Object]]:
    """The objects that constraints name, each once, in their order."""
    found: dict[bytes, tuple[str, Object]] = {}
    for one in constraints:
        if isinstance(one, ValueWith | Closeness | Match):
            found.setdefault(identity(kind, one.object), (one.name, one.object))
    return list(found.values())
