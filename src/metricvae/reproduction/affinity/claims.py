"""Where the model is better than Vina and Glide and where it is not, as sentences that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metricvae.reproduction.affinity.left_out import (
    GIVEN,
    GNINA,
    HEAVY,
    NEW_PROTEINS,
    OURS,
    RANKING,
    VINA,
    LeftOutAnswers,
)
from metricvae.reproduction.affinity.series import Rankings
from metricvae.reproduction.affinity.statistics import bootstrap_p, pearson

SETS = {"merck": "the Merck set", "schrodinger": "the Schrodinger set", "plb": "PLB"}
"""Of congeners, in sentences."""

PROGRAMS = (GIVEN["glide_dock"], GIVEN["glide_inplace"], VINA, GNINA)
"""That the first sentence is about."""


SURE = 0.05
"""Below this p a difference is called one."""


@dataclass(frozen=True)
class Claim:
    """The model beside another method in one place.

    Attributes:
        other: the method.
        place: where, and by which measure.
        ours, theirs: the numbers, larger for better.
        p: two-sided, of the difference; NaN where it cannot be said.
        count: in how many targets, as words.
    """

    other: str
    place: str
    ours: float
    theirs: float
    p: float
    count: str = ""

    @property
    def verdict(self) -> str:
        """`better`, `ahead` (by no more than chance may give), or `not better`."""
        if self.ours <= self.theirs:
            return "not better"
        return "better" if self.p < SURE else "ahead"

    def __str__(self) -> str:
        p = "" if np.isnan(self.p) else f", p = {self.p:.2g}"
        return f"{self.other} on {self.place} ({self.ours:.2f} against {self.theirs:.2f}{self.count}{p})"


def claims_of(rankings: dict[str, Rankings], answers: Sequence[LeftOutAnswers]) -> list[Claim]:
    """Every comparison with Glide, Vina and heavy atoms."""
    found = []
    for name, one in rankings.items():
        for other in (*PROGRAMS, HEAVY):
            if other in one.scores["Kendall"]:
                beside = one.beside("Kendall", other)
                ours, theirs = one.on_same("Kendall", other, RANKING)
                count = f", {beside.above} of {beside.of} targets"
                found.append(Claim(other, f"{SETS[name]}", ours, theirs, beside.p, count))
    for other in (VINA, GNINA, HEAVY) if answers else ():
        said = [one.by(NEW_PROTEINS, other) for one in answers]
        have, pk = np.isfinite(said[0]), answers[0].pk
        if not have.any():
            continue
        numbers = [
            float(np.mean([pearson(one[have], pk[have]) for one in methods]))
            for methods in ([one.by(NEW_PROTEINS, OURS) for one in answers], said)
        ]
        both = answers[0].by(NEW_PROTEINS, OURS)[have], said[0][have]
        p = bootstrap_p(*both, pk[have], answers[0].proteins[have])
        found.append(Claim(other, "new proteins by Pearson R", numbers[0], numbers[1], p))
    return found


def summary_of(claims: Sequence[Claim]) -> str:
    """Where Vina and Glide are beaten and where not; then the same of the number of heavy atoms."""
    programs = [one for one in claims if one.other in PROGRAMS]
    heavy = [one for one in claims if one.other not in PROGRAMS]
    if not programs:
        return "Vina and Glide are not compared in the sections that are measured so far."
    measure = "Of congeners the numbers are mean Kendall's tau, with the target left out."
    return " ".join(["metricvae", _sentence(programs), measure, *(["It", _sentence(heavy)] if heavy else [])])


def _sentence(claims: Sequence[Claim]) -> str:
    said = (("better", "beats"), ("ahead", "is ahead, but by no more than chance may give, of"), ("not better", NOT))
    found = {verdict: [str(one) for one in claims if one.verdict == verdict] for verdict, _ in said}
    if not found["better"]:
        found["better"] = [f"none of {' and '.join(dict.fromkeys(one.other for one in claims))} for certain"]
    return "; it ".join(f"{words} {', '.join(found[verdict])}" for verdict, words in said if found[verdict]) + "."


NOT = "does not beat"
