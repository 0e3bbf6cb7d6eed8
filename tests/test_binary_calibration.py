"""Answers to a binary metric: probabilities that mean what they say, sets that hold the truth, a small model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special

from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.core.splits import SPLITS
from metricvae.evaluation.binary import BinaryEvaluation, measure_binary
from metricvae.evaluation.evaluate import evaluate
from metricvae.nn.autoencoder import Tower
from metricvae.prediction.calibrate import calibrate
from metricvae.prediction.calibration.binary import (
    BinaryCalibration,
    ScoredPairs,
    binary_labels,
    check_classes,
    fit_binary_calibration,
)
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Predictions
from metricvae.training.checkpoint import load_model

Floats = np.ndarray

DISTANCE, LENGTH, INTERCEPT = 5.0, 2.0, -9.5


def drawn(count: int, seed: int) -> tuple[ScoredPairs, Floats]:
    """Pairs, and matches drawn with the probability that a known curve gives them."""
    rng = np.random.default_rng(seed)
    distance, length = rng.uniform(0, 2, count), rng.uniform(1.5, 3.5, count)
    probability = special.expit(-(DISTANCE * distance + LENGTH * length + INTERCEPT))
    return ScoredPairs(distance, length), rng.random(count) < probability


@pytest.fixture(scope="module")
def calibration() -> BinaryCalibration:
    return fit_binary_calibration(*drawn(4000, 1), *drawn(4000, 2))


def test_the_curve_is_found(calibration: BinaryCalibration) -> None:
    assert calibration.distance_coefficient == pytest.approx(DISTANCE, rel=0.15)
    assert calibration.length_coefficient == pytest.approx(LENGTH, rel=0.15)
    assert calibration.intercept == pytest.approx(INTERCEPT, rel=0.15)
    assert calibration.threshold == pytest.approx(0.5, abs=0.1)


def test_lengths_that_say_nothing_are_not_looked_at() -> None:
    pairs, match = drawn(8000, 7)
    blind = ScoredPairs(pairs.distance, np.random.default_rng(8).permutation(pairs.length))
    found = fit_binary_calibration(blind, match, blind, match)
    assert abs(found.length_coefficient) < 0.15
    level = ScoredPairs(pairs.distance, np.full(len(match), 2.5))
    assert fit_binary_calibration(level, match, level, match).distance_coefficient == pytest.approx(
        found.distance_coefficient, rel=0.02
    )


def test_probabilities_mean_what_they_say(calibration: BinaryCalibration) -> None:
    pairs, match = drawn(40_000, 3)
    probability = calibration.probability(pairs)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        here = (low <= probability) & (probability < low + 0.2)
        assert match[here].mean() == pytest.approx(probability[here].mean(), abs=0.04)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_of_answers_hold_the_truth(level: float) -> None:
    found = fit_binary_calibration(*drawn(4000, 4), *drawn(4000, 5), level)
    pairs, match = drawn(40_000, 6)
    low, high = found.answers(found.probability(pairs))
    assert (low <= high).all()
    held = ((low <= match) & (match <= high)).mean()
    assert held >= level - 0.02
    if level > 0.85:
        assert held == pytest.approx(level, abs=0.02)
        assert 0.02 < (low < high).mean() < 0.9


def test_survives_json(calibration: BinaryCalibration) -> None:
    assert BinaryCalibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_the_names_of_0_1_are_read() -> None:
    document = {"threshold": 0.6, "slope": 17.0, "stretch": 3.5, "intercept": -27.0, "level": 0.9, "doubt": 0.2}
    expected = BinaryCalibration(0.6, 17.0, 3.5, -27.0, 0.9, 0.2)
    assert BinaryCalibration.read({"matching": document}) == expected
    assert BinaryCalibration.read({"binary": expected.to_json()}) == expected


def test_the_fit_is_the_most_likely_one() -> None:
    """No step away from the coefficients makes Platt's targets likelier."""
    pairs, match = drawn(500, 9)
    fitted = fit_binary_calibration(pairs, match, pairs, match)
    target = np.where(match, (match.sum() + 1) / (match.sum() + 2), 1 / ((~match).sum() + 2))

    def loss(calibration: BinaryCalibration) -> float:
        log_odds = calibration.log_odds(pairs)
        return float(np.mean(np.logaddexp(0.0, log_odds) - target * log_odds))

    for name in ("distance_coefficient", "length_coefficient", "intercept"):
        for step in (-0.01, 0.01):
            assert loss(replace(fitted, **{name: getattr(fitted, name) + step})) > loss(fitted)


@pytest.mark.parametrize("document", [None, {}, {"threshold": 1.0}, {"threshold": "near"}, 3])
def test_models_without_calibration_call_nothing_a_match(document: object) -> None:
    with pytest.raises(InputError, match="no calibration, so it gives no answers: train it again"):
        BinaryCalibration.from_json(document)


def test_labels_of_other_kinds_are_named() -> None:
    with pytest.raises(InputError, match=r"the train pairs have the label 0\.5: expected 0"):
        binary_labels("train", np.array([0.0, 1.0, 0.5]))
    with pytest.raises(InputError, match="all 2 test pairs have the value 1"):
        binary_labels("test", np.ones(2))
    with pytest.raises(InputError, match="all 3 test pairs have the value 0: expected some of 0 and of 1"):
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
    found = measure_binary(said, truth, grade)
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
    assert isinstance(found, BinaryEvaluation)
    assert found.n == len(data.rows("test"))
    assert set(found.grades) == {"easy", "family", "hard"}
    assert 0.3 < found.auc <= 1
    said = predictor.predict_objects([(data.left.object(int(data.first[0])), data.left.object(int(data.second[0])))])
    back = predictor.predict_objects([(data.left.object(int(data.second[0])), data.left.object(int(data.first[0])))])
    assert said.value == pytest.approx(back.value)
    assert 0 <= said.value[0] <= 1
    assert said.match is not None


def test_a_calibration_encodes_objects_once(
    halves: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the training and validation splits are encoded once, and those of the calibration for pairs alone."""
    data, model = read_dataset(halves[0]), Path(shutil.copytree(halves[1], tmp_path / "model"))
    encoded: list[int] = []
    encode = Tower.encode_features

    def counting(self: Tower, features: torch.Tensor, *others: Any) -> Any:
        encoded.append(len(features))
        return encode(self, features, *others)

    monkeypatch.setattr(Tower, "encode_features", counting)
    calibrate(model, data)
    parts = {split: data.of_split(split) for split in SPLITS}
    objects = {split: len(np.union1d(part.first, part.second)) for split, part in parts.items()}
    twice = objects["validation"] + objects["calibration"]  # with their mirror images
    assert sum(encoded) == objects["train"] + 2 * twice
    assert load_model(model).calibration == load_model(halves[1]).calibration


def test_its_card_says_what_a_match_is(halves: tuple[Path, Path]) -> None:
    text = (halves[1] / "README.md").read_text()
    assert "| a match | probability at least" in text
    assert "belong together" in text
