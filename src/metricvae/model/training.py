"""Training: where the model meets the losses."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from metricvae.errors import InputError
from metricvae.model.autoencoder import Encoder, MagicAutoencoder, ModelConfig, build
from metricvae.model.batches import Batch, LossTerms, Move, PairData, choose_anchors, graph, pairs_of_step
from metricvae.model.checkpoints import StoredAs, begin_model, finish_model, rounded
from metricvae.model.features import Features, KeptFeatures, LiveFeatures
from metricvae.model.logs import Progress, TrainingLog
from metricvae.model.losses import MetricLossKind, deformation_loss, latent_loss, metric_loss, reconstruction_loss
from metricvae.model.optimisers import LOSSES, LossWeights, Optimisers, TrainingDiverged, require_finite
from metricvae.model.precision import Precision, autocast
from metricvae.model.state import TrainingState, update_average
from metricvae.objects import motions


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; written to `config.json`.

    Attributes:
        steps: steps of the optimisers.
        batch_pairs: pairs a step; the paper's batches have 24.
        run_length: consecutive pairs of the data that stay together in a batch. Data are stored in blocks of pairs that
            share objects, and an object is encoded once a step: longer runs, fewer objects, less work.
        anchor_share: share of the objects standing first in a batch's pairs that equation (1) reconstructs and moves.
        optimisers: `two` Adams, one for each equation, as in the paper, or `one` on the weighted sum.
        learning_rate: of equation (1), or of the sum when there is one optimiser.
        metric_learning_rate: of equation (2); unused with one optimiser.
        weights: factors of the four losses.
        metric_loss: what equation (2) does with the difference.
        metric_on: which code the metric and deformation losses compare: the mean of q(z | x) or the draw from it.
        warmup_steps: steps in which the learning rates rise from zero.
        schedule: learning rates after that: `constant`, or falling to zero at the end along a `cosine`.
        mirror: reflect all objects of a batch, every other time: the overlap of two reflected objects is the same.
        scales: objects of a batch are shown this many times as large, one factor a batch, drawn uniformly; an area
            grows with its square, and the metric with it. None shows them as they are.
        copies: moved copies of each object that are prepared before training and drawn from in every step; 0 makes a
            new one each time, which costs more than the step where the encoder's preparation is dear.
        average_decay: weights are averaged over time with this decay, and the average is what is kept; None keeps the
            weights themselves.
        evaluate_every: steps between measurements of the validation R^2; progress is saved then.
        evaluate_pairs: at most so many validation pairs are used for it.
        patience: measurements without a better R^2 after which training stops; None never stops early.
        log_every: steps between lines of the log.
        precision: `auto` multiplies in bfloat16 where the machine does so natively.
        stored_as: precision of the weights on disk; the validation R^2 reported at the end is that of these.
        threads: threads of PyTorch; None leaves its own choice. Results are bit-equal for equal numbers only.
        max_minutes: stop, schedule included, after so long; the result then depends on the speed of the machine.
        seed: of the initial weights, the batches, the motions and the draws.
    """

    steps: int = 10_000
    batch_pairs: int = 24
    run_length: int = 1
    anchor_share: float = 1.0
    optimisers: Literal["two", "one"] = "one"
    learning_rate: float = 1e-3
    metric_learning_rate: float = 1e-3
    weights: LossWeights = field(default_factory=LossWeights)
    metric_loss: MetricLossKind = "squared"
    metric_on: Literal["mean", "sample"] = "mean"
    warmup_steps: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    mirror: bool = False
    scales: tuple[float, float] | None = None
    copies: int = 0
    average_decay: float | None = None
    evaluate_every: int = 250
    evaluate_pairs: int = 2_000
    patience: int | None = None
    log_every: int = 10
    precision: Precision = "auto"
    stored_as: StoredAs = "float32"
    threads: int | None = None
    max_minutes: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_pairs", "run_length", "evaluate_every", "evaluate_pairs", "log_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: expected 1 or more")
        if not 0.0 < self.anchor_share <= 1.0:
            raise InputError(f"anchor_share is {self.anchor_share}: expected more than 0 and at most 1")


@dataclass(frozen=True)
class TrainResult:
    """What training came to.

    Attributes:
        folder: the model.
        steps: steps done.
        best_step: step whose weights were kept.
        validation_r2: of the weights on disk.
        seconds: spent training, interruptions left out.
        stopped: why it ended: all `steps` done, `patience` or `time` used up.
    """

    folder: Path
    steps: int
    best_step: int
    validation_r2: float
    seconds: float
    stopped: Literal["steps", "patience", "time"]


