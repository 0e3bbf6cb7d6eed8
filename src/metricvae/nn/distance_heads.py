"""Heads that go by the distance between two codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.nn.head import TINY, CodeSum, Head, LinearHead

POWERS = (0.5, 1.0, 2.0)
"""Of the distance, that are tried: sums of absolute differences are squares of distances between codes of many
thresholds, similarities of fingerprints fall with the root of a distance."""

MOST_POWER = 4.0

NEAR = 1e-3
"""Mean squares of differences below this share of the mean squares of both codes have lost digits in a product of
matrices."""

AT_ONCE = 65_536
"""Of these, so many are computed at once."""


@dataclass(frozen=True)
class EuclideanDistance(LinearHead):
    r"""value = offset + scale d^power, with d the root mean square difference of two codes: for metrics whose value of
    an object and itself is their best, the same for all objects, and which have no bound on the other side.

    Attributes:
        scale: value of two codes at a distance of 1 above that of equal ones; negative of a similarity.
        offset: value of two equal codes.
        power: of the distance.
    """

    name: ClassVar[str] = "euclidean_distance"
    equal_score: ClassVar[float] = 0.0
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
        """By a product of matrices, which loses the small distances; these are computed one by one."""
        width = z_left.shape[-1]
        sizes = z_left.square().mean(-1)[:, None] + z_right.square().mean(-1)
        square = torch.addmm(sizes, z_left, z_right.T, alpha=-2.0 / width).clamp_(min=0.0)
        rows, columns = (square < NEAR * sizes).nonzero(as_tuple=True)
        for row, column in zip(rows.split(AT_ONCE), columns.split(AT_ONCE), strict=True):
            square[row, column] = (z_left[row] - z_right[column]).square().mean(-1)
        return self._score(square)

    def _score(self, square: Tensor) -> Tensor:
        """Of mean squares of differences; 0 with finite gradients where they are 0."""
        return square * (square + TINY) ** (0.5 * self.power - 1.0)

    def sums(self, width: int) -> tuple[CodeSum, ...]:
        return (CodeSum("differences", torch.full((width,), 1.0 / width), 0.5 * self.power),)

    def variants(self) -> tuple[Head, ...]:
        """The opposite, and both with other powers."""
        others = [power for power in POWERS if power != self.power]
        return self.opposite, *(replace(one, power=power) for one in (self, self.opposite) for power in others)


def euclidean(u: Tensor, u_other: Tensor) -> Tensor:
    """Euclidean distances (n,) of vectors (n, d), with finite gradients at 0."""
    return ((u - u_other).square().sum(-1) + TINY).sqrt()
