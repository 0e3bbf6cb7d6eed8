"""What can be required of molecules as graphs: properties, substructures, scaffolds, similarity, a user's own score."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from metricvae.core.constraints import Span
from metricvae.core.errors import InputError, shortened
from metricvae.core.requirements import Reading, Requirement, RequirementForm, WrittenRequirement
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.generation.score_process import ScoreProcess
from metricvae.kinds.molecule.listing import suffix_of
from metricvae.kinds.molecule.properties import PROPERTIES, Described, described_smiles
from metricvae.kinds.molecule.readers import ENDINGS, read_one
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import Mol, canonical, standard
from metricvae.kinds.molecule.substructures import morgan_generator, pattern_from
from metricvae.runtime.reading import names_file

YES = Span(1.0, 1.0)

SCALES = {"mw": 100.0, "logp": 1.0, "tpsa": 40.0, "heavy_atoms": 8.0, "qed": 0.5, "sa": 2.0}
"""Differences of properties that count as much as one another; of all others 2."""

LIMITS = {"qed": Span(0.0, 1.0), "sa": Span(1.0, 10.0), "logp": Span(-math.inf, math.inf), "charge": Span(-50.0, 50.0)}
"""Numbers that properties can have; all others are at least 0."""

EXAMPLES = {"mw": "<=450", "logp": "=1..4", "tpsa": "<=120", "qed": ">=0.5", "sa": "<=4", "charge": "=0"}
"""Spans in the grammar; of all other properties at most 2."""

FULL_STRENGTH = 3.0
"""How much a missing substructure counts."""


@functools.lru_cache(maxsize=8192)
def mol_of(smiles: str) -> Mol:
    """The RDKit molecule of a canonical SMILES."""
    return require("rdkit.Chem").MolFromSmiles(smiles)


@functools.lru_cache(maxsize=8192)
def described(smiles: str) -> Described | None:
    """The properties of a canonical SMILES."""
    return described_smiles(smiles)


@dataclass(frozen=True, kw_only=True)
class PropertyRequirement(Requirement):
    """A property of the index's."""

    def measure(self, value: Molecule) -> Reading:
        found = described(value.smiles)
        number = math.nan if found is None else found.numbers[list(PROPERTIES).index(self.name)]
        return Reading(number, fault=f"{self.name} could not be computed" if math.isnan(number) else "")

    @property
    def limits(self) -> Span:
        return LIMITS.get(self.name, Span(0.0, math.inf))

    @property
    def where(self) -> str:
        return self.bounds_text


@dataclass(frozen=True, kw_only=True)
class PatternRequirement(Requirement):
    """Whether a molecule contains a substructure.

    Attributes:
        pattern: from SMARTS.
        smarts: as it was written.
        wanted: whether it must, or must not.
        core: a molecule that has it, to begin with; None where none is known.
        open_points: attachment points of the core (dummy atoms); all have to be used.
    """

    pattern: Mol = field(compare=False, repr=False)
    smarts: str
    wanted: bool = True
    core: Mol | None = field(default=None, compare=False, repr=False)
    open_points: int = 0

    def measure(self, value: Molecule) -> Reading:
        return Reading(float(mol_of(value.smiles).HasSubstructMatch(self.pattern) == self.wanted))

    @property
    def fixed(self) -> bool:
        """Whether edits must leave it as it is."""
        return self.name in ("keep", "grow")

    @property
    def contains(self) -> tuple[str, ...]:
        return (self.smarts,) if self.wanted else ()

    @property
    def lacks(self) -> tuple[str, ...]:
        return () if self.wanted else (self.smarts,)


