"""The metric `affinity`: how strongly a molecule binds to a pocket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.metric import Description, Floats, Metric, Preset
from metricvae.metrics.affinity.units import LEAST, MOST

if TYPE_CHECKING:
    from metricvae.core.importing.tables import PairTable
    from metricvae.core.own_prediction import OwnPredictor, OwnPredictors
    from metricvae.core.requirements import RequirementForm
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class AffinityMetric(Metric):
    """pK of a molecule for a pocket: -log10 of Ki, Kd or IC50 in mol/L."""

    name: ClassVar[str] = "affinity"
    unit = "pK"
    left = "pocket"
    right = "molecule"
    symmetric = False

    @property
    def description(self) -> Description:
        return Description(
            predicts="how strongly a molecule binds to a pocket: -log10 of Ki, Kd or IC50 in mol/L",
            value="binding affinity",
            labels="values measured in assays, by Ki, Kd, IC50 or the free energy of binding",
        )

    def default_head(self, values: Floats) -> Head:
        """A product of two codes, its scale and offset those of the training values."""
        from metricvae.nn.heads import ProductAndDistance

        spread = float(np.std(values)) if len(values) else 0.0
        return ProductAndDistance(scale=spread or 1.0, offset=float(np.mean(values)) if len(values) else 0.0)

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """The pK that assays can measure."""
        return np.full(len(left), LEAST), np.full(len(left), MOST)

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.affinity import presets

        return presets.PRESETS

    def folder_table(self, folder: Path) -> PairTable:
        """The complexes of a release of PDBbind; see `metricvae.metrics.affinity.pdbbind`."""
        from metricvae.metrics.affinity.pdbbind import PdbbindTable

        return PdbbindTable(folder)

    def own_predictor(self, folder: Path) -> OwnPredictor | None:
        """The model of poses in the folder, where there is one."""
        from metricvae.metrics.affinity.posed_files import MODEL

        if not (folder / MODEL).is_file():
            return None
        from metricvae.metrics.affinity.predictor import AffinityPredictor

        return AffinityPredictor(folder)

    @classmethod
    def requirements(cls, own: OwnPredictors) -> Mapping[str, RequirementForm]:
        """`affinity`: what the shipped model of poses predicts of what is made, docked into a site."""
        from metricvae.metrics.affinity.requirements import forms

        return forms(own)
