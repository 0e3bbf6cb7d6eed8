"""What can be required of molecules by their predicted affinity for a site, into which they are docked."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from metricvae.core.constraints import Span
from metricvae.core.errors import InputError, shortened
from metricvae.core.own_prediction import OwnPredictors
from metricvae.core.requirements import Reading, Requirement, RequirementForm, WrittenRequirement
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.sites import split_name
from metricvae.metrics.affinity.complexes import AUTO
from metricvae.metrics.affinity.jobs import DescribedComplex, describe_jobs, jobs_of
from metricvae.metrics.affinity.posing import ComplexReader
from metricvae.metrics.affinity.predictor import AffinityPredictor
from metricvae.metrics.affinity.units import LEAST, MOST
from metricvae.metrics.docking.batch import docking_site
from metricvae.metrics.docking.requirements import FORMS as DOCKING_FORMS

MODEL = "affinity"
"""The model that ships."""


@dataclass(frozen=True, kw_only=True)
class AffinityRequirement(Requirement):
    """pK as a model of poses predicts it for the docked molecule: seconds each, and a guess outside of its data.

    Attributes:
        predictor: of the model.
        reader: of the structure, which is the same for all molecules.
    """

    cost: ClassVar[int] = 2
    predictor: AffinityPredictor = field(compare=False, repr=False)
    reader: ComplexReader = field(default_factory=ComplexReader, compare=False, repr=False)

    def measure(self, value: Molecule) -> Reading:
        found = describe_jobs(jobs_of(self.subject, value.smiles), self.reader)
        row = self.predictor.rows(found)[0]
        if not isinstance(found[0], DescribedComplex):
            return Reading(math.nan, fault=found[0].reason)
        known = {name: row[name] for name in ("low", "high", "outside", "pose", "heavy_atoms_pK")}
        return Reading(row["pK"], found[0].molecule, None, fields=known)

    @property
    def limits(self) -> Span:
        return Span(LEAST, MOST)


def forms(own: OwnPredictors) -> Mapping[str, RequirementForm]:
    """`affinity`, by the shipped model, and `docking`."""
    return {**DOCKING_FORMS, "affinity": RequirementForm(functools.partial(_affinity, own), "affinity:REC.pdb@SITE>=7")}


def _affinity(own: OwnPredictors, written: WrittenRequirement) -> Requirement:
    predictor = own(MODEL)
    if not isinstance(predictor, AffinityPredictor):
        raise InputError(f"{shortened(written.text)}: there is no model of affinities here: train one, or leave it out")
    if split_name(written.subject)[1] in ("", AUTO):
        raise InputError(f"{shortened(written.text)}: molecules are docked, name a site, as rec.pdb@ligand=LIG")
    docking_site(written.subject)
    return AffinityRequirement(
        text=written.text,
        name=written.name,
        subject=written.subject,
        span=written.span,
        predictor=predictor,
    )
