"""The metric `property`: a number of one object, as the product of its code with a learned anchor's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS
from metricvae.core.metric import Description, Floats
from metricvae.metrics.tabular import TabularMetric

if TYPE_CHECKING:
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class PropertyMetric(TabularMetric):
    """A property of one object, known by listed values: solubility, toxicity, whether a drug is approved.

    It is a metric between an object and an anchor: value = offset + scale * z . a / d, a being the anchor's code, so a
    property has nothing that the code of the object does not hold. A binary one is the logistic function of that.

    Example:
        >>> PropertyMetric("solubility", unit="log mol/L", left="molecule").description.predicts
        'the solubility of molecules, in log mol/L'
    """

    name: ClassVar[str] = "property"
    anchored = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task == "ranking":
            raise InputError("a property is a regression or binary, got ranking: name one of those")

    @property
    def description(self) -> Description:
        unit = f", in {self.unit}" if self.unit else ""
        objects = KINDS.get(self.left).title if self.left else "objects"
        binary = self.task == "binary"
        return Description(
            predicts=f"whether {self.title} is true of {objects}" if binary else f"the {self.title} of {objects}{unit}",
            value=f"probability of {self.title}" if binary else self.title,
            labels="values imported with the objects",
        )

    def default_head(self, values: Floats) -> Head:
        """A product of two codes, its scale and offset those of the training values."""
        from metricvae.nn.heads import InnerProduct, LogisticProduct

        mean = float(np.mean(values)) if len(values) else 0.0
        if self.task == "binary":
            share = min(max(mean, 1e-3), 1.0 - 1e-3)
            return LogisticProduct(offset=float(np.log(share / (1.0 - share))))
        return InnerProduct(scale=(float(np.std(values)) if len(values) else 0.0) or 1.0, offset=mean)
