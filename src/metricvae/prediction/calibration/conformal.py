"""Intervals that hold without assumptions about the errors: split conformal prediction.

On pairs the model never learned from, the (1 - alpha)-quantile of |prediction - truth| is a half-width that covers
the truth of a new pair with probability 1 - alpha (Vovk, Gammerman & Shafer 2005; Papadopoulos et al. 2002). Taken
separately in classes of the prediction (Mondrian), small and large overlaps each get a width of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError

Floats = npt.NDArray[np.float64]

PAIRS_A_CLASS = 100
"""Fewest calibration pairs a class may rest on."""

CLASSES = 8
LEAST = 20
"""With fewer pairs than this a 90 % quantile is hardly there."""


@dataclass(frozen=True)
class Conformal:
    """Half-widths of the intervals by class of the prediction.

    Attributes:
        level: share of true values the intervals are to hold.
        edges: (k - 1,) predictions at which one class ends and the next begins.
        half_widths: (k,) in the unit of the metric.
    """

    level: float
    edges: tuple[float, ...]
    half_widths: tuple[float, ...]

    def interval(self, predicted: Floats, wider: Floats | float = 1.0) -> tuple[Floats, Floats]:
        """Lower and upper end, (n,) each, around (n,) predictions, each so many times as wide."""
        half = wider * np.asarray(self.half_widths)[np.searchsorted(np.asarray(self.edges), predicted, side="right")]
        return predicted - half, predicted + half

    def to_json(self) -> dict[str, Any]:
        """A document of plain numbers and lists."""
        return {"level": self.level, "edges": list(self.edges), "half_widths": list(self.half_widths)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Conformal:
        """The inverse of `to_json`.

        Raises:
            InputError: the model was not calibrated, or the document is damaged.
        """
        try:
            edges, half_widths = (tuple(map(float, document[name])) for name in ("edges", "half_widths"))
            conformal = cls(float(document["level"]), edges, half_widths)
            if len(half_widths) != len(edges) + 1:
                raise ValueError("a class without a width")
            return conformal
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError("the model has no calibration, so it gives no intervals: train it again") from None


def fit_conformal(predicted: Floats, value: Floats, level: float = 0.9) -> Conformal:
    """Calibrate on n pairs the model did not learn from.

    Raises:
        InputError: fewer than 20 pairs.
    """
    check_enough(len(value))
    classes = min(CLASSES, max(1, len(value) // PAIRS_A_CLASS))
    edges = _populated(np.quantile(predicted, np.arange(1, classes) / classes), predicted)
    of_class = np.searchsorted(edges, predicted, side="right")
    residual = np.abs(predicted - value)
    half_widths = tuple(conformal_quantile(residual[of_class == k], level) for k in range(len(edges) + 1))
    return Conformal(level, tuple(edges), half_widths)


def check_enough(count: int) -> None:
    """Raise InputError when so many calibration pairs are too few; worth asking before a training."""
    if count < LEAST:
        raise InputError(f"{count} calibration pairs: expected at least {LEAST}, label more pairs")


def _populated(edges: Floats, predicted: Floats) -> list[float]:
    """The edges that leave at least 20 pairs on both sides: many predictions may be equal (0, for one)."""
    kept = [-math.inf]
    for edge in edges:
        if min(np.sum((kept[-1] <= predicted) & (predicted < edge)), np.sum(edge <= predicted)) >= LEAST:
            kept.append(float(edge))
    return kept[1:]


def conformal_quantile(residual: Floats, level: float) -> float:
    """The ceil((n + 1) level)-th smallest of n residuals: the finite-sample quantile of split conformal prediction."""
    rank = min(math.ceil((len(residual) + 1) * level), len(residual))
    return float(np.sort(residual)[rank - 1])
