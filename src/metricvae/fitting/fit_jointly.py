"""A model of several metrics from several data sets: trained together, each calibrated by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.fitting.add_metric import install_metric
from metricvae.fitting.model_card import CARD
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.prediction.added_metrics import METRICS_FOLDER, check_name, name_of
from metricvae.runtime.files import sweep, write_text
from metricvae.runtime.folders import remove_folder
from metricvae.runtime.locks import held
from metricvae.training.checkpoint import StoredAs, begin_model, finish_model, load_model, refuse_shipped
from metricvae.training.joint import RESUME, JointConfig, JointlyTrained, train_jointly
from metricvae.training.joint_values import JointMetric
from metricvae.training.network_state import NetworkProgress
from metricvae.training.presets import LATENT, typical_values


def fit_jointly(
    data: Sequence[PairDataset],
    folder: Path,
    config: JointConfig,
    *,
    tower: TowerConfig | None = None,
    latent: int | None = None,
    on_progress: Callable[[NetworkProgress], None] | None = None,
) -> dict[str, Any]:
    """Train one encoder on the data sets of several metrics, calibrate each metric, and write the model.

    An interrupted training goes on where it stopped; a model that is finished is left as it is.

    Args:
        data: of one kind of objects; that of the model's own metric first. An object that several data sets name (by
            its id) is one object, and trains what is known of it.
        folder: of the model, new or begun.
        config: of the training.
        tower: networks; by default the encoder that the kind asks for, and no decoder.
        latent: numbers of a code; by default what the kind asks for.
        on_progress: told the state after each step.

    Returns:
        the facts of the training.

    Raises:
        InputError: data of several kinds or of pairs of two, two metrics of one name, a ranking, or a folder that holds
            something else.
    """
    metrics = joint_metrics(data)
    kind, objects = metrics[0].data.left.kind, len(metrics[0].data.left)
    own = metrics[0]
    tower = tower or TowerConfig(kind, kind.default_encoder(objects))
    latent = latent or max(LATENT, kind.default_latent(objects) or 0)
    model = ModelConfig(own.data.metric, tower, latent=latent, head=own.head)
    facts = {metric.name: metric.data.fingerprint(splits=True) for metric in metrics}
    folder = Path(folder)
    refuse_shipped(folder)
    with held(folder, "model"):
        sweep(folder, (RESUME, CARD))
        begun = begin_model(folder, model, asdict(config), {"metrics": facts})
        if begun["status"] == "finished" and (folder / CARD).exists():  # it is written last
            (folder / RESUME).unlink(missing_ok=True)
            return load_model(folder).facts
        trained = train_jointly(tower, latent, metrics, config, folder, on_progress)
        weights = {f"towers.left.encoder.{name}": part for name, part in trained.encoder.state_dict().items()}
        write_joint_model(folder, weights, metrics, trained, config.steps)
        (folder / RESUME).unlink(missing_ok=True)
        return load_model(folder).facts


def write_joint_model(
    folder: Path,
    weights: Mapping[str, torch.Tensor],
    metrics: Sequence[JointMetric],
    trained: JointlyTrained,
    steps: int,
    stored_as: StoredAs = "float16",
) -> None:
    """Finish a model that was begun, and put its metrics beside it, each calibrated; those of a killed run go.

    Args:
        folder: of the model, begun.
        weights: of all of it, by name.
        metrics: with their data, of objects as the model takes them.
        trained: views and validation of each.
        steps: of the training.
        stored_as: precision of the weights.
    """
    facts = {
        "validation_r2": float(np.mean(list(trained.validation.values()))),
        "steps": steps,
        "seconds": trained.seconds,
        "stopped": "steps",
        "device": "cpu",
        "torch": str(torch.__version__),
        "pairs": sum(int((metric.data.split == "train").sum()) for metric in metrics),
        "metrics": [metric.name for metric in metrics],
        "data": {},
    }
    remove_folder(folder / METRICS_FOLDER)
    finish_model(folder, weights, stored_as, facts)
    loaded = load_model(folder)
    for metric in metrics:
        splits = {split: int((metric.data.split == split).sum()) for split in ("train", "validation", "calibration")}
        known = {"values": splits, "validation": trained.validation[metric.name]}
        install_metric(loaded, metric.name, metric.data, trained.views[metric.name], folder, known)
    write_text(folder / CARD, _card(metrics, trained))


def joint_metrics(data: Sequence[PairDataset], heads: Mapping[str, Any] | None = None) -> list[JointMetric]:
    """Data sets on one table of all their objects, with names and heads. An object that one of them holds out trains
    none.

    Args:
        data: of one kind of objects.
        heads: by name of the metric, where it is not to have the default one.

    Raises:
        InputError: see `fit_jointly`.
    """
    if len({one.left.kind for one in data} | {one.right.kind for one in data}) > 1:
        raise InputError("got data sets of several kinds of objects: one code is of one kind")
    if not all(one.shared for one in data):
        raise InputError("got pairs of two tables of objects: one code is of objects of one table")
    names = [check_name(name_of(one.metric)) for one in data]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"got several data sets of the metric {twice[0]}: give them other --title, or merge them")
    table, places = _union([one.left for one in data])
    moved = [
        replace(one, left=table, right=table, first=place[one.first], second=place[one.second])
        for one, place in zip(data, places, strict=True)
    ]
    found = []
    for name, one in zip(names, _without_leaks(moved, len(table)), strict=True):
        rows = one.rows("train")
        weight = None if one.weight is None else one.weight[rows]
        head = (heads or {}).get(name) or one.metric.default_head(typical_values(one.value[rows], weight))
        found.append(JointMetric(name, one, head))
    return found


def _union(tables: Sequence[ObjectTable]) -> tuple[ObjectTable, list[np.ndarray]]:
    """The objects of several tables as one, each id once, and where those of each are."""
    if all(table is tables[0] for table in tables):
        return tables[0], [np.arange(len(tables[0]))] * len(tables)
    rows: dict[str, int] = {}
    places, kept = [], []
    for table in tables:
        new = [at for at, name in enumerate(table.ids) if name not in rows]
        rows |= {table.ids[at]: len(rows) + number for number, at in enumerate(new)}
        kept.append(np.array(new, np.int64))
        places.append(np.array([rows[name] for name in table.ids], np.int64))
    kind = tables[0].kind
    packed = kind.concatenate([table.packed[some] for table, some in zip(tables, kept, strict=True)])
    sizes = np.concatenate([table.magnitudes[some] for table, some in zip(tables, kept, strict=True)])
    return ObjectTable(kind, tuple(rows), packed, sizes, ("",) * len(rows)), places


def _without_leaks(data: Sequence[PairDataset], objects: int) -> list[PairDataset]:
    """The data sets without those training pairs an object of which is held out in any of them: a code that had trained
    on it for one metric would know it when another is measured."""
    held_out = np.zeros(objects, bool)
    for one in data:
        rows = one.split != "train"
        held_out[one.first[rows]] = held_out[one.second[rows]] = True
    kept = [(one.split != "train") | ~(held_out[one.first] | held_out[one.second]) for one in data]
    return [one.select(np.flatnonzero(rows)) for one, rows in zip(data, kept, strict=True)]


def _card(metrics: Sequence[JointMetric], trained: JointlyTrained) -> str:
    """The README.md of the model."""
    kind = metrics[0].data.left.kind
    rows = "".join(
        f"| `{one.name}` | {one.data.metric.description.predicts} | {int((one.data.split == 'train').sum())} | "
        f"{trained.validation[one.name]:.3f} |\n"
        for one in metrics
    )
    return (
        "---\nlibrary_name: metricvae\nlicense: apache-2.0\ntags: [metric-learning, variational-autoencoder]\n---\n"
        f"# {len(metrics)} metrics of {kind.title} in one code\n\n"
        "`metricvae predict MODEL OBJECTS --metric NAME`; each metric has a card of its own in `metrics/NAME`.\n\n"
        "| metric | predicts | training values | explained on validation |\n| --- | --- | ---: | ---: |\n"
        f"{rows}\n**Limits.** {kind.caveats.strip() or 'None are known.'}\n"
    )
