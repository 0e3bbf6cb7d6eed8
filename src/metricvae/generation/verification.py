"""What the exact solver gives for a generated object, against the bounds it is to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metricvae.core.generation import Bounds, Measured, tanimoto
from metricvae.core.kind import Object, ObjectKind
from metricvae.core.metric import Solver


def measure(value: Object, bounds: Bounds) -> Measured:
    """Solve an object with every required one."""
    prepared = bounds.solver.prepare(value)
    solutions = tuple(bounds.solver.solve(prepared, one.prepared) for one in bounds.required)
    return Measured(magnitude_of(bounds.kind, value), solutions)


def magnitude_of(kind: ObjectKind, value: Object) -> float:
    """The magnitude of one object."""
    found: float = kind.measure([value])[0].item()
    return found


@dataclass(frozen=True)
class PreparedObject:
    """An object as the solver prepares it, and its magnitude."""

    prepared: Any
    magnitude: float


class ClosenessMeasure:
    """Exact closeness of objects: the Tanimoto coefficient.

    Args:
        kind: of the objects.
        solver: of the metric.
    """

    def __init__(self, kind: ObjectKind, solver: Solver) -> None:
        self.kind, self.solver = kind, solver

    def prepare(self, value: Object) -> PreparedObject:
        """What an object costs once."""
        return PreparedObject(self.solver.prepare(value), magnitude_of(self.kind, value))

    def between(self, one: PreparedObject, other: PreparedObject) -> float:
        """Closeness of two objects; 0 if one is empty."""
        if not (one.magnitude and other.magnitude):
            return 0.0
        value = self.solver.solve(one.prepared, other.prepared).value
        return tanimoto(value, one.magnitude, other.magnitude)

    def mean(self, objects: Sequence[Object]) -> float | None:
        """Mean closeness of all pairs of objects; None of fewer than two."""
        prepared = [self.prepare(one) for one in objects]
        pairs = [self.between(a, b) for place, a in enumerate(prepared) for b in prepared[place + 1 :]]
        return float(np.mean(pairs)) if pairs else None
