"""Objects that satisfy a set of constraints, each verified by the exact solver.

What cannot be satisfied is refused before anything is searched for (`bounds`). Candidates are then made (`candidates`)
until enough of them hold; copies of known objects are dropped, and those are chosen that differ most (`selection`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch

from metricvae.core.constraints import Constraint, Match
from metricvae.core.errors import InputError
from metricvae.generation import ANSWERS_ASKED, SECONDS
from metricvae.generation.bounds import bounds_of
from metricvae.generation.candidates import CandidateSearch
from metricvae.generation.complement import generate_complements
from metricvae.generation.exemplars import Exemplars
from metricvae.generation.linear_predictor import require_linear
from metricvae.generation.selection import Generated, Selector
from metricvae.prediction.predictor import Predictor

AT_ONCE = 12
"""Candidates that are decoded together, at least."""

SPARE = 1.5
"""Objects that hold are gathered until there are so many times as many as asked for, to choose from."""


def generate(
    predictor: Predictor,
    constraints: Sequence[Constraint],
    n: int = ANSWERS_ASKED,
    *,
    generator: torch.Generator,
    seconds: float = SECONDS,
    against: Exemplars | None = None,
    partner: Predictor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_found: Callable[[Sequence[Generated]], None] | None = None,
) -> list[Generated]:
    """At most `n` objects that satisfy all constraints; fewer where the time ran out.

    Args:
        predictor: of a model that generates.
        constraints: at least one.
        n: how many.
        generator: source of randomness, on the CPU. The same one gives the same answers if the time does not run out.
        seconds: that the search may take, about.
        against: objects beside the model's own exemplars that are not to be copied.
        partner: the model of a binary metric, where a counterpart is asked for.
        on_progress: told how many of how many objects hold.
        on_found: told of objects that hold, some at a time, as they are found; not of counterparts.

    Raises:
        InputError: constraints that nothing can satisfy, a model that cannot generate, a counterpart without a partner,
            or nothing found in time.
    """
    if n < 1:
        raise InputError(f"n is {n}: expected at least 1")
    if not 0 < seconds < math.inf:
        raise InputError(f"the search may take {seconds:g} seconds: expected a number above 0")
    require_linear(predictor)
    bounds = bounds_of(constraints, predictor.metric, predictor.kind())
    deadline, report = time.monotonic() + seconds, on_progress or (lambda *_: None)
    search = CandidateSearch(predictor, bounds, generator)
    selector = Selector(predictor, constraints, bounds, search.exemplars, against)
    part = next((one for one in constraints if isinstance(one, Match)), None)
    if part is not None:
        if partner is None:
            raise InputError(f"{part} asks for a match, which no model was given for: give a partner")
        return generate_complements(search, selector, part, partner, n, deadline, report)
    held: list[Generated] = []
    while len(held) < SPARE * n and time.monotonic() < deadline:
        report(min(len(held), n), n)
        found = selector.answers(search.more(max(AT_ONCE, n), deadline))
        held += found
        if on_found is not None and found:
            on_found(found)
    report(min(len(held), n), n)
    if not held:
        asked = ", ".join(map(str, constraints))
        raise InputError(f"nothing was found for {asked} in {seconds:g} seconds{search.closest()}")
    return selector.choose(held, n)
