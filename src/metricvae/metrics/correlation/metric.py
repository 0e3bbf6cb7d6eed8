"""The metric `correlation`: the largest normalised correlation of two density maps over all rigid motions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.metric import Description, Floats, Metric, Solution
from metricvae.kinds.volume.records import DensityMap
from metricvae.metrics.shape.solver.maps import MapSearchConfig, overlay_maps

if TYPE_CHECKING:
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class CorrelationSolver:
    """The exact overlay of two density maps; see `metricvae.metrics.shape.solver.maps.overlay_maps`.

    Attributes:
        search: how hard it searches.
    """

    score_name = "correlation"
    search: MapSearchConfig | None = None

    def prepare(self, value: DensityMap) -> DensityMap:
        """A map as it is."""
        return value

    def solve(self, left: DensityMap, right: DensityMap) -> Solution:
        """The correlation, and the `MapOverlay` that gives it."""
        found = overlay_maps(left, right, self.search)
        return Solution(found.correlation, found.correlation, found)


@dataclass(frozen=True)
class CorrelationMetric(Metric):
    """Largest normalised correlation of two density maps."""

    name: ClassVar[str] = "correlation"
    left = "volume"
    right = "volume"
    value_exponent = 0.0

    @property
    def description(self) -> Description:
        return Description(
            predicts="the largest normalised correlation of two density maps, over all rotations and translations",
            value="correlation",
            labels="labels by metricvae's exact overlay",
            exact="metricvae solve",
        )

    def default_head(self, values: Floats) -> Head:
        from metricvae.nn.heads import InnerProduct

        return InnerProduct(scale=1.0)

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """From -1 to 1."""
        return -np.ones_like(left), np.ones_like(left)

    @property
    def solver(self) -> CorrelationSolver:
        return CorrelationSolver()
