"""The metric `match`: whether two halves were cut from one shape by one cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from metricvae.core.metric import Bools, Description, Floats, Metric, Preset, Solution
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.match.solver.edges import Edge
from metricvae.metrics.match.solver.joins import join

if TYPE_CHECKING:
    from metricvae.core.hits import HitDrawer, HitPage
    from metricvae.core.plan import Plan
    from metricvae.metrics.match.generation import HalfComplement
    from metricvae.nn.heads import Head


class MatchSolver:
    """The best fit of two halves, edge on edge; its score is evidence for a match, in nats, not the metric."""

    score_name = "fit"

    def prepare(self, value: Mask) -> Edge:
        """What a mask costs once."""
        return Edge(value)

    def solve(self, left: Edge, right: Edge) -> Solution:
        """The evidence of the best fit, and the `Pose` of the right half that gives it."""
        found = join(left, right)
        return Solution(float(found.score > 0), found.score, found.pose)


@dataclass(frozen=True)
class MatchMetric(Metric):
    """1 where two halves belong together, 0 where not."""

    name: ClassVar[str] = "match"
    unit = ""
    left = "half"
    right = "half"
    task = "binary"
    value_exponent = 0.0
    unlisted = 0.0

    @property
    def description(self) -> Description:
        return Description(
            predicts="whether two pieces of silhouettes belong together, however each is rotated and shifted",
            value="probability of a match",
            labels="labels known from how the pairs were made",
            exact="metricvae solve --join",
            positive="a match",
            negative="no match",
        )

    def default_head(self, values: Floats) -> Head:
        from metricvae.nn.heads import CosineDistance

        return CosineDistance(swapped=True)

    def representative(self, columns: Mapping[str, npt.NDArray[Any]], count: int) -> Bools:
        """All but halves of one shape from two of its cuts: no collection of pieces holds these, and they are in data
        sets to tell whether the cut was looked at."""
        grade = columns.get("grade")
        found: Bools = np.ones(count, bool) if grade is None else grade != "hard"
        return found

    @property
    def solver(self) -> MatchSolver:
        return MatchSolver()

    @property
    def plan_type(self) -> type[Plan]:
        from metricvae.metrics.match.labelling import MatchPlan

        return MatchPlan

    @property
    def complement(self) -> HalfComplement:
        from metricvae.metrics.match.generation import HalfComplement

        return HalfComplement()

    @property
    def hit_drawer(self) -> HitDrawer:
        from metricvae.metrics.overlap.drawing import draw_first_hit

        return draw_first_hit

    @property
    def hit_page(self) -> HitPage:
        from metricvae.metrics.overlap.layers_page import layers_page

        return layers_page

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.match import presets

        return presets.PRESETS