def training_losses(
    model: MagicAutoencoder, batch: Batch, generator: torch.Generator, config: TrainingConfig
) -> LossTerms:
    """The four losses of a batch: reconstruction and deformation over its anchors, latent over all its objects."""
    codes = model.encode_features(torch.cat([batch.x, batch.x_moved]), generator)
    objects, moved = codes[: len(batch.x)], codes[len(batch.x) :]
    z, z_moved = getattr(objects, config.metric_on), getattr(moved, config.metric_on)
    logits = model.decode(objects.sample[batch.anchors])
    logits, x = model.decoder.reconstruction(logits, batch.x[batch.anchors])
    score = model.head.score(z[batch.first], z[batch.second])
    target = model.head.target(batch.value, batch.size[batch.first], batch.size[batch.second])
    return LossTerms(
        reconstruction=reconstruction_loss(logits, x, model.decoder.weight),
        latent=latent_loss(objects.mean, objects.log_variance),
        deformation=deformation_loss(z[batch.anchors], z_moved),
        metric=metric_loss(score, target, config.metric_loss),
    )


def batch_of_step(
    data: PairData, features: Features, step: int, config: TrainingConfig, generator: torch.Generator
) -> Batch:
    """The batch of one step, each object once. `generator` chooses the anchors, the poses and the reflection."""
    pairs = pairs_of_step(data, step, batch_pairs=config.batch_pairs, run_length=config.run_length, seed=config.seed)
    objects, *ends = graph(data, pairs)
    first, second = (torch.from_numpy(end) for end in ends)
    anchors = choose_anchors(first, config.anchor_share, generator)
    x, x_moved = features.pairs_of(objects, anchors, generator)
    if config.mirror and torch.rand((), generator=generator) < 0.5:
        x, x_moved = x.flip(-1), x_moved.flip(-1)
    value, size = torch.from_numpy(data.values[pairs]), torch.from_numpy(data.sizes[objects])
    return Batch(x, x_moved, *(part.to(x.device) for part in (anchors, first, second, value, size)))


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
    generator = torch.Generator().manual_seed(
        int(np.random.SeedSequence((config.seed, state.step)).generate_state(1)[0])
    )
    batch = batch_of_step(data, features, state.step, config, generator)
    if config.scales is not None:
        low, high = config.scales
        factor = low + (high - low) * torch.rand((), generator=generator).item()
        batch = enlarged(batch, state.model.encoder, factor)
    with autocast(config.precision, state.device):
        terms = training_losses(state.model, batch, generator, config)
    values = require_finite(terms, state.step + 1)
    state.optimisers.step(terms, state.step + 1, rate_factor(config, state.step, state.seconds))
    state.step += 1
    if config.average_decay is not None:
        update_average(state.kept, state.model, min(config.average_decay, state.step / (10 + state.step)))
    return values


