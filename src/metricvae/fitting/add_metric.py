"""A further metric for a model that is there: a head on its codes, which stay as they are."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metricvae.core.compatibility import check_kind
from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.fitting.linear_readout import Readout, Rows, fit_readout
from metricvae.fitting.metric_card import metric_card
from metricvae.fitting.model_card import CARD
from metricvae.nn.heads import Head
from metricvae.nn.layers import seeded_weights
from metricvae.nn.views import ViewedHead
from metricvae.prediction.added_metrics import (
    METRICS_FOLDER,
    answering,
    check_name,
    metrics_of,
    name_of,
    write_metric_folder,
)
from metricvae.prediction.calibrate import calibration_of
from metricvae.prediction.calibration.binary import binary_labels
from metricvae.prediction.calibration.conformal import check_enough
from metricvae.prediction.predictor import OnProgress, Predictor
from metricvae.runtime.files import write_text
from metricvae.runtime.folders import copy_folder, new_folder
from metricvae.runtime.locks import held
from metricvae.training.checkpoint import LoadedModel, load_model, refuse_shipped
from metricvae.training.joint_values import pair_loss


@dataclass(frozen=True)
class ViewConfig:
    """How the view of codes by which a metric of pairs compares is fitted.

    Attributes:
        width: numbers of the view, at most those of a code.
        steps: of Adam.
        batch_pairs: pairs a step.
        learning_rate: of Adam.
        evaluate_every: steps between measurements on the validation split; the best view is kept.
        seed: of the initial view and the batches.
    """

    width: int = 128
    steps: int = 1_000
    batch_pairs: int = 1_024
    learning_rate: float = 3e-3
    evaluate_every: int = 50
    seed: int = 0


def add_metric(
    model: str | Path,
    data: PairDataset,
    folder: str | Path,
    name: str | None = None,
    *,
    config: ViewConfig = ViewConfig(),
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Fit a metric to the codes of a model, calibrate it, and write a copy of the model that answers it too.

    The model's weights do not change, nor does any other of its metrics. A metric of one object is the product of a
    code with an anchor (ridge or logistic regression); one of pairs gets its usual head on a linear view of codes.

    Args:
        model: folder or name of a finished model.
        data: with splits `train`, `validation` and `calibration`, of objects as the model takes them.
        folder: of the copy; that of the model itself, to add the metric there.
        name: of the metric; default by what it is called.
        config: of the view, of a metric of pairs.
        on_progress: told how many objects are encoded.

    Returns:
        the facts of the metric: how many values, what is explained of the validation split, seconds.

    Raises:
        InputError: no such model, one with two towers, or that has such a metric; data of other objects or too few; a
            ranking; or a folder that holds something else.
    """
    started = time.perf_counter()
    loaded = load_model(model)
    name = check_name(name or name_of(data.metric))
    _check(loaded, data, name)
    provisional = _provisional(loaded, data)
    predictor = Predictor(answering(loaded, data.metric, provisional, loaded.folder, {}))
    encoded = predictor.encode_rows(data.left, np.arange(len(data.left)), on_progress=on_progress)
    head, explained = fit_head(provisional, encoded.codes, data, config)
    facts = _facts(data) | {"validation": explained, "seconds": round(time.perf_counter() - started, 1)}
    with _copy_of(loaded.folder, Path(folder)) as copy:
        install_metric(loaded, name, data, head, copy, facts)
    return {"metric": name, **facts}


def install_metric(
    loaded: LoadedModel, name: str, data: PairDataset, head: ViewedHead, folder: Path, facts: Mapping[str, Any]
) -> None:
    """Calibrate a metric with a fitted head, and put it into the folder of its model, whole or not at all.

    Args:
        loaded: the model.
        name: of the metric, which the folder does not have yet.
        data: with the splits of the calibration.
        head: of the metric.
        folder: of the model, or of a copy of it.
        facts: of the fit.
    """
    with new_folder(folder / METRICS_FOLDER / name, "metric") as target:
        fitted = answering(loaded, data.metric, head, target, {"facts": facts})
        calibration = calibration_of(Predictor(fitted), data)
        write_metric_folder(target, loaded, data.metric, head, calibration, facts)
        write_text(target / CARD, metric_card(name, dataclasses.replace(fitted, calibration=calibration)))


def _check(loaded: LoadedModel, data: PairDataset, name: str) -> None:
    if not loaded.model.shared:
        raise InputError("metrics are added to models of one tower, got one with two: train a model of its own")
    check_kind(loaded.config.kinds[0], data.left.kind, "the objects of the data set")
    if not data.shared:
        raise InputError("the data set is of pairs of two kinds, and the model takes one: train a model of its own")
    if name in metrics_of(loaded):
        raise InputError(f"the model has a metric {name!r} already: give another name with --metric")
    if data.metric.task == "ranking":
        raise InputError(f"{name} is a ranking: train a model of its own, or give a regression or binary metric")
    for split in ("train", "validation", "calibration"):
        rows = data.rows(split)
        if data.metric.task == "binary":
            binary_labels(split, data.value[rows])
    check_enough(len(data.known(data.rows("calibration"))))


