"""Retrieval of counterparts: ranks by brute force, lists in the order of the evidence, decoded counterparts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.retrieval import Ranking, rerank, retrieve_counterparts, solver_scores
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.match.metric import MatchSolver
from metricvae.metrics.match.solver.edges import Edge
from metricvae.metrics.match.solver.joins import join
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.heads import CosineDistance
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.decoded import complete


@pytest.fixture(scope="module")
def library(halves: tuple[Path, Path]) -> list[Mask]:
    """Twelve firsts, then their twelve partners."""
    data = read_dataset(halves[0])
    rows = data.rows("test")
    matches = rows[data.value[rows] == 1][:12]
    return data.left.kind.restore(data.left.packed[np.concatenate([data.first[matches], data.second[matches]])])


@pytest.fixture(scope="module")
def predictor(halves: tuple[Path, Path]) -> Predictor:
    return Predictor.load(halves[1])


def test_ranks_are_those_of_all_odds_side_by_side(predictor: Predictor, library: list[Mask]) -> None:
    partner = np.roll(np.arange(24), 12)
    ranking = retrieve_counterparts(predictor, library, partner, 5)
    codes = predictor.encode(library)
    first, second = np.indices((24, 24)).reshape(2, -1)
    pairs = predictor.scored_pairs(codes, codes, first, second)
    odds = predictor.binary_calibration.log_odds(pairs).reshape(24, 24)
    np.fill_diagonal(odds, -np.inf)
    for place in range(24):
        assert ranking.rank[place] == np.sum(odds[place] > odds[place, partner[place]])
        assert (partner[place] in ranking.listed[place]) == (ranking.rank[place] < 5)
        assert place not in ranking.listed[place]
        chance = predictor.predict(codes, codes, np.full(5, place), ranking.listed[place]).value
        np.testing.assert_allclose(1 / (1 + np.exp(-ranking.log_odds[place])), chance, rtol=1e-4)


def test_lists_stand_in_the_order_of_the_fit_and_partners_come_first() -> None:
    pieces = [cut(s.mask, "zigzag", np.random.default_rng(n)) for n, s in enumerate(draw("procedural", 5, seed=30))]
    halves = [a for a, _ in pieces] + [b for _, b in pieces]
    listed = np.array([[other for other in range(10) if other != place] for place in range(10)])
    ranking = Ranking(np.zeros(10, np.int64), listed, np.zeros(listed.shape))
    lists = rerank(MatchSolver(), halves, ranking, np.arange(3))
    assert all(sorted(hits, key=lambda hit: -hit.evidence) == hits and len(hits) == 9 for hits in lists)
    assert [hits[0].place for hits in lists] == [5, 6, 7]


def test_scores_are_those_of_the_solver(halves: tuple[Path, Path]) -> None:
    data = read_dataset(halves[0])
    rows = data.rows("test")[:4]
    pairs = [(data.left.object(data.first[row]), data.right.object(data.second[row])) for row in rows]
    expected = [join(Edge(first), Edge(second)).score for first, second in pairs]
    np.testing.assert_array_equal(solver_scores(data, rows), expected)
    with pytest.raises(InputError, match="no exact solver"):
        solver_scores(replace(data, metric=TabularMetric("fit")), rows)


def test_the_partner_of_a_code_lies_at_no_distance() -> None:
    z = torch.randn(5, 8)
    for head in (CosineDistance(swapped=True), CosineDistance()):
        torch.testing.assert_close(head.score(z, head.counterpart(z)), torch.zeros(5))


def test_partners_are_made_for_halves_and_by_models_of_halves_alone(predictor: Predictor, library: list[Mask]) -> None:
    made = complete(predictor, library[:4], library[12:16])
    assert len(made) == 4
    assert all(0 <= one.probability <= 1 and 0 <= one.iou <= 1 for one in made)
    with pytest.raises(InputError, match="head inner_product has no partners"):
        complete(Predictor.load("overlap"), library[:1], library[:1])
