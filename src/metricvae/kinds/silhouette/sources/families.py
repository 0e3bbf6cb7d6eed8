"""Parametric families of shapes with one idea each, collected."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.drawing import around, chance, place, polar, union, unit
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
    """A named recipe for random shapes.

    Attributes:
        name: lower-case word, part of the shape's id.
        draw: random generator -> polygon or multipolygon of positive area.
    """

    name: str
    draw: Callable[[np.random.Generator], BaseGeometry]


def parts(rng: np.random.Generator) -> BaseGeometry:
    """Two to four simple shapes apart from each other, in a row or round a point."""
    count = int(rng.integers(2, 5))
    spread = rng.uniform(1.05, 1.3) / math.sin(math.pi / count)
    centres = polar(around(count, rng.uniform(0, 6)), np.full(count, spread))
    if chance(rng, 0.3):
        centres = np.stack([np.arange(count) * 2.2, np.zeros(count)], axis=1)
    pieces = []
    for centre in centres:
        piece = unit(_PART_MAKERS[int(rng.integers(len(_PART_MAKERS)))](rng))
        size, turn = rng.uniform(0.5, 1.0), rng.uniform(0, 2 * math.pi)
        pieces.append(place(piece, centre, size, turn))
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
"""Families with one idea each."""
