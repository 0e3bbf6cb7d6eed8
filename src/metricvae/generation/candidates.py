"""Candidates: from codes that promise what is asked for, by pictures, to shapes that hold.

1. **Codes.** Candidates begin near codes of real shapes and are moved, as little as will do, to where the predicted
   overlaps and area are what was asked for (`metricvae.generation.targets`).
2. **Closed loop.** They are decoded and measured exactly, and the codes moved once more by what was missed.
3. **Pixels.** What is still off is mended in the picture: of all pixels, those change of which the decoder is least
   sure (`metricvae.generation.pixel_refinement`), and the exact search looks again.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from metricvae.generation.bounds import LEAST_AREA, Bounds
from metricvae.generation.exemplars import bank_of
from metricvae.generation.pixel_refinement import Condition, condition, cut_out, likeliest, logits_of, without
from metricvae.generation.targets import (
    MOST_TRIED,
    TRIED,
    Floats,
    Linear,
    area_weights,
    draw_wishes,
    origins,
    promises,
    starts,
)
from metricvae.generation.verification import Measured, laid, measure
from metricvae.kinds.silhouette.records import Mask
from metricvae.prediction.predictor import Predictor

REPAIRS = 5
"""Times that a picture is mended before its candidate is given up."""

DAMPED = 0.8
"""Share of what was missed by which a code is moved."""


@dataclass(frozen=True)
class Found:
    """A shape that keeps the bounds, before it is encoded again."""

    mask: Mask
    measured: Measured


class Search:
    """Candidates and what becomes of them.

    Args:
        predictor: of a model of overlap.
        bounds: to keep.
        generator: source of chance.
    """

    def __init__(self, predictor: Predictor, bounds: Bounds, generator: torch.Generator) -> None:
        self.predictor, self.bounds, self.generator = predictor, bounds, generator
        self.bank, self.tried = bank_of(predictor), TRIED
        self.origins = origins(predictor, self.bank, bounds)
        self.promise: Linear = promises(predictor, self.bank, bounds, generator)
        self.rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        self.least = min(LEAST_AREA, int(bounds.area.low))
        self.best: tuple[float, Measured] | None = None

    def more(self, count: int, deadline: float) -> list[Found]:
        """What holds of `count` new candidates."""
        wishes = self.wishes(count)
        codes = starts(self.origins, self.promise, wishes, self.tried, self.generator)
        if len(self.promise.rows):
            codes = self._corrected(codes, wishes)
        found = []
        for picture, wish in zip(self.pictures(codes), wishes, strict=True):
            if time.monotonic() > deadline:
                break
            made = self.mended(logits_of(picture), wish)
            found += [] if made is None else [made]
        if 2 * len(found) < count:  # hard to meet: begin nearer to where it is met
            self.tried = min(2 * self.tried, MOST_TRIED)
        return found

    def wishes(self, count: int) -> Floats:
        """What so many candidates aim at, (count, k)."""
        return draw_wishes(self.bounds, count, self.rng)

    @functools.cached_property
    def area_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """With which a code foretells the area."""
        return area_weights(self.predictor, self.bank, self.origins.prior, self.generator)

    def pictures(self, codes: torch.Tensor) -> Floats:
        """What is decoded from codes (m, d): (m, H, W) in [0, 1]."""
        pictures: Floats = self.predictor.model.picture(codes)[:, 0].cpu().double().numpy()
        return pictures

    def _corrected(self, codes: torch.Tensor, wishes: Floats) -> torch.Tensor:
        """Codes moved by what their pictures miss."""
        missing = np.zeros_like(wishes)
        for place, picture in enumerate(self.pictures(codes)):
            mask = cut_out(logits_of(picture))
            if mask.sum() >= self.least:
                measured = measure(mask, self.bounds)
                self._remember(measured.off(self.bounds), measured)
                missing[place] = wishes[place] - measured.values(self.bounds)
        return self.promise.moved(codes, DAMPED * torch.from_numpy(missing).float())

    def mended(self, logits: Floats, wishes: Floats) -> Found | None:
        """The shape of a picture once it keeps the bounds; None where it does not come to that."""
        now, before = logits, list[Condition]()
        for _ in range(1 + REPAIRS * bool(len(wishes))):
            mask = cut_out(now)
            logits = without(logits, (now > 0) & (mask == 0))
            if mask.sum(dtype=np.int64) < self.least:
                return None
            measured = measure(mask, self.bounds)
            off = measured.off(self.bounds)
            self._remember(off, measured)
            if off == 0:
                return Found(mask, measured)
            if len(wishes):
                lying = laid(mask, measured, self.bounds)
                conditions = [condition(*one) for one in zip(lying, wishes.tolist(), strict=True)]
                now = likeliest(logits, [*conditions, *before])
                overlaps = conditions[: len(measured.overlaps)]
                before += [replace(one, at_most=True) for one in overlaps]
        return None

    def _remember(self, off: float, measured: Measured) -> None:
        if self.best is None or off < self.best[0]:
            self.best = off, measured

    def closest(self) -> str:
        """What is said of the closest candidate when nothing was found."""
        if self.best is None:
            return ": loosen the requirements, or give more seconds"
        measured = self.best[1]
        pairs = zip(self.bounds.targets, measured.overlaps, strict=True)
        got = [f"overlap {found.area:.0f} with {target.name}" for target, found in pairs]
        return (
            f"; the closest shape has {', '.join([*got, f'area {measured.area}'])}: loosen what it misses, or give "
            "more seconds"
        )
