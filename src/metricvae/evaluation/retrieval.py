"""Retrieval of the partner of each half of a library: ranked by the model, reranked by the exact fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.match.solver.edges import cached_edges
from metricvae.metrics.match.solver.joins import join
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.prediction.predictor import Predictor

Indices = npt.NDArray[np.int64]


EDGES_KEPT = 256
"""Edges in memory while scores are computed: pairs that share pieces stand near one another."""


def fit_scores(
    mask_of: Callable[[int], Mask],
    first: Indices,
    second: Indices,
    on_progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float64]:
    """The evidence of the exact fit of n pairs of halves, (n,).

    Args:
        mask_of: the mask of a half by its number.
        first, second: (n,) numbers of the two halves of each pair.
        on_progress: told how many pairs of how many are done.
    """
    edge, scores = cached_edges(mask_of, EDGES_KEPT), np.empty(len(first))
    for place, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        scores[place] = join(edge(a), edge(b)).score
        if on_progress is not None:
            on_progress(place + 1, len(scores))
    return scores


@dataclass(frozen=True)
class Ranking:
    """The rank of each half's partner among all others of a library, by the model.

    Attributes:
        rank: (n,) how many score higher than it.
        listed: (n, k) places of the k that score highest, best first.
        log_odds: (n, k) of a match with each of them, as the model has it.
    """

    rank: Indices
    listed: Indices
    log_odds: npt.NDArray[np.float64]


def retrieve_partners(predictor: Predictor, halves: Sequence[Mask], partner: Indices, listed: int) -> Ranking:
    """Rank all other halves as the partner of each by the model's log-odds of a match.

    Args:
        predictor: of a binary metric.
        halves: n masks.
        partner: (n,) place of each half's partner.
        listed: how many of each list to keep.
    """
    encoded, count = predictor.encode(halves.__getitem__, len(halves)), len(halves)
    rank, first = np.empty(count, np.int64), np.empty((count, min(listed, count - 1)), np.int64)
    odds = np.empty(first.shape)
    for place in range(count):
        likely = predictor.binary_calibration.log_odds(
            predictor.scored_pairs(encoded, np.full(count, place), np.arange(count))
        )
        likely[place] = -np.inf
        rank[place] = (likely > likely[partner[place]]).sum()
        first[place] = np.argsort(-likely, kind="stable")[: first.shape[1]]
        odds[place] = likely[first[place]]
    return Ranking(rank, first, odds)


@dataclass(frozen=True)
class Hit:
    """A candidate for the partner of a half.

    Attributes:
        place: of the half in the library.
        fit: evidence of the exact fit, a log-odds.
        evidence: the sum of that and the model's log-odds.
        pose: motion that joins it to the other.
    """

    place: int
    fit: float
    evidence: float
    pose: Pose


def rerank_by_fit(
    halves: Sequence[Mask],
    ranking: Ranking,
    queries: Indices,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[list[Hit]]:
    """Rerank the lists of some halves by the sum of the exact fit's evidence and the model's log-odds, best first.

    Args:
        halves: the library.
        ranking: of all of it.
        queries: (m,) places of the halves whose lists are wanted.
        on_progress: told how many lists of how many are done.
    """
    edge, found = cached_edges(halves.__getitem__), []
    for query in queries.tolist():
        hits = []
        for place, odds in zip(ranking.listed[query].tolist(), ranking.log_odds[query].tolist(), strict=True):
            fit = join(edge(query), edge(place))
            hits.append(Hit(place, fit.score, fit.score + odds, fit.pose))
        found.append(sorted(hits, key=lambda hit: -hit.evidence))
        if on_progress is not None:
            on_progress(len(found), len(queries))
    return found
