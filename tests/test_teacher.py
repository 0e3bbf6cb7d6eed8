"""Pairs that a forest of trees labels: whose they are, what they say, and what cannot be taught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from metricvae.core.dataset import CENSORED, WEIGHT, ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.fitting.fit import fit
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.vector.kind import VectorKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import InnerProduct
from metricvae.nn.mlp import MlpDecoderConfig, MlpEncoderConfig
from metricvae.training.config import TrainingConfig
from metricvae.training.teacher import FEATURES, LEAF, TREES, Teacher

METRIC = TabularMetric("bond", left="vector", symmetric=False)


def problem(pairs: int = 200, splits: tuple[str, ...] = ("train",)) -> PairDataset:
    """Products of two rows of numbers, of 20 objects on the left and 30 on the right; the last of each in no pair."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(21, 3)), rng.normal(size=(31, 4))
    first, second = rng.integers(20, size=pairs), rng.integers(30, size=pairs)
    tables = [ObjectTable.from_objects(VectorKind(rows.shape[1]), list(rows)) for rows in (left, right)]
    value = (left[first] * right[second][:, :3]).sum(axis=1)
    split = np.resize(splits, pairs)
    return PairDataset.from_objects(METRIC, tables[0], first, second, value, right=tables[1], split=split)


def test_what_is_taught_is_what_the_forest_says_of_the_objects_of_the_training() -> None:
    data = problem()
    more = Teacher(data, 3).taught(500)
    assert len(more) == 700
    assert np.array_equal(more.value[:200], data.value)
    assert set(more.split) == {"train"}
    assert set(more.first[200:]) == set(data.first)  # and not the objects that are in no pair
    assert set(more.second[200:]) == set(data.second)
    numbers = np.hstack(
        [
            table.tensor(np.arange(len(table))).double().numpy()[ends]
            for table, ends in ((more.left, more.first), (more.right, more.second))
        ]
    )
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=FEATURES, random_state=3)
    assert more.value[200:] == pytest.approx(forest.fit(numbers[:200], data.value).predict(numbers[200:]))


def test_teaching_repeats_and_depends_on_its_seed() -> None:
    one, same, other = (Teacher(problem(), seed).taught(50) for seed in (1, 1, 2))
    assert np.array_equal(one.value, same.value)
    assert np.array_equal(one.first, same.first)
    assert not np.array_equal(one.first, other.first)


def test_bounds_teach_nothing_and_weights_count() -> None:
    data = problem()
    bounds = np.where(np.arange(200) < 20, 1, 0).astype(np.int8)
    far = np.where(np.arange(200) < 20, 1e6, data.value)
    weight = np.full(200, 0.5)
    more = Teacher(replace(data, value=far, columns={CENSORED: bounds, WEIGHT: weight, "note": far}), 0).taught(50)
    assert np.abs(more.value[200:]).max() < 100
    assert more.columns[CENSORED][200:].tolist() == [0] * 50
    assert more.columns[WEIGHT][200:].tolist() == [1.0] * 50
    assert set(more.columns) == {CENSORED, WEIGHT}
    heavy = np.where(data.value > 0, 1.0, 1e-9)
    weighted, alike = (Teacher(replace(data, columns=one), 0).taught(50).value[200:] for one in ({WEIGHT: heavy}, {}))
    assert np.median(weighted) > np.median(alike) + 0.3
    assert np.median(weighted) > 0


def test_what_cannot_be_taught_is_refused() -> None:
    data = problem()
    with pytest.raises(InputError, match="two kinds of objects"):
        Teacher(replace(data, right=data.left, second=data.first), 0).taught(10)
    with pytest.raises(InputError, match="at least 3"):
        Teacher(data.select(np.arange(2)), 0).taught(10)
    squares = [np.pad(np.ones((n, n), np.uint8), (200 - n) // 2) for n in (20, 40, 60)]
    shapes = ObjectTable.from_objects(SilhouetteKind(), squares)
    with pytest.raises(InputError, match="rows of numbers, got silhouettes"):
        Teacher(replace(data, right=shapes, second=data.second % 3), 0).taught(10)


def test_a_model_learns_from_both_and_says_so(tmp_path: Path) -> None:
    data = problem(240, ("train", "validation", "calibration"))
    left, right = (
        TowerConfig(kind, MlpEncoderConfig(inputs=kind.length, width=8, blocks=1), MlpDecoderConfig(kind.length))
        for kind in data.kinds
    )
    model = ModelConfig(METRIC, left, right, latent=4, head=InnerProduct())
    training = TrainingConfig(steps=4, batch_pairs=64, evaluate_every=2, taught_pairs=100, optimisers="one")
    facts = fit(data, model, training, tmp_path / "model")  # 80 measured pairs, of which no two batches could be made
    assert facts["pairs"] == 80
    assert "100 pairs of these objects with what a forest" in (tmp_path / "model" / "README.md").read_text()
