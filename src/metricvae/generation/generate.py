"""Shapes that match a set of requirements, each verified by the exact search.

What cannot be met is refused before anything is searched for (`bounds`). Candidates are then made (`candidates`) until
enough of them hold; copies of known shapes are dropped, and those are chosen that differ most (`answers`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch

from metricvae.core.errors import InputError
from metricvae.generation import ANSWERS_ASKED, SECONDS
from metricvae.generation.bounds import bounds_of
from metricvae.generation.candidates import Search
from metricvae.generation.complement import missing_halves
from metricvae.generation.constraints import Match, Requirement
from metricvae.generation.exemplars import Bank
from metricvae.generation.selection import Generated, Judge
from metricvae.prediction.predictor import Predictor

AT_ONCE = 12
"""Candidates that are decoded together, at least."""

SPARE = 1.5
"""Shapes that hold are gathered until there are so many times as many as asked for, to choose from."""


def generate(
    predictor: Predictor,
    requirements: Sequence[Requirement],
    n: int = ANSWERS_ASKED,
    *,
    generator: torch.Generator,
    seconds: float = SECONDS,
    against: Bank | None = None,
    partner: Predictor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Generated]:
    """At most `n` shapes that satisfy all requirements; fewer where the time ran out.

    Args:
        predictor: of a model of overlap.
        requirements: at least one.
        n: how many.
        generator: source of chance, on the CPU. The same one gives the same answers if the time does not run out.
        seconds: that the search may take, about.
        against: shapes beside the model's own bank that are not to be copied.
        partner: the model of halves, where one is to be matched; the shipped one by default.
        on_progress: told how many of how many shapes hold.

    Raises:
        InputError: requirements that nothing can meet, a model that cannot generate, or nothing found in time.
    """
    if n < 1:
        raise InputError(f"n is {n}: expected at least 1")
    if not 0 < seconds < math.inf:
        raise InputError(f"the search may take {seconds:g} seconds: expected a number above 0")
    deadline, bounds, report = time.monotonic() + seconds, bounds_of(requirements), on_progress or (lambda *_: None)
    search = Search(predictor, bounds, generator)
    judge = Judge(predictor, requirements, bounds, search.bank, against)
    half = next((one for one in requirements if isinstance(one, Match)), None)
    if half is not None:
        return missing_halves(search, judge, half, partner or Predictor.load("halves"), n, deadline, report)
    held: list[Generated] = []
    while len(held) < SPARE * n and time.monotonic() < deadline:
        report(min(len(held), n), n)
        held += judge.answers(search.more(max(AT_ONCE, n), deadline))
    report(min(len(held), n), n)
    if not held:
        raise InputError(f"nothing was found for {asked(requirements)} in {seconds:g} seconds{search.closest()}")
    return judge.chosen(held, n)


def asked(requirements: Sequence[Requirement]) -> str:
    """The requirements as they are written."""
    return ", ".join(map(str, requirements))
