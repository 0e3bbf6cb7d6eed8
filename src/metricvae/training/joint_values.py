"""What is known of the metrics of a joint training: values of single objects and of pairs, and their losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.dataset import PairDataset
from metricvae.nn.free_codes import r_squared
from metricvae.nn.heads import Head


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
class KnownValues:
    """What is known of single objects.

    Attributes:
        target: (m, k) scores that m objects should have in k metrics, nan where that is not known.
        training: (m, k) bool, which belong to the training.
        validation: (m, k) bool.
        binary: (k,) bool.
        offset, scale: (k,) of the logit of a binary metric.
    """

    target: Tensor
    training: Tensor
    validation: Tensor
    binary: Tensor
    offset: Tensor
    scale: Tensor

    @classmethod
    def of(cls, metrics: Sequence[JointMetric], objects: int) -> KnownValues:
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
        return cls(target, masks["train"], masks["validation"], binary, offset, scale)

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

    def explained(self, score: Tensor, rows: Tensor) -> list[float]:
        """What scores (b, k) of some objects explain of each metric on the validation split: R^2, or of a binary one
        the share of the entropy."""
        terms, found = self.terms(score, rows), []
        for column, binary in enumerate(self.binary.tolist()):
            known = self.validation[rows, column]
            target = self.target[rows, column][known]
            if not binary:
                found.append(float(r_squared(score[known, column], target)))
                continue
            share = (target * self.scale[column] + self.offset[column] > 0).float().mean().clamp(1e-3, 1 - 1e-3)
            entropy = -(share * share.log() + (1 - share) * (1 - share).log())
            found.append(1.0 - float(terms[known, column].mean() / entropy))
        return found


class KnownPairs:
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
