"""What can be required of molecules by how they fill a pocket."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from metricvae.core.constraints import Span
from metricvae.core.requirements import CodedQuery, Reading, Requirement, RequirementForm, WrittenRequirement
from metricvae.kinds.molecule.generation.conformers import conformers_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.kind import PocketKind
from metricvae.kinds.pocket.records import Pocket
from metricvae.metrics.pocket_fit.metric import FitMetric
from metricvae.metrics.pocket_fit.solver import FitSolver


@dataclass(frozen=True, kw_only=True)
class FitRequirement(Requirement):
    """The best fit of a molecule's conformers (`conformers_of`) in a pocket; see `FitSolver`.

    Attributes:
        pocket: that is to be filled.
        prepared: the same as the solver takes it.
    """

    cost: ClassVar[int] = 1
    threaded: ClassVar[bool] = True
    pocket: Pocket = field(compare=False, repr=False)
    prepared: Any = field(compare=False, repr=False)

    def measure(self, value: Molecule) -> Reading:
        solver, made = FitSolver(), conformers_of(value.smiles)
        if not made:
            return Reading(math.nan, fault="no conformer could be made")
        prepared = [self.prepared, *(solver.prepare(one) for one in made)]
        found = solver.solve_pairs(prepared, np.array([[0, place] for place in range(1, len(prepared))]), threads=1)
        best = max(range(len(found)), key=lambda place: found[place].score)
        return Reading(found[best].score, made[best], found[best].pose, fields={"clash": found[best].pose.clash})

    @property
    def limits(self) -> Span:
        return Span(-1.0, 1.0)

    @property
    def coded(self) -> CodedQuery:
        """The pocket: one product of codes says which molecules are worth the exact fit."""
        return CodedQuery(FitMetric.name, self.pocket)

    @property
    def predicting(self) -> tuple[str, ...]:
        return (FitMetric.name,)


def _fit(written: WrittenRequirement) -> Requirement:
    pocket = PocketKind().read(Path(written.subject))
    return FitRequirement(
        text=written.text,
        name=written.name,
        subject=written.subject,
        span=written.span,
        scale=0.5,
        pocket=pocket,
        prepared=FitSolver().prepare(pocket),
    )


FORMS: Mapping[str, RequirementForm] = {"pocket": RequirementForm(_fit, "pocket:REC.pdb@SITE>=0.4")}
