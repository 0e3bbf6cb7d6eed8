"""The settings of a training, and what follows from them at a given step: the learning rates and the end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from metricvae.core.errors import InputError
from metricvae.nn.losses import LatentLossKind, MetricLossKind
from metricvae.runtime.precision import Precision
from metricvae.training.checkpoint import StoredAs
from metricvae.training.optimisers import LossWeights, OptimiserKind
from metricvae.training.state import TrainingState

StopReason = Literal["steps", "patience", "time"]

_LEAST = {
    **dict.fromkeys(("steps", "batch_pairs", "run_length", "evaluate_every", "log_every", "patience", "threads"), 1),
    **dict.fromkeys(
        (
            "learning_rate",
            "metric_learning_rate",
            "matrix_learning_rate",
            "warmup_steps",
            "copies",
            "taught_pairs",
            "seed",
        ),
        0,
    ),
    "evaluate_pairs": 2,
}


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; written to `config.json`.

    Attributes:
        steps: steps of the optimisers.
        batch_pairs: pairs a step; the paper's batches have 24.
        run_length: consecutive pairs of the data that stay together in a batch. Data are stored in blocks of pairs that
            share objects, and an object is encoded once a step: longer runs, fewer objects, less work.
        anchor_share: share of the objects standing first in a batch's pairs that equation (1) reconstructs and moves.
        optimisers: `two` Adams, one for each equation, as in the paper, `one` on the weighted sum, or on that sum
            `muon` for the matrices of the network beside Adam for the rest.
        learning_rate: of Adam: of equation (1), or of the sum.
        metric_learning_rate: of the second Adam, that of equation (2); only with `two`.
        matrix_learning_rate: of Muon, in Adam's unit (updates of the same root mean square); only with `muon`.
        weights: factors of the four losses.
        latent_loss: what keeps codes near the prior: the `divergence` of each q(z | x) from it, or an `adversarial`
            network that must not tell all codes together from draws of it.
        metric_loss: what equation (2) does with the difference.
        metric_on: which code the metric and deformation losses compare: the mean of q(z | x) or the draw from it.
        clip_norm: gradients longer than this are cut to it, so that one odd batch does not throw the weights; None lets
            them be.
        warmup_steps: steps in which the learning rates rise from zero.
        schedule: learning rates after that: `constant`, or falling to zero at the end along a `cosine`.
        mirror: reflect all objects of a batch, every other time: the overlap of two reflected objects is the same.
        scales: objects of a batch are shown this many times as large, one factor a batch, drawn uniformly; an area
            grows with its square, and the metric with it. None shows them as they are.
        copies: moved copies of each object that are prepared before training and drawn from in every step; 0 makes a
            new one each time, which costs more than the step itself for encoders with expensive preparation.
        taught_pairs: pairs of the training's objects that `fit` adds to the measured ones, with what a forest of trees
            says of them (`metricvae.training.teacher`): for few pairs of two kinds that are rows of numbers.
        average_decay: weights are averaged over time with this decay (EMA), and the average is the result; None takes
            the weights themselves.
        evaluate_every: steps between measurements of the validation R^2; progress is saved then.
        evaluate_pairs: at most so many validation pairs are used for it.
        patience: measurements without a better R^2 after which training stops; None never stops early.
        log_every: steps between lines of the log.
        precision: `auto` multiplies in bfloat16 where the machine does so natively.
        stored_as: precision of the weights on disk; the validation R^2 reported at the end is that of these.
        threads: threads of PyTorch; None leaves its own choice. Results are bit-equal for equal numbers only.
        max_minutes: stop, schedule included, after so long; a result that is stopped so depends on the speed of the
            machine.
        seed: of the initial weights, the batches, the motions and the draws.
    """

    steps: int = 10_000
    batch_pairs: int = 24
    run_length: int = 1
    anchor_share: float = 1.0
    optimisers: OptimiserKind = "one"
    learning_rate: float = 1e-3
    metric_learning_rate: float = 1e-3
    matrix_learning_rate: float = 2e-3
    weights: LossWeights = field(default_factory=LossWeights)
    latent_loss: LatentLossKind = "divergence"
    metric_loss: MetricLossKind = "squared"
    metric_on: Literal["mean", "sample"] = "mean"
    clip_norm: float | None = None
    warmup_steps: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    mirror: bool = False
    scales: tuple[float, float] | None = None
    copies: int = 0
    taught_pairs: int = 0
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
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:
                raise InputError(f"{name} is {value}: expected {least} or more")
        if not 0.0 < self.anchor_share <= 1.0:
            raise InputError(f"anchor_share is {self.anchor_share}: expected more than 0 and at most 1")
        if self.average_decay is not None and not 0.0 <= self.average_decay < 1.0:
            raise InputError(f"average_decay is {self.average_decay}: expected at least 0 and less than 1")
        if self.max_minutes is not None and not 0.0 < self.max_minutes < math.inf:
            raise InputError(f"max_minutes is {self.max_minutes}: expected more than 0")
        if self.clip_norm is not None and not 0.0 < self.clip_norm < math.inf:
            raise InputError(f"clip_norm is {self.clip_norm}: expected more than 0")
        if self.scales is not None and not 0.0 < self.scales[0] <= self.scales[1] < math.inf:
            raise InputError(f"scales is {self.scales}: expected two factors above 0, the smaller one first")


def rate_factor(config: TrainingConfig, step: int, seconds: float) -> float:
    """What the learning rates are multiplied with, `step` steps and `seconds` into training."""
    if config.schedule == "constant":
        return _warmup(step, config.warmup_steps)
    time_used = 0.0 if config.max_minutes is None else seconds / (60.0 * config.max_minutes)
    return cosine_factor(step, config.steps, config.warmup_steps, time_used)


def cosine_factor(step: int, steps: int, warmup_steps: int, time_used: float = 0.0) -> float:
    """A rise over the warm-up, then a fall to zero along a cosine.

    Where time will be up first, the second half of it brings the fall to its end: of the time, 2 `time_used` - 1 counts
    as done, which is less than the steps done of any training that ends in time. Such a training does not depend on
    the speed of the machine.
    """
    done = max(2.0 * time_used - 1.0, max(0.0, step - warmup_steps) / max(1, steps - warmup_steps))
    return _warmup(step, warmup_steps) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


def _warmup(step: int, warmup_steps: int) -> float:
    return min(1.0, (step + 1) / (warmup_steps + 1))


def seconds_left(state: TrainingState, config: TrainingConfig, seconds_a_step: float) -> float:
    """Estimate of the time until training ends, from the pace so far."""
    left = seconds_a_step * (config.steps - state.step)
    return left if config.max_minutes is None else max(0.0, min(left, 60.0 * config.max_minutes - state.seconds))


def stop_reason(state: TrainingState, config: TrainingConfig) -> StopReason | None:
    """Why training is over, None while it is not."""
    if config.patience is not None and state.waited >= config.patience:
        return "patience"
    if config.max_minutes is not None and state.seconds >= 60.0 * config.max_minutes:
        return "time"
    return "steps" if state.step >= config.steps else None
