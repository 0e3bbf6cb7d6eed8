"""Ready-made models and trainings: those that metrics bring, and a general one for any metric and kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metricvae.core.dataset_files import PAIRS, metric_of_card, read_card, sides_of_card
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, kind_from_json
from metricvae.core.metric import METRICS, Floats, Metric, Preset
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


def default_preset(metric: Metric, kinds: Sequence[ObjectKind], values: Floats) -> ChosenPreset:
    """The first preset of a metric whose model takes objects of these kinds, or the general one.

    Args:
        metric: that is to be learned.
        kinds: of the left and of the right objects.
        values: (n,) of the training pairs.
    """
    for make in metric.presets.values():
        made = make()
        taken = zip(made.model.kinds, kinds, strict=True)
        if all(held.name in kind.family and kind.takes(held) for kind, held in taken):
            return _chosen(made)
    return general_preset(metric, kinds, values)


def general_preset(metric: Metric, kinds: Sequence[ObjectKind], values: Floats) -> ChosenPreset:
    """For any metric and kinds: their default networks and head, and a training whose length follows the pairs.

    Args:
        metric, kinds, values: as for `default_preset`.
    """
    left, right = (TowerConfig.of_kind(kind) for kind in kinds)
    shared = metric.symmetric and left == right
    model = ModelConfig(metric, left, None if shared else right, latent=64, head=metric.default_head(values))
    batch = int(np.clip(len(values) // 16, 8, 256))
    training = TrainingConfig(
        steps=int(np.clip(40 * len(values) // batch, 400, 6_000)),
        batch_pairs=batch,
        optimisers="muon",
        weights=LossWeights(reconstruction=1e-6, latent=1e-6, deformation=0.1),
        metric_loss="contrastive" if metric.task == "binary" else "squared",
        clip_norm=1.0,
        warmup_steps=50,
        schedule="cosine",
        average_decay=0.99,
        evaluate_every=100,
    )
    return ChosenPreset(model, training)


def preset_of_folder(folder: Path) -> ChosenPreset:
    """The default preset of a data-set folder, from its card and its values alone.

    Raises:
        InputError: no finished data set, or one without training pairs.
    """
    card = read_card(folder)
    sides = sides_of_card(card)
    kinds = [kind_from_json(sides.get(side, sides["left"])["kind"]) for side in ("left", "right")]
    pairs = pq.read_table(folder / PAIRS, columns=["value", "split"])
    values = pairs.filter(pc.field("split") == "train")["value"].to_numpy()
    if not len(values):
        raise InputError(f"{folder} has no training pairs: label more")
    return default_preset(metric_of_card(card), kinds, values)


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
