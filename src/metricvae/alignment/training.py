"""Training the pose model of a metric: the loss that the metric offers, from targets that its exact solver scanned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, make_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from metricvae.alignment.targets import AlignmentTargets, choose_runs, scan_targets
from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.core.metric import METRICS, Metric
from metricvae.core.pose import ObjectPairs, PoseModel, metrics_with_poses
from metricvae.nn.coders import Encoder
from metricvae.nn.layers import seeded_weights
from metricvae.runtime.precision import Precision, autocast, threads_of
from metricvae.training.batching import PairSampler, generator_of, graph_of, training_facts
from metricvae.training.network_state import NetworkProgress, NetworkState, run_training

RESUME = "aligner-resume.safetensors"

TARGETS = "aligner-targets.safetensors"

EVALUATED_AT_ONCE = 100


@dataclass(frozen=True)
class AligningConfig:
    """How an aligner is trained; written to the model's `config.json`.

    Attributes:
        network: hyperparameters of the pose model's network; None takes the default ones.
        lessons: pairs that are scanned into alignment targets.
        steps: steps of the optimisers.
        batch_pairs: pairs a step.
        run_length: consecutive pairs of the data that stay together in a batch, as they share objects.
        learning_rate: of Adam, which moves what is no matrix.
        matrix_learning_rate: of Muon, which moves the matrices.
        warmup_steps: steps in which the rates rise; they fall to zero along a cosine after that.
        average_decay: weights are averaged over time with this decay, and the average is kept.
        evaluate_every: steps between measurements; progress is saved then.
        evaluate_pairs: validation pairs they are made on, at most.
        precision: `auto` multiplies in bfloat16 where the machine does so natively.
        threads: threads of PyTorch; None leaves its own choice.
        seed: of the initial weights and all draws.
    """

    network: Any = None
    lessons: int = 150_000
    steps: int = 6_000
    batch_pairs: int = 240
    run_length: int = 60
    learning_rate: float = 2e-3
    matrix_learning_rate: float = 4e-3
    warmup_steps: int = 100
    average_decay: float = 0.998
    evaluate_every: int = 500
    evaluate_pairs: int = 1_000
    precision: Precision = "auto"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("lessons", "steps", "batch_pairs", "run_length", "evaluate_every", "evaluate_pairs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: expected 1 or more")


def config_type(metric: Metric | None) -> type[AligningConfig]:
    """`AligningConfig` with the type of the network's hyperparameters, whose fields are options of the command line.

    Args:
        metric: whose pose model it is; by default, and without one, of the first metric that has one.
    """
    found = None if metric is None else metric.pose_model
    found = found or METRICS.get(metrics_with_poses()[0])().pose_model
    assert found is not None
    network = found.default_network()
    typed = make_dataclass(
        "AligningConfig", [("network", type(network), network)], bases=(AligningConfig,), frozen=True
    )
    typed.__doc__ = AligningConfig.__doc__
    return typed


@dataclass(frozen=True)
class AlignmentBatch:
    """n pairs of m objects.

    Attributes:
        x: (m, ...) the objects.
        first, second: (n,) int64 rows of `x`.
        value: (n,) the metric of each, in its unit.
    """

    x: Tensor
    first: Tensor
    second: Tensor
    value: Tensor

    def pairs(self, pose_model: PoseModel, encoder: Encoder) -> ObjectPairs:
        """As a pose model takes them."""
        pictures = encoder.pictures(encoder.prepare(self.x))
        return ObjectPairs(pose_model.geometry(self.x), pictures, self.first, self.second)


def alignment_batch(data: PairDataset, rows: npt.NDArray[np.int64], device: torch.device) -> AlignmentBatch:
    """Pairs of a data set."""
    graph = graph_of(data, rows, one_tower=True)
    first, second = (torch.from_numpy(end).to(device) for end in (graph.first, graph.second))
    value = torch.from_numpy(data.value[rows]).float().to(device)
    x = data.left.tensor(graph.left, device)
    if graph.shared:
        return AlignmentBatch(x, first, second, value)
    together = torch.cat([x, data.right.tensor(graph.right, device)])
    return AlignmentBatch(together, first, second + len(x), value)


def train_aligner(
    pose_model: PoseModel,
    config: AligningConfig,
    encoder: Encoder,
    data_train: PairDataset,
    data_validation: PairDataset,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    on_targets: Callable[[int, int], None] | None = None,
    on_progress: Callable[[NetworkProgress], None] | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train an aligner, going on from where an interrupted training in `folder` stopped.

    Args:
        pose_model: of the metric of the data.
        config: how.
        encoder: whose pictures of the objects it reads; its weights do not count.
        data_train, data_validation: pairs of objects of one kind.
        folder: where progress is saved, in files that `remove_progress` removes when the result is safe.
        device: where to compute.
        on_targets: told how many pairs of how many are scanned.
        on_progress: told the state after each step.

    Returns:
        the averaged weights on the CPU, in evaluation mode, and facts of the training.

    Raises:
        InputError: too few pairs, or progress of another training.
        TrainingDiverged: a loss is not finite.
    """
    data_train.check("training", at_least=config.batch_pairs)
    data_validation.check("validation", at_least=2)
    config = replace(config, network=config.network or pose_model.default_network())
    begun = {"config": asdict(config), "data": training_facts(data_train, data_validation)}
    device, resume = torch.device(device), folder / RESUME
    chosen = choose_runs(len(data_train), config.lessons, config.run_length, config.seed)
    targets = scan_targets(
        *(pose_model, config.network, data_train, chosen, folder / TARGETS, begun["data"]), on_progress=on_targets
    )
    if len(targets) < config.batch_pairs:
        raise InputError(f"{len(targets)} lessons do not fill a batch of {config.batch_pairs}: ask for more")
    training = _Training(pose_model, config, encoder, data_train, targets, device)
    with threads_of(config.threads):
        with seeded_weights(config.seed):
            network: nn.Module = pose_model.build(config.network).to(device)
        state = NetworkState(network, (config.learning_rate, config.matrix_learning_rate))
        run_training(
            *(state, config.steps, config.evaluate_every, resume, begun),
            step=training.step,
            measure=lambda network: training.share_reached(network, data_validation),
            on_progress=on_progress,
        )
    facts = {"steps": state.step, "reached": state.measured, "seconds": round(state.seconds, 1)}
    return state.averaged.cpu().eval(), facts | {"pairs": len(data_train), "device": str(device)}


