"""What can be required of molecules by how they dock: a score, or by how much it beats that of random ones of the size.

Docking here is quick: a few short chains from the conformers in which molecules are made. Its scores are a little above
those of the whole search, and order molecules of a size nearly as it does (benchmarks/RESULTS-autocomplete.md).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from metricvae.core.errors import InputError
from metricvae.core.requirements import Reading, Requirement, RequirementForm, WrittenRequirement
from metricvae.kinds.molecule.generation.conformers import conformers_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.batch import docking_site
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.dock import dock_conformers, site_of
from metricvae.metrics.docking.records import Floats
from metricvae.metrics.docking.site import DockingSite
from metricvae.metrics.docking.size_trend import SizeTrend

QUICK = DockingConfig(conformers=4, chains=4, chains_a_torsion=0, rounds=1, poses=1, strain=False)
"""A fifth of a second a molecule and core, a tenth of the whole search."""


@dataclass(frozen=True, eq=False)
class QuickDocking:
    """A site into which molecules are docked quickly.

    Attributes:
        site: with the maps of all types of atoms.
    """

    site: DockingSite

    @classmethod
    def into(cls, receptor: Receptor, centre: Floats) -> QuickDocking:
        """Into the site about a centre (3,) of a receptor."""
        return cls(site_of(receptor, centre, QUICK))

    def dock(self, value: Molecule) -> Reading:
        """The score of the best pose of a molecule, kcal/mol, with the molecule as it lies there."""
        made = conformers_of(value.smiles)
        if not made:
            return Reading(math.nan, fault="no conformer could be made")
        try:
            best = dock_conformers(self.site, made, QUICK, check=False)[0]
        except (InputError, IndexError):
            return Reading(math.nan, fault="it could not be docked")
        return Reading(best.score, best.molecule, None)


@dataclass(frozen=True, kw_only=True)
class DockingRequirement(Requirement):
    """The score of the best pose in a site, kcal/mol.

    Attributes:
        docking: into the site.
    """

    cost: ClassVar[int] = 2
    threaded: ClassVar[bool] = True
    docking: QuickDocking = field(compare=False, repr=False)

    def measure(self, value: Molecule) -> Reading:
        return self.docking.dock(value)


@dataclass(frozen=True, kw_only=True)
class GainRequirement(DockingRequirement):
    """By how much the score beats that of random molecules of the size, in their standard deviations.

    Attributes:
        trend: of random molecules that were docked as quickly.
    """

    trend: SizeTrend

    def measure(self, value: Molecule) -> Reading:
        return self._gain(value, super().measure(value))

    def margin(self, number: float) -> float:
        """All of it counts: the larger the better."""
        return max(number - self.span.low, 0.0) / self.scale

    def _gain(self, value: Molecule, found: Reading) -> Reading:
        size = len(value.positions)
        gain = self.trend.gain(found.value, size)
        return Reading(gain, found.object, None, found.fault, {"quick_score": found.value})


@functools.lru_cache(maxsize=4)
def _into(name: str) -> QuickDocking:
    return QuickDocking.into(*docking_site(name))


def _docking(written: WrittenRequirement) -> Requirement:
    known = {"text": written.text, "name": written.name, "subject": written.subject, "span": written.span}
    return DockingRequirement(**known, scale=2.0, docking=_into(written.subject))  # type: ignore[arg-type]


FORMS: Mapping[str, RequirementForm] = {"docking": RequirementForm(_docking, "docking:REC.pdb@SITE<=-8")}
