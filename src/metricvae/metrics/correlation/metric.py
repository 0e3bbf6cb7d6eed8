"""The metric `correlation`: the largest normalised correlation of two density maps over all rigid motions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.metric import Description, Floats, Metric, Preset, Solution
from metricvae.kinds.volume.records import DensityMap
from metricvae.kinds.volume.resampling import background_and_noise
from metricvae.metrics.shape.solver.maps import MapSearchConfig, overlay_maps

if TYPE_CHECKING:
    from metricvae.core.plan import Plan
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
        """A map less its background, the median of the faces of its box."""
        background, _ = background_and_noise(value.values)
        return replace(value, values=value.values - np.float32(background))

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
        """The cosine of two codes, as the Tanimoto coefficient of two maps of unit norm."""
        from metricvae.nn.heads import CosineTanimoto

        return CosineTanimoto()

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """From -1 to 1."""
        return -np.ones_like(left), np.ones_like(left)

    @property
    def solver(self) -> CorrelationSolver:
        return CorrelationSolver()

    @property
    def plan_type(self) -> type[Plan]:
        from metricvae.metrics.correlation.labelling import CorrelationPlan

        return CorrelationPlan

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.correlation import presets

        return presets.PRESETS
