"""Missing halves: the rest of shapes that hold a half.

Of whole shapes that promise to overlap with nearly all of the half, and to be larger, each is laid on the half where
they overlap most. What sticks out is a missing half: its edge follows the half's own where they touch. A model of
halves says how likely each matches, and the exact fit of the edges gives the evidence that it goes together.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from scipy.special import expit

from metricvae.core.errors import InputError
from metricvae.generation.bounds import LEAST_HALF
from metricvae.generation.candidates import Found, Search
from metricvae.generation.constraints import Match
from metricvae.generation.pixel_refinement import cut_out, logits_of
from metricvae.generation.selection import Generated, Judge, Value
from metricvae.generation.targets import Floats, Linear, linear, overlap_rows, starts
from metricvae.generation.verification import closeness
from metricvae.kinds.silhouette.records import SIZE, Mask
from metricvae.metrics.match.solver.edges import Edge
from metricvae.metrics.match.solver.joins import join
from metricvae.metrics.overlap.solver.search import PreparedMask, move_mask, solve
from metricvae.prediction.predictor import Predictor

TRIED = 48
"""Codes that are drawn for each whole shape."""

AT_ONCE, BATCHES = 48, 4
"""Whole shapes that are decoded together, and times that is done, at most."""

COVERED = (0.9, 1.0)
"""Share of the half that the whole is to hold."""

SHARE = (0.3, 0.7)
"""Share of the whole that the half is to be."""

ROOM = 70
"""Pixels round the canvas of the half in which the rest may lie."""

WRAPPED = 0.5
"""Share of the half's edge that the rest may touch, at most: a cut leaves the rest of the outline free."""

SAME = 0.8
"""Closeness from which on two missing halves are one and the same."""

FITTED = 4
"""Times as many candidates have their edges fitted as answers are asked for."""


def missing_halves(
    search: Search,
    judge: Judge,
    half: Match,
    partner: Predictor,
    n: int,
    deadline: float,
    report: Callable[[int, int], None],
) -> list[Generated]:
    """At most `n` missing halves, the likeliest first.

    Args:
        search: of the other requirements.
        judge: of all of them.
        half: that is to be matched.
        partner: the model of halves.
        n: how many.
        deadline: in the seconds of `time.monotonic`.
        report: told how many of how many batches are made.

    Raises:
        InputError: the partner is no model of halves, or no candidate is called a match.
    """
    rests = list[Found]()
    promise, wishes = whole_promise(search, half.mask), whole_wishes(half.mask, search.rng)
    for batch in range(BATCHES):
        report(batch, BATCHES)
        if time.monotonic() > deadline:
            break
        codes = starts(search.origins, promise, wishes(AT_ONCE), TRIED, search.generator)
        rests += _rests(search, half.mask, codes, deadline)
    report(BATCHES, BATCHES)
    if not rests:
        raise InputError(f"nothing was found for {half}{search.closest()}")
    masks = [half.mask, *(one.mask for one in rests)]
    encoded = partner.encode(masks.__getitem__, len(masks))
    pairs = partner.scored_pairs(encoded, np.zeros(len(rests), np.int64), np.arange(1, len(masks)))
    calibration = partner.binary_calibration
    odds, likely = calibration.log_odds(pairs), calibration.probability(pairs)
    order = [place for place in np.argsort(-odds, kind="stable").tolist() if likely[place] >= calibration.threshold]
    if not order:
        raise InputError(
            f"nothing was found for {half}: the likeliest of {len(rests)} candidates matches with a probability of "
            f"{likely.max():.2f}; give another seed, or loosen the other requirements"
        )
    best = order[: FITTED * n]
    chosen = [rests[place] for place in best]
    values = [_fitted(half, rests[place].mask, float(odds[place])) for place in best]
    answers = judge.answers(chosen, values)
    if not answers:
        raise InputError(f"all that was found for {half} misses another requirement: loosen it, or give another seed")
    place = judge.requirements.index(half)
    return _different(sorted(answers, key=lambda one: -_evidence(one.values[place])), n)


def whole_promise(search: Search, half: Mask) -> Linear:
    """What codes promise of the overlap with the half, and of the area."""
    predictor = search.predictor
    row = overlap_rows(predictor, predictor.encode(lambda _: half, 1).codes)
    weights, offset = search.area_weights
    return linear(search.origins.prior, torch.cat([row, weights[None]]), torch.stack([torch.zeros(()), offset]))


def whole_wishes(half: Mask, rng: np.random.Generator) -> Callable[[int], Floats]:
    """What so many whole shapes are to promise, (m, 2)."""
    area = float(half.sum(dtype=np.int64))
    return lambda count: np.stack([area * rng.uniform(*COVERED, count), area / rng.uniform(*SHARE, count)], axis=1)


def _rests(search: Search, half: Mask, codes: torch.Tensor, deadline: float) -> list[Found]:
    """What sticks out of the half of each whole shape, in the middle of a canvas, mended to keep the bounds."""
    still, found = PreparedMask(half), []
    wide = np.pad(half, ROOM)
    for picture in search.pictures(codes):
        whole = cut_out(logits_of(picture))
        if time.monotonic() > deadline:
            break
        if whole.sum(dtype=np.int64) < LEAST_HALF:
            continue
        pose = solve(still, PreparedMask(whole)).pose
        rest = _middle(np.where(wide > 0, 0.0, move_mask(np.pad(picture, ROOM), pose)), wide)
        if rest is not None:
            made = search.mended(logits_of(rest), search.wishes(1)[0])
            found += [] if made is None else [made]
    return found


def _middle(rest: Floats, half: Mask) -> Floats | None:
    """The largest piece of a picture, thin slivers left out, in the middle of a canvas; None of one that is too small,
    too large for it, or lies all about the half."""
    inside = ndimage.binary_opening(rest >= 0.5, np.ones((3, 3)))
    pieces, _ = ndimage.label(inside)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    if areas.max() < LEAST_HALF:
        return None
    kept = pieces == areas.argmax()
    rows, columns = np.nonzero(kept)
    top, left = (int(ends.min() + ends.max() + 1) // 2 - SIZE // 2 for ends in (rows, columns))
    edge = ndimage.binary_dilation(half) & (half == 0)
    touched = np.count_nonzero(edge & ndimage.binary_dilation(kept)) / np.count_nonzero(edge)
    if max(np.ptp(rows), np.ptp(columns)) >= SIZE - 8 or touched > WRAPPED:
        return None
    shown = np.where(kept | (rest < 0.5), rest, 0.0)
    around = np.pad(shown, SIZE)
    return around[top + SIZE : top + 2 * SIZE, left + SIZE : left + 2 * SIZE]


def _fitted(half: Match, mask: Mask, odds: float) -> Value:
    """What is known of the match: the model's probability and the evidence of the exact fit."""
    fit = join(Edge(mask), Edge(half.mask))
    return Value(half, float(expit(odds)), fit.score, True, fit.pose)


def _evidence(value: Value) -> float:
    """The model's, the logarithm of its odds."""
    likely = min(max(value.predicted or 0.0, 1e-9), 1 - 1e-9)
    return float(np.log(likely / (1 - likely)))


def _different(answers: list[Generated], n: int) -> list[Generated]:
    """The first `n` of them that are not the same as one before."""
    kept: list[tuple[Generated, PreparedMask]] = []
    for one in answers:
        shape = PreparedMask(one.mask)
        if all(closeness(solve(shape, other)) < SAME for _, other in kept):
            kept.append((one, shape))
        if len(kept) == n:
            break
    return [one for one, _ in kept]
