"""Training: where the model meets the losses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import Encoder, MagicAutoencoder, ModelConfig, build
from metricvae.nn.losses import deformation_loss, latent_loss, metric_loss, reconstruction_loss
from metricvae.runtime.precision import autocast, threads_of, trim_heap
from metricvae.training.adversary import Adversary
from metricvae.training.batching import (
    Batch,
    LossTerms,
    Move,
    PairData,
    choose_anchors,
    completed,
    data_facts,
    generator_of,
    graph,
    pairs_of_step,
)
from metricvae.training.checkpoint import LoadedModel, begin_model, finish_model, rounded
from metricvae.training.config import StopReason, TrainingConfig, rate_factor, seconds_left, stop_reason
from metricvae.training.features import Features, OnPrepare, features_for, move_randomly
from metricvae.training.logs import Progress, TrainingLog, summary_writer
from metricvae.training.optimisers import LOSSES, Optimisers, TrainingDiverged, require_finite
from metricvae.training.state import TrainingState, update_average


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


def training_losses(
    model: MagicAutoencoder,
    batch: Batch,
    generator: torch.Generator,
    config: TrainingConfig,
    adversary: Adversary | None = None,
) -> LossTerms:
    """The four losses of a batch: reconstruction and deformation over its anchors, latent over all its objects.

    With an `adversary`, which learns from the codes here, the latent loss is its.
    """
    codes = model.encode_features(torch.cat([batch.x, batch.x_moved]), generator)
    objects, moved = codes[: len(batch.x)], codes[len(batch.x) :]
    z, z_moved = getattr(objects, config.metric_on), getattr(moved, config.metric_on)
    logits = model.decode(objects.sample[batch.anchors])
    logits, x = model.decoder.reconstruction(logits, model.encoder.pictures(batch.x[batch.anchors]))
    score = model.head.score(z[batch.first], z[batch.second])
    target = model.head.target(batch.value, batch.size[batch.first], batch.size[batch.second])
    if adversary is None:
        latent = latent_loss(objects.mean, objects.log_variance)
    else:
        latent = adversary.latent_loss(objects.sample, generator)
    return LossTerms(
        reconstruction=reconstruction_loss(logits, x, model.decoder.weight),
        latent=latent,
        deformation=deformation_loss(z[batch.anchors], z_moved),
        metric=metric_loss(score, target, config.metric_loss, (batch.first, batch.second), batch.listed),
    )


def batch_of_step(
    data: PairData, features: Features, step: int, config: TrainingConfig, generator: torch.Generator
) -> Batch:
    """The batch of one step, each object once. `generator` chooses the anchors and the poses."""
    pairs = pairs_of_step(data, step, batch_pairs=config.batch_pairs, run_length=config.run_length, seed=config.seed)
    objects, *ends = graph(data.first[pairs], data.second[pairs])
    first, second = (torch.from_numpy(end) for end in ends)
    anchors = choose_anchors(first, config.anchor_share, generator)
    x, x_moved = features.pairs_of(objects, anchors, generator)
    value, size = torch.from_numpy(data.values[pairs]), torch.from_numpy(data.sizes[objects])
    anchors, first, second, value, size = (part.to(x.device) for part in (anchors, first, second, value, size))
    listed = None
    if data.otherwise is not None:
        first, second, value, listed = completed(first, second, value, len(objects), data.otherwise)
    return Batch(x, x_moved, anchors, first, second, value, size, listed)


def varied(batch: Batch, encoder: Encoder, config: TrainingConfig, generator: torch.Generator) -> Batch:
    """The batch reflected and enlarged by chance, where `config` asks for it."""
    if config.mirror and torch.rand((), generator=generator) < 0.5:
        batch = replace(batch, x=encoder.mirrored(batch.x), x_moved=encoder.mirrored(batch.x_moved))
    if config.scales is not None:
        low, high = config.scales
        batch = enlarged(batch, encoder, low + (high - low) * torch.rand((), generator=generator).item())
    return batch


def enlarged(batch: Batch, encoder: Encoder, factor: float) -> Batch:
    """The same batch of objects `factor` times as large: areas, and the metric, grow with the square."""
    return replace(
        batch,
        x=encoder.rescaled(batch.x, factor),
        x_moved=encoder.rescaled(batch.x_moved, factor),
        value=batch.value * factor**2,
        size=batch.size * factor**2,
    )


def training_step(state: TrainingState, data: PairData, features: Features, config: TrainingConfig) -> list[float]:
    """One step: take a batch, compute the four losses, check them, move the weights. Returns the losses.

    All chance comes from a generator seeded by the training's seed and the step, on the CPU: the same on every device.
    """
    generator = generator_of(config.seed, state.step)
    batch = batch_of_step(data, features, state.step, config, generator)
    batch = varied(batch, state.model.encoder, config, generator)
    with autocast(config.precision, state.device):
        terms = training_losses(state.model, batch, generator, config, state.adversary)
    values = require_finite(terms, state.step + 1)
    state.optimisers.step(terms, state.step + 1, rate_factor(config, state.step, state.seconds))
    state.step += 1
    if config.average_decay is not None:
        update_average(state.kept, state.model, min(config.average_decay, state.step / (10 + state.step)))
    return values


@torch.inference_mode()
def validation_r2(model: MagicAutoencoder, data: PairData, config: TrainingConfig) -> float:
    """R^2 = 1 - sum (predicted - value)^2 / sum (value - mean value)^2 over evenly spaced pairs of `data`.

    Of a head that is not absolute, the predictions' best linear function is taken: R^2 is their squared correlation.
    """
    device = next(model.parameters()).device
    pairs = np.linspace(0, len(data) - 1, min(len(data), config.evaluate_pairs)).astype(np.int64)
    objects, *ends = graph(data.first[pairs], data.second[pairs])
    first, second = (torch.from_numpy(end).to(device) for end in ends)
    training = model.training
    model.eval()
    with autocast(config.precision, device):
        parts = np.array_split(objects, -(-len(objects) // 64))
        z = torch.cat([model.encode(data.unpack(part, device)).mean for part in parts])
    model.train(training)
    size = torch.from_numpy(data.sizes[objects]).to(device)
    predicted = model.head.value(model.head.score(z[first], z[second]), size[first], size[second])
    value, said = data.values[pairs].astype(np.float64), predicted.cpu().double().numpy()
    if not model.head.absolute:
        off = said - said.mean()
        slope = (off * value).sum() / max(np.square(off).sum(), 1e-12)
        said = value.mean() + slope * off
    error = said - value
    return float(1.0 - np.square(error).sum() / np.square(value - value.mean()).sum())


def train(
    config: TrainingConfig,
    model_config: ModelConfig,
    data_train: PairData,
    data_validation: PairData,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    start: LoadedModel | None = None,
    on_prepare: OnPrepare | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    move: Move = move_randomly,
    tensorboard: bool = False,
) -> TrainResult:
    """Train a model into `folder`, going on from where an interrupted training of the same model stopped.

    On one machine, with the same number of threads, an interrupted training ends bit-equal to an uninterrupted one
    (on a GPU to within the order of its sums). A finished model is left as it is.

    Args:
        start: a model of the same configuration whose weights training starts from; by default they are random.
        on_prepare: told how many objects of how many are prepared, where `config.copies` has that done beforehand.
        on_progress: told where training stands after every step.
        move: how the moved copies are made; by default a random motion that keeps the object inside the canvas.
        tensorboard: whether the log is also written for TensorBoard, into `folder/tensorboard`.

    Raises:
        InputError: data without anything to learn, a start of another build, a folder that holds something else, or
            TensorBoard asked for and not installed.
        TrainingDiverged: a loss or gradient is not finite. The weights of the last measurement stay in the folder.
    """
    data_train.check("training", at_least=config.batch_pairs)
    data_validation.check("validation", at_least=2)
    folder = Path(folder)
    if tensorboard:
        summary_writer()
    if start is not None and start.config != model_config:
        raise InputError(
            f"the model in {start.folder} is built otherwise than the one to train: start from one of the same build"
        )
    origin = None if start is None else {"model": start.folder.name, "sha256": start.sha256}
    document = begin_model(folder, model_config, asdict(config), data_facts(data_train, data_validation), origin)
    if document["status"] == "finished":
        return _result(folder, document.get("facts", {}))
    with threads_of(config.threads):
        model = build(model_config, config.seed)
        if start is not None:
            model.load_state_dict(start.model.state_dict())
        model = model.to(device).train()
        optimisers = Optimisers(
            model,
            config.optimisers,
            config.weights,
            config.learning_rate,
            config.matrix_learning_rate if config.optimisers == "muon" else config.metric_learning_rate,
            config.clip_norm,
        )
        adversary = None
        if config.latent_loss == "adversarial":
            adversary = Adversary(model_config.latent, config.seed, device)
        state = TrainingState(model, optimisers, adversary, average=config.average_decay is not None)
        state.load(folder)
        with TrainingLog(folder, state.step, tensorboard=tensorboard) as log:
            features = features_for(config, data_train, model.encoder, move, state.device, on_prepare)
            _loop(state, config, data_train, data_validation, features, folder, log, on_progress)
        return _finish(state, config, data_validation, folder)


def _loop(
    state: TrainingState,
    config: TrainingConfig,
    data_train: PairData,
    data_validation: PairData,
    features: Features,
    folder: Path,
    log: TrainingLog,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Steps, log lines, measurements and checkpoints until something says stop."""
    began, first_step, start = state.seconds, state.step, time.perf_counter()
    window: list[list[float]] = []
    r2: float | None = state.best_r2
    while stop_reason(state, config) is None:
        window.append(training_step(state, data_train, features, config))
        state.seconds = began + time.perf_counter() - start
        evaluated = state.step % config.evaluate_every == 0 or stop_reason(state, config) is not None
        if evaluated:
            r2 = validation_r2(state.kept, data_validation, config)
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


def _finish(state: TrainingState, config: TrainingConfig, data_validation: PairData, folder: Path) -> TrainResult:
    """Measure the best weights in the precision they are stored in, and write them."""
    state.kept.load_state_dict(rounded(state.best, config.stored_as))
    r2 = validation_r2(state.kept, data_validation, replace(config, precision="float32"))
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
