"""Joint training: one code that answers several metrics, each row and pair training what it has a value for.

Metrics of pairs compare a linear view of two codes each, metrics of one object (`Metric.anchored`) multiply a code with
an anchor that is learned with the network. In a step some objects are drawn, with whatever values are known of them,
and some pairs of each metric of pairs; values that are missing have no part in the loss.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import TowerConfig
from metricvae.nn.coders import Encoder
from metricvae.nn.free_codes import r_squared
from metricvae.nn.heads import Head
from metricvae.nn.layers import seeded_weights
from metricvae.nn.views import ViewedHead

SCALED_ON = 2_048
"""Objects by which an encoder learns the scaling of its numbers, at most."""

AT_ONCE = 1_024
"""Objects that are encoded together where nothing is learned."""


MOST_VALUES = 1_000
"""A metric counts in the choice of the best weights by the root of its validation values, of so many at most."""


@dataclass(frozen=True)
class JointConfig:
    """How several metrics are learned together.

    Attributes:
        steps: of the optimiser.
        batch_objects: objects a step, with all values that are known of them.
        batch_pairs: pairs a step of each metric of pairs.
        learning_rate: of Adam, falling as a cosine.
        weight_decay: of Adam.
        latent: weight of the latent loss, KL(q(z | x), N(0, I)) per dimension.
        balance: how a metric with few values counts: 1 as much as one with many, 0 in proportion to its values.
        view: numbers of the view of a code by which a metric of pairs compares.
        average_decay: of the averaged weights, which are kept.
        evaluate_every: steps between measurements on the validation split; the best weights are kept.
        seed: of weights and batches.
    """

    steps: int = 3_000
    batch_objects: int = 512
    batch_pairs: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    latent: float = 1e-4
    balance: float = 0.5
    view: int = 128
    average_decay: float = 0.995
    evaluate_every: int = 250
    seed: int = 0


@dataclass(frozen=True, eq=False)
class JointMetric:
    """One of the metrics that are learned together.

    Attributes:
        name: by which it is asked for.
        data: its pairs, or objects with values, of all splits; all metrics share one table of objects.
        head: that answers for it.
        columns: first and last but one number of a code that it reads; None stands for all.
    """

    name: str
    data: PairDataset
    head: Head
    columns: tuple[int, int] | None = None

    def reads(self, latent: int) -> tuple[int, int]:
        """The columns of codes of so many numbers."""
        return self.columns or (0, latent)


@dataclass(frozen=True, eq=False)
class JointlyTrained:
    """What was learned.

    Attributes:
        encoder: in evaluation mode.
        views: of each metric by name.
        validation: of each metric by name: R^2, or of a binary one the share of its entropy that is explained.
        best_step: at which the weights were taken.
    """

    encoder: Encoder
    views: Mapping[str, ViewedHead]
    validation: Mapping[str, float]
    best_step: int


OnStep = Callable[[int, int, float | None], None]
"""Told the step, of how many, and the mean of the last validation."""


class JointNetwork(nn.Module):
    """An encoder, an anchor for each metric of one object, and a view for each metric of pairs.

    Args:
        encoder: of the objects.
        latent: numbers d of a code.
        anchored: columns that each metric of one object reads.
        paired: columns that each metric of pairs reads.
        width: of a view.
    """

    seen: Tensor

    def __init__(
        self,
        encoder: Encoder,
        latent: int,
        anchored: Sequence[tuple[int, int]],
        paired: Sequence[tuple[int, int]],
        width: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.anchors = nn.Parameter(torch.randn(len(anchored), latent) / math.sqrt(latent))
        self.matrices = nn.ParameterList(torch.randn(end - at, width) / math.sqrt(end - at) for at, end in paired)
        self.columns = paired
        place = torch.arange(latent)
        seen = [(start <= place) & (place < end) for start, end in anchored]
        self.register_buffer("seen", torch.stack(seen).float() if seen else torch.zeros(0, latent))

    def scores(self, z: Tensor) -> Tensor:
        """(m, anchored) products of codes (m, d) with the anchors: `InnerProduct.score` of `anchor_codes`."""
        return z @ (self.anchors * self.seen).T

    @property
    def anchor_codes(self) -> Tensor:
        """(anchored, d), zero outside of the columns that a metric reads."""
        return self.anchors.detach() * self.seen * self.seen.sum(1, keepdim=True)

    def view(self, number: int, z: Tensor) -> Tensor:
        """What a metric of pairs sees of codes (m, d), (m, width)."""
        return z[:, slice(*self.columns[number])] @ self.matrices[number]


def train_jointly(
    tower: TowerConfig,
    latent: int,
    metrics: Sequence[JointMetric],
    config: JointConfig,
    on_step: OnStep | None = None,
) -> JointlyTrained:
    """Learn an encoder, and views of its codes, from all metrics together.

    Args:
        tower: of the objects; it needs no decoder.
        latent: numbers of a code.
        metrics: at least one; binary and regression.
        config: how.
        on_step: told how far it is.

    Raises:
        InputError: metrics of several tables of objects, of rankings, or none.
    """
    table = _shared_table(metrics)
    with seeded_weights(config.seed):
        encoder = tower.encoder.build(latent)
        assert isinstance(encoder, Encoder)
        one, two = ([metric for metric in metrics if metric.data.metric.anchored is kind] for kind in (True, False))
        read, compared = ([metric.reads(latent) for metric in some] for some in (one, two))
        network = JointNetwork(encoder, latent, read, compared, config.view)
    features = _features(encoder, table)
    values, pairs = _KnownValues.of(one, len(table)), [_KnownPairs(metric) for metric in two]
    objects = values.objects if one else np.unique(np.concatenate([part.objects for part in pairs]))
    rows = torch.from_numpy(objects)
    encoder.fit_scaling(encoder.unpack(features[rows[:: max(1, len(rows) // SCALED_ON)][:SCALED_ON]]))
    best_step = _optimise(network, features, values, pairs, rows, config, on_step)
    found = _validate(network, features, values, pairs)
    named = dict(zip([metric.name for metric in (*one, *two)], found, strict=True))
    return JointlyTrained(encoder.eval(), _views(network, one, two, latent), named, best_step)


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


@dataclass(frozen=True, eq=False)
class _KnownValues:
    """What is known of single objects.

    Attributes:
        target: (m, k) scores that m objects should have in k metrics, nan where that is not known.
        training: (m, k) bool, which belong to the training.
        validation: (m, k) bool.
        binary: (k,) bool.
        weight: (k,) of a value.
        offset, scale: (k,) of the logit of a binary metric.
    """

    target: Tensor
    training: Tensor
    validation: Tensor
    binary: Tensor
    weight: Tensor
    offset: Tensor
    scale: Tensor

    @classmethod
    def of(cls, metrics: Sequence[JointMetric], objects: int) -> _KnownValues:
        shape = objects, len(metrics)
        target = torch.full(shape, math.nan)
        masks = {split: torch.zeros(shape, dtype=torch.bool) for split in ("train", "validation")}
        for column, metric in enumerate(metrics):
            data = metric.data
            ends = torch.from_numpy(data.first)
            ones = torch.ones(len(data))
            target[ends, column] = metric.head.target(torch.from_numpy(data.value).float(), ones, ones)
            for split, mask in masks.items():
                mask[torch.from_numpy(data.first[data.split == split]), column] = True
        binary = torch.tensor([metric.data.metric.task == "binary" for metric in metrics])
        offset, scale = (
            torch.tensor([float(getattr(metric.head, name)) for metric in metrics]) for name in ("offset", "scale")
        )
        return cls(target, masks["train"], masks["validation"], binary, torch.ones(len(metrics)), offset, scale)

    @property
    def objects(self) -> np.ndarray:
        """Rows of the objects that the training knows something of."""
        return torch.nonzero(self.training.any(1))[:, 0].numpy()

    def terms(self, score: Tensor, rows: Tensor) -> Tensor:
        """(b, k) losses of some objects in each metric; 0 where the value is not known."""
        target = self.target[rows]
        known = torch.where(target.isnan(), 0.0, target)
        numbers = functional.huber_loss(score, known, reduction="none")
        odds = self.offset + self.scale * score
        yes = known * self.scale + self.offset > 0
        answers = functional.softplus(torch.where(yes, -odds, odds))
        return torch.where(self.binary, answers, numbers)


class _KnownPairs:
    """What is known of pairs by one metric."""

    def __init__(self, metric: JointMetric) -> None:
        data, self.head = metric.data, metric.head
        self.binary = data.metric.task == "binary"
        ends = torch.from_numpy(data.first), torch.from_numpy(data.second)
        sizes = (torch.from_numpy(part).float() for part in data.magnitudes())
        target = self.head.target(torch.from_numpy(data.value).float(), *sizes)
        self.parts = {
            split: (ends[0][rows], ends[1][rows], target[rows])
            for split in ("train", "validation")
            for rows in (torch.from_numpy(np.flatnonzero(data.split == split)),)
        }
        self.spread = self.parts["train"][2].var().clamp(min=1e-12)

    @property
    def objects(self) -> np.ndarray:
        """Rows of the objects of the training pairs."""
        first, second, _ = self.parts["train"]
        return np.union1d(first.numpy(), second.numpy())

    def loss(self, score: Tensor, target: Tensor) -> Tensor:
        """`pair_loss`, the unit being the variance of the training targets."""
        return pair_loss(self.head, score, target, self.spread, binary=self.binary)


def pair_loss(head: Head, score: Tensor, target: Tensor, spread: Tensor, *, binary: bool) -> Tensor:
    """Mean loss of pairs: the square in units of the variance of targets, or of a binary metric the cross entropy.

    Args:
        head: of the metric.
        score, target: (n,) scores, and what they should be.
        spread: variance of the targets.
        binary: whether the metric is.
    """
    if not binary:
        return (score - target).square().mean() / spread
    odds, positive = 1.0 - head.distance(score), 1.0 - head.distance(target) > 0
    return functional.softplus(torch.where(positive, -odds, odds)).mean()


def _optimise(
    network: JointNetwork,
    features: Tensor,
    values: _KnownValues,
    pairs: Sequence[_KnownPairs],
    rows: Tensor,
    config: JointConfig,
    on_step: OnStep | None,
) -> int:
    """Train, and leave the best averaged weights in the network; the step at which they were taken."""
    generator = torch.Generator().manual_seed(config.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=True)
    share = values.training[rows].float().mean(0).clamp(min=1e-9)
    known = [*values.validation.sum(0).tolist(), *(len(part.parts["validation"][2]) for part in pairs)]
    counts = np.sqrt(np.minimum(known, MOST_VALUES))
    best, best_step, reached, last = copy.deepcopy(network.state_dict()), 0, -math.inf, None
    with seeded_weights(config.seed):  # dropout
        for step in range(1, config.steps + 1):
            network.train()
            loss = _loss(network, features, values, pairs, rows, share, config, generator)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            averaged.update_parameters(network)
            if step % config.evaluate_every == 0 or step == config.steps:
                kept = averaged.module
                assert isinstance(kept, JointNetwork)
                last = float(np.average(_validate(kept, features, values, pairs), weights=counts))
                if last > reached:
                    best, best_step, reached = copy.deepcopy(kept.state_dict()), step, last
            if on_step is not None:
                on_step(step, config.steps, last)
    network.load_state_dict(best)
    network.eval()
    return best_step


def _loss(
    network: JointNetwork,
    features: Tensor,
    values: _KnownValues,
    pairs: Sequence[_KnownPairs],
    rows: Tensor,
    share: Tensor,
    config: JointConfig,
    generator: torch.Generator,
) -> Tensor:
    """The mean loss of the metrics on a batch of objects and of pairs, and the latent loss."""
    chosen = [rows[torch.randint(len(rows), (config.batch_objects,), generator=generator)]] if len(share) else []
    drawn = []
    for part in pairs:
        first, second, target = part.parts["train"]
        some = torch.randint(len(target), (config.batch_pairs,), generator=generator)
        drawn.append(target[some])
        chosen += [first[some], second[some]]
    unique, places = torch.cat(chosen).unique(return_inverse=True)
    mean, log_variance = network.encoder(network.encoder.unpack(features[unique]))
    ends = list(places.split([len(one) for one in chosen]))
    losses = []
    if len(share):
        z = mean[ends.pop(0)]
        known = values.training[chosen[0]]
        terms = values.terms(network.scores(z), chosen[0]) * known
        losses.append((terms.mean(0) * share ** (-config.balance)).sum() / (share ** (1.0 - config.balance)).sum())
    for number, (part, target) in enumerate(zip(pairs, drawn, strict=True)):
        first, second = (network.view(number, mean[places]) for places in ends[2 * number : 2 * number + 2])
        score = part.head.score(first, second)
        losses.append(part.loss(score, target))
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
    return torch.stack(losses).sum() + config.latent * divergence


@torch.inference_mode()
def _validate(
    network: JointNetwork, features: Tensor, values: _KnownValues, pairs: Sequence[_KnownPairs]
) -> list[float]:
    """What is explained of each metric on its validation split: first those of one object, then those of pairs."""
    network.eval()
    wanted = [values.validation.any(1).nonzero()[:, 0], *(torch.cat(part.parts["validation"][:2]) for part in pairs)]
    rows = torch.cat(wanted).unique()
    codes = torch.cat([network.encoder(network.encoder.unpack(features[some]))[0] for some in rows.split(AT_ONCE)])
    place = torch.zeros(len(features), dtype=torch.int64)
    place[rows] = torch.arange(len(rows))
    found = []
    scores, terms = network.scores(codes), values.terms(network.scores(codes), rows)
    for column, binary in enumerate(values.binary.tolist()):
        known = values.validation[rows, column]
        target = values.target[rows, column][known]
        if not binary:
            found.append(float(r_squared(scores[known, column], target)))
            continue
        share = (target * values.scale[column] + values.offset[column] > 0).float().mean().clamp(1e-3, 1 - 1e-3)
        entropy = -(share * share.log() + (1 - share) * (1 - share).log())
        found.append(1.0 - float(terms[known, column].mean() / entropy))
    for number, part in enumerate(pairs):
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
