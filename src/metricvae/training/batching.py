"""How a training step takes its share of the pairs.

A batch is a small graph: objects are its nodes, labelled pairs its edges, so an object that stands in many pairs is
encoded once. The paper's triple `x`, `x_moved`, `x_other` is `left.x[first]`, its moved copy and `right.x[second]`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.nn.losses import PairFacts

Move = Callable[[Tensor, torch.Generator], Tensor]
"""(k, ...) objects and a generator -> the same objects, each under a random motion."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """The objects of a batch that one tower encodes, each once.

    Attributes:
        x: (m, ...) float32, as `encoder.prepare` gives them.
        x_moved: (k, ...) float32, moved copies of the anchors `x[anchors]`, likewise.
        anchors: (k,) int64, the objects that equation (1) reconstructs and moves.
        magnitude: (m,) float32.
    """

    x: Tensor
    x_moved: Tensor
    anchors: Tensor
    magnitude: Tensor


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        left, right: the objects that stand first, and second, in pairs; the same record where one tower encodes both.
        first, second: (n,) int64, rows of `left.x` and of `right.x` of each pair.
        value: (n,) float32, the metric in its own unit.
        listed: (n,) bool, pairs that the data list, where `PairDataset.unlisted` gave the others; None where all do.
        weight: (n,) float32, how much each pair counts; None where all count alike.
        censored: (n,) int8, see `PairDataset.censored`; None where all values are known.
        group: (n,) int64, number of the group of each pair; None where all values are comparable.
    """

    left: Side
    right: Side
    first: Tensor
    second: Tensor
    value: Tensor
    listed: Tensor | None = None
    weight: Tensor | None = None
    censored: Tensor | None = None
    group: Tensor | None = None

    @property
    def sides(self) -> dict[str, Side]:
        """The sides by the name of their tower: `left` alone where both are one."""
        return {"left": self.left} if self.left is self.right else {"left": self.left, "right": self.right}

    def facts(self, value: Tensor) -> PairFacts:
        """What losses may know of the pairs.

        Args:
            value: (n,) predicted values. A pair whose true value is known to be at least, or at most, so much counts
                nothing where the prediction is.
        """
        second = self.second if self.left is self.right else self.second + len(self.left.x)
        weight, at_least, at_most = self.weight, self.value, self.value
        if self.censored is not None:
            at_least = self.value.masked_fill(self.censored < 0, -math.inf)
            at_most = self.value.masked_fill(self.censored > 0, math.inf)
            holds = (at_least <= value) & (value <= at_most) & (self.censored != 0)
            weight = (torch.ones_like(self.value) if weight is None else weight).masked_fill(holds, 0.0)
        return PairFacts((self.first, second), self.listed, weight, at_least, at_most, self.group)

    def map_sides(self, change: Callable[[str, Side], Side]) -> Batch:
        """The batch with its sides changed, each once."""
        changed = {name: change(name, side) for name, side in self.sides.items()}
        return replace(self, left=changed["left"], right=changed.get("right", changed["left"]))


@dataclass(frozen=True)
class LossTerms:
    """The four losses of one batch, 0-d tensors, not yet weighted."""

    reconstruction: Tensor
    latent: Tensor
    deformation: Tensor
    metric: Tensor


