"""Composite shapes, similar to icons: simple families united, cut, framed, repeated, reflected and distorted."""

from __future__ import annotations

import math

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.drawing import (
    Points,
    bar,
    bernoulli,
    disc,
    equal_angles,
    place,
    polar_points,
    stroke,
    taper,
    to_unit_circle,
    union,
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
"""Families with a body large enough to cut holes into."""


def motif(rng: np.random.Generator, families: tuple[Family, ...] = SIMPLE) -> BaseGeometry:
    """A simple shape in the unit circle, rotated, and sometimes scaled along one axis."""
    shape = families[int(rng.integers(len(families)))].draw(rng)
    shape = affinity.rotate(shape, rng.uniform(0, 360), origin=(0, 0))
    if bernoulli(rng, 0.3):
        shape = affinity.scale(shape, 1, rng.uniform(0.45, 1.0))
    return to_unit_circle(shape)


def reflect(shape: BaseGeometry) -> BaseGeometry:
    """`shape` reflected in the vertical axis."""
    return affinity.scale(shape, -1, 1, origin=(0, 0))


def curve(rng: np.random.Generator, reach: float = 1.3) -> Points:
    """A smooth or kinked line across the unit circle, (n, 2)."""
    heading = rng.uniform(0, 2 * math.pi)
    start, end = polar_points(np.array([heading, heading + rng.uniform(2.0, 4.3)]), np.full(2, reach))
    bend = rng.uniform(-0.8, 0.8, 2)
    along = np.linspace(0, 1, 12)[:, None]
    return (1 - along) ** 2 * start + 2 * along * (1 - along) * bend + along**2 * end


def carved_body(rng: np.random.Generator) -> BaseGeometry:
    """A body with lines cut out of it: folds, seams, shading."""
    shape = motif(rng, _SOLID)
    lines = []
    for _ in range(int(rng.integers(1, 6))):
        path, width = curve(rng), rng.uniform(0.03, 0.12)
        lines.append(taper(path, 2 * width) if bernoulli(rng, 0.5) else stroke(path[int(rng.integers(0, 7)) :], width))
    return shape.difference(union(lines))


def perforated_body(rng: np.random.Generator) -> BaseGeometry:
    """A body with one to five small shapes cut out: eyes, windows, a mouth."""
    shape, count = motif(rng, _SOLID), int(rng.integers(1, 6))
    scale = 1.2 if count < 3 else 0.8
    holes = [place(motif(rng), rng.uniform(-0.5, 0.5, 2), rng.uniform(0.12, 0.45) * scale) for _ in range(count)]
    return shape.difference(union(holes))


def layered_shapes(rng: np.random.Generator) -> BaseGeometry:
    """Overlapping shapes, separated by a thin gap around the one in front."""
    shape = motif(rng)
    for _ in range(int(rng.integers(1, 4))):
        front = place(motif(rng), rng.uniform(-0.7, 0.7, 2), rng.uniform(0.4, 0.9))
        shape = union([shape.difference(front.buffer(rng.uniform(0.03, 0.09), quad_segs=2)), front])
    return shape


def overlapping_shapes(rng: np.random.Generator) -> BaseGeometry:
    """The union of two to four overlapping shapes, sometimes less another shape."""
    count = int(rng.integers(2, 5))
    shape = union([place(motif(rng), rng.uniform(-0.6, 0.6, 2), rng.uniform(0.4, 1.0)) for _ in range(count)])
    if bernoulli(rng, 0.5):
        return shape.difference(place(motif(rng), rng.uniform(-0.9, 0.9, 2), rng.uniform(0.2, 0.6)))
    return shape


def symmetric_difference(rng: np.random.Generator) -> BaseGeometry:
    """The symmetric difference of two shapes."""
    return motif(rng).symmetric_difference(place(motif(rng), rng.uniform(-0.4, 0.4, 2), rng.uniform(0.5, 1.0)))


def framed_emblem(rng: np.random.Generator) -> BaseGeometry:
    """An emblem cut out of a badge, or standing inside its rim."""
    if bernoulli(rng, 0.6):
        sides = int(rng.choice([4, 4, 5, 6, 8, 48, 48]))
        badge = shapely.Polygon(polar_points(equal_angles(sides, math.pi / sides), np.ones(sides)))
        badge = affinity.scale(badge, rng.uniform(0.6, 1), 1)
        badge = badge.buffer(0.12, quad_segs=3) if bernoulli(rng, 0.5) else badge
    else:
        badge = motif(rng, _SOLID[:6])
    emblem = place(motif(rng), (0, 0), rng.uniform(0.4, 0.75))
    if bernoulli(rng, 0.5):
        return badge.difference(emblem)
    return union([badge.difference(badge.buffer(-rng.uniform(0.05, 0.2), quad_segs=3)), emblem])


def outline_band(rng: np.random.Generator) -> BaseGeometry:
    """A band along the outline of a shape, alone or around the shape at a smaller size."""
    shape, width = motif(rng, _SOLID), rng.uniform(0.05, 0.14)
    inside = shape.buffer(-width, quad_segs=3)
    rim = shape.difference(inside)
    return union([rim, inside.buffer(-rng.uniform(0.05, 0.12), quad_segs=3)]) if bernoulli(rng, 0.5) else rim


def striped_shape(rng: np.random.Generator) -> BaseGeometry:
    """The intersection of a shape with parallel bars, sometimes with a small shape."""
    pitch, duty = rng.uniform(0.15, 0.5), rng.uniform(0.45, 0.85)
    bars = [bar(-2, y, 2, y + duty * pitch) for y in np.arange(-1, 1, pitch)]
    shape = motif(rng, _SOLID).intersection(union(bars))
    if bernoulli(rng, 0.4):
        return union([shape, place(motif(rng), rng.uniform(-0.5, 0.5, 2), rng.uniform(0.2, 0.6))])
    return shape


def rosette(rng: np.random.Generator) -> BaseGeometry:
    """One shape repeated n-fold around a centre, sometimes with a hub, a rim or a hole."""
    count, reach = int(rng.integers(2, 11)), rng.uniform(0.5, 1.1)
    size = min(reach * math.sin(math.pi / count) * rng.uniform(0.7, 1.5), 0.9)
    one = place(motif(rng), (0, reach), size)
    pieces = [affinity.rotate(one, 360 * k / count, origin=(0, 0)) for k in range(count)]
    if bernoulli(rng, 0.5):
        pieces.append(place(motif(rng), (0, 0), rng.uniform(0.15, 0.7)))
    if bernoulli(rng, 0.35):
        pieces.append(disc(0, 0, reach).difference(disc(0, 0, reach * rng.uniform(0.75, 0.93))))
    shape = union(pieces)
    return shape.difference(place(motif(rng, _SOLID), (0, 0), rng.uniform(0.1, 0.4))) if bernoulli(rng, 0.3) else shape


def symmetric_shape(rng: np.random.Generator) -> BaseGeometry:
    """A shape with mirror symmetry: several parts, some of them holes, reflected in an axis."""
    count = int(rng.integers(1, 4))
    shape = union([place(motif(rng), rng.uniform((0, -0.8), (0.7, 0.8)), rng.uniform(0.3, 0.8)) for _ in range(count)])
    if bernoulli(rng, 0.6):
        shape = union([shape, place(motif(rng, _SOLID), (0, rng.uniform(-0.4, 0.4)), rng.uniform(0.4, 0.8))])
    shape = shape.intersection(box(0, -3, 3, 3)) if bernoulli(rng, 0.7) else shape
    holes = [
        place(motif(rng), rng.uniform((0.05, -0.6), (0.6, 0.6)), rng.uniform(0.08, 0.3))
        for _ in range(int(rng.integers(0, 4)))
    ]
    shape = shape.difference(union(holes)) if holes else shape
    return union([shape, reflect(shape)])


def scattered_shapes(rng: np.random.Generator) -> BaseGeometry:
    """One large shape and several small copies of another around it."""
    body = place(motif(rng), (0, 0), rng.uniform(0.5, 0.95))
    count = int(rng.integers(3, 10))
    angles, small = rng.uniform(0, 2 * math.pi, count), motif(rng, _SOLID)
    where = polar_points(angles, rng.uniform(0.6, 1.1, count))
    swarm = [place(small, at, rng.uniform(0.1, 0.3), angle) for at, angle in zip(where, angles, strict=True)]
    return union([body.difference(union(swarm).buffer(0.04, quad_segs=2)), *swarm])


def distort(rng: np.random.Generator, shape: BaseGeometry) -> BaseGeometry:
    """`shape` under the smooth distortion x + a sin(k y + p), y + a sin(k x + q) of the plane."""
    size, phase, frequency = rng.uniform(0.05, 0.22), rng.uniform(0, 2 * math.pi, 2), rng.uniform(1.5, 4.5)

    def displace(points: Points) -> Points:
        x, y = points[:, 0], points[:, 1]
        return np.stack(
            [x + size * np.sin(frequency * y + phase[0]), y + size * np.sin(frequency * x + phase[1])], axis=1
        )

    moved = shapely.transform(shapely.segmentize(shape, 0.15), displace)
    return moved if moved.is_valid else shapely.make_valid(moved).buffer(0)


_RECIPES = (
    carved_body,
    perforated_body,
    layered_shapes,
    overlapping_shapes,
    symmetric_difference,
    framed_emblem,
    outline_band,
    striped_shape,
    rosette,
    symmetric_shape,
    scattered_shapes,
)
_RECIPE_WEIGHTS = np.array([1.5, 1.5, 2.5, 1.0, 0.8, 1.2, 0.8, 0.8, 1.3, 2.2, 1.0])


def assembly(rng: np.random.Generator) -> BaseGeometry:
    """A shape of a random recipe, sometimes distorted."""
    recipe = _RECIPES[int(rng.choice(len(_RECIPES), p=_RECIPE_WEIGHTS / _RECIPE_WEIGHTS.sum()))]
    shape = to_unit_circle(recipe(rng))
    return distort(rng, shape) if bernoulli(rng, 0.3) else shape


def composite(rng: np.random.Generator) -> BaseGeometry:
    """A random combination of simple families: one assembly, or two that overlap."""
    shape = assembly(rng)
    if bernoulli(rng, 0.3):
        other = place(assembly(rng), rng.uniform(-0.9, 0.9, 2), rng.uniform(0.4, 0.8))
        shape = union([shape.difference(other.buffer(0.05, quad_segs=2)), other])
    return _without_specks(affinity.scale(shape, 1, rng.uniform(0.6, 1.0)) if bernoulli(rng, 0.3) else shape)


def _without_specks(shape: BaseGeometry) -> BaseGeometry:
    """`shape` without its parts that are too small to see (under 0.05 % of the unit disc)."""
    return union([part for part in shapely.get_parts(shape) if part.area > 0.0015])
