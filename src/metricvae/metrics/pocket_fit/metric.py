"""The metric `pocket-fit`: how well a molecule fills a pocket in shape and in what the protein asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.metric import Description, Floats, Metric, Preset
from metricvae.metrics.pocket_fit.solver import FitSolver

if TYPE_CHECKING:
    from metricvae.core.own_prediction import OwnPredictors
    from metricvae.core.requirements import RequirementForm
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class FitMetric(Metric):
    """The mean of the Tanimoto coefficients of shape and colour of a molecule with a pocket's negative image, less the
    share of its volume that lies on the protein."""

    name: ClassVar[str] = "pocket-fit"
    left = "pocket"
    right = "molecule"
    symmetric = False
    value_exponent = 0.0

    @property
    def description(self) -> Description:
        return Description(
            predicts=(
                "how well a molecule fills a pocket: the mean of the Tanimoto coefficients of shape and pharmacophore "
                "with the\npocket's negative image, over all rotations and translations, less what lies on the protein"
            ),
            value="fit",
            labels="labels by metricvae's exact overlay",
            exact="metricvae.metrics.pocket_fit",
        )

    def default_head(self, values: Floats) -> Head:
        """Inner products about the mean of the values: the fits of most molecules lie near one another."""
        from metricvae.nn.heads import InnerProduct

        return InnerProduct(scale=5.0 * float(values.std()) or 1.0, offset=float(values.mean()))

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """At most 1; a molecule that lies on the protein has less than 0."""
        return np.full_like(left, -1.0), np.ones_like(left)

    @property
    def solver(self) -> FitSolver:
        return FitSolver()

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.pocket_fit import presets

        return presets.PRESETS

    @classmethod
    def requirements(cls, own: OwnPredictors) -> Mapping[str, RequirementForm]:
        """`pocket`: the fit of what is made in a pocket."""
        from metricvae.metrics.pocket_fit.requirements import FORMS

        return FORMS
