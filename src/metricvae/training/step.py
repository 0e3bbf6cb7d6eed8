"""One training step: a batch, its four losses, and the weights moved. Here the model meets the losses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.core.sampling import evenly_spaced
from metricvae.nn.autoencoder import MagicAutoencoder
from metricvae.nn.codes import Codes
from metricvae.nn.layers import seeded_weights
from metricvae.nn.losses import deformation_loss, latent_loss, metric_loss, reconstruction_loss
from metricvae.runtime.precision import autocast
from metricvae.training.adversary import Adversary
from metricvae.training.batching import (
    Batch,
    LossTerms,
    PairSampler,
    Rows,
    Side,
    choose_anchors,
    complete_pairs,
    generator_of,
    graph_of,
)
from metricvae.training.config import TrainingConfig, rate_factor
from metricvae.training.features import Features
from metricvae.training.optimisers import require_finite
from metricvae.training.state import TrainingState, update_average

ENCODED_AT_ONCE = 64
"""Validation objects that are encoded together."""

MOST_KEPT = 2**28
"""Bytes of prepared validation objects that a training keeps."""


@dataclass(frozen=True)
class TrainingData:
    """What steps draw from.

    Attributes:
        pairs: the training pairs.
        features: of the objects of each side, `left` alone where one tower serves both.
        sampler: which pairs a step takes.
        groups: (n,) int64, number of the group of each pair; None where all values are comparable.
    """

    pairs: PairDataset
    features: Mapping[str, Features]
    sampler: PairSampler
    groups: Rows | None = None

    @classmethod
    def of(cls, pairs: PairDataset, features: Mapping[str, Features], config: TrainingConfig) -> TrainingData:
        """With the sampler that the configuration asks for.

        Raises:
            InputError: weights or censored values with a loss that has no use for them.
        """
        if config.metric_loss == "contrastive" and not (pairs.weight is None and pairs.censored is None):
            raise InputError("got weights or censored values with the contrastive loss: choose the logistic one")
        groups = pairs.group_numbers()
        if pairs.metric.task == "ranking" and groups is not None:  # runs of pairs are then of one group
            order = np.argsort(groups, kind="stable")
            pairs, groups = pairs.select(order), groups[order]
        sampler = PairSampler(len(pairs), config.batch_pairs, config.run_length, config.seed)
        return cls(pairs, features, sampler, groups)


def training_losses(
    model: MagicAutoencoder,
    batch: Batch,
    generator: torch.Generator,
    config: TrainingConfig,
    adversary: Adversary | None = None,
) -> LossTerms:
    """The four losses of a batch: reconstruction and deformation over its anchors, latent over all its objects.

    Of two towers, the first three are means over both. With an `adversary`, which learns from the codes here, the
    latent loss is its.
    """
    codes = {name: _codes(model, name, side, generator) for name, side in batch.sides.items()}
    compared = {name: getattr(objects, config.metric_on) for name, (objects, _) in codes.items()}
    z_left, z_right = compared["left"][batch.first], compared.get("right", compared["left"])[batch.second]
    magnitudes = batch.left.magnitude[batch.first], batch.right.magnitude[batch.second]
    score, target = model.head.score(z_left, z_right), model.head.target(batch.value, *magnitudes)
    facts = batch.facts(model.head.value(score.detach(), *magnitudes))
    deformation = [
        deformation_loss(compared[name][side.anchors], getattr(codes[name][1], config.metric_on))
        for name, side in batch.sides.items()
    ]
    return LossTerms(
        reconstruction=_mean(
            [_reconstruction(model, name, side, codes[name][0]) for name, side in batch.sides.items()]
        ),
        latent=_latent([objects for objects, _ in codes.values()], generator, adversary),
        deformation=_mean(deformation),
        metric=metric_loss(score, target, config.metric_loss, facts),
    )


def _codes(model: MagicAutoencoder, name: str, side: Side, generator: torch.Generator) -> tuple[Codes, Codes]:
    """Of the objects of a side, and of the moved copies of its anchors."""
    codes = model.tower(name).encode_features(torch.cat([side.x, side.x_moved]), generator)
    return codes[: len(side.x)], codes[len(side.x) :]


def _reconstruction(model: MagicAutoencoder, name: str, side: Side, objects: Codes) -> Tensor:
    tower = model.tower(name)
    if tower.decoder is None:
        return objects.mean.new_zeros(())
    logits = tower.decode(objects.sample[side.anchors])
    logits, x = tower.decoder.reconstruction(logits, tower.encoder.pictures(side.x[side.anchors]))
    return reconstruction_loss(logits, x, tower.decoder.weight)


def _latent(codes: list[Codes], generator: torch.Generator, adversary: Adversary | None) -> Tensor:
    if adversary is not None:
        return adversary.latent_loss(torch.cat([objects.sample for objects in codes]), generator)
    return _mean([latent_loss(objects.mean, objects.log_variance) for objects in codes])


def _mean(terms: list[Tensor]) -> Tensor:
    return terms[0] if len(terms) == 1 else torch.stack(terms).mean()


def batch_of_step(data: TrainingData, step: int, config: TrainingConfig, generator: torch.Generator) -> Batch:
    """The batch of one step, each object once. `generator` chooses the anchors and the poses."""
    pairs = data.sampler.rows(step)
    graph = graph_of(data.pairs, pairs, one_tower="right" not in data.features)
    first, second = torch.from_numpy(graph.first), torch.from_numpy(graph.second)
    objects = {"left": (data.pairs.left, graph.left, first)}
    if not graph.shared:
        objects["right"] = (data.pairs.right, graph.right, second)
    sides = {}
    for name, (table, rows, ends) in objects.items():
        anchors = choose_anchors(ends, config.anchor_share, generator)
        x, x_moved = data.features[name].pairs_of(rows, anchors, generator)
        magnitude = torch.from_numpy(table.magnitudes[rows].astype(np.float32))
        sides[name] = Side(x, x_moved, anchors.to(x.device), magnitude.to(x.device))
    left = sides["left"]
    value = torch.from_numpy(data.pairs.value[pairs].astype(np.float32))
    moved = (part.to(left.x.device) for part in (first, second, value))
    batch = Batch(left, sides.get("right", left), *moved, **_facts_of(data, pairs, left.x.device))
    return batch if data.pairs.unlisted is None else complete_pairs(batch, data.pairs.unlisted)


def _facts_of(data: TrainingData, pairs: Rows, device: torch.device) -> dict[str, Tensor]:
    """Weights, censoring and groups of some pairs, as far as the data have them."""
    weight, censored, group = data.pairs.weight, data.pairs.censored, data.groups
    there: dict[str, npt.NDArray[Any]] = {}
    if weight is not None:
        there["weight"] = weight[pairs].astype(np.float32)
    if censored is not None:
        there["censored"] = censored[pairs].astype(np.int8)
    if group is not None:
        there["group"] = group[pairs]
    return {name: torch.from_numpy(column).to(device) for name, column in there.items()}


def augment(
    batch: Batch, model: MagicAutoencoder, data: PairDataset, config: TrainingConfig, generator: torch.Generator
) -> Batch:
    """The batch mirrored and rescaled at random, where `config` asks for it."""
    if config.mirror and torch.rand((), generator=generator) < 0.5:
        batch = batch.map_sides(lambda name, side: mirror(side, model, name))
    if config.scales is not None:
        low, high = config.scales
        batch = rescale(batch, model, data, low + (high - low) * torch.rand((), generator=generator).item())
    return batch


def mirror(side: Side, model: MagicAutoencoder, name: str) -> Side:
    """The mirror images of the objects of a side."""
    encoder = model.tower(name).encoder
    return replace(side, x=encoder.mirror(side.x), x_moved=encoder.mirror(side.x_moved))


def rescale(batch: Batch, model: MagicAutoencoder, data: PairDataset, factor: float) -> Batch:
    """The same batch of objects `factor` times as large, with magnitudes and metric as these then are.

    Raises:
        InputError: it is not known how the metric changes.
    """
    if data.metric.value_exponent is None:
        raise InputError(f"scales is set, and how {data.metric.name} changes with the size of objects is not known")
    kinds = dict(zip(("left", "right"), data.kinds, strict=True))

    def change(name: str, side: Side) -> Side:
        encoder = model.tower(name).encoder
        magnitude = side.magnitude * factor ** kinds[name].magnitude_exponent
        return replace(
            side, x=encoder.rescale(side.x, factor), x_moved=encoder.rescale(side.x_moved, factor), magnitude=magnitude
        )

    return replace(batch.map_sides(change), value=batch.value * factor**data.metric.value_exponent)


def training_step(state: TrainingState, data: TrainingData, config: TrainingConfig) -> list[float]:
    """One step: take a batch, compute the four losses, check them, move the weights. Returns the losses.

    All random numbers come from a generator seeded by the training's seed and the step, on the CPU: the same on every
    device, but for what layers leave out (dropout), which is drawn where they are.
    """
    generator = generator_of(config.seed, state.step)
    batch = batch_of_step(data, state.step, config, generator)
    batch = augment(batch, state.model, data.pairs, config, generator)
    left_out = generator_of(generator.initial_seed()).initial_seed()  # a stream of its own
    with autocast(config.precision, state.device), seeded_weights(left_out, state.device):
        terms = training_losses(state.model, batch, generator, config, state.adversary)
    values = require_finite(terms, state.step + 1)
    state.optimisers.step(terms, state.step + 1, rate_factor(config, state.step, state.seconds))
    state.step += 1
    if config.average_decay is not None:
        update_average(state.averaged, state.model, min(config.average_decay, state.step / (10 + state.step)))
    return values


class KeptFeatures:
    """What the encoders are fed of validation objects, kept from one measurement of a training to the next as far as
    it takes no more than `MOST_KEPT` bytes."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, int], Tensor] = {}
        self.bytes = 0

    def of(self, side: str, part: int, prepare: Callable[[], Tensor]) -> Tensor:
        """Those of a part of the objects of a side, prepared where they are not there yet."""
        if (side, part) in self.parts:
            return self.parts[side, part]
        found = prepare()
        if self.bytes + found.nbytes <= MOST_KEPT:
            self.parts[side, part] = found
            self.bytes += found.nbytes
        return found


