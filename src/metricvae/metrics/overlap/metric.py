"""The metric `overlap`: the largest area that two silhouettes share over all rotations and translations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metricvae.core.metric import Description, Floats, Metric, Preset, Solution
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, solve

if TYPE_CHECKING:
    from metricvae.core.hits import HitDrawer, HitPage
    from metricvae.core.kind import Object
    from metricvae.core.plan import Plan
    from metricvae.metrics.overlap.alignment.pose_model import OverlapPoseModel
    from metricvae.metrics.overlap.generation import OverlapGenerator
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class OverlapSolver:
    """The exact overlap of two silhouettes; see `metricvae.metrics.overlap.solver.search.solve`.

    Attributes:
        search: how hard it searches.
    """

    score_name = "overlap"
    search: SearchConfig | None = None

    def prepare(self, value: Mask) -> PreparedMask:
        """What a mask costs once."""
        return PreparedMask(value)

    def solve(self, left: PreparedMask, right: PreparedMask) -> Solution:
        """The overlap in pixels, and the `Pose` of the right mask that gives it."""
        found = solve(left, right, self.search)
        return Solution(found.area, found.area, found.pose)


@dataclass(frozen=True)
class OverlapMetric(Metric):
    """Maximum overlap of two silhouettes, in pixels."""

    name: ClassVar[str] = "overlap"
    unit = "pixels"
    left = "silhouette"
    right = "silhouette"
    value_exponent = 2.0
    self_is_magnitude = True
    exemplars = 2_048

    @property
    def description(self) -> Description:
        return Description(
            predicts="the maximum overlap area of two silhouettes, over all rotations and translations, in pixels",
            value="maximum overlap",
            labels="labels by metricvae's exact solver",
            exact="metricvae solve",
        )

    def default_head(self, values: Floats) -> Head:
        from metricvae.nn.heads import InnerProduct

        return InnerProduct()

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """Between nothing and the smaller area."""
        return np.zeros_like(left), np.minimum(left, right)

    @property
    def solver(self) -> OverlapSolver:
        return OverlapSolver()

    @property
    def pose_model(self) -> OverlapPoseModel:
        from metricvae.metrics.overlap.alignment.pose_model import OverlapPoseModel

        return OverlapPoseModel()

    @property
    def generator(self) -> OverlapGenerator:
        from metricvae.metrics.overlap.generation import OverlapGenerator

        return OverlapGenerator()

    @property
    def plan_type(self) -> type[Plan]:
        from metricvae.metrics.overlap.labelling import OverlapPlan

        return OverlapPlan

    @property
    def hit_drawer(self) -> HitDrawer:
        from metricvae.metrics.overlap.drawing import draw_first_hit

        return draw_first_hit

    def overlay(self, left: Object, right: Object, pose: Any) -> str:
        """The left shape in blue, the right one in orange, and what they share in dark blue."""
        from metricvae.core.display import picture_html
        from metricvae.metrics.overlap.drawing import overlay_pixels

        return picture_html(overlay_pixels(left, right, pose), side=None, alt="two shapes where they overlap most")

    @property
    def hit_page(self) -> HitPage:
        from metricvae.metrics.overlap.layers_page import layers_page

        return layers_page

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.overlap import presets

        return presets.PRESETS
