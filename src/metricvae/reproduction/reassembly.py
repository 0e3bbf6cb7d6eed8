"""Shapes put together again from a heap of halves, and halves made where there are none: sections of a report."""

from __future__ import annotations

import numpy as np

from metricvae.core.dataset import DataSet
from metricvae.evaluation.retrieval import Hit, rerank, retrieve_counterparts
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.match.metric import MatchSolver
from metricvae.metrics.match.solver.edges import Edge
from metricvae.metrics.match.solver.joins import join
from metricvae.plotting.pairs import JoinedPair, draw_joined, laid_together
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.decoded import Completion, complete
from metricvae.reproduction.report import Figure, Section
from metricvae.reproduction.reproduce import OnStep

LIBRARY = 1_000
"""Halves in the heap, at most."""

LISTED = 50
"""Of the model's first hits, how many have their edges fitted."""

DRAWN = 6


def reassembly_sections(data: DataSet, predictor: Predictor, step: OnStep) -> tuple[Section, Section]:
    """Partners found among unseen halves, and partners made for them."""
    rows = data.rows("test")
    matches = rows[data.value[rows] == 1][: LIBRARY // 2]
    places = np.concatenate([data.first[matches], data.second[matches]])
    halves = [data.mask(int(place)) for place in places]
    partner = np.roll(np.arange(len(halves)), -len(matches))
    ranking = retrieve_counterparts(predictor, halves, partner, LISTED)
    queries = np.linspace(0, len(matches) - 1, min(DRAWN, len(matches))).astype(np.int64)
    solver = MatchSolver()
    lists = rerank(solver, halves, ranking, queries, lambda done, total: step("putting shapes together", done, total))
    drawn = [
        _found(halves, int(query), hits[0], int(partner[query])) for query, hits in zip(queries, lists, strict=True)
    ]
    first, listed = (100 * float(np.mean(ranking.rank < most)) for most in (1, LISTED))
    found = Section(
        "Partners found",
        f"Among {len(halves):,} unseen halves the model puts the partner first for {first:.0f} %, and among the first "
        f"{LISTED} for {listed:.0f} %. Below, of these {LISTED} the one for which the fit of the edges and the model "
        "together speak most.",
        figures=(
            Figure("found", "A half, the first hit, and both joined.", "Rows of three panels.", draw_joined(drawn)),
        ),
    )
    made = complete(predictor, halves[: len(matches)], halves[len(matches) :])
    text = (
        "The code at a distance of 0 from a half's own, decoded. With the true partners, laid where they share most, "
        f"the intersection over union is {np.mean([one.iou for one in made]):.2f} on average; the model calls "
        f"{100 * np.mean([one.probability >= 0.5 for one in made]):.0f} % of them a match."
    )
    drawn = [_made(halves[query], made[query]) for query in queries.tolist()]
    figure = Figure("made", "A half, the partner made, and both joined.", "Rows of three panels.", draw_joined(drawn))
    return found, Section("The missing half", text, figures=(figure,))


def _found(halves: list[Mask], query: int, hit: Hit, partner: int) -> JoinedPair:
    mask = halves[hit.place]
    words = "the partner" if hit.place == partner else "another half"
    return JoinedPair(halves[query], mask, laid_together(halves[query], mask, hit.pose), words)


def _made(half: Mask, made: Completion) -> JoinedPair:
    joined = None
    if made.mask.any():
        joined = laid_together(half, made.mask, join(Edge(half), Edge(made.mask)).pose)
    return JoinedPair(half, made.mask, joined, f"IoU {made.iou:.2f}, probability {made.probability:.2f}")