@torch.inference_mode()
def validation_r2(
    model: MagicAutoencoder, data: PairDataset, config: TrainingConfig, kept: KeptFeatures | None = None
) -> float:
    """R^2 = 1 - sum (predicted - value)^2 / sum (value - mean value)^2 over evenly spaced pairs of `data`.

    Where the metric is no regression, the predictions' best linear function is taken: R^2 is their squared correlation;
    of a ranking, after the mean of each group is taken off. Pairs of censored values are left out; with weights, sums
    and means are weighted.

    Args:
        model: in any mode.
        data: the validation pairs.
        config: of the training.
        kept: of the objects of these data, from measurements with the same settings and other weights.
    """
    device = next(model.parameters()).device
    pairs = evenly_spaced(data.known(np.arange(len(data))), config.evaluate_pairs)
    graph = graph_of(data, pairs, one_tower=model.shared)
    was_training = model.training
    model.eval()
    kept = kept or KeptFeatures()
    z = _means(model, "left", data, graph.left, config, kept)
    z_other = z if graph.shared else _means(model, "right", data, graph.right, config, kept)
    model.train(was_training)
    left, right = (torch.from_numpy(part.astype(np.float32)).to(device) for part in data.magnitudes(pairs))
    score = model.head.score(z[graph.first], z_other[graph.second])
    predicted = model.head.value(score, left, right).cpu().double().numpy()
    value = data.value[pairs]
    if data.metric.task == "ranking":
        predicted, value = (data.within_groups(numbers, pairs) for numbers in (predicted, value))
    weight = np.ones(len(pairs)) if data.weight is None else data.weight[pairs]
    spread = value - np.average(value, weights=weight)
    if data.metric.task != "regression":
        deviation = predicted - np.average(predicted, weights=weight)
        gradient = (weight * deviation * value).sum() / max((weight * np.square(deviation)).sum(), 1e-12)
        predicted = value - spread + gradient * deviation
    return float(1.0 - (weight * np.square(predicted - value)).sum() / (weight * np.square(spread)).sum())


def _means(
    model: MagicAutoencoder, side: str, data: PairDataset, rows: Rows, config: TrainingConfig, kept: KeptFeatures
) -> Tensor:
    """Means of q(z | x) of some objects, multiplied in the precision of the training; preparing is not."""
    table, tower, found = (data.left if side == "left" else data.right), model.tower(side), []
    device = next(model.parameters()).device

    def prepare(part: Rows) -> Tensor:
        return tower.encoder.prepare(table.tensor(part, device))

    for number, part in enumerate(np.array_split(rows, -(-len(rows) // ENCODED_AT_ONCE))):
        features = kept.of(side, number, functools.partial(prepare, part))
        with autocast(config.precision, device):
            found.append(tower.encode_features(features).mean)
    return torch.cat(found)
