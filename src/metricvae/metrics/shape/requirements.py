"""What can be required of molecules by their overlay on another: shape, colour, or both at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from metricvae.core.constraints import Span
from metricvae.core.requirements import Reading, Requirement, RequirementForm, WrittenRequirement
from metricvae.kinds.molecule.generation.conformers import conformers_of
from metricvae.kinds.molecule.generation.requirements import reference_of
from metricvae.kinds.molecule.records import Molecule

PREDICTING = {"shape": ("shape",), "combo": ("shape+colour",)}
"""Metrics whose models order by the number itself."""


@dataclass(frozen=True, kw_only=True)
class OverlayRequirement(Requirement):
    """The best overlay of a molecule's conformers (`conformers_of`) on a reference, as the exact search finds it.

    Attributes:
        reference: in the conformation that it was given in.
        solver: of the objective.
        prepared: the reference as the solver takes it.
    """

    cost: ClassVar[int] = 1
    threaded: ClassVar[bool] = True
    reference: Molecule = field(compare=False, repr=False)
    solver: Any = field(compare=False, repr=False)
    prepared: Any = field(compare=False, repr=False)

    def measure(self, value: Molecule) -> Reading:
        made = conformers_of(value.smiles)
        if not made:
            return Reading(math.nan, fault="no conformer could be made")
        prepared = [self.prepared, *(self.solver.prepare(one) for one in made)]
        pairs = np.array([[0, place] for place in range(1, len(prepared))])
        found = self.solver.solve_pairs(prepared, pairs, threads=1)
        best = max(range(len(found)), key=lambda place: found[place].score)
        return Reading(found[best].score, made[best], found[best].pose)

    @property
    def limits(self) -> Span:
        return Span(0.0, 1.0)

    @property
    def query(self) -> Molecule:
        return self.reference

    @property
    def predicting(self) -> tuple[str, ...]:
        return PREDICTING.get(self.name, ())


def _overlay(written: WrittenRequirement) -> Requirement:
    from metricvae.metrics.shape.metric import ShapeMetric

    reference, solver = reference_of(written), ShapeMetric().solver_by(written.name)
    assert solver is not None
    return OverlayRequirement(
        text=written.text,
        name=written.name,
        subject=written.subject,
        span=written.span,
        scale=0.5,
        reference=reference,
        solver=solver,
        prepared=solver.prepare(reference),
    )


FORMS: Mapping[str, RequirementForm] = {
    name: RequirementForm(_overlay, f"{name}:FILE>=0.7") for name in ("shape", "colour", "combo")
}