@dataclass(frozen=True, kw_only=True)
class SimilarityRequirement(Requirement):
    """The Tanimoto coefficient of Morgan fingerprints (radius 2, 2,048 bits) with a molecule."""

    reference: Molecule = field(compare=False, repr=False)
    bits: Any = field(compare=False, repr=False)

    def measure(self, value: Molecule) -> Reading:
        own = morgan_generator().GetFingerprint(mol_of(value.smiles))
        return Reading(float(require("rdkit.DataStructs").TanimotoSimilarity(self.bits, own)))

    @property
    def limits(self) -> Span:
        return Span(0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class ScoreRequirement(Requirement):
    """A number that a user's own function gives for a SMILES, in a process of its own."""

    cost: ClassVar[int] = 1
    process: ScoreProcess = field(compare=False, repr=False)

    def measure(self, value: Molecule) -> Reading:
        number, fault = self.process.score(value.smiles)
        return Reading(number, fault=f"{self.name}:{self.subject} {fault}" if fault else "")

    def close(self) -> None:
        self.process.close()


def reference_of(written: WrittenRequirement) -> Molecule:
    """The molecule that a requirement names: the first of a file, or a SMILES.

    Raises:
        InputError: it names none, or one whose bonds are not known.
    """
    from metricvae.kinds.molecule.generation.conformers import conformers_of

    if suffix_of(written.subject) in ENDINGS or names_file(written.subject):
        found = read_one(written.subject)
    else:
        made = conformers_of(canonical(standard(written.subject)))
        if not made:
            raise InputError(f"no conformer of {written.subject} could be made: give it in an SDF file")
        found = made[0]
    if not found.smiles:
        raise InputError(f"{written.subject} has bonds of unknown order: give a file with bond orders, or a SMILES")
    return found


def _property(written: WrittenRequirement) -> Requirement:
    return PropertyRequirement(
        text=written.text, name=written.name, span=written.span, scale=SCALES.get(written.name, 2.0)
    )


def _pattern(written: WrittenRequirement) -> Requirement:
    pattern = pattern_from(written.subject)
    core = None
    with require("rdkit.rdBase").BlockLogs():
        plain = require("rdkit.Chem").MolFromSmiles(written.subject)
    if written.name == "contains" and plain is not None and "*" not in written.subject:
        core = plain
    return PatternRequirement(
        text=written.text,
        name=written.name,
        subject=written.subject,
        span=YES,
        scale=1 / FULL_STRENGTH,
        pattern=pattern,
        smarts=written.subject,
        wanted=written.name == "contains",
        core=core,
    )


def _scaffold(written: WrittenRequirement) -> Requirement:
    """A scaffold that is kept: `keep` lets everything grow on it, `grow` at its attachment points alone."""
    chem = require("rdkit.Chem")
    readable = written.subject.isascii() and written.subject.isprintable() and len(written.subject) <= 2000
    with require("rdkit.rdBase").BlockLogs():
        core = chem.MolFromSmiles(written.subject) if readable else None
    if core is None or not core.GetNumAtoms():
        raise InputError(f"{shortened(written.text)}: {written.subject[:60]!r} does not parse as SMILES: correct it")
    points = sum(atom.GetAtomicNum() == 0 for atom in core.GetAtoms())
    grows = written.name == "grow"
    if grows != bool(points):
        asked = "at least one attachment point, as c1ccccc1*" if grows else "none: for these write grow:"
        raise InputError(f"{shortened(written.text)}: the scaffold has {points} attachment points, expected {asked}")
    query = chem.AdjustQueryParameters.NoAdjustments()
    query.makeDummiesQueries = True
    query.adjustDegree, query.adjustDegreeFlags = grows, chem.ADJUST_IGNOREDUMMIES
    return PatternRequirement(
        text=written.text,
        name=written.name,
        subject=written.subject,
        span=YES,
        scale=1 / FULL_STRENGTH,
        pattern=chem.AdjustQueryProperties(core, query),
        smarts=chem.MolToSmarts(chem.AdjustQueryProperties(core, query)),
        core=core,
        open_points=points,
    )


def _similarity(written: WrittenRequirement) -> Requirement:
    reference = reference_of(written)
    return SimilarityRequirement(
        text=written.text,
        name=written.name,
        subject=written.subject,
        span=written.span,
        reference=reference,
        bits=morgan_generator().GetFingerprint(mol_of(reference.smiles)),
    )


def _score(written: WrittenRequirement) -> Requirement:
    module, colon, function = written.subject.rpartition(":")
    if not (module and colon and function):
        raise InputError(f"{shortened(written.text)}: expected score:MODULE:FUNCTION, a Python function of a SMILES")
    ends = [abs(end) for end in (written.span.low, written.span.high) if math.isfinite(end)]
    return ScoreRequirement(
        text=written.text,
        name=written.name,
        subject=written.subject,
        span=written.span,
        scale=float(np.max([*ends, 1e-3])) if ends else 1.0,
        process=ScoreProcess(module, function),
    )


FORMS: Mapping[str, RequirementForm] = {
    **{name: RequirementForm(_property, f"{name}{EXAMPLES.get(name, '<=2')}") for name in PROPERTIES},
    "similarity": RequirementForm(_similarity, "similarity:FILE<0.4"),
    "contains": RequirementForm(_pattern, "contains:SMARTS", numeric=False),
    "lacks": RequirementForm(_pattern, "lacks:SMARTS", numeric=False),
    "keep": RequirementForm(_scaffold, "keep:SMILES", numeric=False),
    "grow": RequirementForm(_scaffold, "grow:SMILES*", numeric=False),
    "score": RequirementForm(_score, "score:MODULE:FUNCTION>=1"),
}
"""What can be required of molecules as graphs, by name."""
