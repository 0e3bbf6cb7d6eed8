"""Answers: shapes that were made with all that is known of them, copies left out, and those that differ most chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from metricvae.core.errors import InputError
from metricvae.generation.bounds import Bounds
from metricvae.generation.candidates import Found
from metricvae.generation.constraints import Area, Like, Match, OverlapWith, Plausible, Requirement
from metricvae.generation.exemplars import Bank
from metricvae.generation.targets import Floats
from metricvae.generation.verification import Measured, closeness
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Encoded, Predictor

COPY = 0.95
"""Intersection over union with a known shape from which on a shape is a copy of it."""

LOOKED_AT, LOOKED_AT_AGAINST = 3, 20
"""Shapes of a bank, and of a set that is given, with which each answer is compared exactly."""


@dataclass(frozen=True)
class Value:
    """What is known of one requirement.

    Attributes:
        requirement: which.
        predicted: by a model from codes: an overlap, a closeness, the probability of a match; None where none says.
        verified: exactly: an overlap or an area in pixels, a closeness, the evidence of a fit, or a novelty.
        holds: whether the requirement is met.
        pose: motion that lays the required shape on the answer; None where there is none.
    """

    requirement: Requirement
    predicted: float | None
    verified: float
    holds: bool
    pose: Pose | None = None


@dataclass(frozen=True)
class Neighbour:
    """The known shape that shares most with one that was made.

    Attributes:
        id: its name.
        iou: intersection over union where they overlap most.
    """

    id: str
    iou: float


@dataclass(frozen=True)
class Generated:
    """A shape that was made.

    Attributes:
        mask: (200, 200), in one piece.
        values: one for each requirement, in their order.
        novelty: above 1, the model never saw its like.
        nearest: the known shape that is closest to it; None where none is known.
    """

    mask: Mask
    values: tuple[Value, ...]
    novelty: float
    nearest: Neighbour | None

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum(dtype=np.int64))

    @property
    def copied(self) -> bool:
        """Whether it is a copy of a known shape."""
        return self.nearest is not None and self.nearest.iou >= COPY


class Judge:
    """Who says what holds, what is a copy, and which answers to show.

    Args:
        predictor: of a model of overlap.
        requirements: as they were asked for.
        bounds: the same as spans.
        bank: of the model; None where it has none.
        against: more shapes that are not to be copied.
    """

    def __init__(
        self,
        predictor: Predictor,
        requirements: Sequence[Requirement],
        bounds: Bounds,
        bank: Bank | None,
        against: Bank | None = None,
    ) -> None:
        self.predictor, self.requirements, self.bounds = predictor, requirements, bounds
        self.known = [(known, count) for known, count in ((bank, LOOKED_AT), (against, LOOKED_AT_AGAINST)) if known]
        shapes = [target.shape.mask for target in bounds.targets]
        self.targets = predictor.encode(shapes.__getitem__, len(shapes)) if shapes else None

    def answers(self, found: Sequence[Found], matches: Sequence[Value] | None = None) -> list[Generated]:
        """Those of the shapes that hold and are no copies.

        Args:
            found: m shapes.
            matches: what is known of their match with a half, where one was asked for.
        """
        if not found:
            return []
        masks = [one.mask for one in found]
        made = self.predictor.encode(masks.__getitem__, len(masks))
        predicted, neighbours = self._predicted(made), self._nearest(made, masks)
        answers = []
        for place, one in enumerate(found):
            novelty, match = float(made.novelty[place]), None if matches is None else matches[place]
            values = [self._value(r, one.measured, predicted[place], novelty, match) for r in self.requirements]
            answers.append(Generated(one.mask, tuple(values), novelty, neighbours[place]))
        return [one for one in answers if all(value.holds for value in one.values) and not one.copied]

    def chosen(self, answers: Sequence[Generated], n: int) -> list[Generated]:
        """`n` of the answers that differ most, by their codes."""
        masks = [one.mask for one in answers]
        codes = self.predictor.encode(masks.__getitem__, len(masks)).codes
        return [answers[place] for place in spread_out(codes, n)]

    def _predicted(self, made: Encoded) -> Floats:
        """(m, k) overlaps with the targets as the model has them."""
        if self.targets is None:
            return np.zeros((len(made.codes), 0))
        return predicted(self.predictor, made, self.targets)

    def _nearest(self, made: Encoded, masks: Sequence[Mask]) -> list[Neighbour | None]:
        lists = [nearest(self.predictor, made, masks, known, count) for known, count in self.known]
        if not lists:
            return [None] * len(masks)
        return [max(each, key=lambda one: one.iou) for each in zip(*lists, strict=True)]

    def _value(self, one: Requirement, measured: Measured, said: Floats, novelty: float, match: Value | None) -> Value:
        match one:
            case Area():
                return Value(one, None, float(measured.area), one.span.holds(measured.area))
            case Plausible():
                return Value(one, None, novelty, one.span.holds(novelty))
            case Match() if match is not None:
                return match
            case OverlapWith() | Like():
                place = self.bounds.place_of(one.mask)
                found, overlap = measured.overlaps[place], float(said[place])
                if isinstance(one, OverlapWith):
                    return Value(one, overlap, found.area, one.span.holds(found.area), found.pose)
                close, guess = closeness(found), overlap / (found.area_a + found.area_b - overlap)
                return Value(one, guess, close, one.span.holds(close), found.pose)
        raise InputError(f"{one} cannot be decided here: give a model of halves")


def predicted(predictor: Predictor, made: Encoded, targets: Encoded) -> Floats:
    """(m, k) predicted overlaps of m shapes with k others."""
    names = ("codes", "sizes", "novelty")
    both = Encoded(*(torch.cat([getattr(one, name) for one in (made, targets)]) for name in names))
    count, others = len(made.codes), len(targets.codes)
    first, second = np.indices((count, others)).reshape(2, -1)
    return predictor.values(both, first, second + count).reshape(count, others)


def nearest(predictor: Predictor, made: Encoded, masks: Sequence[Mask], known: Bank, looked_at: int) -> list[Neighbour]:
    """The nearest known shape to each shape: those that the model finds closest are compared exactly.

    Args:
        predictor: that encoded both.
        made: m shapes as the model sees them.
        masks: of the same.
        known: shapes to compare with.
        looked_at: how many of them for each shape.
    """
    head, found = predictor.model.head, []
    for place, mask in enumerate(masks):
        code, size = made.codes[place].expand_as(known.codes), made.sizes[place].expand_as(known.areas)
        overlap = head.value(head.score(code, known.codes), size, known.areas)
        if predictor.near_duplicates is not None:
            overlap = overlap + predictor.near_duplicates.correction(head, code, known.codes, size, known.areas)
        iou = overlap / (size + known.areas - overlap).clamp(min=1.0)
        shape, best = PreparedMask(mask), Neighbour("", 0.0)
        for row in iou.topk(min(looked_at, len(iou))).indices.tolist():
            close = closeness(solve(shape, PreparedMask(known.mask(row))))
            best = max(best, Neighbour(known.ids[row], close), key=lambda one: one.iou)
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


def mean_closeness(masks: Sequence[Mask]) -> float | None:
    """Mean closeness of all pairs of shapes; None of fewer than two."""
    shapes = [PreparedMask(mask) for mask in masks]
    pairs = [closeness(solve(a, b)) for place, a in enumerate(shapes) for b in shapes[place + 1 :]]
    return float(np.mean(pairs)) if pairs else None
