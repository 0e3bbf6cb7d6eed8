"""What can be required of objects by the properties that a model has learned: predictions, with their intervals.

A property that the kind itself computes keeps its name, as that is exact; what is learned has the name by which the
model knows it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from metricvae.core.constraints import Span
from metricvae.core.kind import Object
from metricvae.core.requirements import Reading, Requirement, RequirementForm, WrittenRequirement
from metricvae.prediction.added_metrics import metrics_of
from metricvae.prediction.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class LearnedRequirement(Requirement):
    """A property as a model predicts it, of a binary one the probability: a guess, and wider outside of its data.

    Attributes:
        predictor: of the property.
    """

    cost: ClassVar[int] = 1
    predictor: Predictor = field(compare=False, repr=False)

    def measure(self, value: Object) -> Reading:
        found = self.predictor.predict_each(self.predictor.encode([value]))
        number = float(found.value[0])
        if not math.isfinite(number):
            return Reading(math.nan, fault=f"{self.name} cannot be predicted")
        fields: dict[str, float | str] = {"low": float(found.low[0]), "high": float(found.high[0])}
        return Reading(number, fields=fields | {"novelty": float(found.novelty[0])})

    @property
    def where(self) -> str:
        return self.bounds_text

    @property
    def limits(self) -> Span:
        low, high = self.predictor.metric.limits(np.ones(1), np.ones(1))
        return Span(float(low[0]), float(high[0]))


def learned_forms(predictor: Predictor) -> Mapping[str, RequirementForm]:
    """How each property that a model knows is required, by name; none where it knows none.

    Args:
        predictor: of any metric of the model.
    """
    names = [name for name, metric in metrics_of(predictor.base).items() if metric.anchored]
    return {name: RequirementForm(functools.partial(_made, predictor, name), f"{name}>=0") for name in names}


def _made(predictor: Predictor, name: str, written: WrittenRequirement) -> Requirement:
    answering = predictor.answering(name)
    head = answering.loaded.config.head
    spread = float(getattr(getattr(head, "head", head), "scale", 1.0)) if answering.metric.task == "regression" else 0.2
    return LearnedRequirement(text=written.text, name=name, span=written.span, scale=spread or 1.0, predictor=answering)
