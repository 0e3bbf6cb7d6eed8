"""Busy shapes, like icons: simple families joined, cut, carved, framed, repeated, mirrored and bent at random."""

from __future__ import annotations

import math

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.drawing import (
    Points,
    around,
    bar,
    chance,
    disc,
    place,
    polar,
    stroke,
    taper,
    union,
    unit,
)
from metricvae.kinds.silhouette.sources.families import SIMPLE, Family

_SOLID = tuple(
    family
    for family in SIMPLE
    if family.name
    in [
        "blob",
        "polygon",
        "ellipse",
        "heart",
        "star",
        "gear",
        "leaf",
        "maple",
        "flower",
        "crescent",
        "letter",
        "cross",
        "paw",
    ]
)
"""Families with a body large enough to cut into."""


def motif(rng: np.random.Generator, families: tuple[Family, ...] = SIMPLE) -> BaseGeometry:
    """A simple shape in the unit circle, turned, and stretched along one axis at times."""
    shape = families[int(rng.integers(len(families)))].draw(rng)
    shape = affinity.rotate(shape, rng.uniform(0, 360), origin=(0, 0))
    if chance(rng, 0.3):
        shape = affinity.scale(shape, 1, rng.uniform(0.45, 1.0))
    return unit(shape)


def mirror(shape: BaseGeometry) -> BaseGeometry:
    """`shape` reflected in the vertical axis."""
    return affinity.scale(shape, -1, 1, origin=(0, 0))


def curve(rng: np.random.Generator, reach: float = 1.3) -> Points:
    """A smooth or kinked line across the unit circle, (n, 2)."""
    heading = rng.uniform(0, 2 * math.pi)
    start, end = polar(np.array([heading, heading + rng.uniform(2.0, 4.3)]), np.full(2, reach))
    bend = rng.uniform(-0.8, 0.8, 2)
    along = np.linspace(0, 1, 12)[:, None]
    return (1 - along) ** 2 * start + 2 * along * (1 - along) * bend + along**2 * end


def carved(rng: np.random.Generator) -> BaseGeometry:
    """A body with lines scratched out of it: folds, seams, shading."""
    shape = motif(rng, _SOLID)
    lines = []
    for _ in range(int(rng.integers(1, 6))):
        path, width = curve(rng), rng.uniform(0.03, 0.12)
        lines.append(taper(path, 2 * width) if chance(rng, 0.5) else stroke(path[int(rng.integers(0, 7)) :], width))
    return shape.difference(union(lines))


def holed(rng: np.random.Generator) -> BaseGeometry:
    """A body with one to five small shapes cut out: eyes, windows, a mouth."""
    shape, count = motif(rng, _SOLID), int(rng.integers(1, 6))
    scale = 1.2 if count < 3 else 0.8
    holes = [place(motif(rng), rng.uniform(-0.5, 0.5, 2), rng.uniform(0.12, 0.45) * scale) for _ in range(count)]
    return shape.difference(union(holes))


def layered(rng: np.random.Generator) -> BaseGeometry:
    """Shapes in front of one another, a thin gap showing which is in front."""
    shape = motif(rng)
    for _ in range(int(rng.integers(1, 4))):
        front = place(motif(rng), rng.uniform(-0.7, 0.7, 2), rng.uniform(0.4, 0.9))
        shape = union([shape.difference(front.buffer(rng.uniform(0.03, 0.09), quad_segs=2)), front])
    return shape


def joined(rng: np.random.Generator) -> BaseGeometry:
    """Two to four overlapping shapes, united, with a bite out at times."""
    count = int(rng.integers(2, 5))
    shape = union([place(motif(rng), rng.uniform(-0.6, 0.6, 2), rng.uniform(0.4, 1.0)) for _ in range(count)])
    if chance(rng, 0.5):
        return shape.difference(place(motif(rng), rng.uniform(-0.9, 0.9, 2), rng.uniform(0.2, 0.6)))
    return shape


def crossed(rng: np.random.Generator) -> BaseGeometry:
    """What is in exactly one of two shapes."""
    return motif(rng).symmetric_difference(place(motif(rng), rng.uniform(-0.4, 0.4, 2), rng.uniform(0.5, 1.0)))


def framed(rng: np.random.Generator) -> BaseGeometry:
    """An emblem cut out of a badge, or standing inside its rim."""
    if chance(rng, 0.6):
        sides = int(rng.choice([4, 4, 5, 6, 8, 48, 48]))
        badge = shapely.Polygon(polar(around(sides, math.pi / sides), np.ones(sides)))
        badge = affinity.scale(badge, rng.uniform(0.6, 1), 1)
        badge = badge.buffer(0.12, quad_segs=3) if chance(rng, 0.5) else badge
    else:
        badge = motif(rng, _SOLID[:6])
    emblem = place(motif(rng), (0, 0), rng.uniform(0.4, 0.75))
    if chance(rng, 0.5):
        return badge.difference(emblem)
    return union([badge.difference(badge.buffer(-rng.uniform(0.05, 0.2), quad_segs=3)), emblem])


def outlined(rng: np.random.Generator) -> BaseGeometry:
    """The outline of a shape, alone or round its own smaller self."""
    shape, width = motif(rng, _SOLID), rng.uniform(0.05, 0.14)
    inside = shape.buffer(-width, quad_segs=3)
    rim = shape.difference(inside)
    return union([rim, inside.buffer(-rng.uniform(0.05, 0.12), quad_segs=3)]) if chance(rng, 0.5) else rim