class _Training:
    """What every step of a training takes."""

    def __init__(
        self,
        pose_model: PoseModel,
        config: AligningConfig,
        encoder: Encoder,
        data: PairDataset,
        targets: AlignmentTargets,
        device: torch.device,
    ) -> None:
        self.pose_model, self.config, self.encoder = pose_model, config, encoder
        self.data, self.targets, self.device = data, targets, device
        self.sampler = PairSampler(len(targets), config.batch_pairs, config.run_length, config.seed)

    def step(self, state: NetworkState) -> float:
        """One step of the optimisers; returns the loss."""
        config = self.config
        return state.move(
            self._loss(state), "loss of the aligner", config.steps, config.warmup_steps, config.average_decay
        )

    def _loss(self, state: NetworkState) -> Tensor:
        """The loss of the next step's pairs, half of the time of their mirror images."""
        generator = generator_of(self.config.seed, state.step)
        places = self.sampler.rows(state.step)
        batch = alignment_batch(self.data, self.targets.rows.numpy()[places], self.device)
        targets = self.targets.of(places, self.device)
        if torch.rand((), generator=generator) < 0.5:
            x, targets = self.pose_model.mirror(batch.x, targets)
            batch = replace(batch, x=x)
        pairs = batch.pairs(self.pose_model, self.encoder)
        with autocast(self.config.precision, self.device):
            output = self.pose_model.respond(state.network, pairs)
        return self.pose_model.loss(output, pairs, targets)

    @torch.inference_mode()
    def share_reached(self, network: nn.Module, data: PairDataset) -> float:
        """Share of the true value that the first proposal reaches, mean over validation pairs from the first on."""
        shares, count = [], min(len(data), self.config.evaluate_pairs)
        for start in range(0, count, EVALUATED_AT_ONCE):
            rows = np.arange(start, min(start + EVALUATED_AT_ONCE, len(data)))
            batch = alignment_batch(data, rows, self.device)
            pairs = batch.pairs(self.pose_model, self.encoder)
            with autocast(self.config.precision, self.device):
                output = self.pose_model.respond(network, pairs)
            shares.append(self.pose_model.share_reached(output, pairs, batch.value))
        return float(torch.cat(shares).mean())


def remove_progress(folder: Path) -> None:
    """Remove what a training that is done needed to go on."""
    for name in (RESUME, TARGETS):
        (folder / name).unlink(missing_ok=True)
