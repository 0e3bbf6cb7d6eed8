"""Candidates: from codes that predict what is asked for, by pictures, to objects that satisfy it.

1. **Codes.** Candidates begin near codes of real objects and are moved, as little as will do, to where the predicted
   values and magnitude are what was asked for (`metricvae.generation.linear_predictor`).
2. **Closed loop.** They are decoded and measured exactly, and the codes moved once more by what they lack.
3. **Repair.** What is still off is repaired in the picture, as the metric's generator knows how.
"""

from __future__ import annotations

import functools
import time

import numpy as np
import torch

from metricvae.core.generation import Bounds, Candidate, Measured
from metricvae.core.kind import Object
from metricvae.generation.bounds import require_object_generator
from metricvae.generation.exemplars import exemplars_of
from metricvae.generation.linear_predictor import fit_predictor, magnitude_weights
from metricvae.generation.targets import MOST_TRIED, TRIED, Floats, draw_starts, draw_targets, origins_of
from metricvae.generation.verification import magnitude_of, measure
from metricvae.prediction.predictor import Predictor

DAMPING = 0.8
"""Share of what a candidate lacks by which its code is moved."""


class CandidateSearch:
    """Candidates and what becomes of them.

    Args:
        predictor: of a model that generates.
        bounds: to keep.
        generator: source of randomness.

    Attributes:
        exemplars: of the model; None where it has none.
        origins: where codes are drawn.
        linear: what codes predict.
        rng: source of randomness of targets.
        best: the least violation of the bounds so far, and the object's measurements; None before that.
    """

    def __init__(self, predictor: Predictor, bounds: Bounds, generator: torch.Generator) -> None:
        self.predictor, self.bounds, self.generator = predictor, bounds, generator
        self.objects, _ = require_object_generator(predictor.metric)
        self.exemplars, self.tried = exemplars_of(predictor), TRIED
        self.origins = origins_of(predictor, self.exemplars, bounds)
        self.linear = fit_predictor(predictor, self.exemplars, bounds, generator)
        self.rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        self.least_of_all = self.objects.magnitude_range(False)[0]
        self.least = min(self.least_of_all, int(bounds.magnitude.low))
        self.best: tuple[float, Measured] | None = None

    def more(self, count: int, deadline: float) -> list[Candidate]:
        """Those of `count` new candidates that keep the bounds."""
        targets = self.targets(count)
        codes = draw_starts(self.origins, self.linear, targets, self.tried, self.generator)
        if len(self.linear.rows):
            codes = self._correct(codes, targets)
        found = []
        for picture, target in zip(self.pictures(codes), targets, strict=True):
            if time.monotonic() > deadline:
                break
            made = self.repair(picture, target)
            found += [] if made is None else [made]
        if 2 * len(found) < count:  # hard to satisfy: begin nearer to where it is
            self.tried = min(2 * self.tried, MOST_TRIED)
        return found

    def targets(self, count: int) -> Floats:
        """Targets of so many candidates, (count, k)."""
        return draw_targets(self.bounds, self.least_of_all, count, self.rng)

    @functools.cached_property
    def magnitude_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """By which a code predicts the magnitude."""
        return magnitude_weights(self.predictor, self.exemplars, self.origins.prior, self.generator)

    def pictures(self, codes: torch.Tensor) -> Floats:
        """What is decoded from codes (m, d): (m, ...) in [0, 1]."""
        return decode(self.predictor, codes)

    def repair(self, picture: Floats, target: Floats) -> Candidate | None:
        """The object of a picture once it keeps the bounds; None where it does not come to that."""
        found: Candidate | None = self.objects.repair(picture, target, self.bounds, self.least, self._measure)
        return found

    def _correct(self, codes: torch.Tensor, targets: Floats) -> torch.Tensor:
        """Codes moved by what their pictures lack."""
        lacking = np.zeros_like(targets)
        for place, picture in enumerate(self.pictures(codes)):
            made = self.objects.realise(picture)
            if magnitude_of(self.bounds.kind, made) >= self.least:
                lacking[place] = targets[place] - self._measure(made).values(self.bounds)
        return self.linear.move(codes, DAMPING * torch.from_numpy(lacking).float())

    def _measure(self, made: Object) -> Measured:
        """Solve an object with all required ones, and remember it if none came closer to the bounds."""
        measured = measure(made, self.bounds)
        violation = measured.violation(self.bounds)
        if self.best is None or violation < self.best[0]:
            self.best = violation, measured
        return measured

    def closest(self) -> str:
        """What a message says of the closest candidate when nothing was found."""
        if self.best is None:
            return ": loosen the requirements, or give more seconds"
        measured, kind = self.best[1], self.bounds.kind
        pairs = zip(self.bounds.required, measured.solutions, strict=True)
        name = self.predictor.metric.name
        got = [f"{name} {found.value:.0f} with {one.name}" for one, found in pairs]
        return (
            f"; the closest shape has {', '.join([*got, f'{kind.magnitude_name} {measured.magnitude:.0f}'])}: loosen "
            "what it misses, or give more seconds"
        )


def decode(predictor: Predictor, codes: torch.Tensor) -> Floats:
    """Pictures of codes (m, d), (m, ...) in [0, 1]."""
    pictures: Floats = predictor.tower().picture(codes)[:, 0].cpu().double().numpy()
    return pictures
