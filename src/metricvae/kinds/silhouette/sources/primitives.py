"""Parametric families of geometric primitives: stars, rings, spirals, blobs and polygons."""

from __future__ import annotations

import math

import numpy as np
from shapely import affinity
from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.drawing import (
    bernoulli,
    disc,
    equal_angles,
    filled_polygon,
    polar_points,
    stroke,
    taper,
    union,
)


def star(rng: np.random.Generator) -> BaseGeometry:
    """A star of 3 to 16 points, sometimes uneven, sometimes twisted like a shuriken."""
    points, inner = int(rng.integers(3, 17)), rng.uniform(0.25, 0.8)
    twist = rng.uniform(-0.8, 0.8) * (math.pi / points) * float(bernoulli(rng, 0.3))
    outer = 1 - rng.uniform(0, 0.4, points) * float(bernoulli(rng, 0.3))
    angles = np.stack([equal_angles(points), equal_angles(points, math.pi / points + twist)], axis=1).ravel()
    return filled_polygon(polar_points(angles, np.stack([outer, np.full(points, inner)], axis=1).ravel()))


def rays(rng: np.random.Generator) -> BaseGeometry:
    """A star of about twelve thin rays on a small hub."""
    count = 12 if bernoulli(rng, 0.6) else int(rng.integers(6, 21))
    width, hub, tip = rng.uniform(0.04, 0.12), rng.uniform(0.1, 0.35), rng.uniform(0.0, 1.0)
    length = 1 - rng.uniform(0, 0.5) * (np.arange(count) % 2)
    parts = [
        affinity.rotate(taper([[0, 0], [reach, 0]], width, tip * width), math.degrees(a), origin=(0, 0))
        for a, reach in zip(equal_angles(count), length, strict=True)
    ]
    return union([disc(0, 0, hub), *parts])


def spiral(rng: np.random.Generator) -> BaseGeometry:
    """An Archimedean or growing spiral of one to three arms, constant or tapering width."""
    revolutions, arms = rng.uniform(1.2, 4.0), int(rng.choice([1, 1, 1, 2, 3]))
    if arms > 1:
        revolutions = rng.uniform(0.4, 1.4)
    angles = np.linspace(0, 2 * math.pi * revolutions, int(16 * revolutions) + 16)
    power = rng.uniform(0.8, 1.6)
    path = polar_points(angles, 0.06 + (angles / angles[-1]) ** power)
    width = rng.uniform(0.3, 0.7) / (revolutions * arms + 0.3)
    if bernoulli(rng, 0.4):
        arm = taper(path, width * 0.4, width * 2.4) if bernoulli(rng, 0.5) else taper(path, width * 1.6, width * 0.3)
    else:
        arm = stroke(path, width)
    return union([affinity.rotate(arm, 360 * k / arms, origin=(0, 0)) for k in range(arms)])


def blob(rng: np.random.Generator) -> BaseGeometry:
    """A smooth closed curve r = 1 + a Fourier series with decreasing amplitudes."""
    angles, order = equal_angles(96), int(rng.integers(3, 12))
    k = np.arange(1, order + 1)
    size = rng.uniform(0.15, 0.7) * rng.normal(size=order) / k ** rng.uniform(0.5, 1.4)
    radii = 1 + (size * np.cos(np.outer(angles, k) + rng.uniform(0, 2 * math.pi, order))).sum(axis=1)
    shape = filled_polygon(polar_points(angles, np.maximum(radii, 0.12)))
    return affinity.scale(shape, 1, rng.uniform(0.4, 1.0))


def polygon(rng: np.random.Generator) -> BaseGeometry:
    """A polygon: regular, convex, or irregular with straight edges and notches."""
    kind = rng.integers(3)
    if kind == 0:
        sides = int(rng.integers(3, 9))
        return affinity.scale(
            filled_polygon(polar_points(equal_angles(sides), np.ones(sides))), 1, rng.uniform(0.4, 1.0)
        )
    if kind == 1:
        return MultiPoint(rng.normal(size=(int(rng.integers(5, 12)), 2))).convex_hull.buffer(0.02)
    sides = int(rng.integers(5, 14))
    angles = equal_angles(sides) + rng.uniform(-0.4, 0.4, sides) * 2 * math.pi / sides
    return filled_polygon(polar_points(angles, rng.uniform(0.25, 1.0, sides)))


