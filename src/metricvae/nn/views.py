"""Views: how one code answers for several metrics, each by its own head on what it reads of the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from metricvae.nn.heads import Head


@dataclass(frozen=True, eq=False)
class ViewedHead(Head):
    """A head on a linear view of codes: score(z, z') = head.score(z[columns] M, z'[columns] M).

    Codes stay what they are, so those of one object serve all its metrics.

    Attributes:
        head: that compares what is seen.
        columns: first and last but one number of a code that are read.
        matrix: (k, w) M, of the k numbers that are read; None where these are compared themselves.
        anchor: (1, d) code that objects are compared with, of a metric of one object (`Metric.anchored`); zero outside
            of `columns`.
    """

    head: Head
    columns: tuple[int, int]
    matrix: Tensor | None = None
    anchor: Tensor | None = None

    def __post_init__(self) -> None:
        kept: dict[str, Any] = {"joins_mirrored": True, "directed": self.head.directed}
        kept |= {name: getattr(self.head, name) for name in ("name", "tasks", "misses_near_duplicates", "has_vectors")}
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    def view(self, z: Tensor) -> Tensor:
        """What is read of codes (n, d): (n, k), or (n, w)."""
        seen = z[..., slice(*self.columns)]
        return seen if self.matrix is None else seen @ self.matrix

    def to(self, device: torch.device | str) -> ViewedHead:
        """The same on another device."""
        matrix, anchor = (None if part is None else part.to(device) for part in (self.matrix, self.anchor))
        return ViewedHead(self.head, self.columns, matrix, anchor)

    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self.head.score(self.view(z_left), self.view(z_right))

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self.head.score_matrix(self.view(z_left), self.view(z_right))

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.head.target(value, left, right)

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.head.value(score, left, right)

    def distance(self, score: Tensor) -> Tensor:
        return self.head.distance(score)

    def query_vectors(self, z: Tensor) -> Tensor:
        """As the head has them, of what is seen: (n, k) or (n, w)."""
        return self.head.query_vectors(self.view(z))

    def item_vectors(self, z: Tensor) -> Tensor:
        return self.head.item_vectors(self.view(z))
