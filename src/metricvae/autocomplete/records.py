"""What is asked of an autocompletion, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metricvae.autocomplete import CANDIDATES_ASKED, SECONDS
from metricvae.core.errors import InputError
from metricvae.core.hits import Value
from metricvae.core.requirements import Requirement
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.engines.engine import OWN
from metricvae.metrics.docking.size_trend import SizeTrend

WINDOW = {"qed": "qed>=0.5", "sa": "sa<=4"}
"""Requirements that hold unless others of their names are given."""


@dataclass(frozen=True)
class AutocompleteConfig:
    """How candidates are made.

    Attributes:
        n: how many.
        seconds: that all of it may take, about.
        seed: of all that is drawn.
        engine: what docks candidates and random molecules in the end; the search is led by our own.
        evaluations: molecules that the search measures, at most; None for no limit: with one, and time enough, the
            same seed gives the same candidates.
        random: molecules that are docked to know what a score is worth, at most.
        spare: candidates that are docked for each that is asked for.
    """

    n: int = CANDIDATES_ASKED
    seconds: float = SECONDS
    seed: int = 0
    engine: str = OWN
    evaluations: int | None = None
    random: int = 24
    spare: float = 1.25

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"n is {self.n}: expected at least 1")
        if not 0 < self.seconds < math.inf:
            raise InputError(f"it may take {self.seconds:g} seconds: expected a number above 0")

    @property
    def docking(self) -> DockingConfig:
        """How the best are docked, and random molecules to compare them with: by fewer and shorter chains than a single
        ligand is, in two thirds of the time."""
        return DockingConfig(
            conformers=12, chains=8, chains_a_torsion=1, rounds=8, poses=1, seed=self.seed, engine=self.engine
        )


@dataclass(frozen=True)
class DockedMolecule:
    """A molecule where the engine places it.

    Attributes:
        smiles: of it.
        molecule: where it lies in the frame of the receptor.
        score: kcal/mol.
        clashes, strain, faults: see `metricvae.metrics.docking.described.DockedPose`.
    """

    smiles: str
    molecule: Molecule
    score: float
    clashes: int = 0
    strain: float | None = None
    faults: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Heavy atoms."""
        return len(self.molecule.elements)


@dataclass(frozen=True)
class RandomMolecules:
    """Drug-like molecules drawn at random, in the same site.

    Attributes:
        docked: as candidates are docked.
        trend: of their scores.
        quick: of the scores of the quick docking that leads the search.
        fit: how well the middle one of them fills the pocket, 0 to 1.
        seconds: that docking one took, on all cores.
    """

    docked: Sequence[DockedMolecule]
    trend: SizeTrend
    quick: SizeTrend
    fit: float
    seconds: float


@dataclass(frozen=True)
class SiteCandidate:
    """A molecule made for the site.

    Attributes:
        name: of it.
        docked: where it lies, and its score.
        fields: what else is known of it, by name, in the order of the columns.
    """

    name: str
    docked: DockedMolecule
    fields: Mapping[str, Value]


@dataclass(frozen=True)
class Autocompletion:
    """What came of it.

    Attributes:
        site: as it was named.
        receptor: of the site.
        requirements: all that had to be satisfied.
        candidates: the best first.
        random: molecules drawn at random, docked likewise.
        retrieved: the best of the library by the pocket's code, docked likewise; None without a library.
            notes: how far the numbers hold, a sentence each.
        facts: counts of the search, by name.
    """

    site: str
    receptor: Receptor
    requirements: Sequence[Requirement]
    candidates: Sequence[SiteCandidate]
    random: RandomMolecules
    retrieved: DockedMolecule | None
    notes: Sequence[str]
    facts: Mapping[str, Value | None] = field(default_factory=dict)
