"""Heads that go by the distance between two codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.nn.head import TINY, CodeSum, Head, line_to_best

POWERS = (0.5, 1.0, 2.0)
"""Of the distance, that are tried: sums of absolute differences are squares of distances between codes of many
thresholds, similarities of fingerprints fall with the root of a distance."""

MOST_POWER = 4.0


@dataclass(frozen=True)
class EuclideanDistance(Head):
    r"""value = offset + scale d^power, with d the root mean square difference of two codes: for metrics whose value of
    an object and itself is their best, the same for all objects, and which have no bound on the other side.

    Attributes:
        scale: value of two codes at a distance of 1 above that of equal ones; negative of a similarity.
        offset: value of two equal codes.
        power: of the distance.
    """

    name: ClassVar[str] = "euclidean_distance"
    has_vectors: ClassVar[bool] = False
    scale: float = 1.0
    offset: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.power <= MOST_POWER:
            raise InputError(f"the power of a distance is {self.power!r}: expected more than 0, up to {MOST_POWER:g}")

    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self._score((z_left - z_right).square().mean(-1))

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self._score(torch.cdist(z_left, z_right).square() / z_left.shape[-1])

    def _score(self, square: Tensor) -> Tensor:
        """Of mean squares of differences; 0 with finite gradients where they are 0."""
        return square * (square + TINY) ** (0.5 * self.power - 1.0)

    def sums(self, width: int) -> tuple[CodeSum, ...]:
        return (CodeSum("differences", torch.full((width,), 1.0 / width), 0.5 * self.power),)

    def fitted(self, score: Tensor, value: Tensor) -> EuclideanDistance:
        line = line_to_best(score, value, 0.0, self.scale)
        return self if line is None else replace(self, scale=line[0], offset=line[1])

    @property
    def opposite(self) -> EuclideanDistance:
        return EuclideanDistance(-self.scale, self.offset + self.scale, self.power)

    def variants(self) -> tuple[Head, ...]:
        """The opposite, and both with other powers."""
        others = [power for power in POWERS if power != self.power]
        return self.opposite, *(replace(one, power=power) for one in (self, self.opposite) for power in others)

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (value - self.offset) / self.scale

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.offset + self.scale * score

    def item_vectors(self, z: Tensor) -> Tensor:
        raise InputError(f"the head {self.name} orders items by no inner product: search without an approximate index")


def euclidean(u: Tensor, u_other: Tensor) -> Tensor:
    """Euclidean distances (n,) of vectors (n, d), with finite gradients at 0."""
    return ((u - u_other).square().sum(-1) + TINY).sqrt()
