"""Targets of each candidate, and the codes at which it begins: near real objects, moved as little as will do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.constraints import Span
from metricvae.core.generation import Bounds
from metricvae.generation.exemplars import Exemplars
from metricvae.generation.linear_predictor import LinearPredictor, require_linear
from metricvae.prediction.latent_prior import LatentPrior
from metricvae.prediction.predictor import Predictor

Floats = npt.NDArray[np.float64]

WIDTH = 0.25
"""Of the kernel about the codes of exemplars, in standard deviations of the prior."""

MIXED, FREE = 0.25, 0.1
"""Shares of candidates that begin between two exemplars, and anywhere in the prior."""

TRIED, MOST_TRIED = 8, 512
"""Codes that are drawn for each candidate, of which the one that needs the least change is taken; and at most."""

ALIKE = 0.4
"""Closeness from which on codes are drawn about that of the required object itself."""


@dataclass(frozen=True)
class Origins:
    """Where codes are drawn.

    Attributes:
        prior: normal distribution of the training codes.
        known: (m, d) codes of real objects, about which and between which most are drawn; without any, all are drawn
            from the prior.
    """

    prior: LatentPrior
    known: Tensor

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` codes, (count, d)."""
        free = self.prior.draw(count, generator)
        if not len(self.known):
            return free
        kind = torch.rand(count, 1, generator=generator)
        one, other = (
            self.known[torch.randint(len(self.known), (count,), generator=generator)]
            + WIDTH * (free - self.prior.code_mean)
            for _ in range(2)
        )
        share = torch.rand(count, 1, generator=generator)
        mixed = torch.where(kind < MIXED, share * one + (1 - share) * other, one)
        return torch.where(kind > 1 - FREE, free, mixed)


def origins_of(predictor: Predictor, exemplars: Exemplars | None, bounds: Bounds) -> Origins:
    """Codes of exemplars; where an object is to be like others, theirs, and those near them on the way to exemplars."""
    prior = require_linear(predictor)
    known = torch.empty(0, len(prior.code_mean)) if exemplars is None else exemplars.codes
    alike = [one.object for one in bounds.required if one.closeness is not None and one.closeness.low >= ALIKE]
    if not alike:
        return Origins(prior, known)
    codes = predictor.encode(alike).codes
    near = [(known + 3 * code) / 4 for code in codes]
    return Origins(prior, torch.cat([codes.repeat(max(1, len(known)), 1), *near]))


def draw_starts(
    origins: Origins, predictor: LinearPredictor, targets: Floats, tried: int, generator: torch.Generator
) -> Tensor:
    """Codes (m, d) that predict the targets (m, k), each by the least change of one of `tried` drawn codes."""
    wanted, count = torch.from_numpy(targets).float(), len(targets)
    drawn = origins.draw(tried * count, generator).unflatten(0, (count, tried))
    if not len(predictor.rows):
        return drawn[:, 0]
    change = (wanted[:, None] - predictor.predict(drawn)).flatten(0, 1)
    best = predictor.cost(change).unflatten(0, (count, tried)).argmin(1)
    rows = torch.arange(count) * tried + best
    return predictor.move(drawn.flatten(0, 1)[rows], change[rows])


def draw_targets(bounds: Bounds, least: float, count: int, rng: np.random.Generator) -> Floats:
    """Targets of `count` candidates: values with the required objects, and the magnitude if it was asked for, (m, k).

    Args:
        bounds: to draw from.
        least: magnitude of an object.
        count: of candidates.
        rng: source of randomness.
    """
    return np.array([_draw_one(bounds, least, rng) for _ in range(count)]).reshape(count, -1)


def _draw_one(bounds: Bounds, least: float, rng: np.random.Generator) -> list[float]:
    magnitude = _draw_in(bounds.magnitude, least, rng)
    values = []
    for one in bounds.required:
        if one.closeness is not None:
            close = _draw_closeness(one.closeness, rng)
            magnitude = _clip(one.magnitude * close ** rng.uniform(-0.5, 0.5), bounds.magnitude)
            values.append(_clip(close * (one.magnitude + magnitude) / (1 + close), one.value))
        else:
            values.append(_draw_in(one.value, least, rng))
    magnitude = _clip(max(magnitude, 1.01 * max(values, default=0.0)), bounds.magnitude)
    return [*values, magnitude] if bounds.asked else values


def _draw_in(span: Span, least: float, rng: np.random.Generator) -> float:
    """A number in a span: its target, or one not far from the end that was named."""
    if span.target is not None:
        return span.target
    low, high = span.low, span.high
    if low <= least and high > 2 * low:
        low = 0.5 * high
    elif high > 1.5 * low:
        high = 1.5 * low
    return float(rng.uniform(low + 0.15 * (high - low), high - 0.15 * (high - low)))


def _draw_closeness(span: Span, rng: np.random.Generator) -> float:
    if span.target is not None:
        return min(span.target, 1.0)
    low = span.low if span.low > 0 else 0.5 * span.high
    high = min(span.high, low + 0.15)
    return float(rng.uniform(low + 0.2 * (high - low), high))


def _clip(value: float, span: Span) -> float:
    return float(min(max(value, span.low), span.high))
