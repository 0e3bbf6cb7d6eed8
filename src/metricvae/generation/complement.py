"""Complements: counterparts of an object that a model of a binary metric calls matches.

Of whole objects whose predicted metric with nearly all of the part and whose predicted magnitude are large enough, each
is laid on the part by the exact solver. What is left without the part is a candidate. The model of the binary metric
gives the probability of a match, and its exact solver the evidence.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.special import expit

from metricvae.core.constraints import Match
from metricvae.core.errors import InputError
from metricvae.core.generation import Candidate, ComplementModel
from metricvae.core.metric import Solver
from metricvae.generation.candidates import CandidateSearch
from metricvae.generation.linear_predictor import LinearPredictor, linear_predictor, value_rows
from metricvae.generation.selection import Generated, Selector, Value
from metricvae.generation.targets import draw_starts
from metricvae.generation.verification import ClosenessMeasure, PreparedObject, magnitude_of
from metricvae.prediction.predictor import Predictor

TRIED = 48
"""Codes that are drawn for each whole object."""

AT_ONCE, BATCHES = 48, 4
"""Whole objects that are decoded together, and times that is done, at most."""

SAME = 0.8
"""Closeness from which on two complements are one and the same."""

FITTED = 4
"""Times as many candidates are solved with the part as answers are asked for."""


def generate_complements(
    search: CandidateSearch,
    selector: Selector,
    part: Match,
    partner: Predictor,
    n: int,
    deadline: float,
    report: Callable[[int, int], None],
) -> list[Generated]:
    """At most `n` complements, the most probable first.

    Args:
        search: of the other constraints.
        selector: of all of them.
        part: that is to be matched.
        partner: the model of the binary metric.
        n: how many.
        deadline: in the seconds of `time.monotonic`.
        report: told how many of how many batches are made.

    Raises:
        InputError: the partner is no model of such a metric, or no candidate is called a match.
    """
    calibration = partner.binary_calibration
    complement, solver = _require_complement(partner)
    remainders = _search(search, part, complement, deadline, report)
    if not remainders:
        raise InputError(f"nothing was found for {part}{search.closest()}")
    left, right = partner.encode([part.object]), partner.encode([one.object for one in remainders], "right")
    pairs = partner.scored_pairs(left, right, np.zeros(len(remainders), np.int64), np.arange(len(remainders)))
    odds, likely = calibration.log_odds(pairs), calibration.probability(pairs)
    order = [place for place in np.argsort(-odds, kind="stable").tolist() if likely[place] >= calibration.threshold]
    if not order:
        raise InputError(
            f"nothing was found for {part}: the most probable of {len(remainders)} candidates matches with a "
            f"probability of {likely.max():.2f}; give another seed, or loosen the other requirements"
        )
    best = order[: FITTED * n]
    values = [_match(part, remainders[place], solver, float(odds[place])) for place in best]
    answers = selector.answers([remainders[place] for place in best], values)
    if not answers:
        raise InputError(f"all that was found for {part} misses another requirement: loosen it, or give another seed")
    place = selector.constraints.index(part)
    answers = sorted(answers, key=lambda one: -_log_odds(one.values[place]))
    return _distinct(answers, n, ClosenessMeasure(search.bounds.kind, search.bounds.solver))


def _require_complement(partner: Predictor) -> tuple[ComplementModel, Solver]:
    complement, solver = partner.metric.complement, partner.metric.solver
    if complement is None or solver is None:
        raise InputError(f"a model of the metric {partner.metric.name} calls nothing a match that could be generated")
    return complement, solver


def _search(
    search: CandidateSearch,
    part: Match,
    complement: ComplementModel,
    deadline: float,
    report: Callable[[int, int], None],
) -> list[Candidate]:
    """What is left of whole objects without the part, repaired to keep the bounds."""
    found, linear = list[Candidate](), whole_predictor(search, part)
    magnitude = float(magnitude_of(search.bounds.kind, part.object))
    for batch in range(BATCHES):
        report(batch, BATCHES)
        if time.monotonic() > deadline:
            break
        targets = complement.draw_wholes(magnitude, AT_ONCE, search.rng)
        codes = draw_starts(search.origins, linear, targets, TRIED, search.generator)
        found += _remainders(search, part, complement, codes, deadline)
    report(BATCHES, BATCHES)
    return found


def whole_predictor(search: CandidateSearch, part: Match) -> LinearPredictor:
    """What codes predict of the metric with the part, and of the magnitude."""
    row, start = value_rows(search.predictor, search.predictor.encode([part.object], "right").codes)
    weights, offset = search.magnitude_weights
    return linear_predictor(search.origins.prior, torch.cat([row, weights[None]]), torch.cat([start, offset[None]]))


def _remainders(
    search: CandidateSearch, part: Match, complement: ComplementModel, codes: torch.Tensor, deadline: float
) -> list[Candidate]:
    """What is left of each whole object without the part."""
    kind, solver = search.bounds.kind, search.bounds.solver
    least, _ = search.objects.magnitude_range(True)
    still, found = solver.prepare(part.object), []
    for picture in search.pictures(codes):
        whole = search.objects.realise(picture)
        if time.monotonic() > deadline:
            break
        if magnitude_of(kind, whole) < least:
            continue
        rest = complement.remainder(part.object, picture, solver.solve(still, solver.prepare(whole)).pose)
        if rest is not None:
            made = search.repair(rest, search.targets(1)[0])
            found += [] if made is None else [made]
    return found


def _match(part: Match, one: Candidate, solver: Solver, odds: float) -> Value:
    """What is known of the match: the model's probability and the score of the exact solution."""
    found = solver.solve(solver.prepare(one.object), solver.prepare(part.object))
    return Value(part, float(expit(odds)), found.score, True, found.pose)


def _log_odds(value: Value) -> float:
    """Of the model's probability."""
    likely = min(max(value.predicted or 0.0, 1e-9), 1 - 1e-9)
    return float(np.log(likely / (1 - likely)))


def _distinct(answers: list[Generated], n: int, closeness: ClosenessMeasure) -> list[Generated]:
    """The first `n` of them that are not the same as one before."""
    kept: list[tuple[Generated, PreparedObject]] = []
    for one in answers:
        prepared = closeness.prepare(one.object)
        if all(closeness.between(prepared, other) < SAME for _, other in kept):
            kept.append((one, prepared))
        if len(kept) == n:
            break
    return [one for one, _ in kept]
