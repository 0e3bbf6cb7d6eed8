"""Ready-made models and trainings: those that metrics bring, and a general one for any metric and kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricvae.core.coder_config import CoderConfig
from metricvae.core.dataset import WEIGHT, PairDataset
from metricvae.core.dataset_files import PAIR_COLUMNS, PAIRS, metric_of_card, read_card, sides_of_card
from metricvae.core.errors import InputError, did_you_mean
from metricvae.core.kind import ObjectKind, kind_from_json
from metricvae.core.metric import METRICS, Floats, Metric, Preset, Task
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import Head
from metricvae.nn.losses import MetricLossKind
from metricvae.runtime.parquet import read_schema, read_table
from metricvae.runtime.reading import damaged
from metricvae.training.checkpoint import LoadedModel, load_model, model_config_of
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights

NONE = "none"
"""In the place of the name of a model to start from: random weights."""


@dataclass(frozen=True)
class ChosenPreset:
    """What to build and how to train it.

    Attributes:
        model, training: the configurations.
        heads: others than the model's that may suit better, see `metricvae.training.pilot`.
        start: name or folder of the model whose weights training starts from; empty for random ones. It is a proposal
            until `started` has built the model for it.
    """

    model: ModelConfig
    training: TrainingConfig
    heads: tuple[Head, ...] = ()
    start: str = ""

    def heads_beside(self, model: ModelConfig) -> tuple[Head, ...]:
        """Those that a pilot tries beside the head of a model: none where somebody chose that head."""
        return self.heads if model.head == self.model.head else ()

    def started(self, asked: str | Path | None = None) -> ChosenPreset:
        """This, built so that training can start from the weights of a finished model.

        A model of the same metric and kinds is gone on with as it is. One of another metric gives its networks, adapted
        to the kinds of the data, and the size of its codes, and the head stays the one chosen here.

        Args:
            asked: folder or name of the model, or `NONE` for random weights; by default what the preset proposes.

        Raises:
            InputError: no such model, or one of other kinds of objects.
        """
        start = self.start if asked is None else str(asked)
        if start in ("", NONE):
            return replace(self, start="")
        other = model_config_of(start)
        if other.metric == self.model.metric and other.kinds == self.model.kinds:
            return replace(self, model=other, heads=(), start=start)
        towers = _adapted_towers(other, self.model.kinds)
        if towers is None:
            taken, held = (" and ".join(dict.fromkeys(kind.title for kind in one.kinds)) for one in (other, self.model))
            raise InputError(
                f"the model {start} takes {taken}, and the data are of {held}"
                f"{' with other settings' if taken == held else ''}: start from another model"
            )
        left, right = towers[0], None if self.model.right is None else towers[1]
        return replace(self, model=replace(self.model, left=left, right=right, latent=other.latent), start=start)

    def start_of(self, model: ModelConfig, asked: str | Path | None = None) -> LoadedModel | None:
        """The model that training of `model` starts from. None where the preset proposed one, nobody asked for it, and
        somebody set the networks of `model` otherwise."""
        networks = [(one.left, one.right, one.latent) for one in (model, self.model)]
        if not self.start or (asked is None and networks[0] != networks[1]):
            return None
        return load_model(self.start)


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
        meant = did_you_mean(name, found)
        raise InputError(f"there is no preset {name!r}{meant}: expected one of {', '.join(found)}")
    return _chosen(found[name]())


def default_preset(
    metric: Metric, kinds: Sequence[ObjectKind], values: Floats, objects: int | None = None
) -> ChosenPreset:
    """The first preset of a metric whose model takes objects of these kinds, or the general one where the training of
    that would pass over the pairs more than `MOST_PASSES` times.

    Args:
        metric: that is to be learned.
        kinds: of the left and of the right objects.
        values: (n,) of the training pairs.
        objects: how many there are to learn from; None stands for very many.
    """
    for make in metric.presets.values():
        made = make()
        taken = zip(made.model.kinds, kinds, strict=True)
        if all(held.name in kind.family and kind.takes(held) for kind, held in taken):
            chosen = _chosen(made)
            if chosen.training.steps * chosen.training.batch_pairs <= MOST_PASSES * len(values):
                return chosen
            break  # others are there to be named: variants, and the paper's network
    chosen = general_preset(metric, kinds, values, objects)
    return replace(chosen, start=_proposed_start(metric, kinds))


def _proposed_start(metric: Metric, kinds: Sequence[ObjectKind]) -> str:
    """Name of the model that ships for objects of these kinds; empty where there is none, or one of the same metric: it
    may have learned the values of the very objects that are held out."""
    start, *others = {kind.pretrained for kind in kinds}
    if others or not start:
        return ""
    shipped = model_config_of(start)
    return "" if shipped.metric == metric or _adapted_towers(shipped, kinds) is None else start


def _adapted_towers(model: ModelConfig, kinds: Sequence[ObjectKind]) -> tuple[TowerConfig, TowerConfig] | None:
    """The left and the right tower of a model as they are to be built for objects of these kinds so that its weights
    serve; None where they cannot."""
    found = []
    for tower, kind in zip((model.left, model.right or model.left), kinds, strict=True):
        networks = kind.adapt_networks((tower.encoder, tower.decoder), tower.kind)
        if networks is None:
            return None
        found.append(TowerConfig(kind, *networks))
    return found[0], found[1]


MOST_PASSES = 100
"""Passes over the training pairs of a preset that is the default: longer trainings are made for more pairs."""

LATENT = 128
"""Numbers of a code in the general preset, where no kind asks for more."""

LONGEST_MINUTES = 7.5
"""Minutes of steps; a pilot, preparing and calibrating take two more at most."""

STEPS = 640, 6_000
"""Steps of the shortest and the longest training of the general preset; 2,500 for 16,000 pairs."""

LARGEST_BATCH = 256
"""Pairs of a batch of the general preset, at most. Smaller batches are better for few pairs."""

GROUPED = 8
"""Pairs of one group that stay together in a batch, of a ranking metric."""

MOVED_ANCHORS, STILL_ANCHORS = 0.25, 0.1
"""Shares of the objects of a batch that are decoded and encoded in two poses, of kinds with motions and without."""

LOSS_OF: dict[Task, MetricLossKind] = {"regression": "squared", "binary": "logistic", "ranking": "ranking"}


def general_preset(
    metric: Metric, kinds: Sequence[ObjectKind], values: Floats, objects: int | None = None
) -> ChosenPreset:
    """For any metric and kinds: their default networks and head, and a training whose length follows the pairs.

    Args:
        metric, kinds, values, objects: as for `default_preset`.
    """
    left, right = (TowerConfig.of_kind(kind, objects) for kind in kinds)
    head, further = metric.default_head(values), metric.further_heads(values)
    shared = left == right and (metric.symmetric or head.directed)
    if not shared:  # what one encoder knows of two objects says nothing of those of two
        left, right = (replace(one, encoder=one.encoder.without_knowledge() or one.encoder) for one in (left, right))
    head, *heads = _heads(head, further, left.encoder)
    latent = max(LATENT, *(kind.default_latent(objects) or 0 for kind in kinds)) * (2 if head.directed else 1)
    model = ModelConfig(metric, left, None if shared else right, latent=latent, head=head)
    batch = int(np.clip(len(values) // 48, 8, LARGEST_BATCH))
    moves = any(kind.moves for kind in kinds)
    training = TrainingConfig(
        steps=int(np.clip(len(values) * 5 // 32, *STEPS)),
        batch_pairs=batch,
        run_length=GROUPED if metric.task == "ranking" else 1,
        anchor_share=MOVED_ANCHORS if moves else STILL_ANCHORS,
        copies=max(left.encoder.prepared_copies, right.encoder.prepared_copies) if moves else 1,
        optimisers="muon",
        weights=LossWeights(reconstruction=1e-6, latent=1e-6, deformation=0.1),
        metric_loss=LOSS_OF[metric.task],
        clip_norm=1.0,
        warmup_steps=50,
        schedule="cosine",
        average_decay=0.99,
        evaluate_every=100,
        max_minutes=LONGEST_MINUTES,
    )
    return ChosenPreset(model, training, tuple(heads))


def _heads(head: Head, further: Sequence[Head], encoder: CoderConfig) -> list[Head]:
    """The default head of a metric and further ones, the one that is taken where there is no choice first: that of
    angles where codes begin with what an angle tells of."""
    heads = [*further, head] if encoder.begins_alike else [head, *further]
    return [*heads, *(variant for one in further for variant in one.variants() if encoder.knows_similarity)]


def preset_of_folder(folder: Path) -> ChosenPreset:
    """The default preset of a data-set folder, from its card and its values alone.

    Raises:
        InputError: no finished data set, or one without training pairs.
    """
    card = read_card(folder)
    sides = sides_of_card(card)
    kinds = [kind_from_json(sides.get(side, sides["left"])["kind"]) for side in ("left", "right")]
    with damaged(folder / PAIRS, "make the data set again"):
        weighted = WEIGHT in read_schema(folder / PAIRS).names
        columns = [*PAIR_COLUMNS, *([WEIGHT] if weighted else [])]
        pairs = read_table(folder / PAIRS, columns).filter(pc.field("split") == "train")
    if not len(pairs):
        raise InputError(f"{folder} has no training pairs: label or import more")
    ends = pairs["a"], pairs["b"]
    tables = [pa.chunked_array([*ends[0].chunks, *ends[1].chunks])] if len(sides) == 1 else ends
    objects = max(pc.count_distinct(names).as_py() for names in tables)
    weight = pairs[WEIGHT].to_numpy() if WEIGHT in pairs.column_names else None
    values = typical_values(pairs["value"].to_numpy(), weight)
    return default_preset(metric_of_card(card), kinds, values, objects)


def preset_of_data(data: PairDataset) -> ChosenPreset:
    """The default preset of a data set in memory: the same as that of its folder.

    Raises:
        InputError: it has no training pairs.
    """
    rows = data.rows("train")
    ends = [np.unique(data.first[rows]), np.unique(data.second[rows])]
    objects = len(np.union1d(*ends)) if data.shared else max(map(len, ends))
    values = typical_values(data.value[rows], None if data.weight is None else data.weight[rows])
    return default_preset(data.metric, data.kinds, values, objects)


def typical_values(values: Floats, weight: Floats | None) -> Floats:
    """(n,) values that are distributed as those given, counted by their weights: evenly spaced weighted quantiles."""
    if weight is None:
        return values
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    found: Floats = values[order][np.searchsorted(share, (np.arange(len(values)) + 0.5) / len(values))]
    return found


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
