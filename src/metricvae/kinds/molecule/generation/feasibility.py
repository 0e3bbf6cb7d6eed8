"""What of several requirements on one molecule cannot be, as far as that can be proven.

A molecule that contains a pattern has at least the pattern's atoms, mass and rings. QED is a weighted geometric mean of
desirabilities (G. R. Bickerton et al., Nature Chemistry 4 (2012) 90), so bounds on weight, logP, polar surface, donors
and rotatable bonds bound it from above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from metricvae.core.constraints import Span
from metricvae.core.errors import InputError
from metricvae.core.requirements import Requirement
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.generation.requirements import PatternRequirement, PropertyRequirement
from metricvae.kinds.molecule.standardise import FEWEST_ATOMS, MOST_ATOMS, Mol

LIGHTEST = 10.8
"""Daltons of the lightest heavy atom that a molecule may have, boron."""

IN_QED = {"mw": "MW", "logp": "ALOGP", "tpsa": "PSA", "hbd": "HBD", "rotatable": "ROTB"}
"""Properties that are parts of QED, by RDKit's names."""

SEARCHED = {"mw": (0, 2000), "logp": (-20, 20), "tpsa": (0, 1000), "hbd": (0, 60), "rotatable": (0, 100)}
"""Where the largest desirability is looked for."""

POINTS = 20_001


def check_together(requirements: Sequence[Requirement]) -> None:
    """Raise InputError if no molecule can satisfy all of them."""
    spans, sources = _spans(requirements)
    for name, (low, source) in _forced(requirements).items():
        span = spans.get(name, Span(-math.inf, math.inf))
        if low > span.high:
            raise InputError(
                f"{sources[name]} and {source} are required at once, which needs {name} >= {low:.4g}: loosen one"
            )
        spans[name] = Span(max(low, span.low), span.high)
    _check_patterns(requirements)
    _check_likeness(spans, sources)


def _spans(requirements: Sequence[Requirement]) -> tuple[dict[str, Span], dict[str, Requirement]]:
    spans: dict[str, Span] = {}
    sources: dict[str, Requirement] = {}
    for one in requirements:
        if isinstance(one, PropertyRequirement):
            known = spans.get(one.name, one.span)
            spans[one.name] = Span(max(known.low, one.span.low), min(known.high, one.span.high))
            sources[one.name] = one
    return spans, sources


def _forced(requirements: Sequence[Requirement]) -> Mapping[str, tuple[float, str]]:
    """The least numbers of properties that patterns, and the size of molecules, force."""
    size = f"at least {FEWEST_ATOMS} heavy atoms"
    found = {"heavy_atoms": (float(FEWEST_ATOMS), size), "mw": (FEWEST_ATOMS * LIGHTEST, size)}
    for one in requirements:
        if isinstance(one, PatternRequirement) and one.wanted:
            for name, low in least_of(one.pattern).items():
                if low > found.get(name, (0.0, ""))[0]:
                    found[name] = low, str(one)
    return found


def least_of(pattern: Mol) -> dict[str, float]:
    """The least heavy atoms, weight and rings of a molecule that contains a pattern."""
    table = require("rdkit.Chem").GetPeriodicTable()
    atoms = [atom for atom in pattern.GetAtoms() if atom.GetAtomicNum() != 1]
    masses = [_mass(atom, table) for atom in atoms]
    components = len(require("rdkit.Chem").GetMolFrags(pattern))
    rings = pattern.GetNumBonds() - pattern.GetNumAtoms() + components
    return {"heavy_atoms": float(len(atoms)), "mw": float(sum(masses)), "rings": float(rings)}


def _mass(atom: object, table: object) -> float:
    """Of an element if the pattern says one, else the least."""
    number = atom.GetAtomicNum()  # type: ignore[attr-defined]
    query = atom.DescribeQuery() if atom.HasQuery() else ""  # type: ignore[attr-defined]
    if number == 0 or "Or" in query or "Negat" in query or "!" in query:
        return LIGHTEST
    return float(table.GetAtomicWeight(number))  # type: ignore[attr-defined]


def _check_patterns(requirements: Sequence[Requirement]) -> None:
    """What must be there must not hold what must not."""
    patterns = [one for one in requirements if isinstance(one, PatternRequirement)]
    for one in (found for found in patterns if found.wanted):
        if one.pattern.GetNumAtoms() > MOST_ATOMS:
            raise InputError(f"{one}: molecules have at most {MOST_ATOMS} heavy atoms, give a smaller pattern")
        for other in (found for found in patterns if not found.wanted):
            inside = one.core is not None and not one.open_points and one.core.HasSubstructMatch(other.pattern)
            if one.smarts == other.smarts or inside:
                raise InputError(f"{one} and {other} are required at once: the one contains the other, leave one out")


def _check_likeness(spans: Mapping[str, Span], sources: Mapping[str, Requirement]) -> None:
    """The largest QED under bounds on its parts."""
    asked = spans.get("qed")
    if asked is None:
        return
    best = largest_likeness({name: span for name, span in spans.items() if name in IN_QED})
    if best < asked.low:
        others = ", ".join(str(sources.get(name, name)) for name in spans if name in IN_QED)
        raise InputError(
            f"{sources['qed']} and {others} are required at once: QED is at most {best:.2f} then, loosen one"
        )


def largest_likeness(spans: Mapping[str, Span]) -> float:
    """An upper bound of QED where some of its parts lie in spans."""
    qed = require("rdkit.Chem.QED")
    names = list(qed.QEDproperties._fields)
    total = sum(qed.WEIGHT_MEAN)
    logs = 0.0
    for name, span in spans.items():
        low, high = SEARCHED[name]
        points = (
            np.linspace(max(low, span.low), min(high, span.high), POINTS) if span.low <= high else np.array([span.low])
        )
        parameters = qed.adsParameters[IN_QED[name]]
        best = max(float(qed.ads(float(point), parameters)) for point in points[:: 1 if len(points) < 2 else 10])
        logs += qed.WEIGHT_MEAN[names.index(IN_QED[name])] * math.log(min(max(best, 1e-9), 1.0))
    return math.exp(logs / total) * 1.01
