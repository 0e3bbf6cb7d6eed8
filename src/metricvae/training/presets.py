"""Ready-made models and trainings: those that metrics bring, and a general one for any metric and kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.core.metric import METRICS, Preset
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights


@dataclass(frozen=True)
class ChosenPreset:
    """What to build and how to train it."""

    model: ModelConfig
    training: TrainingConfig


def preset_names() -> tuple[str, ...]:
    """The names of all presets that registered metrics bring."""
    return tuple(_presets())


def preset(name: str) -> ChosenPreset:
    """The preset of that name.

    Raises:
        InputError: there is none.
    """
    found = _presets()
    if name not in found:
        raise InputError(f"there is no preset {name!r}: expected one of {', '.join(found)}")
    return _chosen(found[name]())


def default_preset(data: PairDataset) -> ChosenPreset:
    """The first preset of the metric of a data set whose model takes its objects, or the general one."""
    for make in data.metric.presets.values():
        made = make()
        taken = zip(made.model.kinds, data.kinds, strict=True)
        if all(held.name in kind.family for kind, held in taken):
            return _chosen(made)
    return general_preset(data)


def general_preset(data: PairDataset) -> ChosenPreset:
    """For any metric and kinds: their default networks and head, and a training whose length follows the pairs."""
    left, right = (TowerConfig.of_kind(kind) for kind in data.kinds)
    train = data.value[data.rows("train")]
    one = data.metric.symmetric and left == right
    model = ModelConfig(data.metric, left, None if one else right, latent=64, head=data.metric.default_head(train))
    batch = int(np.clip(len(train) // 16, 8, 256))
    weights = LossWeights(reconstruction=1e-6, latent=1e-6, deformation=0.1 if one else 0.01)
    training = TrainingConfig(
        steps=int(np.clip(40 * len(train) // batch, 400, 6_000)),
        batch_pairs=batch,
        optimisers="muon",
        weights=weights,
        metric_loss="contrastive" if data.metric.task == "binary" else "squared",
        clip_norm=1.0,
        warmup_steps=50,
        schedule="cosine",
        average_decay=0.99,
        evaluate_every=100,
    )
    return ChosenPreset(model, training)


def _presets() -> dict[str, Callable[[], Preset]]:
    found: dict[str, Callable[[], Preset]] = {}
    for name in METRICS.names():
        found |= dict(METRICS.get(name)().presets)
    return found


def _chosen(made: Preset) -> ChosenPreset:
    settings: dict[str, Any] = dict(made.training)
    if "weights" in settings:
        settings["weights"] = LossWeights(**settings["weights"])
    return ChosenPreset(made.model, TrainingConfig(**settings))
