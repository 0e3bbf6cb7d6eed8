"""The metric `tabular`: values that a user brings with the pairs, whatever they mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS
from metricvae.core.metric import Description, Floats, Metric, Task

if TYPE_CHECKING:
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class TabularMetric(Metric):
    """A metric that is known by the values of listed pairs alone.

    Attributes:
        title: what it is called, as `Hausdorff distance`.
        left, right: names of the kinds of its objects; `right` is `left` by default.
        unit: of the values.
        low, high: range of the values; None where there is no bound.
        task: `regression`, `binary` (values 0 and 1) or `ranking`.
        symmetric: whether m(a, b) = m(b, a).
        similarity: whether larger values mean more similar objects; of a distance, smaller ones do.

    Example:
        >>> TabularMetric("Hausdorff distance", left="silhouette", unit="pixels", low=0.0, similarity=False).right
        'silhouette'
    """

    name: ClassVar[str] = "tabular"
    title: str = "value"
    left: str = "silhouette"
    right: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    task: Task = "regression"
    symmetric: bool = True
    similarity: bool = True

    def __post_init__(self) -> None:
        if not self.right:
            object.__setattr__(self, "right", self.left)
        for kind in (self.left, self.right):
            KINDS.get(kind)
        if self.task not in ("regression", "binary", "ranking"):
            raise InputError(f"task is {self.task!r}: expected regression, binary or ranking")
        if self.symmetric and self.left != self.right:
            object.__setattr__(self, "symmetric", False)
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise InputError(f"the range is {self.low} to {self.high}: expected the lower end first")

    @property
    def description(self) -> Description:
        unit = f", in {self.unit}" if self.unit else ""
        kinds = " and ".join(dict.fromkeys(KINDS.get(name).title for name in (self.left, self.right)))
        return Description(
            predicts=f"{self.title} of pairs of {kinds}{unit}",
            value=self.title,
            labels="values imported with the pairs",
        )

    def default_head(self, values: Floats) -> Head:
        """By the task and the spread of the training values."""
        from metricvae.nn.heads import CosineDistance, InnerProduct

        if self.task == "binary":
            return CosineDistance()
        spread, middle = float(np.std(values)), float(np.mean(values))
        return InnerProduct(scale=spread if spread > 0 else 1.0, offset=middle)

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        if self.task == "binary":
            return super().limits(left, right)
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        return np.full(len(left), low), np.full(len(left), high)
