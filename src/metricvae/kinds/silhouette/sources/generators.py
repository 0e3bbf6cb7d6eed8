"""Random silhouettes as a function of source, seed and index."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Silhouette
from metricvae.kinds.silhouette.sources.composites import curve, motif
from metricvae.kinds.silhouette.sources.drawing import bernoulli, place, stroke, to_unit_circle, union
from metricvae.kinds.silhouette.sources.glyphs import family_of, group_name, random_glyph
from metricvae.kinds.silhouette.sources.procedural import SMALLEST_AREA, random_mask, random_shape

Source = Literal["glyphs", "procedural", "mixed"]

SOURCES: tuple[str, ...] = get_args(Source)
"""The sources that need no files."""

GLYPHS_IN_MIXED = 0.4
"""Share of `mixed` that starts from a glyph; the rest is procedural."""

ALTERED_GLYPHS = 0.25
"""Share of the glyphs in `mixed` that are combined with another shape, cut, sheared or scaled."""

COMPOSITES_IN_MIXED = 0.6
"""Share of the procedural shapes in `mixed` that are composites, which resemble icons most."""


def draw(source: str, count: int, seed: int, *, start: int = 0) -> list[Silhouette]:
    """Shapes `start` to `start + count - 1` of a source.

    Shape i depends on (source, seed, i) only, so any worker can generate any part of a data set.

    Args:
        source: `glyphs`, `procedural` or `mixed` (two fifths glyphs, some altered; most of the rest composites).
        count: number of shapes, at least 0.
        seed: any integer that is not negative.
        start: index of the first.

    Raises:
        InputError: an unknown source, or a negative number.

    >>> shape = draw("procedural", 1, seed=3)[0]
    >>> shape.mask.shape
    (200, 200)
    """
    return list(stream(source, count, seed, start=start))


def stream(source: str, count: int, seed: int, *, start: int = 0) -> Iterator[Silhouette]:
    """The shapes of :func:`draw`, one at a time."""
    if source not in SOURCES:
        raise InputError(f"there is no source {source!r}: expected {', '.join(SOURCES)} or a folder of images")
    for name, number in (("count", count), ("seed", seed), ("start", start)):
        if number < 0:
            raise InputError(f"{name} is {number}: expected 0 or more")
    return (_shape(source, seed, index) for index in range(start, start + count))


def _shape(source: str, seed: int, index: int) -> Silhouette:
    words = np.random.SeedSequence([seed, index, zlib.crc32(source.encode())])
    rng = np.random.Generator(np.random.Philox(words))
    while True:
        shape = _attempt(source, f"{seed}-{index}", rng)
        if shape.area >= SMALLEST_AREA:
            return shape


def _attempt(source: str, number: str, rng: np.random.Generator) -> Silhouette:
    mixed = source == "mixed"
    if source == "glyphs" or (mixed and bernoulli(rng, GLYPHS_IN_MIXED)):
        point, group, geometry = random_glyph(rng)
        if mixed and bernoulli(rng, ALTERED_GLYPHS):
            geometry = _alter_glyph(geometry, rng)
        name, kind, family, owner = f"U+{point:04X}", "glyphs", family_of(point), group_name(group)
    else:
        recipe, geometry = random_shape(rng, COMPOSITES_IN_MIXED if mixed else 0.2)
        name, kind, family, owner = recipe.name, "procedural", recipe.name, ""
    identity = f"{source}/{name}-{number}"
    return Silhouette(identity, kind, family, owner or identity, random_mask(geometry, rng))


def _alter_glyph(glyph: BaseGeometry, rng: np.random.Generator) -> BaseGeometry:
    """A glyph changed more than the fonts' variants of it differ: sheared, combined with a shape, or cut."""
    shape, kind = to_unit_circle(glyph), rng.integers(4)
    if kind == 0:
        shape = affinity.skew(shape, rng.uniform(-35, 35))
        return affinity.scale(shape, rng.uniform(0.4, 1.0), 1)
    other = place(motif(rng), rng.uniform(-0.7, 0.7, 2), rng.uniform(0.3, 0.8))
    if kind == 1:
        return union([shape.difference(other.buffer(0.05, quad_segs=2)), other])
    if kind == 2:
        return shape.symmetric_difference(other)
    return shape.difference(stroke(curve(rng), rng.uniform(0.04, 0.12)))
