"""Retrieval of the counterpart of each object of a collection: ranked by the model, reranked by the exact solver."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.metric import Solver
from metricvae.prediction.predictor import Predictor

Indices = npt.NDArray[np.int64]

PREPARED = 256
"""Prepared objects in memory while scores are computed: pairs that share objects stand near one another."""


def solver_scores(
    data: PairDataset, rows: Indices, on_progress: Callable[[int, int], None] | None = None
) -> npt.NDArray[np.float64]:
    """The scores of the exact solver of some pairs of a data set, (n,); see `metricvae.core.metric.Solution.score`.

    Args:
        data: of a metric with a solver.
        rows: (n,) of its pairs.
        on_progress: told how many pairs of how many are done.

    Raises:
        InputError: the metric has no solver.
    """
    solver = data.metric.solver
    if solver is None:
        raise InputError(f"the metric {data.metric.name} has no exact solver to score pairs by: leave them out")
    left, scores = _prepared(solver, data.left.object, PREPARED), np.empty(len(rows))
    right = left if data.shared else _prepared(solver, data.right.object, PREPARED)
    for place, (a, b) in enumerate(zip(data.first[rows].tolist(), data.second[rows].tolist(), strict=True)):
        scores[place] = solver.solve(left(a), right(b)).score
        if on_progress is not None:
            on_progress(place + 1, len(scores))
    return scores


def _prepared(solver: Solver, object_of: Callable[[int], Object], kept: int | None = None) -> Callable[[int], Any]:
    """Objects by number as the solver prepares them, the last ones kept; all of them by default."""
    return functools.lru_cache(maxsize=kept)(lambda place: solver.prepare(object_of(place)))


@dataclass(frozen=True)
class Ranking:
    """The rank of each object's counterpart among all others of a collection, by the model.

    Attributes:
        rank: (n,) how many score higher than it.
        listed: (n, k) places of the k that score highest, best first.
        log_odds: (n, k) of a match with each of them, as the model has it.
    """

    rank: Indices
    listed: Indices
    log_odds: npt.NDArray[np.float64]


def retrieve_counterparts(
    predictor: Predictor, objects: Sequence[Object], counterpart: Indices, listed: int
) -> Ranking:
    """Rank all other objects as the counterpart of each by the model's log-odds of a match.

    Args:
        predictor: of a binary metric between objects of one kind.
        objects: n of them.
        counterpart: (n,) place of each object's counterpart.
        listed: how many of each list to keep.
    """
    encoded, count = predictor.encode(objects), len(objects)
    rank, first = np.empty(count, np.int64), np.empty((count, min(listed, count - 1)), np.int64)
    odds = np.empty(first.shape)
    for place in range(count):
        pairs = predictor.scored_pairs(encoded, encoded, np.full(count, place), np.arange(count))
        likely = predictor.binary_calibration.log_odds(pairs)
        likely[place] = -np.inf
        rank[place] = (likely > likely[counterpart[place]]).sum()
        first[place] = np.argsort(-likely, kind="stable")[: first.shape[1]]
        odds[place] = likely[first[place]]
    return Ranking(rank, first, odds)


@dataclass(frozen=True)
class Hit:
    """A candidate for the counterpart of an object.

    Attributes:
        place: of the candidate in the collection.
        score: of the exact solver, a log-odds.
        evidence: the sum of that and the model's log-odds.
        pose: motion that lays it on the other.
    """

    place: int
    score: float
    evidence: float
    pose: Any


def rerank(
    solver: Solver,
    objects: Sequence[Object],
    ranking: Ranking,
    queries: Indices,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[list[Hit]]:
    """Rerank the lists of some objects by the sum of the exact solver's score and the model's log-odds, best first.

    Args:
        solver: of a binary metric, whose scores are log-odds.
        objects: the collection.
        ranking: of all of it.
        queries: (m,) places of the objects whose lists are wanted.
        on_progress: told how many lists of how many are done.
    """
    prepared, found = _prepared(solver, objects.__getitem__), []
    for query in queries.tolist():
        hits = []
        for place, odds in zip(ranking.listed[query].tolist(), ranking.log_odds[query].tolist(), strict=True):
            solution = solver.solve(prepared(query), prepared(place))
            hits.append(Hit(place, solution.score, solution.score + odds, solution.pose))
        found.append(sorted(hits, key=lambda hit: -hit.evidence))
        if on_progress is not None:
            on_progress(len(found), len(queries))
    return found
