"""What each candidate aims at, and the codes at which it begins: near real shapes, moved as little as will do.

The predicted overlap with a shape is linear in the code, and the area nearly so. Of all codes that promise the wishes
w, with rows C, the one nearest to z, measured by the covariance S of the training codes, is

    z + S C^T (C S C^T)^-1 (w - C z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.generation.bounds import LEAST_AREA, Bounds
from metricvae.generation.constraints import Span
from metricvae.generation.exemplars import Bank
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.latent_prior import LatentPrior
from metricvae.prediction.predictor import Predictor

Floats = npt.NDArray[np.float64]

WIDTH = 0.25
"""Of the kernel about a bank's codes, in standard deviations of the prior."""

MIXED, FREE = 0.25, 0.1
"""Shares of candidates that begin between two codes of the bank, and anywhere in the prior."""

TRIED, MOST_TRIED = 8, 512
"""Codes that are drawn for each candidate, of which that is kept which needs the least change; and as many at most."""

ALIKE = 0.4
"""Closeness from which on codes are drawn about that of the shape itself."""

DRAWN_FOR_AREA = 512
RIDGE = 1e-3


@dataclass(frozen=True)
class Linear:
    """What codes promise: value_j = rows_j . z + offset_j.

    Attributes:
        rows: (k, d).
        offsets: (k,).
        gain: (d, k) by which a code moves for each missing unit.
        precision: (k, k), inverse covariance of the values over training codes.
    """

    rows: Tensor
    offsets: Tensor
    gain: Tensor
    precision: Tensor

    def promised(self, codes: Tensor) -> Tensor:
        """(m, d) codes -> (m, k)."""
        return codes @ self.rows.T + self.offsets

    def moved(self, codes: Tensor, missing: Tensor) -> Tensor:
        """Codes (m, d) that promise more by `missing` (m, k), by the least change."""
        return codes + missing @ self.gain.T

    def cost(self, missing: Tensor) -> Tensor:
        """(m,) lengths of those changes, in standard deviations."""
        return ((missing @ self.precision) * missing).sum(1).clamp(min=0).sqrt()


def linear(prior: LatentPrior, rows: Tensor, offsets: Tensor) -> Linear:
    """The promises of k rows (k, d)."""
    spread = rows @ prior.code_root
    covariance = spread @ spread.T
    precision = torch.linalg.inv(covariance + 1e-4 * torch.diag(covariance.diagonal() + 1e-12))
    return Linear(rows, offsets, prior.code_root @ spread.T @ precision, precision)


def require_generator(predictor: Predictor) -> LatentPrior:
    """The distribution of a model's codes.

    Raises:
        InputError: the model promises no overlap that is linear in its code, has no such distribution, or is on a card.
    """
    head = predictor.model.head
    if not isinstance(head, InnerProduct):
        raise InputError(f"a model with the head {head.name} cannot generate: give one of overlap, with inner_product")
    if predictor.device.type != "cpu":
        raise InputError(f"the model is on {predictor.device}: shapes are generated on the CPU, load it there")
    if predictor.latent_prior is None:
        raise InputError("the model has no latent prior, so it draws no codes: train it again")
    return predictor.latent_prior


def promises(predictor: Predictor, bank: Bank | None, bounds: Bounds, generator: torch.Generator) -> Linear:
    """What codes promise of the required shapes in their order, and of the area if it was asked for."""
    prior = require_generator(predictor)
    rows, offsets = torch.empty(0, len(prior.code_mean)), torch.empty(0)
    if bounds.targets:
        shapes = [target.shape.mask for target in bounds.targets]
        codes = predictor.encode(shapes.__getitem__, len(shapes)).codes
        rows = overlap_rows(predictor, codes)
        offsets = torch.zeros(len(rows))
    if bounds.asked:
        weights, offset = area_weights(predictor, bank, prior, generator)
        rows, offsets = torch.cat([rows, weights[None]]), torch.cat([offsets, offset[None]])
    return linear(prior, rows, offsets)


def overlap_rows(predictor: Predictor, codes: Tensor) -> Tensor:
    """Rows (k, d) whose products with a code are its predicted overlaps with the shapes of codes (k, d)."""
    return codes * predictor.model.head.value(torch.ones(1), *torch.ones(2, 1)) / codes.shape[1]


