"""Joint training: one code that answers several metrics, each row and pair training what it has a value for.

Metrics of pairs compare a linear view of two codes each, metrics of one object (`Metric.anchored`) multiply a code with
an anchor that is learned with the network. In a step some objects are drawn, with whatever values are known of them,
and some pairs of each metric of pairs; values that are missing have no part in the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from metricvae.core.dataset import ObjectTable
from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import TowerConfig
from metricvae.nn.coders import Encoder
from metricvae.nn.joint_network import JointNetwork
from metricvae.nn.layers import seeded_weights
from metricvae.nn.views import ViewedHead
from metricvae.training.batching import generator_of
from metricvae.training.joint_values import JointMetric, KnownPairs, KnownValues
from metricvae.training.network_state import NetworkProgress, NetworkState, run_training

RESUME = "joint-resume.safetensors"

SCALED_ON = 2_048
"""Objects by which an encoder learns the scaling of its numbers, at most."""

AT_ONCE = 1_024
"""Objects that are encoded together where nothing is learned."""

MOST_VALUES = 1_000
"""A metric counts in the mean of a validation by the root of its validation values, of so many at most."""


@dataclass(frozen=True)
class JointConfig:
    """How several metrics are learned together.

    Attributes:
        steps: of the optimisers.
        batch_objects: objects a step, with all values that are known of them.
        batch_pairs: pairs a step of each metric of pairs.
        learning_rate: of Adam, which moves what is no matrix, anchors and views.
        matrix_learning_rate: of Muon, which moves the matrices.
        warmup_steps: steps in which the rates rise; they fall to zero along a cosine after that.
        latent: weight of the latent loss, KL(q(z | x), N(0, I)) per dimension.
        balance: how a metric with few values counts: 1 as much as one with many, 0 in proportion to its values.
        view: numbers of the view of a code by which a metric of pairs compares.
        average_decay: weights are averaged over time with this decay, and the average is kept.
        evaluate_every: steps between measurements on the validation split; progress is saved then.
        seed: of weights and batches.
    """

    steps: int = 3_000
    batch_objects: int = 512
    batch_pairs: int = 512
    learning_rate: float = 1e-3
    matrix_learning_rate: float = 3e-3
    warmup_steps: int = 50
    latent: float = 1e-4
    balance: float = 0.5
    view: int = 128
    average_decay: float = 0.995
    evaluate_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_objects", "batch_pairs", "view", "evaluate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: expected 1 or more")


@dataclass(frozen=True, eq=False)
class JointlyTrained:
    """What was learned.

    Attributes:
        encoder: in evaluation mode.
        views: of each metric by name.
        validation: of each metric by name: R^2, or of a binary one the share of its entropy that is explained.
        seconds: that the training took.
    """

    encoder: Encoder
    views: Mapping[str, ViewedHead]
    validation: Mapping[str, float]
    seconds: float


def train_jointly(
    tower: TowerConfig,
    latent: int,
    metrics: Sequence[JointMetric],
    config: JointConfig,
    folder: Path,
    on_progress: Callable[[NetworkProgress], None] | None = None,
) -> JointlyTrained:
    """Learn an encoder, and views of its codes, from all metrics together, going on from where an interrupted training
    in `folder` stopped.

    Args:
        tower: of the objects; it needs no decoder.
        latent: numbers of a code.
        metrics: at least one; binary and regression.
        config: how.
        folder: where progress is saved, in `RESUME`.
        on_progress: told the state after each step.

    Raises:
        InputError: metrics of several tables of objects, of rankings, or none; progress of another training.
        TrainingDiverged: the loss is not finite.
    """
    table = _shared_table(metrics)
    one, two = ([metric for metric in metrics if metric.data.metric.anchored is kind] for kind in (True, False))
    with seeded_weights(config.seed):
        encoder = tower.encoder.build(latent)
        assert isinstance(encoder, Encoder)
        read, compared = ([metric.reads(latent) for metric in some] for some in (one, two))
        network = JointNetwork(encoder, latent, read, compared, config.view)
    training = _Training(encoder, table, one, two, config)
    begun = {"config": asdict(config), "tower": tower.to_json(), "latent": latent}
    begun["metrics"] = [
        [metric.name, *metric.reads(latent), metric.data.fingerprint(splits=True)] for metric in (*one, *two)
    ]
    state = NetworkState(network, (config.learning_rate, config.matrix_learning_rate))
    run_training(
        *(state, config.steps, config.evaluate_every, Path(folder) / RESUME, begun),
        step=training.step,
        measure=training.measure,
        on_progress=on_progress,
    )
    learned = state.averaged
    assert isinstance(learned, JointNetwork)
    names = [metric.name for metric in (*one, *two)]
    validation = dict(zip(names, training.validate(learned), strict=True))
    return JointlyTrained(
        learned.encoder.eval(), _views(learned, one, two, latent), validation, round(state.seconds, 1)
    )


def _shared_table(metrics: Sequence[JointMetric]) -> ObjectTable:
    if not metrics:
        raise InputError("got no metric to learn: give at least one data set")
    table = metrics[0].data.left
    for metric in metrics:
        if metric.data.left is not table or metric.data.right is not table:
            raise InputError(f"{metric.name} is of other objects than the rest: give data sets of one table")
        if metric.data.metric.task == "ranking":
            raise InputError(f"{metric.name} is a ranking: learn it by itself, or give regressions and binary metrics")
    return table


def _features(encoder: Encoder, table: ObjectTable) -> Tensor:
    """What the encoder prepares of all objects, packed."""
    with torch.inference_mode():
        parts = [
            encoder.pack(encoder.prepare(table.tensor(np.arange(start, min(start + AT_ONCE, len(table))))))
            for start in range(0, len(table), AT_ONCE)
        ]
    return torch.cat(parts).clone()


class _Training:
    """What every step of a training takes.

    Args:
        encoder: of the objects; its scaling is fitted.
        table: of all objects.
        one: metrics of one object.
        two: metrics of pairs.
        config: how.
    """

    def __init__(
        self,
        encoder: Encoder,
        table: ObjectTable,
        one: Sequence[JointMetric],
        two: Sequence[JointMetric],
        config: JointConfig,
    ) -> None:
        self.config, self.features = config, _features(encoder, table)
        self.values, self.pairs = KnownValues.of(one, len(table)), [KnownPairs(metric) for metric in two]
        objects = self.values.objects if one else np.unique(np.concatenate([part.objects for part in self.pairs]))
        self.rows = torch.from_numpy(objects)
        self.share = self.values.training[self.rows].float().mean(0).clamp(min=1e-9)
        known = [*self.values.validation.sum(0).tolist(), *(len(part.parts["validation"][2]) for part in self.pairs)]
        self.counts = np.sqrt(np.minimum(known, MOST_VALUES))
        some = self.rows[:: max(1, len(self.rows) // SCALED_ON)][:SCALED_ON]
        encoder.fit_scaling(encoder.unpack(self.features[some]))

    def step(self, state: NetworkState) -> float:
        """One step of the optimisers; returns the loss."""
        config, network = self.config, state.network
        assert isinstance(network, JointNetwork)
        generator = generator_of(config.seed, state.step)
        with seeded_weights(generator.initial_seed()):  # what is left out
            loss = self._loss(network.train(), generator)
        return state.move(loss, "loss of the metrics", config.steps, config.warmup_steps, config.average_decay)

    def measure(self, network: nn.Module) -> float:
        """What is explained of the validation split, the mean of the metrics."""
        assert isinstance(network, JointNetwork)
        return float(np.average(self.validate(network), weights=self.counts))

    def _loss(self, network: JointNetwork, generator: torch.Generator) -> Tensor:
        """The mean loss of the metrics on a batch of objects and of pairs, and the latent loss."""
        config, rows, share = self.config, self.rows, self.share
        chosen = [rows[torch.randint(len(rows), (config.batch_objects,), generator=generator)]] if len(share) else []
        drawn = []
        for part in self.pairs:
            first, second, target = part.parts["train"]
            some = torch.randint(len(target), (config.batch_pairs,), generator=generator)
            drawn.append(target[some])
            chosen += [first[some], second[some]]
        unique, places = torch.cat(chosen).unique(return_inverse=True)
        mean, log_variance = network.encoder(network.encoder.unpack(self.features[unique]))
        ends = list(places.split([len(one) for one in chosen]))
        losses = []
        if len(share):
            terms = self.values.terms(network.scores(mean[ends.pop(0)]), chosen[0]) * self.values.training[chosen[0]]
            losses.append((terms.mean(0) * share ** (-config.balance)).sum() / (share ** (1.0 - config.balance)).sum())
        for number, (part, target) in enumerate(zip(self.pairs, drawn, strict=True)):
            first, second = (network.view(number, mean[places]) for places in ends[2 * number : 2 * number + 2])
            losses.append(part.loss(part.head.score(first, second), target))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
        return torch.stack(losses).sum() + config.latent * divergence

    @torch.inference_mode()
    def validate(self, network: JointNetwork) -> list[float]:
        """What is explained of each metric on its validation split: first those of one object, then those of pairs."""
        network.eval()
        ends = (torch.cat(part.parts["validation"][:2]) for part in self.pairs)
        rows = torch.cat([self.values.validation.any(1).nonzero()[:, 0], *ends]).unique()
        parts = (network.encoder(network.encoder.unpack(self.features[some]))[0] for some in rows.split(AT_ONCE))
        codes = torch.cat(list(parts))
        place = torch.zeros(len(self.features), dtype=torch.int64)
        place[rows] = torch.arange(len(rows))
        found = self.values.explained(network.scores(codes), rows)
        for number, part in enumerate(self.pairs):
            first, second, target = part.parts["validation"]
            score = part.head.score(*(network.view(number, codes[place[some]]) for some in (first, second)))
            found.append(1.0 - float(part.loss(score, target)))
        return found


def _views(
    network: JointNetwork, one: Sequence[JointMetric], two: Sequence[JointMetric], latent: int
) -> dict[str, ViewedHead]:
    views = {
        metric.name: ViewedHead(metric.head, metric.reads(latent), anchor=code[None].clone())
        for metric, code in zip(one, network.anchor_codes, strict=True)
    }
    return views | {
        metric.name: ViewedHead(metric.head, metric.reads(latent), matrix.detach().clone())
        for metric, matrix in zip(two, network.matrices, strict=True)
    }
