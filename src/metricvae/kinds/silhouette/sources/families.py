"""The simple parametric families of shapes, collected."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.drawing import (
    bernoulli,
    equal_angles,
    place,
    polar_points,
    to_unit_circle,
    union,
)
from metricvae.kinds.silhouette.sources.man_made import (
    arrow,
    comb,
    cross,
    gear,
    grid,
    hammer,
    key,
    letter,
    scissors,
    sword,
    wrench,
)
from metricvae.kinds.silhouette.sources.organic import branching, flower, leaf, maple, paw, person, tendrils
from metricvae.kinds.silhouette.sources.primitives import (
    blob,
    crescent,
    ellipse,
    heart,
    lightning,
    polygon,
    rays,
    ring,
    spiral,
    star,
)


@dataclass(frozen=True)
class Family:
    """A named distribution of random shapes.

    Attributes:
        name: lower-case word, part of the shape's id.
        draw: random generator -> polygon or multipolygon of positive area.
    """

    name: str
    draw: Callable[[np.random.Generator], BaseGeometry]


def parts(rng: np.random.Generator) -> BaseGeometry:
    """Two to four separate simple shapes, in a row or around a point."""
    count = int(rng.integers(2, 5))
    spread = rng.uniform(1.05, 1.3) / math.sin(math.pi / count)
    centres = polar_points(equal_angles(count, rng.uniform(0, 6)), np.full(count, spread))
    if bernoulli(rng, 0.3):
        centres = np.stack([np.arange(count) * 2.2, np.zeros(count)], axis=1)
    pieces = []
    for centre in centres:
        piece = to_unit_circle(_PART_MAKERS[int(rng.integers(len(_PART_MAKERS)))](rng))
        size, angle = rng.uniform(0.5, 1.0), rng.uniform(0, 2 * math.pi)
        pieces.append(place(piece, centre, size, angle))
    return union(pieces)


_PART_MAKERS: tuple[Callable[[np.random.Generator], BaseGeometry], ...] = (
    blob,
    polygon,
    star,
    ellipse,
    crescent,
    arrow,
    heart,
    letter,
    leaf,
    cross,
    gear,
    lightning,
    ring,
    key,
)


SIMPLE: tuple[Family, ...] = tuple(
    Family(make.__name__, make)
    for make in (
        wrench,
        gear,
        star,
        rays,
        arrow,
        cross,
        branching,
        spiral,
        blob,
        polygon,
        comb,
        ring,
        ellipse,
        crescent,
        letter,
        key,
        hammer,
        sword,
        paw,
        leaf,
        maple,
        lightning,
        flower,
        scissors,
        grid,
        heart,
        tendrils,
        person,
        parts,
    )
)
"""Families that are not composed of others."""
