"""Selection of answers: candidates with all that is known of them, copies left out, the most diverse ones chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from metricvae.core.constraints import Closeness, Constraint, Magnitude, Match, Plausible, ValueWith
from metricvae.core.errors import InputError
from metricvae.core.generation import Bounds, Candidate, Floats, Measured, tanimoto
from metricvae.core.kind import Object
from metricvae.generation.exemplars import Exemplars
from metricvae.generation.verification import ClosenessMeasure
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded

COPY = 0.95
"""Closeness to a known object from which on an object is a copy of it."""

COMPARED, COMPARED_AGAINST = 3, 20
"""Exemplars of the model, and objects of a set that is given, with which each answer is compared exactly."""


@dataclass(frozen=True)
class Value:
    """What is known of one constraint.

    Attributes:
        constraint: which.
        predicted: by a model from codes: a value, a closeness, the probability of a match; None where none predicts it.
        verified: exactly: a value, a magnitude, a closeness, the score of a match, or a novelty.
        holds: whether the constraint is satisfied.
        pose: motion that lays the required object on the answer; None where there is none.
    """

    constraint: Constraint
    predicted: float | None
    verified: float
    holds: bool
    pose: Any = None


@dataclass(frozen=True)
class Neighbour:
    """The known object that is closest to a generated one.

    Attributes:
        id: its name.
        closeness: exact; of silhouettes, the intersection over union where they overlap most.
    """

    id: str
    closeness: float


@dataclass(frozen=True)
class Generated:
    """A generated object.

    Attributes:
        object: as its kind reads it.
        magnitude: of it.
        values: one for each constraint, in their order.
        novelty: above 1, it is unlike the training objects.
        nearest: the known object that is closest to it; None where none is known.
    """

    object: Object
    magnitude: float
    values: tuple[Value, ...]
    novelty: float
    nearest: Neighbour | None

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy of a known object."""
        return self.nearest is not None and self.nearest.closeness >= COPY


class Selector:
    """Decides which candidates satisfy the constraints, which are copies, and which answers to show.

    Args:
        predictor: of the model.
        constraints: as they were asked for.
        bounds: the same as spans.
        exemplars: of the model; None where it has none.
        against: more objects that are not to be copied.
    """

    def __init__(
        self,
        predictor: Predictor,
        constraints: Sequence[Constraint],
        bounds: Bounds,
        exemplars: Exemplars | None,
        against: Exemplars | None = None,
    ) -> None:
        self.predictor, self.constraints, self.bounds = predictor, constraints, bounds
        sets = (exemplars, COMPARED), (against, COMPARED_AGAINST)
        self.known = [(known, count) for known, count in sets if known]
        required = [one.object for one in bounds.required]
        self.required = predictor.encode(required, "right") if required else None

    def answers(self, candidates: Sequence[Candidate], matches: Sequence[Value] | None = None) -> list[Generated]:
        """Those of m candidates that satisfy all constraints and are no copies.

        Args:
            candidates: that keep the bounds.
            matches: what is known of their match with an object, where one was asked for.
        """
        if not candidates:
            return []
        objects = [one.object for one in candidates]
        made = self.predictor.encode(objects)
        predicted, neighbours = self._predicted(made), self._nearest(made, objects)
        answers = []
        for place, one in enumerate(candidates):
            novelty, match = float(made.novelty[place]), None if matches is None else matches[place]
            values = [self._value(c, one.measured, predicted[place], novelty, match) for c in self.constraints]
            answers.append(Generated(one.object, one.measured.magnitude, tuple(values), novelty, neighbours[place]))
        return [one for one in answers if all(value.holds for value in one.values) and not one.is_copy]

    def choose(self, answers: Sequence[Generated], n: int) -> list[Generated]:
        """`n` of the answers that differ most, by their codes."""
        codes = self.predictor.encode([one.object for one in answers]).codes
        return [answers[place] for place in spread_out(codes, n)]

    def _predicted(self, made: Encoded) -> Floats:
        """(m, k) values with the required objects as the model predicts them."""
        if self.required is None:
            return np.zeros((len(made), 0))
        first, second = np.indices((len(made), len(self.required))).reshape(2, -1)
        return self.predictor.values(made, self.required, first, second).reshape(len(made), -1)

    def _nearest(self, made: Encoded, objects: Sequence[Object]) -> Sequence[Neighbour | None]:
        lists = [nearest(self.predictor, made, objects, known, count) for known, count in self.known]
        if not lists:
            return [None] * len(objects)
        return [max(each, key=lambda one: one.closeness) for each in zip(*lists, strict=True)]

    def _value(
        self, one: Constraint, measured: Measured, predicted: Floats, novelty: float, match: Value | None
    ) -> Value:
        match one:
            case Magnitude():
                return Value(one, None, float(measured.magnitude), one.span.holds(measured.magnitude))
            case Plausible():
                return Value(one, None, novelty, one.span.holds(novelty))
            case Match() if match is not None:
                return match
            case ValueWith() | Closeness():
                place = self.bounds.place_of(one.object)
                found, value = measured.solutions[place], float(predicted[place])
                if isinstance(one, ValueWith):
                    return Value(one, value, found.value, one.span.holds(found.value), found.pose)
                sizes = measured.magnitude, self.bounds.required[place].magnitude
                close = tanimoto(found.value, *sizes)
                return Value(one, tanimoto(value, *sizes), close, one.span.holds(close), found.pose)
        raise InputError(f"{one} cannot be decided here: give a model of halves")


def nearest(
    predictor: Predictor, made: Encoded, objects: Sequence[Object], known: Exemplars, compared: int
) -> list[Neighbour]:
    """The nearest known object to each object: those that the model predicts to be closest are compared exactly.

    Args:
        predictor: that encoded both, of a metric with a solver.
        made: m objects as the model encodes them.
        objects: the same.
        known: objects to compare with.
        compared: how many of them for each object.
    """
    head, kind, found = predictor.model.head, predictor.kind(), []
    assert predictor.metric.solver is not None
    measure = ClosenessMeasure(kind, predictor.metric.solver)
    for place, one in enumerate(objects):
        code, size = made.codes[place].expand_as(known.codes), made.magnitudes[place].expand_as(known.magnitudes)
        value = head.value(head.score(code, known.codes), size, known.magnitudes)
        if predictor.near_duplicates is not None:
            value = value + predictor.near_duplicates.correction(head, code, known.codes, size, known.magnitudes)
        close = value / (size + known.magnitudes - value).clamp(min=1.0)
        prepared, best = measure.prepare(one), Neighbour("", 0.0)
        rows = close.topk(min(compared, len(close))).indices.tolist()
        for row, other in zip(rows, known.objects(rows), strict=True):
            exact = measure.between(prepared, measure.prepare(other))
            best = max(best, Neighbour(known.ids[row], exact), key=lambda one: one.closeness)
        found.append(best)
    return found


def spread_out(codes: torch.Tensor, count: int) -> list[int]:
    """`count` of the codes (m, d): the first, and each time the one farthest from those chosen before it."""
    chosen, distance = [0], (codes - codes[0]).norm(dim=1)
    while len(chosen) < min(count, len(codes)):
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (codes - codes[chosen[-1]]).norm(dim=1))
    return chosen
