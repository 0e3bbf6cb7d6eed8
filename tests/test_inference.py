"""Answers from a model: intervals that hold what they promise, predictions within bounds, figures one can check."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import Evaluation, answer, evaluate, labelled_magnitudes
from metricvae.fitting.fit import fit
from metricvae.kinds.half.kind import HalfKind
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind, mask_of
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.match.metric import MatchMetric
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.prediction.calibrate import calibrate
from metricvae.prediction.calibration.conformal import Conformal, conformal_quantile, fit_conformal
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded, EncodedPairs, Predictions
from metricvae.reproduction.decoded import decode_samples
from metricvae.training.batching import graph_of
from metricvae.training.checkpoint import annotate, begin_model, finish_model, load_model
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights

Floats = np.ndarray

TINY = ModelConfig(
    OverlapMetric(),
    TowerConfig(SilhouetteKind(), PolarEncoderConfig((16, 16)), CanonicalDecoderConfig((16, 16))),
    latent=8,
)
SHORT = TrainingConfig(
    steps=60,
    batch_pairs=56,
    run_length=28,
    anchor_share=0.25,
    learning_rate=3e-3,
    weights=LossWeights(reconstruction=2e-6, latent=2e-6, deformation=0.1, metric=1.0),
    copies=1,
    evaluate_every=20,
    threads=1,
    precision="float32",
)


# Intervals


def heteroscedastic(count: int, seed: int) -> tuple[Floats, Floats]:
    """Predictions from 100 to 9,000 pixels and true values whose errors grow with them."""
    random = np.random.default_rng(seed)
    predicted = random.uniform(100, 9000, count)
    return predicted, predicted + random.standard_t(4, count) * (20 + 0.05 * predicted)


def test_intervals_hold_nine_in_ten_in_each_class_too() -> None:
    conformal = fit_conformal(*heteroscedastic(4000, 1))
    predicted, value = heteroscedastic(40_000, 2)
    low, high = conformal.interval(predicted)
    held = (low <= value) & (value <= high)
    assert held.mean() == pytest.approx(0.9, abs=0.03)
    assert len(conformal.half_widths) == 8
    of_class = np.searchsorted(conformal.edges, predicted)
    assert all(held[of_class == k].mean() == pytest.approx(0.9, abs=0.04) for k in range(8))
    assert list(conformal.half_widths) == sorted(conformal.half_widths)


def test_one_width_for_all_would_not_hold_in_each_class() -> None:
    """The test above sees what it should: with a single class the small predictions are covered too often."""
    predicted, value = heteroscedastic(40_000, 2)
    one = conformal_quantile(np.abs(predicted - value), 0.9)
    small = predicted < 1000
    assert (np.abs(predicted - value) <= one)[small].mean() > 0.97


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_other_levels_hold_too(level: float) -> None:
    conformal = fit_conformal(*heteroscedastic(4000, 3), level)
    predicted, value = heteroscedastic(20_000, 4)
    low, high = conformal.interval(predicted)
    assert ((low <= value) & (value <= high)).mean() == pytest.approx(level, abs=0.03)


def test_coverage_holds_on_average_with_the_fewest_pairs() -> None:
    """20 pairs: the finite-sample rank is what keeps the promise, ceil(21 * 0.9) = 19 of 20."""
    held = []
    for seed in range(400):
        conformal = fit_conformal(*heteroscedastic(20, seed))
        predicted, value = heteroscedastic(50, seed + 10_000)
        low, high = conformal.interval(predicted)
        held.append(((low <= value) & (value <= high)).mean())
    assert np.mean(held) == pytest.approx(19 / 21, abs=0.015)


@pytest.mark.parametrize(
    ("count", "level", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (20, 0.9, 19), (99, 0.9, 90), (5, 0.9, 5), (10, 0.5, 6)]
)
def test_the_quantile_is_that_of_the_finite_sample(count: int, level: float, rank: int) -> None:
    residual = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert conformal_quantile(residual, level) == rank


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(20, 900), st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 1000))
def test_equal_predictions_do_no_harm(count: int, levels: list[int], seed: int) -> None:
    """A model may say the same of many pairs, 0 for instance: no class is empty and every interval has a width."""
    random = np.random.default_rng(seed)
    predicted = random.choice(np.array(levels, np.float64), count)
    conformal = fit_conformal(predicted, predicted + random.normal(size=count))
    assert len(conformal.half_widths) == len(conformal.edges) + 1
    assert list(conformal.edges) == sorted(set(conformal.edges))
    counts = np.bincount(np.searchsorted(conformal.edges, predicted, side="right"), minlength=len(conformal.edges) + 1)
    assert counts.min() >= 20
    assert all(math.isfinite(width) and width > 0 for width in conformal.half_widths)


def test_calibrations_survive_json() -> None:
    conformal = fit_conformal(*heteroscedastic(500, 5))
    assert Conformal.from_json(json.loads(json.dumps(conformal.to_json()))) == conformal


def test_too_few_calibration_pairs() -> None:
    with pytest.raises(InputError, match="19 calibration pairs: expected at least 20"):
        fit_conformal(*heteroscedastic(19, 6))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"level": 0.9},
        {"level": 0.9, "edges": [1.0], "half_widths": [2.0]},
        {"level": 0.9, "edges": "ab", "half_widths": [2.0, 3.0, 4.0]},
        {"level": None, "edges": [], "half_widths": [1.0]},
        {"level": 0.9, "edges": [], "half_widths": None},
    ],
)
def test_models_without_calibration_give_no_intervals(document: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no calibration, so it gives no intervals: train it again"):
        Conformal.from_json(document)


# A model fitted from labels to intervals


@pytest.fixture(scope="module")
def model_folder(dataset: PairDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "model"
    fit(dataset, TINY, SHORT, folder)
    return folder


@pytest.fixture(scope="module")
def predictor(model_folder: Path) -> Predictor:
    return Predictor.load(model_folder)


def mask(dataset: PairDataset, row: int) -> np.ndarray:
    return mask_of(dataset.left.tensor(np.array([row]))[0])


def encoded(predictor: Predictor, dataset: PairDataset, objects: list[int]) -> Encoded:
    return predictor.encode_rows(dataset.left, np.array(objects))


def test_fitting_learns_calibrates_and_describes(model_folder: Path, dataset: PairDataset) -> None:
    loaded = load_model(model_folder)
    assert loaded.facts["pairs"] == 480
    assert loaded.facts["data"] == {"parts": [dataset.card["plan"]]}
    assert loaded.facts["validation_r2"] > 0.5
    assert Conformal.from_json(loaded.calibration).level == 0.9
    card = (model_folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: metricvae\n")
    assert "480 training pairs of silhouettes from `mixed`, seed 3" in card


def test_fitting_again_is_finished_at_once(model_folder: Path, dataset: PairDataset) -> None:
    before = (model_folder / "model.safetensors").stat().st_mtime_ns
    fit(dataset, TINY, SHORT, model_folder)
    assert (model_folder / "model.safetensors").stat().st_mtime_ns == before


def test_the_calibration_is_that_of_its_split(model_folder: Path, dataset: PairDataset, predictor: Predictor) -> None:
    said = answer(predictor, dataset, "calibration")
    expected = fit_conformal(said.predictions.value, dataset.value[dataset.rows("calibration")])
    assert Conformal.from_json(predictor.loaded.calibration).half_widths == pytest.approx(expected.half_widths)
    inside = (said.predictions.low <= said.value) & (said.value <= said.predictions.high)
    assert inside.mean() >= 0.9


def test_calibration_needs_pairs(model_folder: Path, dataset: PairDataset, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    split = dataset.split.copy()
    split[dataset.rows("calibration")[15:]] = "test"
    with pytest.raises(InputError, match="15 calibration pairs"):
        calibrate(folder, replace(dataset, split=split))
    assert load_model(folder).calibration == load_model(model_folder).calibration


def test_the_splits_of_training_are_the_data_set_s(dataset: PairDataset) -> None:
    rows, data = dataset.rows("validation"), dataset.of_split("validation")
    assert len(data) == 30
    assert data.value.tolist() == dataset.value[rows].tolist()
    assert set(data.split) == {"validation"}
    shown = data.left.tensor(data.first[:1])[0, 0].numpy()
    assert shown.tolist() == mask(dataset, int(dataset.first[rows[0]])).tolist()


def test_answers_stay_between_nothing_and_the_smaller_shape(predictor: Predictor, dataset: PairDataset) -> None:
    said = answer(predictor, dataset, "all").predictions
    least = np.minimum(*dataset.magnitudes())
    assert (said.low >= 0).all()
    assert (said.low <= said.value).all()
    assert (said.value <= said.high).all()
    assert (said.high <= least).all()


@pytest.mark.parametrize("gain", [-50.0, 50.0])
def test_answers_stay_there_whatever_the_weights_say(tmp_path: Path, gain: float) -> None:
    """Codes of random weights made so large that the raw product leaves the bounds."""
    begin_model(tmp_path, TINY, {}, {})
    weights = build(TINY, seed=1).state_dict()
    weights["towers.left.encoder.direct.weight"] *= gain
    weights["towers.left.encoder.last.weight"] *= -gain
    finish_model(tmp_path, weights, "float32", {})
    annotate(tmp_path, calibration=Conformal(0.9, (), (40.0,)).to_json())
    shapes = draw("procedural", 12, 4)
    pairs = [(a.mask, b.mask) for a in shapes for b in shapes]
    said = Predictor.load(tmp_path).predict_objects(pairs)
    least = np.array([min(a.sum(), b.sum()) for a, b in pairs])
    for values in (said.low, said.value, said.high):
        assert (values >= 0).all()
        assert (values <= least).all()
    assert (said.value == least).any()


def test_order_within_a_pair_does_not_matter(predictor: Predictor, dataset: PairDataset) -> None:
    shown = encoded(predictor, dataset, list(range(20)))
    first, second = np.divmod(np.arange(400), 20)
    here, there = (predictor.predict(shown, shown, *ends) for ends in ((first, second), (second, first)))
    np.testing.assert_allclose(here.value, there.value, rtol=1e-6)
    np.testing.assert_allclose(here.high, there.high, rtol=1e-6)


def test_company_does_not_matter(predictor: Predictor, dataset: PairDataset) -> None:
    """A pair alone, among others, and in a library larger than what is encoded at once."""
    objects = list(range(140))
    seen: list[tuple[int, int]] = []
    masks = [mask(dataset, row) for row in objects]
    library = predictor.encode(masks, on_progress=lambda *n: seen.append(n))
    assert seen == [(done, 140) for done in (32, 64, 96, 128, 140)]
    first, second = np.array([3, 135, 139]), np.array([130, 7, 138])
    together = predictor.values(library, library, first, second)
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    alone = predictor.predict_objects([(masks[a], masks[b]) for a, b in pairs])
    np.testing.assert_allclose(alone.value, together, rtol=1e-4)
    one = predictor.predict_objects([(masks[3], masks[130])])
    np.testing.assert_allclose(one.value, together[:1], rtol=1e-4)


def test_an_uncalibrated_model_gives_values_but_no_intervals(tmp_path: Path, dataset: PairDataset) -> None:
    begin_model(tmp_path, TINY, {}, {})
    finish_model(tmp_path, build(TINY).state_dict(), "float32", {})
    bare = Predictor.load(tmp_path)
    shown = encoded(bare, dataset, [0, 1])
    assert bare.values(shown, shown, np.array([0]), np.array([1])).shape == (1,)
    with pytest.raises(InputError, match="no calibration"):
        bare.predict(shown, shown, np.array([0]), np.array([1]))


def test_codes_of_no_objects_lie_where_the_model_does(model_folder: Path) -> None:
    """So that no pairs have answers, none, on a GPU too."""
    assert len(Predictor.load(model_folder).predict_objects([])) == 0
    elsewhere = Predictor.load(model_folder, "meta").encode([])
    assert {part.device.type for part in (elsewhere.codes, elsewhere.magnitudes, elsewhere.novelty)} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_says_the_same(model_folder: Path, predictor: Predictor, dataset: PairDataset) -> None:
    there = answer(Predictor.load(model_folder, "cuda"), dataset).predictions
    here = answer(predictor, dataset).predictions
    np.testing.assert_allclose(there.value, here.value, rtol=1e-2, atol=2)


# Figures


class Prophet(Predictor):
    """Says what it was told to say of each pair."""

    def __init__(self, said: Predictions) -> None:
        self.said = said

    def encode_pairs(self, data: PairDataset, rows: np.ndarray, on_progress: object = None) -> EncodedPairs:
        graph = graph_of(data, rows, one_tower=True)
        count = len(graph.left)
        side = Encoded(torch.zeros(count, 1), torch.ones(count), torch.zeros(count))
        return EncodedPairs(side, side, graph)

    def predict(self, left: Encoded, right: Encoded, first: Floats, second: Floats) -> Predictions:
        return self.said


def made_up(value: list[float], split: list[str]) -> PairDataset:
    """Pairs (0, 1), (2, 3), ... of objects with areas 100, 200, 300, ..."""
    count = len(value)
    masks = (np.arange(20_000) < 100 * np.arange(1, 2 * count + 1)[:, None]).astype(np.uint8)
    table = ObjectTable.from_objects(SilhouetteKind(100, 200), masks.reshape(-1, 100, 200))
    rows = np.arange(2 * count).reshape(count, 2).T
    return PairDataset.from_objects(OverlapMetric(), table, *rows, value, split=split)


def test_representative_pairs_are_all_but_hard_ones() -> None:
    rows = np.array([3, 0, 2])
    overlaps = made_up([1.0, 0.0, 0.0, 0.0], ["test"] * 4)
    assert overlaps.representative(rows).tolist() == [True] * 3
    table = ObjectTable.from_objects(HalfKind(), np.ones((8, 200, 200), np.uint8))
    data = PairDataset.from_objects(MatchMetric(), table, np.arange(4), np.arange(4, 8), overlaps.value)
    assert data.representative(rows).tolist() == [True] * 3
    graded = replace(data, columns={"grade": np.array(["match", "easy", "hard", "family"])})
    assert graded.representative(rows).tolist() == [True, True, False]


def test_the_figures_by_hand() -> None:
    data = made_up([90, 280, 460, 600, 800, 1000], ["train"] * 3 + ["test"] * 3)
    said = Predictions(
        value=np.array([620.0, 790.0, 1000.0]),
        low=np.array([610.0, 700.0, 900.0]),
        high=np.array([660.0, 800.0, 1100.0]),
        level=0.9,
        novelty=np.array([0.5, 1.0, 1.5]),
    )
    found = evaluate(Prophet(said), data)
    expected = {
        "n": 3,
        "mse": (20**2 + 10**2) / 3,
        "rmse": math.sqrt(500 / 3),
        "mae": 30 / 3,
        "r2": 1 - 500 / (200**2 + 200**2),
        "mape": (20 / 600 + 10 / 800) / 3,
        "naive_mse": np.mean((np.array([600, 800, 1000]) - 830 / 3) ** 2),
        "interval_coverage": 2 / 3,
        "interval_width": (50 + 100 + 200) / 3,
        "novel": 1 / 3,
    }
    figures = asdict(found)
    assert {name: figures[name] for name in expected} == pytest.approx(expected)


def test_overlaps_that_follow_from_the_areas_leave_nothing_to_the_areas_regression() -> None:
    count = 40
    value = [100.0 * (2 * i + 1) * 0.5 for i in range(count)]  # half of the smaller area
    data = made_up(value, ["train"] * 30 + ["test"] * 10)
    truth = data.value[30:]
    found = evaluate(Prophet(Predictions(truth, truth - 1, truth + 1, 0.9, np.zeros(10))), data)
    assert found.magnitudes_mse < 1e-3 * found.naive_mse
    assert (found.mse, found.r2, found.interval_coverage) == (0, 1, 1)


def test_without_training_pairs_the_baselines_learn_from_the_pairs_themselves() -> None:
    data = made_up([100, 300, 500], ["test"] * 3)
    said = Predictions(np.full(3, 300.0), np.zeros(3), np.full(3, 600.0), 0.9, np.zeros(3))
    for split in ("test", "all"):
        found = evaluate(Prophet(said), data, split)
        assert found.naive_mse == found.mse == pytest.approx(data.value.var())
        assert found.r2 == pytest.approx(0)


def test_pairs_of_one_value_have_no_r2() -> None:
    said = Predictions(np.array([1.0]), np.array([0.0]), np.array([2.0]), 0.9, np.zeros(1))
    with pytest.raises(InputError, match="all 1 pairs of split 'test' have the value 500"):
        evaluate(Prophet(said), made_up([100, 300, 500], ["train", "train", "test"]))


def test_splits_that_are_not_there(predictor: Predictor, dataset: PairDataset) -> None:
    with pytest.raises(InputError, match="split 'tests': expected one of"):
        evaluate(predictor, dataset, "tests")
    with pytest.raises(InputError, match="has no validation pairs"):
        evaluate(predictor, replace(dataset, split=np.full(600, "test")), "validation")


def test_a_real_model_s_figures(predictor: Predictor, dataset: PairDataset) -> None:
    found: Evaluation = evaluate(predictor, dataset)
    rows = dataset.rows("test")
    ends = zip(dataset.first[rows].tolist(), dataset.second[rows].tolist(), strict=True)
    pairs = [(mask(dataset, a), mask(dataset, b)) for a, b in ends]
    said = predictor.predict_objects(pairs)
    assert found.n == 60
    assert found.mse == pytest.approx(np.mean((said.value - dataset.value[rows]) ** 2), rel=1e-3)
    assert found.rmse**2 == pytest.approx(found.mse)
    assert found.mae <= found.rmse
    assert 0 <= found.interval_coverage <= 1
    assert found.magnitudes_mse < found.naive_mse
    areas = labelled_magnitudes(dataset, rows)
    assert areas.left_magnitude.tolist() == [pair[0].sum() for pair in pairs]


def test_samples_are_judged_by_what_is_decoded(predictor: Predictor) -> None:
    shapes = draw("mixed", 4, seed=5)
    codes = predictor.encode([shape.mask for shape in shapes]).codes
    found = decode_samples(predictor, codes)
    assert found.pictures.shape == (4, 200, 200)
    for judged in (found.sharp, found.whole):
        assert ((judged >= 0) & (judged <= 1)).all()
    assert (found.novelty >= 0).all()
    cut = found.pictures >= 0.5
    assert ((found.whole > 0) == cut.any((1, 2))).all()
