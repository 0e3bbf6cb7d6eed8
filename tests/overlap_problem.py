"""Shapes for the tests of the overlap: one of a parametric family, on a canvas of any size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.families import SIMPLE
from metricvae.kinds.silhouette.sources.raster import rasterise

FAMILIES = {family.name: family for family in SIMPLE}


def family(name: str, seed: int, radius: float, angle: float = 0.0, *, size: int) -> Mask:
    """The shape of family `name` that `seed` draws, in a circle of `radius` pixels, turned by `angle` degrees."""
    return rasterise(FAMILIES[name].draw(np.random.default_rng(seed)), radius, angle, size=size)


def bilinear(image: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Float64 bilinear look-up at columns x and rows y, zero outside: the definition, by tent functions."""
    image = np.asarray(image, np.float64)
    across = np.maximum(0, 1 - np.abs(np.asarray(x)[..., None] - np.arange(image.shape[1])))
    along = np.maximum(0, 1 - np.abs(np.asarray(y)[..., None] - np.arange(image.shape[0])))
    return np.einsum("...r,rc,...c->...", along, image, across)
