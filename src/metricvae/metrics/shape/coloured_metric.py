"""The metric `shape+colour`: how similar two molecules are in shape and in pharmacophore features at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metricvae.core.metric import Description, Floats, Metric, Preset, Solver
from metricvae.metrics.shape.metric import ColourSolver, ShapeMetric

if TYPE_CHECKING:
    from metricvae.core.hits import HitDrawer, HitPage
    from metricvae.core.kind import Object
    from metricvae.core.plan import Plan
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class ColouredMetric(Metric):
    """The largest mean of the Tanimoto coefficients of atoms and of pharmacophore features, from 0 to 1."""

    name: ClassVar[str] = "shape+colour"
    left = "molecule"
    right = "molecule"
    value_exponent = 0.0

    @property
    def description(self) -> Description:
        return Description(
            predicts=(
                "the largest mean of the shape Tanimoto and of the colour Tanimoto of two molecules over all rotations "
                "and\ntranslations (half of ROCS's TanimotoCombo)"
            ),
            value="shape and colour similarity",
            labels="labels by metricvae's exact overlay",
            exact="metricvae solve --by combo",
            limits="Of pharmacophore features their kinds and places, not the directions of hydrogen bonds.",
        )

    def default_head(self, values: Floats) -> Head:
        from metricvae.nn.heads import CosineSimilarity

        return CosineSimilarity()

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """From 0 to 1."""
        return np.zeros_like(left), np.ones_like(left)

    @property
    def solver(self) -> ColourSolver:
        return ColourSolver("combo")

    @property
    def objectives(self) -> Mapping[str, Solver]:
        """Those of `metricvae.metrics.shape.metric.ShapeMetric`, `combo` being the default."""
        return ShapeMetric().objectives

    @property
    def plan_type(self) -> type[Plan]:
        from metricvae.metrics.shape.coloured_labelling import ColouredPlan

        return ColouredPlan

    def overlay(self, left: Object, right: Object, pose: Any) -> str:
        """As by shape alone."""
        return ShapeMetric().overlay(left, right, pose)

    @property
    def hit_drawer(self) -> HitDrawer:
        return ShapeMetric().hit_drawer

    @property
    def hit_page(self) -> HitPage:
        return ShapeMetric().hit_page

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.shape import presets

        return presets.COLOURED_PRESETS