class PairSampler:
    """The pairs of each step of a training: a pure function of its arguments, so work resumes from a step number alone.

    Runs of `run_length` consecutive pairs stay together (a data set stores pairs in blocks that share objects) and the
    runs are shuffled anew in every epoch; `run_length=1` shuffles the pairs themselves. What is left over at the end of
    an epoch waits for another.

    Args:
        count: pairs of the data.
        batch_pairs: pairs of a step.
        run_length: consecutive pairs that stay together.
        seed: of the order.

    Raises:
        InputError: the pairs do not fill one batch.
    """

    def __init__(self, count: int, batch_pairs: int, run_length: int, seed: int) -> None:
        if count < batch_pairs:
            raise InputError(
                f"{count} pairs do not fill a batch of {batch_pairs}: label more pairs or take smaller batches"
            )
        self.count, self.batch_pairs, self.run_length, self.seed = count, batch_pairs, run_length, seed
        self._epoch, self._order = -1, np.empty((0, batch_pairs), np.int64)

    def rows(self, step: int) -> Rows:
        """Rows of the pairs of one step, (batch_pairs,)."""
        epoch, row = divmod(step, self.count // self.batch_pairs)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._batches(epoch)
        return self._order[row]

    def _batches(self, epoch: int) -> Rows:
        runs = np.random.default_rng((self.seed, epoch)).permutation(-(-self.count // self.run_length))
        pairs = (runs[:, None] * self.run_length + np.arange(self.run_length)).reshape(-1)
        pairs = pairs[pairs < self.count]
        steps = self.count // self.batch_pairs
        return pairs[: steps * self.batch_pairs].reshape(steps, self.batch_pairs)


def training_facts(train: PairDataset, validation: PairDataset) -> dict[str, Any]:
    """What tells one set of data from another, so that training never goes on with other data."""
    digest = hashlib.sha256((train.fingerprint() + validation.fingerprint()).encode()).hexdigest()
    facts: dict[str, Any] = {"pairs": len(train), "validation_pairs": len(validation), "sha256": digest}
    return facts if train.unlisted is None else facts | {"unlisted": train.unlisted}


def generator_of(*words: int) -> torch.Generator:
    """A random generator seeded by all the words together, on the CPU: the same whatever the device."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))


@dataclass(frozen=True)
class PairGraph:
    """Pairs as a graph.

    Attributes:
        left, right: (m,), (m',) rows of the objects of either side, each once; the same array where both ends of pairs
            come from one table.
        first, second: (n,) the ends of each pair among them.
    """

    left: Rows
    right: Rows
    first: Rows
    second: Rows

    @property
    def shared(self) -> bool:
        return self.left is self.right


def graph_of(data: PairDataset, rows: npt.NDArray[Any] | slice = slice(None), *, one_tower: bool) -> PairGraph:
    """Some pairs of a data set as a graph: of one set of objects where both ends come from one table and one tower
    encodes both, else of two."""
    first, second = data.first[rows], data.second[rows]
    if data.shared and one_tower:
        objects, places = np.unique(np.stack([first, second]), return_inverse=True)
        ends = places.reshape(2, -1)
        return PairGraph(objects, objects, ends[0], ends[1])
    (left, first), (right, second) = (np.unique(ends, return_inverse=True) for ends in (first, second))
    return PairGraph(left, right, first, second)


def complete_pairs(batch: Batch, unlisted: float) -> Batch:
    """The batch with all pairs of its objects, each once: listed ones with their values, others with `unlisted`, which
    count once, are known and are of a group of their own, as nothing compares them with those of any other."""
    rows, columns = len(batch.left.x), len(batch.right.x)
    device = batch.value.device
    numbers, place = torch.arange(len(batch.value), device=device), torch.full((rows, columns), -1, device=device)
    place[batch.first, batch.second] = numbers
    if batch.left is batch.right:
        place[batch.second, batch.first] = numbers
        first, second = torch.triu_indices(rows, rows, 1, device=device)
    else:
        first, second = torch.cartesian_prod(torch.arange(rows, device=device), torch.arange(columns, device=device)).T
    place = place[first, second]
    listed = place >= 0
    otherwise = {"value": unlisted, "weight": 1.0, "censored": 0, "group": -1}
    there = {name: column for name in otherwise if (column := getattr(batch, name)) is not None}
    spread = {name: column[place.clamp(min=0)].masked_fill(~listed, otherwise[name]) for name, column in there.items()}
    return replace(batch, first=first, second=second, listed=listed, **spread)


def choose_anchors(ends: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A random `share` of the objects that stand at these ends of pairs, at least one, in order."""
    anchors = ends.unique()
    count = max(1, round(share * len(anchors)))
    return anchors[torch.randperm(len(anchors), generator=generator)[:count]].sort().values