def rate_factor(config: TrainingConfig, step: int, seconds: float) -> float:
    """What the learning rates are multiplied with, `step` steps and `seconds` into training."""
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "constant":
        return warmup
    done = max(0.0, step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    if config.max_minutes is not None:
        done = max(done, seconds / (60.0 * config.max_minutes))
    return warmup * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


@torch.inference_mode()
def validation_r2(model: MagicAutoencoder, data: PairData, config: TrainingConfig) -> float:
    """R^2 = 1 - sum (predicted - value)^2 / sum (value - mean value)^2 over evenly spaced pairs of `data`."""
    device = next(model.parameters()).device
    pairs = np.linspace(0, len(data) - 1, min(len(data), config.evaluate_pairs)).astype(np.int64)
    objects, rows = np.unique(np.stack([data.first[pairs], data.second[pairs]]), return_inverse=True)
    first, second = torch.from_numpy(rows.reshape(2, -1)).to(device)
    training = model.training
    model.eval()
    with autocast(config.precision, device):
        parts = np.array_split(objects, -(-len(objects) // 64))
        z = torch.cat([model.encode(data.unpack(part, device)).mean for part in parts])
    model.train(training)
    size = torch.from_numpy(data.sizes[objects]).to(device)
    predicted = model.head.value(model.head.score(z[first], z[second]), size[first], size[second])
    value = data.values[pairs].astype(np.float64)
    error = predicted.double().cpu().numpy() - value
    return float(1.0 - np.square(error).sum() / np.square(value - value.mean()).sum())


def train(
    config: TrainingConfig,
    model_config: ModelConfig,
    data_train: PairData,
    data_validation: PairData,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
    move: Move | None = None,
) -> TrainResult:
    """Train a model into `folder`, going on from where an interrupted training of the same model stopped.

    On one machine, with the same number of threads, an interrupted training ends bit-equal to an uninterrupted one
    (on a GPU to within the order of its sums). A finished model is left as it is.

    Raises:
        InputError: data without anything to learn, or a folder that holds something else.
        TrainingDiverged: a loss or gradient is not finite. The weights of the last measurement stay in the folder.
    """
    data_train.check("training", at_least=config.batch_pairs)
    data_validation.check("validation", at_least=2)
    folder = Path(folder)
    document = begin_model(folder, model_config, asdict(config), _data_facts(data_train, data_validation))
    if document["status"] == "finished":
        return _result(folder, document["facts"])
    with _threads(config.threads):
        model = build(model_config, config.seed).to(device).train()
        optimisers = Optimisers(
            model, config.optimisers, config.weights, config.learning_rate, config.metric_learning_rate
        )
        state = TrainingState(model, optimisers, average=config.average_decay is not None)
        state.load(folder)
        with TrainingLog(folder, state.step) as log:
            features = features_for(config, data_train, model, move or move_randomly, state.device)
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
        left = _seconds_left(state, config, (state.seconds - began) / (state.step - first_step))
        means = dict(zip(LOSSES, np.mean(window, axis=0).tolist(), strict=True))
        progress = Progress(state.step, config.steps, **means, validation_r2=r2, seconds_left=left)
        if on_progress is not None:
            on_progress(progress)
        if evaluated or state.step % config.log_every == 0:
            log.write(progress, evaluated=evaluated)
            window.clear()
        if evaluated:
            state.save(folder)


def _seconds_left(state: TrainingState, config: TrainingConfig, seconds_a_step: float) -> float:
    left = seconds_a_step * (config.steps - state.step)
    return left if config.max_minutes is None else max(0.0, min(left, 60.0 * config.max_minutes - state.seconds))


def stop_reason(state: TrainingState, config: TrainingConfig) -> Literal["steps", "patience", "time"] | None:
    """Why training is over, None while it is not."""
    if config.patience is not None and state.waited >= config.patience:
        return "patience"
    if config.max_minutes is not None and state.seconds >= 60.0 * config.max_minutes:
        return "time"
    return "steps" if state.step >= config.steps else None


def _finish(state: TrainingState, config: TrainingConfig, data_validation: PairData, folder: Path) -> TrainResult:
    """Measure the best weights in the precision they are stored in, and write them."""
    state.kept.load_state_dict(rounded(state.best, config.stored_as))
    facts = {
        "steps": state.step,
        "best_step": state.best_step,
        "validation_r2": validation_r2(state.kept, data_validation, config),
        "seconds": round(state.seconds, 1),
        "stopped": stop_reason(state, config),
        "device": str(state.device),
        "torch": torch.__version__,
    }
    finish_model(folder, state.best, config.stored_as, facts)
    return _result(folder, facts)


def _result(folder: Path, facts: dict[str, Any]) -> TrainResult:
    names = ("steps", "best_step", "validation_r2", "seconds", "stopped")
    return TrainResult(folder, **{name: facts[name] for name in names})


def _data_facts(data_train: PairData, data_validation: PairData) -> dict[str, Any]:
    """What tells one set of data from another, so that training never goes on with other data."""
    digest = hashlib.sha256()
    for data in (data_train, data_validation):
        for array in (data.packed, data.first, data.second, data.values, data.sizes):
            digest.update(np.ascontiguousarray(array).data)
    return {"pairs": len(data_train), "validation_pairs": len(data_validation), "sha256": digest.hexdigest()}


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def features_for(
    config: TrainingConfig, data: PairData, model: MagicAutoencoder, move: Move, device: torch.device
) -> Features:
    """Objects and moved copies, prepared ahead of time where `config.copies` asks for it."""
    if config.copies == 0:
        return LiveFeatures(data, model.encoder.prepare, move, device)
    return KeptFeatures(data, model.encoder.prepare, move, device, copies=config.copies, seed=config.seed)


def move_randomly(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Each object under a motion of its own that keeps it inside the canvas, cut at half as its picture would be."""
    return (motions.move(masks, motions.random_motions(masks, generator)) > 0.5).float()
