"""Answers to a binary metric: probabilities that mean what they say, sets that hold the truth, a small model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from metricvae.core.dataset import read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.binary import MatchEvaluation, measure_matches
from metricvae.evaluation.evaluate import evaluate
from metricvae.prediction.calibration.matching import Compared, Matching, check_classes, fit_matching, matches_of
from metricvae.prediction.predictor import Predictions, Predictor

Floats = np.ndarray

SLOPE, STRETCH, INTERCEPT = 5.0, 2.0, -9.5


def drawn(count: int, seed: int) -> tuple[Compared, Floats]:
    """Pairs, and matches drawn with the probability that a known curve gives them."""
    rng = np.random.default_rng(seed)
    distance, length = rng.uniform(0, 2, count), rng.uniform(1.5, 3.5, count)
    chance = special.expit(-(SLOPE * distance + STRETCH * length + INTERCEPT))
    return Compared(distance, length), rng.random(count) < chance


@pytest.fixture(scope="module")
def matching() -> Matching:
    return fit_matching(*drawn(4000, 1), *drawn(4000, 2))


def test_the_curve_is_found(matching: Matching) -> None:
    assert matching.slope == pytest.approx(SLOPE, rel=0.15)
    assert matching.stretch == pytest.approx(STRETCH, rel=0.15)
    assert matching.intercept == pytest.approx(INTERCEPT, rel=0.15)
    assert matching.threshold == pytest.approx(0.5, abs=0.1)


def test_lengths_that_say_nothing_are_not_looked_at() -> None:
    pairs, match = drawn(8000, 7)
    blind = Compared(pairs.distance, np.random.default_rng(8).permutation(pairs.length))
    found = fit_matching(blind, match, blind, match)
    assert abs(found.stretch) < 0.15
    level = Compared(pairs.distance, np.full(len(match), 2.5))
    assert fit_matching(level, match, level, match).slope == pytest.approx(found.slope, rel=0.02)


def test_probabilities_mean_what_they_say(matching: Matching) -> None:
    pairs, match = drawn(40_000, 3)
    probability = matching.probability(pairs)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        here = (low <= probability) & (probability < low + 0.2)
        assert match[here].mean() == pytest.approx(probability[here].mean(), abs=0.04)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_of_answers_hold_the_truth(level: float) -> None:
    found = fit_matching(*drawn(4000, 4), *drawn(4000, 5), level)
    pairs, match = drawn(40_000, 6)
    low, high = found.answers(found.probability(pairs))
    assert (low <= high).all()
    held = ((low <= match) & (match <= high)).mean()
    assert held >= level - 0.02
    if level > 0.85:
        assert held == pytest.approx(level, abs=0.02)
        assert 0.02 < (low < high).mean() < 0.9


def test_survives_json(matching: Matching) -> None:
    assert Matching.from_json(json.loads(json.dumps(matching.to_json()))) == matching


@pytest.mark.parametrize("document", [None, {}, {"threshold": 1.0}, {"threshold": "near"}, 3])
def test_models_without_calibration_call_nothing_a_match(document: object) -> None:
    with pytest.raises(InputError, match="no calibration, so it calls nothing a match: train it again"):
        Matching.from_json(document)


def test_labels_of_other_kinds_are_named() -> None:
    with pytest.raises(InputError, match=r"the train pairs have the label 0\.5: expected 0"):
        matches_of("train", np.array([0.0, 1.0, 0.5]))
    with pytest.raises(InputError, match="all 2 test pairs are matches"):
        matches_of("test", np.ones(2))
    with pytest.raises(InputError, match="all 3 test pairs are mismatches: expected some of both"):
        check_classes("test", np.zeros(3, bool))


def test_the_figures_by_hand() -> None:
    said = Predictions(
        value=np.array([0.9, 0.4, 0.6, 0.1]),
        low=np.array([1.0, 0.0, 0.0, 0.0]),
        high=np.array([1.0, 1.0, 1.0, 0.0]),
        level=0.9,
        novelty=np.array([0.0, 2.0, 0.0, 0.0]),
        match=np.array([True, False, True, False]),
        distance=np.array([0.4, 1.0, 0.9, 1.5]),
    )
    truth, grade = np.array([True, True, False, False]), np.array(["match", "match", "hard", "easy"])
    found = measure_matches(said, truth, grade)
    assert (found.n, found.accuracy, found.auc) == (4, 0.5, 0.75)
    assert found.accuracy_paper == 0.75
    assert found.error == 0.5
    assert found.answers_coverage == 1
    assert found.answers_open == 0.5
    assert found.novel == 0.25
    assert found.grades["easy"]["accuracy"] == pytest.approx((0.5 + 1) / 2)
    assert found.grades["hard"]["accuracy"] == pytest.approx((0.5 + 0) / 2)
    assert found.grades["hard"]["auc"] == 0.5


# A model from cut shapes to verdicts


def test_a_model_of_halves_answers_with_probabilities_and_verdicts(halves: tuple[Path, Path]) -> None:
    data, predictor = read_dataset(halves[0]), Predictor.load(halves[1])
    found = evaluate(predictor, data)
    assert isinstance(found, MatchEvaluation)
    assert found.n == 150
    assert set(found.grades) == {"easy", "family", "hard"}
    assert 0.3 < found.auc <= 1
    said = predictor.predict_masks([(data.mask(int(data.first[0])), data.mask(int(data.second[0])))])
    back = predictor.predict_masks([(data.mask(int(data.second[0])), data.mask(int(data.first[0])))])
    assert said.value == pytest.approx(back.value)
    assert 0 <= said.value[0] <= 1
    assert said.match is not None


def test_its_card_says_what_a_match_is(halves: tuple[Path, Path]) -> None:
    text = (halves[1] / "README.md").read_text()
    assert "| a match | probability at least" in text
    assert "belong together" in text
