"""A metric of the user's own is learned like one of the package, and data of another kind or metric are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import Evaluation, answer, evaluate
from metricvae.fitting.fit import fit
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import TowerConfig
from metricvae.prediction.predictor import Predictor
from metricvae.training.presets import default_preset, preset

POOLS = {"train": (0, 190), "validation": (190, 210), "calibration": (210, 300), "test": (210, 300)}
"""Numbers of the shapes in each split. Intervals promise something of pairs drawn as the calibration pairs were."""

PAIRS = {"train": 3_000, "validation": 200, "calibration": 600, "test": 600}
METRIC = TabularMetric("total length of fence", unit="metres", range=(0.0, None)).of_kinds("silhouette")


def perimeter(mask: np.ndarray) -> float:
    """Edges between pixels inside and outside."""
    padded = np.pad(mask.astype(np.int8), 1)
    return float(sum(np.abs(np.diff(padded, axis=axis)).sum() for axis in (0, 1)))


@pytest.fixture(scope="module")
def data() -> PairDataset:
    """300 shapes, those of training in no other split; a value is 20 times the sum of the two perimeters."""
    masks = [shape.mask for shape in draw("mixed", 300, seed=11)]
    random = np.random.default_rng(0)
    first, second = np.concatenate([random.integers(*POOLS[split], (2, PAIRS[split])) for split in POOLS], axis=1)
    splits = np.repeat(list(PAIRS), list(PAIRS.values()))
    length = np.array(list(map(perimeter, masks)))
    table = ObjectTable.from_objects(SilhouetteKind(), masks)
    return PairDataset.from_objects(METRIC, table, first, second, 20 * (length[first] + length[second]), split=splits)


def fit_general_preset(data: PairDataset, folder: Path, channels: int, **changes: Any) -> Path:
    """A model of the general preset with small networks."""
    chosen = default_preset(data.metric, data.kinds, data.value[data.rows("train")])
    tower = TowerConfig(SilhouetteKind(), PolarEncoderConfig((channels, channels)), CanonicalDecoderConfig((16, 16)))
    training = replace(chosen.training, copies=1, precision="float32", threads=1, **changes)
    fit(data, replace(chosen.model, left=tower, latent=32), training, folder)
    return folder


@pytest.fixture(scope="module")
def folder(data: PairDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained for a moment."""
    short = {"steps": 60, "batch_pairs": 56, "learning_rate": 5e-3}
    return fit_general_preset(data, tmp_path_factory.mktemp("own") / "model", channels=16, **short)


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return Predictor.load(folder)


def test_a_metric_of_one_s_own_is_predicted_beyond_the_smaller_area(predictor: Predictor, data: PairDataset) -> None:
    said = answer(predictor, data)
    areas = np.minimum(*data.magnitudes(said.rows))
    assert np.median(said.value / areas) > 2
    assert np.mean(said.predictions.value > areas) > 0.95
    assert np.mean(said.predictions.high > areas) > 0.95
    assert (said.predictions.low >= 0).all()


def test_it_is_better_than_the_mean_and_its_intervals_hold(predictor: Predictor, data: PairDataset) -> None:
    found = evaluate(predictor, data)
    assert isinstance(found, Evaluation)
    assert found.mse < found.naive_mse
    assert 0.80 <= found.interval_coverage <= 0.98


@pytest.mark.slow
def test_trained_longer_it_is_better_than_what_magnitudes_tell(data: PairDataset, tmp_path: Path) -> None:
    found = evaluate(Predictor.load(fit_general_preset(data, tmp_path / "model", channels=32, steps=300)), data)
    assert isinstance(found, Evaluation)
    assert found.mse < found.magnitudes_mse < found.naive_mse
    assert 0.80 <= found.interval_coverage <= 0.98


def test_the_model_card_speaks_of_the_metric_alone(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert "Predicts the total length of fence of pairs of silhouettes, in metres." in card
    assert "values imported with the pairs" in card
    assert "overlap" not in card.lower()


# Foreign data


def test_values_of_another_metric_are_refused(predictor: Predictor, data: PairDataset) -> None:
    with pytest.raises(InputError, match=r"values of the metric tabular \(metres\), and the model predicts overlap"):
        evaluate(Predictor.load("overlap"), data)


MOLECULES = preset("molecules")

REFUSED: dict[str, Callable[[PairDataset, Path], object]] = {
    "evaluate": lambda masks, _: evaluate(Predictor.load("molecules"), masks),
    "predict": lambda masks, _: Predictor.load("molecules").predict_rows(masks, np.arange(2)),
    "train": lambda masks, folder: fit(masks, MOLECULES.model, MOLECULES.training, folder / "model"),
}


@pytest.mark.parametrize("use", REFUSED)
def test_masks_are_refused_where_molecules_are_taken(use: str, data: PairDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="are of the kind silhouette, and the model takes molecules") as caught:
        REFUSED[use](data, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_masks_in_memory_are_refused_where_molecules_are_taken(data: PairDataset) -> None:
    mask = np.ones((200, 200), np.uint8)
    for name in ("molecules", "molecules-2d"):
        with pytest.raises(InputError, match="molecule") as caught:
            Predictor.load(name).predict_objects([(mask, mask)])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [("evaluate", "molecules", "DATA"), ("train", "DATA", "--preset", "molecules", "--out", "OUT")],
    ids=lambda words: words[0],
)
def test_the_command_line_refuses_masks_where_molecules_are_taken(
    command, words: tuple[str, ...], dataset_folder: Path, tmp_path: Path
) -> None:
    given = {"DATA": str(dataset_folder), "OUT": str(tmp_path / "model")}
    said = command(*(given.get(word, word) for word in words))
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert "are of the kind silhouette, and the model takes molecules" in said.err
    assert not list(tmp_path.iterdir())
