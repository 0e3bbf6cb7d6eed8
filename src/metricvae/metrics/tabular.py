"""The metric `tabular`: values that a user brings with the pairs, whatever they mean."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS
from metricvae.core.metric import Description, Floats, Metric, Task

if TYPE_CHECKING:
    from metricvae.nn.heads import Head


WIDE = 1e4
"""Ratio of large to small values from which on their logarithms are learned."""


@dataclass(frozen=True)
class TabularMetric(Metric):
    """A metric that is known by the values of listed pairs alone.

    Attributes:
        title: what it is called, as `Hausdorff distance`.
        unit: of the values; empty for a pure number.
        range: least and greatest possible value; None where there is no bound.
        task: `regression`, `binary` (values 0 and 1) or `ranking`.
        symmetric: whether m(a, b) = m(b, a); never where the kinds differ.
        similarity: whether larger values mean more similar objects; of a distance, smaller ones do.
        left, right: names of the kinds of its objects, which a data set fills in; `right` is `left` by default.

    Example:
        >>> metric = TabularMetric("Hausdorff distance", unit="pixels", range=(0.0, None), similarity=False)
        >>> metric.of_kinds("silhouette").right
        'silhouette'
    """

    name: ClassVar[str] = "tabular"
    title: str = "value"
    unit: str = ""
    range: tuple[float | None, float | None] = (None, None)
    task: Task = "regression"
    symmetric: bool = True
    similarity: bool = True
    left: str = ""
    right: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "range", tuple(None if end is None else float(end) for end in self.range))
        object.__setattr__(self, "right", self.right or self.left)
        if self.left != self.right:
            object.__setattr__(self, "symmetric", False)
        if self.task not in ("regression", "binary", "ranking"):
            raise InputError(f"task is {self.task!r}: expected regression, binary or ranking")
        low, high = self._bounds()
        if not low < high:
            raise InputError(f"the range is {low:g} to {high:g}: expected the lower end first")

    def of_kinds(self, left: str, right: str | None = None) -> TabularMetric:
        """The same metric between objects of these kinds."""
        return replace(self, left=left, right=right or left)

    def _bounds(self) -> tuple[float, float]:
        low, high = self.range
        return -math.inf if low is None else low, math.inf if high is None else high

    @property
    def short_title(self) -> str:
        return self.title

    @property
    def description(self) -> Description:
        unit = f", in {self.unit}" if self.unit else ""
        kinds = " and ".join(dict.fromkeys(KINDS.get(name).title for name in (self.left, self.right) if name))
        objects = f"pairs of {kinds or 'objects'}"
        binary = self.task == "binary"
        return Description(
            predicts=f"whether {objects} are a case of {self.title}"
            if binary
            else f"the {self.title} of {objects}{unit}",
            value=f"probability of {self.title}" if binary else self.title,
            labels="values imported with the pairs",
        )

    def default_head(self, values: Floats) -> Head:
        """The head for metrics of which nothing is known, its scale and offset those of the training values."""
        from metricvae.nn.heads import ProductAndDistance

        directed = not self.symmetric and self.left == self.right
        if self.task == "binary":
            return ProductAndDistance(link="logistic", directed=directed, rising=self.similarity)
        wide = self._bounds()[0] >= 0 and spans_orders_of_magnitude(values)
        scaled = np.log(values) if wide else values
        spread = float(np.std(scaled))
        return ProductAndDistance(
            scale=spread if spread > 0 else 1.0,
            offset=float(np.mean(scaled)),
            link="log" if wide else "identity",
            directed=directed,
            rising=self.similarity,
        )

    def further_heads(self, values: Floats) -> tuple[Head, ...]:
        """The cosine of two codes, between the least and the greatest training value."""
        from metricvae.nn.heads import LinearCosine

        low, high = float(np.min(values)), float(np.max(values))
        if self.task != "regression" or not self.symmetric or not low < high:
            return ()
        ends = (low, high) if self.similarity else (high, low)
        return (LinearCosine(scale=ends[1] - ends[0], offset=ends[0]),)

    def limits_of_all(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        low, high = self._limits()
        return np.full((1, 1), low), np.full((1, 1), high)

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        low, high = self._limits()
        return np.full(len(left), low), np.full(len(left), high)

    def _limits(self) -> tuple[float, float]:
        """The range; of a ranking there is none, as predictions are known up to a constant of each group."""
        match self.task:
            case "binary":
                return 0.0, 1.0
            case "ranking":
                return -math.inf, math.inf
        return self._bounds()


def spans_orders_of_magnitude(values: Floats) -> bool:
    """Whether values are positive and the 99th percentile is more than `WIDE` times the first."""
    if not len(values) or values.min() <= 0:
        return False
    low, high = np.quantile(values, [0.01, 0.99])
    return bool(high > WIDE * low)
