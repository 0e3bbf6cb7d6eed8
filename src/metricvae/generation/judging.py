"""What is known of an object against requirements: what is read off it, what a model predicts, what was verified."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.editing import ObjectEditor
from metricvae.core.kind import Object
from metricvae.core.requirements import Reading, Requirement
from metricvae.generation.screening import CodeScreen, screens_of
from metricvae.generation.surrogate import Surrogate
from metricvae.prediction.predictor import Predictor

Floats = npt.NDArray[np.float64]

TOGETHER = max(4, os.cpu_count() or 1)
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
        promise: what is added to it by numbers that were not measured, as those of other objects say; less is better.
        margin: by how much requirements are satisfied, a sum over all of them; 0 where one is not.
    """

    object: Object
    key: str
    readings: tuple[Reading | None, ...]
    predicted: tuple[float | None, ...]
    novelty: float
    violation: float
    margin: float = 0.0
    promise: float = 0.0

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
        counted: of which requirements the margins count: of all, or where there are objectives of these.
        tried: keys of the objects of which more was measured than is read off at once, or all that there is.
        skipped: why numbers are missing, and how often.
    """

    def __init__(
        self, predictor: Predictor, requirements: Sequence[Requirement], editor: ObjectEditor, deadline: float
    ) -> None:
        self.predictor, self.requirements, self.editor, self.deadline = predictor, requirements, editor, deadline
        self.evaluations, self.encoded, self.skipped = 0, 0, Counter[str]()
        self.costs = sorted({one.cost for one in requirements} - {0})
        self.screens = screens_of(predictor, requirements)
        self.surrogates = {
            place: Surrogate()
            for place, one in enumerate(requirements)
            if one.cost > 1 or one.coded is not None or (one.cost and one.is_objective)
        }
        objectives = [one.is_objective for one in requirements]
        self.tried: set[str] = set()
        self._bits: dict[str, npt.NDArray[np.uint8]] = {}
        self.counted = objectives if any(objectives) else [True] * len(requirements)

    def judge(self, objects: Sequence[Object], verified: Sequence[int]) -> list[Judged]:
        """The objects with their numbers; the best with all of them, as many as `verified` says for each cost.

        Args:
            objects: to be judged.
            verified: how many of the best are measured at cost 1, at cost 2, ...
        """
        found = sorted((self._read(one) for one in objects), key=lambda one: one.violation)
        if not self.costs:
            self.evaluations += len(found)
            self.tried |= {one.key for one in found}
            return found
        found = self._predict(found)
        for cost in self.costs:
            count = verified[min(cost, len(verified)) - 1]
            found = self._measured_all(found[:count], cost)
            found = sorted((one for one in found if np.isfinite(one.violation)), key=_worth)
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
        self.tried |= {one.key for one in found if cost > 0}
        rows = [list(one.readings) for one in found]
        for place, requirement in enumerate(self.requirements):
            if requirement.cost == cost:
                for row, reading in zip(rows, requirement.measure_all([one.object for one in found]), strict=True):
                    self.skipped.update([reading.fault] if reading.fault else [])
                    row[place] = reading
        done = [
            replace(one, readings=tuple(row), violation=self._violation(row), margin=self._margin(row))
            for one, row in zip(found, rows, strict=True)
        ]
        for place in (one for one in self.surrogates if self.requirements[one].cost == cost):
            self._learn(done, place)
        return done

    def _violation(self, readings: Sequence[Reading | None]) -> float:
        pairs = zip(self.requirements, readings, strict=True)
        return float(sum(one.violation(reading.value) for one, reading in pairs if reading is not None))

    def _margin(self, readings: Sequence[Reading | None]) -> float:
        rows = zip(self.requirements, readings, self.counted, strict=True)
        found = [one.margin(reading.value) for one, reading, counts in rows if counts and reading is not None]
        return float(sum(found)) if self._violation(readings) == 0 else 0.0

    def _predict(self, found: Sequence[Judged]) -> list[Judged]:
        """The best few with what models predict of them, in the order in which they are worth measuring."""
        found = sorted(self._promising([one for one in found if np.isfinite(one.violation)]), key=_worth)
        found = found[: self.editor.encoded_at_once]
        ranked = [(one.violation + one.promise - one.margin, one) for one in found]
        for screen in self.screens if found else ():
            ranked = ranked[: screen.editor.encoded_at_once]
            scores, novelty = screen.scores([one.object for _, one in ranked])
            self.encoded += len(ranked)
            ranked = [
                self._screened(screen, scores[:, column], novelty[column], *each) for column, each in enumerate(ranked)
            ]
            ranked.sort(key=lambda each: each[0])
        return [one for _, one in ranked]

    def _promising(self, found: Sequence[Judged]) -> list[Judged]:
        """Objects with what is expected of the numbers that cost most, or that no cheap code predicts."""
        promises = np.zeros(len(found))
        bits = self.fingerprints(found) if self.surrogates else None
        for place, surrogate in self.surrogates.items():
            expected = None if bits is None else surrogate.predict(bits)
            if expected is not None:
                one, counts = self.requirements[place], self.counted[place]
                promises += [one.violation(number) - counts * one.margin(number) for number in expected.tolist()]
        return [replace(one, promise=float(promise)) for one, promise in zip(found, promises, strict=True)]

    def _learn(self, found: Sequence[Judged], place: int) -> None:
        """What was measured of objects for one requirement."""
        bits = self.fingerprints(found)
        if bits is not None and place in self.surrogates:
            readings = [one.readings[place] for one in found]
            self.surrogates[place].learn(bits, [math.nan if one is None else one.value for one in readings])

    def fingerprints(self, found: Sequence[Judged]) -> npt.NDArray[np.uint8] | None:
        """Of objects whose kind has any."""
        kind = self.predictor.kind("right")
        if not found or not kind.fingerprinted:
            return None
        fresh = {one.key: one.object for one in found if one.key not in self._bits}
        if fresh:
            self._bits |= zip(fresh, kind.fingerprints(pa.table(kind.to_columns(list(fresh.values())))), strict=True)
        return np.stack([self._bits[one.key] for one in found])

    def _screened(
        self, screen: CodeScreen, scores: Floats, novelty: float, order: float, one: Judged
    ) -> tuple[float, Judged]:
        """An object with what a model says of it, and its place in the order."""
        predicted: list[float | None] = list(one.predicted)
        for place, score in zip(screen.places, scores.tolist(), strict=True):
            requirement = self.requirements[place]
            if screen.predicts(requirement):
                predicted[place] = score
                order += requirement.violation(score) - self.counted[place] * requirement.margin(score)
            else:
                order -= PROXY * score
        known = float(novelty) if screen.predictor is self.predictor else one.novelty
        return order, replace(one, predicted=tuple(predicted), novelty=known)


def _worth(one: Judged) -> float:
    """What is worth measuring comes first."""
    return one.violation + one.promise