def striped(rng: np.random.Generator) -> BaseGeometry:
    """A shape seen through bars."""
    pitch, duty = rng.uniform(0.15, 0.5), rng.uniform(0.45, 0.85)
    bars = [bar(-2, y, 2, y + duty * pitch) for y in np.arange(-1, 1, pitch)]
    shape = motif(rng, _SOLID).intersection(union(bars))
    if chance(rng, 0.4):
        return union([shape, place(motif(rng), rng.uniform(-0.5, 0.5, 2), rng.uniform(0.2, 0.6))])
    return shape


def wheeled(rng: np.random.Generator) -> BaseGeometry:
    """One shape repeated n-fold round a centre, with a hub, a rim or a hole."""
    count, reach = int(rng.integers(2, 11)), rng.uniform(0.5, 1.1)
    size = min(reach * math.sin(math.pi / count) * rng.uniform(0.7, 1.5), 0.9)
    one = place(motif(rng), (0, reach), size)
    pieces = [affinity.rotate(one, 360 * k / count, origin=(0, 0)) for k in range(count)]
    if chance(rng, 0.5):
        pieces.append(place(motif(rng), (0, 0), rng.uniform(0.15, 0.7)))
    if chance(rng, 0.35):
        pieces.append(disc(0, 0, reach).difference(disc(0, 0, reach * rng.uniform(0.75, 0.93))))
    shape = union(pieces)
    return shape.difference(place(motif(rng, _SOLID), (0, 0), rng.uniform(0.1, 0.4))) if chance(rng, 0.3) else shape


def mirrored(rng: np.random.Generator) -> BaseGeometry:
    """A face, a beetle, a vase: several parts reflected in an axis, some of them holes."""
    count = int(rng.integers(1, 4))
    shape = union([place(motif(rng), rng.uniform((0, -0.8), (0.7, 0.8)), rng.uniform(0.3, 0.8)) for _ in range(count)])
    if chance(rng, 0.6):
        shape = union([shape, place(motif(rng, _SOLID), (0, rng.uniform(-0.4, 0.4)), rng.uniform(0.4, 0.8))])
    shape = shape.intersection(box(0, -3, 3, 3)) if chance(rng, 0.7) else shape
    holes = [
        place(motif(rng), rng.uniform((0.05, -0.6), (0.6, 0.6)), rng.uniform(0.08, 0.3))
        for _ in range(int(rng.integers(0, 4)))
    ]
    shape = shape.difference(union(holes)) if holes else shape
    return union([shape, mirror(shape)])


def scattered(rng: np.random.Generator) -> BaseGeometry:
    """One large shape and a swarm of small ones round it: sparks, bubbles, drops."""
    body = place(motif(rng), (0, 0), rng.uniform(0.5, 0.95))
    count = int(rng.integers(3, 10))
    angles, small = rng.uniform(0, 2 * math.pi, count), motif(rng, _SOLID)
    where = polar(angles, rng.uniform(0.6, 1.1, count))
    swarm = [place(small, at, rng.uniform(0.1, 0.3), turn) for at, turn in zip(where, angles, strict=True)]
    return union([body.difference(union(swarm).buffer(0.04, quad_segs=2)), *swarm])


def bent(rng: np.random.Generator, shape: BaseGeometry) -> BaseGeometry:
    """`shape` under a smooth wavy distortion of the plane, which makes straight things organic."""
    size, phase, wave = rng.uniform(0.05, 0.22), rng.uniform(0, 2 * math.pi, 2), rng.uniform(1.5, 4.5)

    def wobble(points: Points) -> Points:
        x, y = points[:, 0], points[:, 1]
        return np.stack([x + size * np.sin(wave * y + phase[0]), y + size * np.sin(wave * x + phase[1])], axis=1)

    moved = shapely.transform(shapely.segmentize(shape, 0.15), wobble)
    return moved if moved.is_valid else shapely.make_valid(moved).buffer(0)


_RECIPES = (carved, holed, layered, joined, crossed, framed, outlined, striped, wheeled, mirrored, scattered)
_RECIPE_WEIGHTS = np.array([1.5, 1.5, 2.5, 1.0, 0.8, 1.2, 0.8, 0.8, 1.3, 2.2, 1.0])


def assembly(rng: np.random.Generator) -> BaseGeometry:
    """One recipe, bent at times."""
    recipe = _RECIPES[int(rng.choice(len(_RECIPES), p=_RECIPE_WEIGHTS / _RECIPE_WEIGHTS.sum()))]
    shape = unit(recipe(rng))
    return bent(rng, shape) if chance(rng, 0.3) else shape


def composite(rng: np.random.Generator) -> BaseGeometry:
    """A random constructive combination of other families: one assembly, or two in one scene."""
    shape = assembly(rng)
    if chance(rng, 0.3):
        other = place(assembly(rng), rng.uniform(-0.9, 0.9, 2), rng.uniform(0.4, 0.8))
        shape = union([shape.difference(other.buffer(0.05, quad_segs=2)), other])
    return _without_specks(affinity.scale(shape, 1, rng.uniform(0.6, 1.0)) if chance(rng, 0.3) else shape)


def _without_specks(shape: BaseGeometry) -> BaseGeometry:
    """`shape` less crumbs too small to see (under 0.05 % of the unit disc)."""
    return union([part for part in shapely.get_parts(shape) if part.area > 0.0015])
