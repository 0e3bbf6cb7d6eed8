"""Shapes for the tests of the overlap: one of a parametric family, on a canvas of any size."""

from __future__ import annotations

import numpy as np

from metricvae.objects import Mask, rasterise
from metricvae.objects.families import SIMPLE

FAMILIES = {family.name: family for family in SIMPLE}


def family(name: str, seed: int, radius: float, angle: float = 0.0, *, size: int) -> Mask:
    """The shape of family `name` that `seed` draws, in a circle of `radius` pixels, turned by `angle` degrees."""
    return rasterise(FAMILIES[name].draw(np.random.default_rng(seed)), radius, angle, size=size)
