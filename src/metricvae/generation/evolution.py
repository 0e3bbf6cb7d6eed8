"""Objects that satisfy requirements, made by editing known ones: a genetic loop whose every answer is verified exactly.

1. **Begin.** The objects of an index that a model predicts to come near, or what the kind's editor makes.
2. **Edit.** The editor changes and crosses them, the best most often; a model's decoder, where it has one, writes some
   around them and between them.
3. **Screen.** What is read off a candidate at once is looked at first; of the best the model predicts from codes what
   the exact solver would say.
4. **Verify.** The best by that are measured exactly, and take the place of worse ones.
5. **Choose.** Of those that satisfy all, the ones that differ most (MaxMin); none is an object of the index.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from metricvae.core.editing import ObjectEditor
from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.requirements import Reading, Requirement, check_requirements
from metricvae.generation import SECONDS
from metricvae.generation.fingerprints import best_distinct, max_min, similarities
from metricvae.generation.judging import Judge, Judged
from metricvae.generation.known_objects import RETRIEVED, KnownObjects, retrieve
from metricvae.generation.proposals import proposals_of
from metricvae.generation.screening import editor_of
from metricvae.prediction.predictor import Predictor
from metricvae.search.index import Index, check_model

SCREENED = 1000
"""Items of an index that are weighed against what is made, where a requirement is an objective."""

NICHE, SERIES = 6, 3
"""Objects that are alike, at most: of those that are edited together, and of the answers."""

IDLE = 100
"""Generations in a row that bring nothing to measure, after which a search ends."""


@dataclass(frozen=True)
class EvolutionConfig:
    """How the search goes.

    Attributes:
        seconds: that it may take, about.
        evaluations: objects that are measured exactly, at most; None for no limit.
        seed: of all that is drawn.
        population: objects that are edited.
        children: edits in each generation.
        verified: of them that are measured exactly, at cost 1 and at cost 2.
        improve: whether the whole budget is used, to find those that satisfy the requirements by most; it is wherever
            one of them is an objective.
        decoded: share of the edits that the decoder of the model writes instead, where it has one; 1 edits nothing.
        spare: objects that hold are gathered until there are so many times as many as asked for, to choose from.
        alike: similarity above which objects are alike, where the whole budget is used: of such at most `NICHE` are
            edited together, and `SERIES` are answers, if there are others. At 1 that is not looked at, and the best
            answers may be variants of one object.
    """

    seconds: float = SECONDS
    evaluations: int | None = None
    seed: int = 0
    population: int = 48
    children: int = 160
    verified: tuple[int, int] = (16, 4)
    improve: bool = False
    decoded: float = 0.25
    spare: float = 2.0
    alike: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise InputError(f"the search may take {self.seconds:g} seconds: expected a number above 0")
        if min(self.limit, self.population, self.children, *self.verified) < 1:
            raise InputError("got a number of evaluations or objects below 1: expected at least 1")
        if not 0 < self.alike <= 1:
            raise InputError(f"the similarity of what is alike is {self.alike:g}: expected above 0, and at most 1")
        if not 0 <= self.decoded <= 1:
            raise InputError(f"the share of decoded objects is {self.decoded:g}: expected 0 to 1")

    @property
    def limit(self) -> float:
        """Of evaluations."""
        return math.inf if self.evaluations is None else self.evaluations


@dataclass(frozen=True)
class Made:
    """An answer.

    Attributes:
        object: as it was measured: where a requirement lays it on something, that conformation, and the motion `pose`.
        pose: motion; None where there is none.
        key: of it.
        readings: one for each requirement.
        predicted: one for each requirement, by a model; None where none predicts it.
        novelty: above 1, it is unlike what the model was trained on.
        nearest: key and similarity of the known object that is most like it; None where none is known.
    """

    object: Object
    pose: object
    key: str
    readings: tuple[Reading, ...]
    predicted: tuple[float | None, ...]
    novelty: float
    nearest: tuple[str, float] | None


@dataclass(frozen=True)
class Evolved:
    """What came of a search.

    Attributes:
        answers: at most as many as were asked for.
        held: objects that satisfied all requirements.
        evaluations, encoded, generations: how much was measured, encoded and bred.
        known: objects that are not to be copied.
        skipped: why numbers are missing, and how often.
    """

    answers: tuple[Made, ...]
    held: int
    evaluations: int
    encoded: int
    generations: int
    known: int
    skipped: dict[str, int]


def evolve(
    predictor: Predictor,
    requirements: Sequence[Requirement],
    n: int,
    config: EvolutionConfig | None = None,
    *,
    library: Index | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evolved:
    """At most `n` objects that satisfy all requirements; fewer where the budget was used up.

    Args:
        predictor: of a model between objects of a kind that are edited.
        requirements: at least one, see `metricvae.core.requirements`.
        n: how many.
        config: budget and seed. The same seed gives the same answers if the time does not run out.
        library: index made with the model, to begin with; without one, the editor makes what it begins with.
        on_progress: told how many of how many objects hold.

    Raises:
        InputError: requirements that nothing can satisfy, an index of another model, or nothing found.
    """
    config = config or EvolutionConfig()
    if n < 1:
        raise InputError(f"n is {n}: expected at least 1")
    try:
        return _Evolution(predictor, requirements, n, config, library).run(on_progress or (lambda *_: None))
    finally:
        for one in requirements:
            one.close()


class _Evolution:
    """The state of a search."""

    def __init__(
        self,
        predictor: Predictor,
        requirements: Sequence[Requirement],
        n: int,
        config: EvolutionConfig,
        library: Index | None,
    ) -> None:
        self.predictor, self.requirements, self.n, self.config = predictor, requirements, n, config
        self.kind = predictor.kind("right")
        self.editor = editor_of(self.kind)
        check_requirements(requirements)
        self.aimed = any(one.is_objective for one in requirements)
        self.improve = config.improve or self.aimed
        self.editor.check(requirements)
        if library is not None:
            check_model(library, predictor)
        self.known = KnownObjects()
        self.library, self.rng = library, np.random.default_rng(config.seed)
        self.judge = Judge(predictor, requirements, self.editor, time.monotonic() + config.seconds)
        self.given = self.editor.given(requirements)
        self.writer = proposals_of(predictor, self.editor, config.seed) if config.decoded else None
        self.population: list[Judged] = []
        self.held: list[Judged] = []
        self.generations = self.idle = 0

    def run(self, report: Callable[[int, int], None]) -> Evolved:
        queries = [one.query for one in self.requirements if one.query is not None]
        if self.library is not None:
            count = SCREENED if self.aimed else RETRIEVED
            self.known = retrieve(self.library, self.predictor, self.requirements, self.editor, self.config.seed, count)
        self.editor.learn([*self.known.starts[:RETRIEVED], *queries])
        starts = [*self.known.starts, *queries]
        if not self.known.starts:
            made = self.editor.starts(self.requirements, self.config.population, self.rng)
            self.editor.learn(made)
            starts += made
        self._take(starts)
        while self._within() and (self.improve or len(self.held) < self.config.spare * self.n):
            report(min(len(self.held), self.n), self.n)
            parents = [one.object for one in self.population] or starts
            before = self.judge.evaluations
            self._take([*self._proposed(parents), *(self.known.starts if self.aimed else ())])
            self.idle = self.idle + 1 if self.judge.evaluations == before else 0
            self.generations += 1
        report(min(len(self.held), self.n), self.n)
        if not self.held:
            raise InputError(self._nothing())
        held = len(self.held)
        return Evolved(
            tuple(self._chosen(queries)),
            held,
            self.judge.evaluations,
            self.judge.encoded,
            self.generations,
            len(self.known.keys),
            dict(self.judge.skipped.most_common()),
        )

    def _within(self) -> bool:
        in_budget = time.monotonic() < self.judge.deadline and self.judge.evaluations < self.config.limit
        return in_budget and self.idle < IDLE

    def _proposed(self, parents: Sequence[Object]) -> list[Object]:
        """Objects that are made of parents, the best of which come first."""
        share, written = self.config.decoded, list[Object]()
        if self.writer is not None:
            written = self.writer.propose(parents, round(share * self.config.children))
            written = self.editor.allowed(written, self.requirements)
        if self.writer is not None and share == 1:
            return written
        return written + self.editor.edit(parents, self.requirements, self.config.children - len(written), self.rng)

    def _take(self, objects: Sequence[Object]) -> None:
        """Judge objects that were not tried, and keep the best of all for the population."""
        fresh = {self.editor.key(one): one for one in objects}
        fresh = {key: one for key, one in fresh.items() if key not in self.judge.tried}
        left = self.config.limit - self.judge.evaluations
        counts = [int(min(count, left)) for count in self.config.verified]
        judged = self.judge.judge(list(fresh.values()), counts)
        self.held += [one for one in judged if one.holds and not self._known(one)]
        if self.aimed:
            self.editor.learn([one.object for one in judged if one.key in self.known.keys])
        everyone = [*self.population, *judged]
        ties = self.rng.random(len(everyone)) * 1e-6
        merit = [one.violation - self.improve * one.margin + tie for one, tie in zip(everyone, ties, strict=True)]
        ordered = [everyone[place] for place in np.argsort(merit)]
        self.population = self._distinct(ordered, self.config.population, NICHE)

    def _distinct(self, ordered: list[Judged], count: int, together: int) -> list[Judged]:
        """The first of objects in order, of which so many may be alike."""
        features = self.judge.fingerprints(ordered) if self.improve and self.config.alike < 1 else None
        if features is None:
            return ordered[:count]
        return [ordered[place] for place in best_distinct(features, count, self.config.alike, together)]

    def _known(self, one: Judged) -> bool:
        return one.key in self.known.keys or one.key in self.given

    def _chosen(self, queries: Sequence[Object]) -> list[Made]:
        """The answers that differ most, with the known object that is nearest to each."""
        if self.improve:
            best = sorted(self.held, key=lambda one: -one.margin)
            self.held = self._distinct(best, max(self.n, round(self.config.spare * self.n)), SERIES)
        features = self._fingerprints([one.object for one in self.held])
        places = max_min(features, self.n)
        known = [*self.known.starts, *queries]
        if not known:
            return [answer_of(self.held[place], self.editor, None) for place in places]
        alike = similarities(features[places], self._fingerprints(known))
        best = alike.argmax(1)
        return [
            answer_of(self.held[place], self.editor, (self.editor.key(known[best[row]]), float(alike[row, best[row]])))
            for row, place in enumerate(places)
        ]

    def _fingerprints(self, objects: Sequence[Object]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        found: np.ndarray[tuple[int, int], np.dtype[np.uint8]] = self.kind.fingerprints(
            pa.table(self.kind.to_columns(objects))
        )
        return found

    def _nothing(self) -> str:
        asked = ", ".join(map(str, self.requirements))
        spent = f"{self.config.seconds:g} seconds and {self.judge.evaluations:,} evaluations"
        skipped = "".join(f"; {count} were skipped: {fault}" for fault, count in self.judge.skipped.most_common(1))
        if not self.population:
            return f"nothing was found for {asked} in {spent}{skipped}: loosen the requirements, or give more seconds"
        best = self.population[0]
        pairs = zip(self.requirements, best.readings, strict=True)
        got = ", ".join(f"{one.name} {reading.value:.3g}" for one, reading in pairs if reading is not None)
        known = ", which is known," if self._known(best) else ""
        found = f"nothing was found for {asked} in {spent}; the closest{known} has {got}{skipped}"
        return f"{found}: loosen one, or give more seconds"


def answer_of(one: Judged, editor: ObjectEditor, nearest: tuple[str, float] | None) -> Made:
    """An answer as it was measured, where the first requirement that lays it on something lays it.

    Args:
        one: with all that was measured.
        editor: of its kind.
        nearest: key and similarity of the known object that is most like it; None where none is known.
    """
    readings = tuple(reading for reading in one.readings if reading is not None)
    laid = next((reading for reading in readings if reading.object is not None), None)
    value = editor.stand(one.object) if laid is None else laid.object
    pose = None if laid is None else laid.pose
    return Made(value, pose, one.key, readings, one.predicted, one.novelty, nearest)
