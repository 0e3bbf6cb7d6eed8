"""From a labelled data set to a model that answers with intervals: train, calibrate, describe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from metricvae.alignment.predictor import require_pose_model, write_aligner
from metricvae.alignment.training import AligningConfig, remove_progress, train_aligner
from metricvae.core.compatibility import check_compatible
from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_merge import plan_parts
from metricvae.core.errors import InputError
from metricvae.fitting.model_card import CARD, model_card
from metricvae.fitting.product_form import measure_product_form
from metricvae.generation.exemplars import add_exemplars
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import Head
from metricvae.prediction.calibrate import calibrate
from metricvae.prediction.calibration.binary import binary_labels
from metricvae.prediction.calibration.conformal import check_enough
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import write_text
from metricvae.runtime.locks import held
from metricvae.training.checkpoint import LoadedModel, annotate, load_model, refuse_shipped
from metricvae.training.config import TrainingConfig
from metricvae.training.features import OnPrepare
from metricvae.training.logs import Progress
from metricvae.training.loop import train
from metricvae.training.network_state import NetworkProgress
from metricvae.training.pilot import with_best_head
from metricvae.training.teacher import Teacher


def fit(
    data: PairDataset,
    model: ModelConfig,
    training: TrainingConfig,
    folder: Path,
    *,
    device: str | torch.device = "cpu",
    start: LoadedModel | None = None,
    on_prepare: OnPrepare | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    tensorboard: bool = False,
    pair_head: bool = False,
    heads: Sequence[Head] = (),
) -> dict[str, Any]:
    """Train on the train split, stop by the validation split, take interval widths from the calibration split.

    An interrupted fit goes on where it stopped. The test split is not touched. With a `start`, training begins at the
    weights of that model: to learn more, from data of one's own, or another metric of such objects. With `tensorboard`,
    the log is written for TensorBoard as well, into `folder/tensorboard`. With `pair_head`, predictions are corrected
    by a network of both codes (see `metricvae.prediction.pair_head`). With other `heads`, a pilot chooses between that
    of the model and these (see `metricvae.training.pilot`).

    Returns:
        the facts of the training: steps, validation R^2, seconds, ...

    Raises:
        InputError: splits too small, labels without variety, labels other than 0 and 1 for a binary metric, a start of
            other networks, a folder that holds something else, TensorBoard asked for and not installed, a full disk, or
            a pair head for a metric that is no regression.
    """
    check_compatible(model, data, "the data set")
    if pair_head and data.metric.task != "regression":
        raise InputError(f"a pair head is for regressions, got a {data.metric.task} metric: leave it out")
    check_enough(len(data.rows("calibration")))
    if data.metric.task == "binary":
        for split in ("train", "validation", "calibration"):
            binary_labels(split, data.value[data.rows(split)])
    refuse_shipped(folder)
    with held(Path(folder), "model"):
        measured, stopping = data.of_split("train"), data.of_split("validation")
        taught = training.taught_pairs
        parts = Teacher(measured, training.seed).taught(taught) if taught else measured, stopping
        model = with_best_head(
            *(model, heads, training, *parts, Path(folder)),
            device=device,
            start=start,
            on_prepare=on_prepare,
            on_progress=on_progress,
        )
        train(
            *(training, model, *parts, folder),
            device=device,
            start=start,
            on_prepare=on_prepare,
            on_progress=on_progress,
            tensorboard=tensorboard,
        )
        learned = _learned(data, len(measured), start)
        return _calibrated(data, Path(folder), training, learned, pair_head=pair_head)


def _learned(data: PairDataset, pairs: int, start: LoadedModel | None) -> dict[str, Any]:
    """What a model is to say of the data and the model that it learned from."""
    learned: dict[str, Any] = {"data": {"parts": plan_parts(data.card)}, "pairs": pairs}
    if "import" in data.card:
        learned["import"] = {name: data.card["import"][name] for name in ("file", "rows", "notes")}
    if start is not None:
        learned["start"] = {"model": start.folder.name, "sha256": start.sha256, "facts": start.facts}
    return learned


def _calibrated(
    data: PairDataset, folder: Path, training: TrainingConfig, learned: dict[str, Any], *, pair_head: bool
) -> dict[str, Any]:
    """Calibrate and describe a trained model; its facts."""
    if data.metric.task == "regression" and (pair_head or not data.metric.presets):
        predictor = Predictor(load_model(folder))
        learned["product_form"], network = measure_product_form(predictor, data, training.seed)
        if pair_head:
            annotate(folder, calibration=network.write(folder))
    annotate(folder, facts=learned)
    calibrate(folder, data)
    if data.metric.exemplars:
        add_exemplars(folder, data, data.metric.exemplars)
    loaded = load_model(folder)
    write_text(folder / CARD, model_card(loaded, training))
    return loaded.facts


def fit_aligner(
    data: PairDataset,
    folder: Path,
    config: AligningConfig,
    *,
    device: str | torch.device = "cpu",
    on_targets: Callable[[int, int], None] | None = None,
    on_progress: Callable[[NetworkProgress], None] | None = None,
) -> dict[str, Any]:
    """Teach a finished model where objects go on one another, from the scans of the exact solver.

    What the model knew does not change. An interrupted training goes on where it stopped; an aligner that is there is
    replaced when the new one is done.

    Returns:
        the facts of the training: steps, share of the true value reached on validation pairs, seconds, ...

    Raises:
        InputError: no finished model of a metric with poses whose encoder tells how objects lie, one that ships with
            the package, data of another metric, or too few pairs.
    """
    refuse_shipped(folder)
    loaded = load_model(folder)
    pose_model = require_pose_model(loaded.config.metric, folder)
    config = replace(config, network=config.network or pose_model.default_network())
    pose_model.check_encoder(loaded.config.left.encoder, config.network)
    check_compatible(loaded.config, data, "the data set")
    with held(loaded.folder, "model"):
        network, facts = train_aligner(
            *(pose_model, config, loaded.model.left.encoder, data.of_split("train"), data.of_split("validation")),
            loaded.folder,
            device=device,
            on_targets=on_targets,
            on_progress=on_progress,
        )
        annotate(
            loaded.folder,
            calibration={"aligner": write_aligner(network, config.network, loaded.folder)},
            facts={"aligner": facts | {"config": asdict(config)}},
        )
        remove_progress(loaded.folder)
    return facts
