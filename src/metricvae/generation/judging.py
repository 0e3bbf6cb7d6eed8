"""What is known of an object against requirements: what is read off it, what a model predicts, what was verified."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from metricvae.core.editing import ObjectEditor
from metricvae.core.kind import Object
from metricvae.core.requirements import Reading, Requirement
from metricvae.generation.screening import CodeScreen, screens_of
from metricvae.prediction.predictor import Predictor

Floats = npt.NDArray[np.float64]

TOGETHER = 4
"""Objects that are measured together; the time is looked at in between."""

PROXY = 0.5
"""Weight of a closeness that a model predicts where another number is asked for: it says what to look at first."""


@dataclass(frozen=True)
class Judged:
    """An object with its numbers.

    Attributes:
        object: as its kind reads it.
        key: of it.
        readings: one for each requirement; None where it was not worth measuring.
        predicted: one for each requirement, by a model from codes; None where none predicts it.
        novelty: by the model; 0 where it was not encoded.
        violation: sum over the requirements.
        margin: by how much requirements are satisfied, a sum over all of them; 0 where one is not.
    """

    object: Object
    key: str
    readings: tuple[Reading | None, ...]
    predicted: tuple[float | None, ...]
    novelty: float
    violation: float
    margin: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether all was measured."""
        return all(reading is not None and not reading.fault for reading in self.readings)

    @property
    def holds(self) -> bool:
        """Whether all requirements are satisfied."""
        return self.complete and self.violation == 0


class Judge:
    """Measures objects, what costs least first, and what costs more only of those that are worth it.

    Args:
        predictor: whose codes say what to look at first.
        requirements: at least one.
        editor: of the kind.
        deadline: of `time.monotonic`, at which measuring ends.

    Attributes:
        evaluations: objects of which all was measured, or was to be.
        encoded: objects that were encoded.
        skipped: why numbers are missing, and how often.
    """

    def __init__(
        self, predictor: Predictor, requirements: Sequence[Requirement], editor: ObjectEditor, deadline: float
    ) -> None:
        self.predictor, self.requirements, self.editor, self.deadline = predictor, requirements, editor, deadline
        self.evaluations, self.encoded, self.skipped = 0, 0, Counter[str]()
        self.costs = sorted({one.cost for one in requirements} - {0})
        self.screens = screens_of(predictor, requirements)

    def judge(self, objects: Sequence[Object], verified: Sequence[int]) -> list[Judged]:
        """The objects with their numbers; the best with all of them, as many as `verified` says for each cost.

        Args:
            objects: to be judged.
            verified: how many of the best are measured at cost 1, at cost 2, ...
        """
        found = sorted((self._read(one) for one in objects), key=lambda one: one.violation)
        if not self.costs:
            self.evaluations += len(found)
            return found
        found = self._predict(found)
        for cost in self.costs:
            count = verified[min(cost, len(verified)) - 1]
            found = self._measured_all(found[:count], cost)
            found = sorted((one for one in found if np.isfinite(one.violation)), key=lambda one: one.violation)
        return [one for one in found if one.complete]

    def _read(self, value: Object) -> Judged:
        """What is read off an object at once."""
        empty = (None,) * len(self.requirements)
        return self._measured([Judged(value, self.editor.key(value), empty, empty, 0.0, 0.0)], 0)[0]

    def _measured_all(self, found: Sequence[Judged], cost: int) -> list[Judged]:
        """Objects with the numbers of a cost, some at a time, until the deadline."""
        done: list[Judged] = []
        for start in range(0, len(found), TOGETHER):
            if time.monotonic() >= self.deadline:
                break
            done += self._measured(found[start : start + TOGETHER], cost)
        return done

    def _measured(self, found: Sequence[Judged], cost: int) -> list[Judged]:
        """Objects with the numbers of a cost."""
        self.evaluations += len(found) * (cost > 0 and cost == self.costs[0])
        rows = [list(one.readings) for one in found]
        for place, requirement in enumerate(self.requirements):
            if requirement.cost == cost:
                for row, reading in zip(rows, requirement.measure_all([one.object for one in found]), strict=True):
                    self.skipped.update([reading.fault] if reading.fault else [])
                    row[place] = reading
        return [
            replace(one, readings=tuple(row), violation=self._violation(row), margin=self._margin(row))
            for one, row in zip(found, rows, strict=True)
        ]

    def _violation(self, readings: Sequence[Reading | None]) -> float:
        pairs = zip(self.requirements, readings, strict=True)
        return float(sum(one.violation(reading.value) for one, reading in pairs if reading is not None))

    def _margin(self, readings: Sequence[Reading | None]) -> float:
        pairs = zip(self.requirements, readings, strict=True)
        found = [one.margin(reading.value) for one, reading in pairs if reading is not None]
        return float(sum(found)) if self._violation(readings) == 0 else 0.0

    def _predict(self, found: Sequence[Judged]) -> list[Judged]:
        """The best few with what models predict of them, in the order in which they are worth measuring."""
        found = [one for one in found if np.isfinite(one.violation)][: self.editor.encoded_at_once]
        ranked = [(one.violation - one.margin, one) for one in found]
        for screen in self.screens if found else ():
            ranked = ranked[: screen.editor.encoded_at_once]
            scores, novelty = screen.scores([one.object for _, one in ranked])
            self.encoded += len(ranked)
            ranked = [
                self._screened(screen, scores[:, column], novelty[column], *each) for column, each in enumerate(ranked)
            ]
            ranked.sort(key=lambda each: each[0])
        return [one for _, one in ranked]

    def _screened(
        self, screen: CodeScreen, scores: Floats, novelty: float, order: float, one: Judged
    ) -> tuple[float, Judged]:
        """An object with what a model says of it, and its place in the order."""
        predicted: list[float | None] = list(one.predicted)
        for place, score in zip(screen.places, scores.tolist(), strict=True):
            requirement = self.requirements[place]
            if screen.predicts(requirement):
                predicted[place] = score
                order += requirement.violation(score) - requirement.margin(score)
            else:
                order -= PROXY * score
        known = float(novelty) if screen.predictor is self.predictor else one.novelty
        return order, replace(one, predicted=tuple(predicted), novelty=known)


def max_min(features: npt.NDArray[np.uint8], count: int) -> list[int]:
    """`count` rows of packed bits (m, b): the first, and each time the one least like those chosen before it, by the
    Tanimoto coefficient (MaxMin: M. Ashton et al., Quantitative Structure-Activity Relationships 21 (2002) 598)."""
    bits = np.unpackbits(features, axis=1).astype(np.float32)
    counts, chosen = bits.sum(1), [0]
    nearest = _alike(bits, counts, 0)
    while len(chosen) < min(count, len(bits)):
        nearest[chosen] = np.inf
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, _alike(bits, counts, chosen[-1]))
    return chosen


def _alike(bits: npt.NDArray[np.float32], counts: npt.NDArray[np.float32], row: int) -> Floats:
    both = bits @ bits[row]
    found: Floats = (both / np.maximum(counts + counts[row] - both, 1.0)).astype(np.float64)
    return found


def similarities(features: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]) -> Floats:
    """(m, n) Tanimoto coefficients of packed bits (m, b) and (n, b)."""
    left, right = (np.unpackbits(one, axis=1).astype(np.float32) for one in (features, others))
    both = left @ right.T
    found: Floats = (both / np.maximum(left.sum(1)[:, None] + right.sum(1) - both, 1.0)).astype(np.float64)
    return found
