"""The metric `cross-correlation`: the largest circular cross-correlation of two signals over all shifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metricvae.core.metric import Description, Floats, Metric, Solution
from metricvae.nn.heads import Head, InnerProduct


@dataclass(frozen=True)
class Shift:
    """The pose of an optimum: how many samples the right signal is shifted, circularly."""

    samples: int


class CrossCorrelationSolver:
    """The exact answer, by the correlation theorem: c = F^-1(F(a) conj(F(b)))."""

    score_name = "correlation"

    def prepare(self, value: Any) -> Any:
        return np.fft.rfft(np.asarray(value, np.float64)), len(value), float(np.linalg.norm(value))

    def solve(self, left: Any, right: Any) -> Solution:
        (a, samples, norm_a), (b, _, norm_b) = left, right
        curve = np.fft.irfft(a * b.conj(), samples)
        best = int(curve.argmax())
        return Solution(float(curve[best]), float(curve[best] / max(norm_a * norm_b, 1e-12)), Shift(best))


@dataclass(frozen=True)
class CrossCorrelationMetric(Metric):
    """max over s of sum over t of a(t) b(t - s); of a signal with itself, its energy."""

    name: ClassVar[str] = "cross-correlation"
    left, right = "signal", "signal"
    self_is_magnitude = True

    @property
    def description(self) -> Description:
        return Description("the cross-correlation of two signals", "maximum cross-correlation", "exact values", "solve")

    def default_head(self, values: Floats) -> Head:
        return InnerProduct(scale=float(np.std(values)) or 1.0)

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        return -np.sqrt(left * right), np.sqrt(left * right)

    @property
    def solver(self) -> CrossCorrelationSolver:
        return CrossCorrelationSolver()