def ring(rng: np.random.Generator) -> BaseGeometry:
    """An annulus, thin to thick, round to oval, sometimes off centre, cut open or doubled."""
    inner = rng.uniform(0.3, 0.95)
    offset = rng.uniform(0, 0.8) * (1 - inner) * float(bernoulli(rng, 0.4))
    shape = disc(0, 0, 1).difference(disc(offset, 0, inner))
    if bernoulli(rng, 0.25):
        shape = shape.difference(
            filled_polygon([(0, 0), *polar_points(np.linspace(0, rng.uniform(0.4, 2.5), 6), np.full(6, 2.0))])
        )
    if bernoulli(rng, 0.25):
        shape = union([shape, affinity.scale(shape, 0.55, 0.55, origin=(0, 0))])
    return affinity.scale(shape, 1, rng.uniform(0.45, 1.0) if bernoulli(rng, 0.5) else 1.0)


def ellipse(rng: np.random.Generator) -> BaseGeometry:
    """A superellipse, |x|^p + |y/b|^p = 1 with p from 0.5 (astroid) over 2 to 6 (rounded box)."""
    angles, power = equal_angles(64), 2 / rng.uniform(0.5, 6.0) if bernoulli(rng, 0.6) else 1.0
    x, y = np.cos(angles), np.sin(angles)
    points = np.stack([np.sign(x) * np.abs(x) ** power, np.sign(y) * np.abs(y) ** power * rng.uniform(0.2, 1)], axis=1)
    return filled_polygon(points)


def crescent(rng: np.random.Generator) -> BaseGeometry:
    """A disc with a disc cut out of its side."""
    shift, radius = rng.uniform(0.25, 0.9), rng.uniform(0.7, 1.1)
    shape = disc(0, 0, 1).difference(disc(shift, rng.uniform(-0.2, 0.2), radius))
    return shape if shape.area > 0.15 else disc(0, 0, 1).difference(disc(0.6, 0, 0.8))


def lightning(rng: np.random.Generator) -> BaseGeometry:
    """A zigzag bolt, tapering to a point."""
    kinks, swing = int(rng.integers(3, 7)), rng.uniform(0.15, 0.5)
    y = np.linspace(1, -1, kinks + 1) + rng.uniform(-0.1, 0.1, kinks + 1)
    path = np.stack([swing * (-1.0) ** np.arange(kinks + 1) * rng.uniform(0.5, 1.0, kinks + 1), y], axis=1)
    half = np.linspace(rng.uniform(0.12, 0.35), 0.01, kinks + 1)[:, None] * (1, 0.4)
    return filled_polygon(np.concatenate([path + half, (path - half)[::-1]]))


def heart(rng: np.random.Generator) -> BaseGeometry:
    """A heart, spade, shield or drop."""
    kind, width, sag = rng.integers(3), rng.uniform(0.6, 1.0), rng.uniform(0.8, 1.4)
    if kind == 0:
        t = equal_angles(64)
        y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        shape = filled_polygon(np.stack([16 * np.sin(t) ** 3 * width, y], 1) / 16)
        if bernoulli(rng, 0.3):
            shape = union(
                [affinity.scale(shape, 1, -1, origin=(0, 0)), filled_polygon([(0, 0), (0.4, -1.2), (-0.4, -1.2)])]
            )
        return shape
    if kind == 1:
        side = np.linspace(0, 1, 16)
        right = np.stack([width * np.cos(side * math.pi / 2) ** rng.uniform(0.4, 1.0), -sag * side], 1)
        top, shoulder = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7)
        return filled_polygon([(0, top), (width, shoulder), *right, *(right * (-1, 1))[::-1], (-width, 0.5)])
    t = equal_angles(48)
    return filled_polygon(np.stack([np.sin(t) * np.sin(t / 2) ** rng.uniform(0.6, 3) * width, np.cos(t) * sag], 1))
