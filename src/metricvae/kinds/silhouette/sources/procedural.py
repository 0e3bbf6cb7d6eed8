"""All procedural families, and a random shape from one of them."""

from __future__ import annotations

import numpy as np
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.composites import composite
from metricvae.kinds.silhouette.sources.families import SIMPLE, Family
from metricvae.kinds.silhouette.sources.raster import rasterise

COMPOSITE = Family("composite", composite)

FAMILIES: tuple[Family, ...] = (*SIMPLE, COMPOSITE)
"""The parametric families: twenty-nine simple ones, and `composite`, which combines them."""

SMALLEST_AREA = 300
"""Least area in pixels; a smaller shape is drawn again."""


def random_radius(rng: np.random.Generator) -> float:
    """Radius of the enclosing circle in pixels: 35 to 95, three times out of four between 60 and 90."""
    return float(rng.uniform(60, 90) if rng.random() < 0.75 else rng.uniform(35, 95))


def random_mask(shape: BaseGeometry, rng: np.random.Generator) -> Mask:
    """Mask (200, 200) of `shape` at a random size and angle."""
    return rasterise(shape, random_radius(rng), float(rng.uniform(0, 360)))


def random_shape(rng: np.random.Generator, composites: float = 0.2) -> tuple[Family, BaseGeometry]:
    """A family (`composite` with probability `composites`, else a simple one, uniformly) and a shape from it."""
    family = COMPOSITE if rng.random() < composites else SIMPLE[int(rng.integers(len(SIMPLE)))]
    return family, family.draw(rng)