def _provisional(loaded: LoadedModel, data: PairDataset) -> ViewedHead:
    """A head that reads the columns which the metric is to read: of one object, no poses."""
    free = loaded.model.left.encoder.pose_free if data.metric.anchored else None
    width = Predictor(loaded).code_width
    return ViewedHead(data.metric.default_head(data.value[data.rows("train")]), free or (0, width))


def fit_head(
    provisional: ViewedHead, codes: Tensor, data: PairDataset, config: ViewConfig = ViewConfig()
) -> tuple[ViewedHead, float]:
    """The anchor, or the view, under which a head answers best on the validation split.

    Args:
        provisional: the head, and the columns that it is to read.
        codes: (m, d) of all objects of the data.
        data: of the metric.
        config: of the view.

    Returns:
        the head, and what is explained of the validation split.
    """
    if not data.metric.anchored:
        return _fit_view(provisional, codes, data, config)
    train, held_out = (_rows(provisional.view(codes), data, split) for split in ("train", "validation"))
    readout = fit_readout(train, held_out, data.metric.task == "binary")
    anchor, head = anchor_of(readout, provisional, codes.shape[1])
    return dataclasses.replace(provisional, head=head, anchor=anchor), readout.explained


def _rows(codes: Tensor, data: PairDataset, split: str) -> Rows:
    rows = data.known(data.rows(split))
    weight = np.ones(len(rows)) if data.weight is None else data.weight[rows]
    return Rows(codes[torch.from_numpy(data.first[rows])].double().cpu().numpy(), data.value[rows], weight)


def anchor_of(readout: Readout, head: ViewedHead, width: int) -> tuple[Tensor, Head]:
    """The anchor (1, width), and the head with the offset, of which the product is a linear read-out."""
    own: Any = head.head
    start, end = head.columns
    anchor = torch.zeros(1, width)
    anchor[0, start:end] = torch.from_numpy(readout.coefficients).float() * (end - start) / own.scale
    return anchor, dataclasses.replace(own, offset=readout.offset)


def _fit_view(head: ViewedHead, every: Tensor, data: PairDataset, config: ViewConfig) -> tuple[ViewedHead, float]:
    """The linear view of codes under which the head answers best on the validation split."""
    codes = head.view(every).clone()
    generator = torch.Generator().manual_seed(config.seed)
    with seeded_weights(config.seed):
        matrix = torch.randn(codes.shape[1], min(config.width, codes.shape[1])) / codes.shape[1] ** 0.5
    matrix = (matrix / codes.std().clamp(min=1e-6)).requires_grad_()
    optimiser = torch.optim.Adam([matrix], lr=config.learning_rate * float(matrix.detach().std()) * 10.0)
    train, held_out = (_targets(head, data, split) for split in ("train", "validation"))
    binary, spread = data.metric.task == "binary", train[2].var().clamp(min=1e-12)
    best, reached = matrix.detach().clone(), -np.inf
    for step in range(1, config.steps + 1):
        some = torch.randint(len(train[2]), (config.batch_pairs,), generator=generator)
        first, second, target = (part[some] for part in train)
        score = head.head.score(codes[first] @ matrix, codes[second] @ matrix)
        loss = pair_loss(head.head, score, target, spread, binary=binary)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % config.evaluate_every == 0 or step == config.steps:
            with torch.inference_mode():
                score = head.head.score(codes[held_out[0]] @ matrix, codes[held_out[1]] @ matrix)
                own = held_out[2].var().clamp(min=1e-12)
                explained = 1.0 - float(pair_loss(head.head, score, held_out[2], own, binary=binary))
            if explained > reached:
                best, reached = matrix.detach().clone(), explained
    return dataclasses.replace(head, matrix=best), float(reached)


def _targets(head: ViewedHead, data: PairDataset, split: str) -> tuple[Tensor, Tensor, Tensor]:
    """Ends of the pairs of a split, and the scores that they should have."""
    rows = data.known(data.rows(split))
    sizes = (torch.from_numpy(part).float() for part in data.magnitudes(rows))
    target = head.target(torch.from_numpy(data.value[rows]).float(), *sizes)
    return torch.from_numpy(data.first[rows]), torch.from_numpy(data.second[rows]), target


def _facts(data: PairDataset) -> dict[str, Any]:
    """How many values of each split, and where they come from."""
    splits = {split: int((data.split == split).sum()) for split in ("train", "validation", "calibration")}
    told = data.card.get("import", {})
    return {"values": splits} | {name: told[name] for name in ("file", "rows", "notes") if name in told}


@contextlib.contextmanager
def _copy_of(model: Path, folder: Path) -> Iterator[Path]:
    """Yield a copy of a model under a temporary name, and rename it to `folder` when all went well; the model itself
    where that is its folder.

    Raises:
        InputError: there is something at `folder`, or it is a model that ships.
    """
    refuse_shipped(folder)
    if folder.exists() and folder.resolve() == model.resolve():
        with held(model, "model"):
            yield model
        return
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} is there already: name a new folder, or the model's own to add the metric there")
    with new_folder(folder, "model") as target:
        copy_folder(model, target)
        yield target
