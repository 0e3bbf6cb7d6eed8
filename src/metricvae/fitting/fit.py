"""From a labelled data set to a model that answers with intervals: train, calibrate, describe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from metricvae.alignment.predictor import write_aligner
from metricvae.alignment.training import AligningConfig, AligningProgress, sweep_aligning, teach
from metricvae.core.dataset import DataSet
from metricvae.core.errors import InputError
from metricvae.core.splits import Split
from metricvae.evaluation.evaluate import calibrate
from metricvae.generation.exemplars import add_bank
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.calibration.binary import binary_labels
from metricvae.prediction.calibration.conformal import check_enough
from metricvae.prediction.model_card import model_card
from metricvae.runtime.files import write_text
from metricvae.training.batching import PairData
from metricvae.training.checkpoint import LoadedModel, annotate, load_model, refuse_shipped
from metricvae.training.config import TrainingConfig
from metricvae.training.features import OnPrepare
from metricvae.training.logs import Progress
from metricvae.training.loop import train


def fit(
    data: DataSet,
    model: ModelConfig,
    training: TrainingConfig,
    folder: Path,
    *,
    device: str | torch.device = "cpu",
    start: LoadedModel | None = None,
    on_prepare: OnPrepare | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Train on the train split, stop by the validation split, take interval widths from the calibration split.

    An interrupted fit goes on where it stopped. The test split is not touched. With a `start`, training begins at the
    weights of that model: to learn more, or from data of one's own. With `tensorboard`, the log is written for
    TensorBoard as well, into `folder/tensorboard`.

    Returns:
        the facts of the training: steps, validation R^2, seconds, ...

    Raises:
        InputError: splits too small, labels without variety, labels other than 0 and 1 for a binary metric, a start of
            another build, a folder that holds something else, TensorBoard asked for and not installed, a full disk.
    """
    check_enough(len(data.rows("calibration")))
    if not model.head.absolute:
        for split in ("train", "validation", "calibration"):
            binary_labels(split, data.value[data.rows(split)])
    parts = pair_data(data, "train"), pair_data(data, "validation")
    train(
        *(training, model, *parts, folder),
        device=device,
        start=start,
        on_prepare=on_prepare,
        on_progress=on_progress,
        tensorboard=tensorboard,
    )
    learned = {"task": data.card["task"], "data": data.card["plan"], "pairs": len(parts[0])}
    if start is not None:
        learned["start"] = {"model": start.folder.name, "sha256": start.sha256, "facts": start.facts}
    annotate(folder, facts=learned)
    calibrate(folder, data)
    if isinstance(model.head, InnerProduct):
        add_bank(folder, data)
    loaded = load_model(folder)
    write_text(Path(folder) / "README.md", model_card(loaded, training))
    return loaded.facts


def fit_aligner(
    data: DataSet,
    folder: Path,
    config: AligningConfig,
    *,
    device: str | torch.device = "cpu",
    on_lessons: Callable[[int, int], None] | None = None,
    on_progress: Callable[[AligningProgress], None] | None = None,
) -> dict[str, Any]:
    """Teach a finished model where shapes go on one another, from the curves of the exact search.

    What the model knew does not change. An interrupted training goes on where it stopped; an aligner that is there is
    replaced when the new one is done.

    Returns:
        the facts of the training: steps, share of the true overlap reached on validation pairs, seconds, ...

    Raises:
        InputError: no finished model of the overlap whose encoder looks about a centroid, one that ships with the
            package, or too few pairs.
    """
    refuse_shipped(folder)
    loaded = load_model(folder)
    if not loaded.model.head.absolute or loaded.config.encoder == "flat":
        raise InputError(
            f"the model in {folder} has the encoder {loaded.config.encoder} and the head {loaded.model.head.name}: "
            "only a model of the overlap whose encoder is polar or contour learns where shapes go"
        )
    network, facts = teach(
        config,
        loaded.model.encoder,
        pair_data(data, "train"),
        pair_data(data, "validation"),
        loaded.folder,
        device=device,
        on_lessons=on_lessons,
        on_progress=on_progress,
    )
    annotate(
        loaded.folder,
        calibration={"aligner": write_aligner(network, loaded.folder)},
        facts={"aligner": facts | {"config": asdict(config)}},
    )
    sweep_aligning(loaded.folder)
    return facts


def pair_data(data: DataSet, split: Split) -> PairData:
    """One split as training takes it."""
    rows = data.rows(split)
    return PairData(
        packed=data.packed,
        first=data.first[rows],
        second=data.second[rows],
        values=data.value[rows].astype("float32"),
        sizes=data.areas.astype("float32"),
        otherwise=data.card.get("otherwise"),
        form=data.form,
    )
