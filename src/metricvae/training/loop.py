"""Training: steps, measurements and checkpoints until something says stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metricvae.core.compatibility import check_compatible
from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import MagicAutoencoder, ModelConfig, build
from metricvae.runtime.precision import threads_of, trim_heap
from metricvae.training.adversary import Adversary
from metricvae.training.batching import Move, training_facts
from metricvae.training.checkpoint import LoadedModel, begin_model, check_same_networks, finish_model, rounded
from metricvae.training.config import StopReason, TrainingConfig, seconds_left, stop_reason
from metricvae.training.features import Features, OnPrepare, features_for
from metricvae.training.initial import initial_model, used_objects
from metricvae.training.logs import Progress, TrainingLog, summary_writer
from metricvae.training.optimisers import LOSSES, Optimisers, TrainingDiverged
from metricvae.training.state import TrainingState
from metricvae.training.step import KeptFeatures, TrainingData, training_step, validation_r2


@dataclass(frozen=True)
class TrainResult:
    """What training came to.

    Attributes:
        folder: the model.
        steps: steps done.
        best_step: step whose weights were kept.
        validation_r2: of the weights on disk, multiplied in float32 as a prediction does.
        seconds: spent training, interruptions left out.
        stopped: why it ended: all `steps` done, `patience` or `time` used up.
    """

    folder: Path
    steps: int
    best_step: int
    validation_r2: float
    seconds: float
    stopped: StopReason


TRIM_EVERY = 100
"""Steps after which the heap is trimmed."""


def train(
    config: TrainingConfig,
    model_config: ModelConfig,
    data_train: PairDataset,
    data_validation: PairDataset,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    start: LoadedModel | None = None,
    on_prepare: OnPrepare | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    move: Move | None = None,
    tensorboard: bool = False,
) -> TrainResult:
    """Train a model into `folder`, going on from where an interrupted training of the same model stopped.

    On one machine, with the same number of threads, an interrupted training ends bit-equal to an uninterrupted one
    (on a GPU to within the order of its sums). A finished model is left as it is.

    Args:
        start: a model of the same networks whose weights training starts from; by default they are random. Where the
            model to train has two towers and this one, both begin alike.
        on_prepare: told how many objects of how many are prepared, where `config.copies` has that done beforehand.
        on_progress: told where training stands after every step.
        move: how the moved copies are made; by default as the kind of the objects moves them.
        tensorboard: whether the log is also written for TensorBoard, into `folder/tensorboard`.

    Raises:
        InputError: data without anything to learn, a start of other networks, a folder that holds something else, or
            TensorBoard asked for and not installed.
        TrainingDiverged: a loss or gradient is not finite. The weights of the last measurement stay in the folder.
    """
    check_compatible(model_config, data_train, "the training data")
    check_compatible(model_config, data_validation, "the validation data")
    data_train.check("training", at_least=config.batch_pairs)
    data_validation.check("validation", at_least=2)
    folder = Path(folder)
    if tensorboard:
        summary_writer()
    if start is not None:
        check_same_networks(start, build(model_config))
    origin = None if start is None else {"model": start.folder.name, "sha256": start.sha256}
    document = begin_model(folder, model_config, asdict(config), training_facts(data_train, data_validation), origin)
    if document["status"] == "finished":
        return _result(folder, document.get("facts", {}))
    with threads_of(config.threads):
        if start is None:
            model = initial_model(model_config, data_train, config.seed)
        else:
            model = _with_weights_of(start, model_config, config.seed)
        state = _state_of(model.to(device), config, model_config.latent)
        state.load(folder)
        with TrainingLog(folder, state.step, tensorboard=tensorboard) as log:
            features = _features(model, config, data_train, state.device, move, on_prepare)
            data, kept = TrainingData.of(data_train, features, config), KeptFeatures()
            if state.best_r2 is None and (start is not None or model_config.left.encoder.knows_similarity):
                _judge_start(state, data_validation, config, kept)
            _loop(state, config, data, data_validation, kept, folder, log, on_progress)
        return _finish(state, config, data_validation, folder)


def _with_weights_of(start: LoadedModel, config: ModelConfig, seed: int) -> MagicAutoencoder:
    """A model whose networks have the weights of another one."""
    model = build(config, seed).train()
    for side in model.towers:
        model.tower(side).load_state_dict(start.model.tower(side).state_dict())
    return model


def _state_of(model: MagicAutoencoder, config: TrainingConfig, latent: int) -> TrainingState:
    """What a training of a model begins with."""
    optimisers = Optimisers(
        model,
        config.optimisers,
        config.weights,
        config.learning_rate,
        config.matrix_learning_rate if config.optimisers == "muon" else config.metric_learning_rate,
        config.clip_norm,
    )
    device = next(model.parameters()).device
    adversary = Adversary(latent, config.seed, device) if config.latent_loss == "adversarial" else None
    return TrainingState(model, optimisers, adversary, average=config.average_decay is not None)


def _features(
    model: MagicAutoencoder,
    config: TrainingConfig,
    data: PairDataset,
    device: torch.device,
    move: Move | None,
    on_prepare: OnPrepare | None,
) -> dict[str, Features]:
    """What each tower is fed."""
    return {
        side: features_for(config, table, rows, model.tower(side).encoder, move or table.kind.move, device, on_prepare)
        for side, (table, rows) in used_objects(model, data).items()
    }


def _loop(
    state: TrainingState,
    config: TrainingConfig,
    data: TrainingData,
    data_validation: PairDataset,
    kept: KeptFeatures,
    folder: Path,
    log: TrainingLog,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Steps, log lines, measurements and checkpoints until something says stop."""
    began, first_step, start = state.seconds, state.step, time.perf_counter()
    window: list[list[float]] = []
    r2: float | None = state.best_r2
    while stop_reason(state, config) is None:
        window.append(training_step(state, data, config))
        state.seconds = began + time.perf_counter() - start
        evaluated = state.step % config.evaluate_every == 0 or stop_reason(state, config) is not None
        if evaluated:
            r2 = validation_r2(state.averaged, data_validation, config, kept)
            if not math.isfinite(r2):
                raise TrainingDiverged("validation R^2", state.step)
            state.judge(r2)
        left = seconds_left(state, config, (state.seconds - began) / (state.step - first_step))
        means = dict(zip(LOSSES, np.mean(window, axis=0).tolist(), strict=True))
        progress = Progress(state.step, config.steps, **means, validation_r2=r2, seconds_left=left)
        if on_progress is not None:
            on_progress(progress)
        if evaluated or state.step % config.log_every == 0:
            log.write(progress, evaluated=evaluated)
            window.clear()
        if evaluated:
            state.save(folder)
        if state.step % TRIM_EVERY == 0:
            trim_heap()


