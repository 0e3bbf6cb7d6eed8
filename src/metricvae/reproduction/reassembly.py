"""Retrieval of the partners of halves, and generation of missing partners: sections of a report."""

from __future__ import annotations

from functools import partial

import numpy as np

from metricvae.core.dataset import PairDataset
from metricvae.evaluation.retrieval import Hit, rerank, retrieve_counterparts
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.match.metric import MatchSolver
from metricvae.metrics.match.solver.edges import Edge
from metricvae.metrics.match.solver.joins import join
from metricvae.metrics.overlap.drawing import JoinedPair, draw_joined, superimpose
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import ReassemblyConfig
from metricvae.reproduction.decoded import Completion, complete
from metricvae.reproduction.inputs import OnStep, masks_of
from metricvae.reproduction.report import Figure, Section
from metricvae.reproduction.table_1 import Indices

PANELS = "Rows of three panels."
"""What the figures show, for those who cannot see them."""


def reassembly_sections(
    data: PairDataset, predictor: Predictor, config: ReassemblyConfig, step: OnStep
) -> tuple[Section, Section]:
    """Partners retrieved from unseen halves, and partners generated for them.

    Args:
        data: pairs of halves with a test split.
        predictor: of a binary metric.
        config: the settings.
        step: told how far it is.
    """
    rows = data.rows("test")
    matches = rows[data.value[rows] == 1][: config.library // 2]
    first, second = masks_of(data.left, data.first[matches]), masks_of(data.right, data.second[matches])
    queries = np.linspace(0, len(matches) - 1, min(config.drawn, len(matches))).astype(np.int64)
    return (
        _retrieved(first + second, predictor, queries, config, step),
        _generated(first, second, predictor, queries),
    )


def _retrieved(
    halves: list[Mask], predictor: Predictor, queries: Indices, config: ReassemblyConfig, step: OnStep
) -> Section:
    """Partners retrieved from a library whose second part holds the partners of the first, in order."""
    partner = np.roll(np.arange(len(halves)), len(halves) // 2)
    ranking = retrieve_counterparts(predictor, halves, partner, config.listed)
    lists = rerank(MatchSolver(), halves, ranking, queries, partial(step, "fitting edges of hits"))
    drawn = [
        _hit(halves, query, hits[0], int(partner[query])) for query, hits in zip(queries.tolist(), lists, strict=True)
    ]
    first, listed = (100 * float(np.mean(ranking.rank < most)) for most in (1, config.listed))
    figure = Figure("found", "A half, the first hit, and both joined.", PANELS, draw_joined(drawn))
    return Section(
        "Retrieval of partners",
        f"Among {len(halves):,} unseen halves the model ranks the partner first for {first:.0f} %, and among the first "
        f"{config.listed} for {listed:.0f} %. Below, the one of these {config.listed} with the largest sum of the "
        "model's log-odds and the evidence of the fit of the edges.",
        figures=(figure,),
    )


def _generated(halves: list[Mask], partners: list[Mask], predictor: Predictor, queries: Indices) -> Section:
    """Partners decoded for halves, compared with the true ones."""
    completions = complete(predictor, halves, partners)
    drawn = [_completion(halves[query], completions[query]) for query in queries.tolist()]
    figure = Figure("made", "A half, the partner generated, and both joined.", PANELS, draw_joined(drawn))
    text = (
        "The code at a distance of 0 from that of a half, decoded. The mean intersection over union with the true "
        f"partners, aligned at their maximum overlap, is {np.mean([one.iou for one in completions]):.2f}; the model "
        f"calls {100 * np.mean([one.probability >= 0.5 for one in completions]):.0f} % of them a match."
    )
    return Section("The missing half", text, figures=(figure,))


def _hit(halves: list[Mask], query: int, hit: Hit, partner: int) -> JoinedPair:
    mask = halves[hit.place]
    caption = "the partner" if hit.place == partner else "another half"
    return JoinedPair(halves[query], mask, superimpose(halves[query], mask, hit.pose), caption)


def _completion(half: Mask, made: Completion) -> JoinedPair:
    joined = None
    if made.mask.any():
        joined = superimpose(half, made.mask, join(Edge(half), Edge(made.mask)).pose)
    return JoinedPair(half, made.mask, joined, f"IoU {made.iou:.2f}, probability {made.probability:.2f}")
