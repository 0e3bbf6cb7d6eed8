"""The pilot that chooses between heads of a metric of which nothing is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.fitting.fit import fit
from metricvae.kinds.vector.kind import VectorKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import EuclideanDistance, Head, LinearCosine, ProductAndDistance
from metricvae.nn.mlp import MlpEncoderConfig
from metricvae.runtime.files import write_json
from metricvae.training import pilot
from metricvae.training.config import TrainingConfig
from metricvae.training.logs import Progress
from metricvae.training.model_document import CONFIG
from metricvae.training.presets import preset_of_data

LENGTH = 6
LONG = TrainingConfig(steps=pilot.LEAST, max_minutes=5.0)


def data() -> PairDataset:
    """How far directions are apart."""
    random = np.random.default_rng(0)
    x = random.normal(size=(300, LENGTH)).astype(np.float32)
    first, second = random.integers(0, 300, (2, 1_500))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    value = 3.0 - 3.0 * (unit[first] * unit[second]).sum(1)
    split = random.choice(["train", "validation", "calibration", "test"], 1_500, p=[0.55, 0.15, 0.15, 0.15])
    metric = TabularMetric("angle", left="vector", similarity=False)
    table = ObjectTable.from_objects(VectorKind(LENGTH), list(x))
    return PairDataset.from_objects(metric, table, first, second, value.astype(float), split=split)


def model(pairs: PairDataset) -> ModelConfig:
    tower = TowerConfig(VectorKind(LENGTH), MlpEncoderConfig(inputs=LENGTH, width=32, blocks=1))
    return ModelConfig(pairs.metric, tower, latent=8, head=pairs.metric.default_head(pairs.value))


def chosen(pairs: PairDataset, folder: Path, heads: tuple[Head, ...], config: TrainingConfig = LONG) -> Head:
    parts = pairs.of_split("train"), pairs.of_split("validation")
    folder.mkdir(exist_ok=True)
    return pilot.with_best_head(model(pairs), heads, config, *parts, folder).head


@pytest.fixture
def outcome() -> dict[str, Any]:
    """What the cosine explains in a pilot, and why pilots stop."""
    return {"explained": 0.9, "stopped": "steps"}


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, outcome: dict[str, Any]) -> list[tuple[Head, TrainingConfig]]:
    """What a pilot trains; the cosine explains most."""
    found: list[tuple[Head, TrainingConfig]] = []

    def train(config: TrainingConfig, built: ModelConfig, *_: Any, **named: Any) -> Any:
        found.append((built.head, config))
        if named["on_progress"] is not None:
            named["on_progress"](Progress(1, config.steps, 0.0, 0.0, 0.0, 0.0, None, 1.0))
        explained = outcome["explained"] if isinstance(built.head, LinearCosine) else 0.5
        return SimpleNamespace(validation_r2=explained, stopped=outcome["stopped"])

    monkeypatch.setattr(pilot, "train", train)
    return found


def test_the_head_that_explains_most_is_taken(tried: list[Any], tmp_path: Path) -> None:
    pairs = data()
    heads = pairs.metric.further_heads(pairs.value)
    assert isinstance(chosen(pairs, tmp_path / "model", heads), LinearCosine)
    assert [type(head) for head, _ in tried] == [ProductAndDistance, LinearCosine]
    assert {(config.steps, config.max_minutes) for _, config in tried} == {(pilot.STEPS, 0.5)}


@pytest.mark.parametrize(("stopped", "better", "taken"), [("time", 0.6, 0), ("time", 0.7, 1), ("steps", 0.6, 1)])
def test_a_pilot_that_the_clock_ends_must_be_clear(
    stopped: str, better: float, taken: int, tried: list[Any], tmp_path: Path, outcome: dict[str, Any]
) -> None:
    outcome.update(explained=better, stopped=stopped)
    pairs = data()
    found = chosen(pairs, tmp_path / "model", pairs.metric.further_heads(pairs.value))
    assert isinstance(found, (ProductAndDistance, LinearCosine)[taken])
    assert len(tried) == 2


@pytest.mark.parametrize(
    ("better", "steps", "taken"),
    [(0.6, pilot.LONG + 1, False), (0.7, pilot.LONG + 1, True), (0.6, pilot.LONG, True), (0.4, pilot.LONG, False)],
)
def test_in_a_long_training_what_is_known_beforehand_must_be_clearly_better(
    better: float, steps: int, taken: bool, tried: list[Any], tmp_path: Path, outcome: dict[str, Any]
) -> None:
    """First is tried the encoder without what it knows, with the default head."""
    outcome.update(explained=better)
    pairs, place = data(), tmp_path / "model"
    place.mkdir()
    preset = preset_of_data(pairs)
    assert preset.model.left.encoder.knows_similarity
    parts = pairs.of_split("train"), pairs.of_split("validation"), place
    config = replace(LONG, steps=steps)
    found = pilot.with_best_head(preset.model, preset.heads, config, *parts)
    forms = [ProductAndDistance, LinearCosine, ProductAndDistance, EuclideanDistance]
    assert [type(head) for head, _ in tried] == forms
    assert found.left.encoder.knows_similarity == taken
    assert isinstance(found.head, LinearCosine if taken else ProductAndDistance)
    write_json(place / CONFIG, {"format": 2, "status": "unfinished", "model": found.to_json()})
    assert pilot.with_best_head(preset.model, preset.heads, config, *parts) == found, "what was begun is gone on with"
    assert len(tried) == 4


def test_progress_says_which_head_is_tried(tried: list[Any], tmp_path: Path) -> None:
    pairs, told = data(), list[str]()
    (tmp_path / "model").mkdir()
    pilot.with_best_head(
        model(pairs),
        pairs.metric.further_heads(pairs.value),
        LONG,
        *(pairs.of_split("train"), pairs.of_split("validation"), tmp_path / "model"),
        on_progress=lambda now: told.append(now.stage),
    )
    assert told == ["trying form 1 of 2", "trying form 2 of 2"]
    assert len(tried) == 2
    assert not list((tmp_path / "model").iterdir())


def test_without_a_choice_or_with_few_steps_there_is_no_pilot(tried: list[Any], tmp_path: Path) -> None:
    pairs = data()
    heads = pairs.metric.further_heads(pairs.value)
    assert isinstance(chosen(pairs, tmp_path, ()), ProductAndDistance)
    assert isinstance(chosen(pairs, tmp_path, heads, replace(LONG, steps=pilot.LEAST - 1)), ProductAndDistance)
    assert not tried


@pytest.mark.parametrize(
    "metric",
    [
        TabularMetric("yes", left="vector", task="binary"),
        TabularMetric("order", left="vector", task="ranking"),
        TabularMetric("divergence", left="vector", symmetric=False),
    ],
)
def test_only_symmetric_regressions_have_further_heads(metric: TabularMetric) -> None:
    assert metric.further_heads(np.arange(2.0)) == ()
    assert TabularMetric("value", left="vector").further_heads(np.ones(3)) == ()


def test_equal_codes_have_the_best_value(tmp_path: Path) -> None:
    values = np.array([2.0, 5.0, 9.0])
    (distance,) = TabularMetric("d", left="vector", similarity=False).further_heads(values)
    (similarity,) = TabularMetric("s", left="vector").further_heads(values)
    assert (distance.offset + distance.scale, distance.offset) == (2.0, 9.0)  # type: ignore[attr-defined]
    assert (similarity.offset + similarity.scale, similarity.offset) == (9.0, 2.0)  # type: ignore[attr-defined]


def test_a_model_that_was_begun_keeps_its_head(
    tried: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that was killed after its pilot goes on with what the pilot chose."""
    pairs = data()
    heads = pairs.metric.further_heads(pairs.value)
    config = TrainingConfig(steps=pilot.LEAST, batch_pairs=32, evaluate_every=pilot.LEAST, threads=1, max_minutes=0.02)
    facts = fit(pairs, model(pairs), config, tmp_path / "model", heads=heads)
    assert len(tried) == 2
    assert fit(pairs, model(pairs), config, tmp_path / "model", heads=heads)["steps"] == facts["steps"]
    assert len(tried) == 2


def test_the_general_preset_offers_what_the_metric_does() -> None:
    pairs = data()
    preset = preset_of_data(pairs)
    assert isinstance(preset.model.head, ProductAndDistance)
    assert {type(head) for head in preset.heads} == {LinearCosine, EuclideanDistance}