def area_weights(
    predictor: Predictor, bank: Bank | None, prior: LatentPrior, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Weights (d,) and an offset with which a code foretells the area, by ridge regression."""
    if bank is not None:
        codes, areas = bank.codes, bank.areas
    else:
        codes = prior.draw(DRAWN_FOR_AREA, generator)
        areas = (predictor.model.picture(codes) >= 0.5).sum((1, 2, 3)).float()
    off, mean = codes - codes.mean(0), areas.mean()
    square = off.T @ off
    weights = torch.linalg.solve(
        square + RIDGE * square.diagonal().mean() * torch.eye(len(square)), off.T @ (areas - mean)
    )
    return weights, mean - codes.mean(0) @ weights


@dataclass(frozen=True)
class Origins:
    """Where codes are drawn.

    Attributes:
        prior: normal distribution of the training codes.
        known: (m, d) codes of real shapes, about which and between which most are drawn; none at all, and all are drawn
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


def origins(predictor: Predictor, bank: Bank | None, bounds: Bounds) -> Origins:
    """Codes of a bank; where a shape is to be like others, theirs, and those near them on the way to a bank's."""
    prior = require_generator(predictor)
    known = torch.empty(0, len(prior.code_mean)) if bank is None else bank.codes
    models = [one.shape.mask for one in bounds.targets if one.closeness is not None and one.closeness.low >= ALIKE]
    if not models:
        return Origins(prior, known)
    codes = predictor.encode(models.__getitem__, len(models)).codes
    near = [(known + 3 * code) / 4 for code in codes]
    return Origins(prior, torch.cat([codes.repeat(max(1, len(known)), 1), *near]))


def starts(origin: Origins, promise: Linear, wishes: Floats, tried: int, generator: torch.Generator) -> Tensor:
    """Codes (m, d) that promise the wishes (m, k), each by the least change of one of `tried` codes that were drawn."""
    wanted, count = torch.from_numpy(wishes).float(), len(wishes)
    drawn = origin.draw(tried * count, generator).unflatten(0, (count, tried))
    if not len(promise.rows):
        return drawn[:, 0]
    missing = (wanted[:, None] - promise.promised(drawn)).flatten(0, 1)
    best = promise.cost(missing).unflatten(0, (count, tried)).argmin(1)
    rows = torch.arange(count) * tried + best
    return promise.moved(drawn.flatten(0, 1)[rows], missing[rows])


def draw_wishes(bounds: Bounds, count: int, rng: np.random.Generator) -> Floats:
    """What each of `count` candidates aims at: overlaps with the targets, and the area if it was asked for, (m, k)."""
    return np.array([_wish(bounds, rng) for _ in range(count)]).reshape(count, -1)


def _wish(bounds: Bounds, rng: np.random.Generator) -> list[float]:
    area = _aim(bounds.area, rng)
    overlaps = []
    for target in bounds.targets:
        if target.closeness is not None:
            close = _aim_close(target.closeness, rng)
            area = _between(target.shape.area * close ** rng.uniform(-0.5, 0.5), bounds.area)
            overlaps.append(_between(close * (target.shape.area + area) / (1 + close), target.overlap))
        else:
            overlaps.append(_aim(target.overlap, rng))
    area = _between(max(area, 1.01 * max(overlaps, default=0.0)), bounds.area)
    return [*overlaps, area] if bounds.asked else overlaps


def _aim(span: Span, rng: np.random.Generator) -> float:
    """A number in a span: the wish, or one not far from the end that was named."""
    if span.wish is not None:
        return span.wish
    low, high = span.low, span.high
    if low <= LEAST_AREA and high > 2 * low:
        low = 0.5 * high
    elif high > 1.5 * low:
        high = 1.5 * low
    return float(rng.uniform(low + 0.15 * (high - low), high - 0.15 * (high - low)))


def _aim_close(span: Span, rng: np.random.Generator) -> float:
    if span.wish is not None:
        return min(span.wish, 1.0)
    low = span.low if span.low > 0 else 0.5 * span.high
    high = min(span.high, low + 0.15)
    return float(rng.uniform(low + 0.2 * (high - low), high))


def _between(value: float, span: Span) -> float:
    return float(min(max(value, span.low), span.high))