def _judge_start(
    state: TrainingState, data_validation: PairDataset, config: TrainingConfig, kept: KeptFeatures
) -> None:
    """Keep the weights that a training begins with, which know something, as the best so far."""
    r2 = validation_r2(state.averaged, data_validation, config, kept)
    if math.isfinite(r2):
        state.judge(r2)


def _finish(state: TrainingState, config: TrainingConfig, data_validation: PairDataset, folder: Path) -> TrainResult:
    """Measure the best weights in the precision they are stored in, and write them; objects are prepared anew, as what
    an encoder does not learn is rounded too."""
    state.averaged.load_state_dict(rounded(state.best, config.stored_as))
    r2 = validation_r2(state.averaged, data_validation, replace(config, precision="float32"))
    if not math.isfinite(r2):
        raise TrainingDiverged(f"validation R^2 of the weights stored as {config.stored_as}", state.best_step)
    facts = {
        "steps": state.step,
        "best_step": state.best_step,
        "validation_r2": r2,
        "seconds": round(state.seconds, 1),
        "stopped": stop_reason(state, config),
        "device": str(state.device),
        "torch": torch.__version__,
    }
    finish_model(folder, state.best, config.stored_as, facts)
    return _result(folder, facts)


def _result(folder: Path, facts: dict[str, Any]) -> TrainResult:
    names = ("steps", "best_step", "validation_r2", "seconds", "stopped")
    try:
        return TrainResult(folder, **{name: facts[name] for name in names})
    except (KeyError, TypeError):
        raise InputError(
            f"the config.json in {folder} lacks facts of its training: restore it or train again"
        ) from None
