"""Two kinds that differ, end to end: training, calibration, prediction, evaluation and retrieval from either side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import Evaluation, evaluate
from metricvae.fitting.fit import fit
from metricvae.nn.autoencoder import build
from metricvae.prediction.predictor import Predictor
from metricvae.training.batching import generator_of
from metricvae.training.config import TrainingConfig
from metricvae.training.features import LiveFeatures
from metricvae.training.presets import general_preset
from metricvae.training.step import TrainingData, batch_of_step, training_losses
from toy_problem import fit_pairs, register


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register()


@pytest.fixture(scope="module")
def data() -> PairDataset:
    return fit_pairs(150, 120, 4_000, seed=0)


@pytest.fixture(scope="module")
def predictor(data: PairDataset, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("towers") / "model"
    chosen = general_preset(data.metric, data.kinds, data.value[data.rows("train")])
    training = TrainingConfig(
        steps=180,
        batch_pairs=128,
        optimisers="muon",
        learning_rate=2e-3,
        weights=chosen.training.weights,
        clip_norm=1.0,
        evaluate_every=90,
        average_decay=0.98,
        schedule="cosine",
        precision="float32",
        threads=1,
    )
    fit(data, chosen.model, training, folder)
    return Predictor.load(folder)


def test_a_batch_has_two_sides_with_each_object_once(data: PairDataset) -> None:
    chosen = general_preset(data.metric, data.kinds, data.value)
    model, config = build(chosen.model), TrainingConfig(batch_pairs=64, anchor_share=0.5)
    features = {
        side: LiveFeatures(table, model.tower(side).encoder.prepare, table.kind.move, torch.device("cpu"))
        for side, table in (("left", data.left), ("right", data.right))
    }
    batch = batch_of_step(TrainingData.of(data, features, config), 3, config, generator_of(0))
    assert batch.left is not batch.right
    assert batch.left.x.shape[1:] == (6,)
    assert batch.right.x.shape[1:] == (4,)
    assert len(batch.left.x) == len(batch.first.unique())
    assert len(batch.right.x) == len(batch.second.unique())
    assert set(batch.right.anchors.tolist()) <= set(batch.second.tolist())
    first, second = batch.facts(batch.value).ends
    assert not set(first.tolist()) & set(second.tolist())
    terms = training_losses(model, batch, generator_of(1), config)
    assert all(torch.isfinite(getattr(terms, name)) for name in ("latent", "deformation", "metric"))


def test_both_towers_are_trained(data: PairDataset, predictor: Predictor) -> None:
    assert set(predictor.model.towers) == {"left", "right"}
    untrained = build(predictor.loaded.config)
    for side in ("left", "right"):
        before, after = (model.tower(side).encoder.state_dict() for model in (untrained, predictor.model))
        assert all(not torch.equal(before[name], after[name]) for name in before if name.endswith("weight"))


def test_it_predicts_unseen_pairs_with_intervals(data: PairDataset, predictor: Predictor) -> None:
    figures = evaluate(predictor, data, "test")
    assert isinstance(figures, Evaluation)
    assert figures.r2 > 0.8
    assert 0.8 < figures.interval_coverage < 0.98


def test_codes_give_what_pairs_of_objects_give(data: PairDataset, predictor: Predictor) -> None:
    rows = data.rows("test")[:20]
    by_rows = predictor.predict_rows(data, rows)
    locks = data.left.tensor(data.first[rows]).numpy()
    keys = data.right.tensor(data.second[rows]).numpy()
    by_objects = predictor.predict_objects(list(zip(locks, keys, strict=True)))
    np.testing.assert_allclose(by_rows.value, by_objects.value, rtol=1e-5, atol=1e-6)
    assert (np.abs(by_rows.value) <= 1).all()


def test_exchanged_sides_are_refused(data: PairDataset, predictor: Predictor) -> None:
    exchanged = PairDataset.from_objects(
        data.metric, data.right, data.second, data.first, data.value, right=data.left, split=data.split
    )
    with pytest.raises(InputError, match="left objects of the data set are of the kind toy-key"):
        evaluate(predictor, exchanged, "test")


def test_it_is_saved_and_read_with_both_kinds(predictor: Predictor) -> None:
    config = Predictor.load(predictor.loaded.folder).loaded.config
    assert config == predictor.loaded.config
    assert [kind.name for kind in config.kinds] == ["toy-lock", "toy-key"]
    assert (Path(predictor.loaded.folder) / "novelty_right.safetensors").is_file()
