"""Parametric families of organic shapes: trees, leaves, flowers, paws, tentacles and people."""

from __future__ import annotations

import math

import numpy as np
from shapely import affinity
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


def branching(rng: np.random.Generator) -> BaseGeometry:
    """A tree: each limb splits into two or three thinner, shorter ones; sometimes with roots or leaves."""
    depth, spread = int(rng.integers(2, 5)), rng.uniform(15, 55)
    shrink, fork, leaf = rng.uniform(0.6, 0.85), int(rng.integers(2, 4)) if depth < 4 else 2, rng.uniform(0.06, 0.2)
    leafy, parts = bernoulli(rng, 0.35), []

    def grow(x: float, y: float, heading: float, length: float, width: float, level: int) -> None:
        heading += rng.normal(0, 6)
        end = (x + length * math.cos(math.radians(heading)), y + length * math.sin(math.radians(heading)))
        parts.append(stroke([(x, y), end], width))
        if level == 0:
            if leafy:
                parts.append(disc(*end, leaf))
            return
        for side in np.linspace(-1, 1, fork):
            grow(*end, heading + side * spread, length * shrink * rng.uniform(0.8, 1.1), width * 0.75, level - 1)

    grow(0, 0, 90, rng.uniform(0.5, 1.2), rng.uniform(0.12, 0.3), depth)
    return union(parts)


def paw(rng: np.random.Generator) -> BaseGeometry:
    """A pad and toes: a union of discs, touching or apart."""
    toes, reach, toe = int(rng.integers(3, 6)), rng.uniform(0.8, 1.2), rng.uniform(0.2, 0.34)
    pad = affinity.scale(disc(0, 0, rng.uniform(0.45, 0.7)), 1.0, rng.uniform(0.7, 1.1))
    angles = math.pi / 2 + np.linspace(-1, 1, toes) * rng.uniform(0.8, 1.2)
    tips = [
        affinity.rotate(affinity.scale(disc(x, y, toe), rng.uniform(0.6, 1), 1.1), math.degrees(a) - 90)
        for a, (x, y) in zip(angles, polar_points(angles, np.full(toes, reach)), strict=True)
    ]
    return union([pad, *tips])


def leaf(rng: np.random.Generator) -> BaseGeometry:
    """A leaf with a stalk: entire, serrated or lobed margin, sometimes with a midrib."""
    along = np.linspace(0, 1, 64)
    peak, sharp = rng.uniform(0.5, 2.0), rng.uniform(0.6, 1.3)
    half = (np.sin(math.pi * along**peak) + 1e-9) ** sharp * rng.uniform(0.12, 0.6)
    kind, teeth = rng.integers(3), rng.uniform(5, 16)
    if kind == 1:
        half = half * (1 - rng.uniform(0.15, 0.4) * ((along * teeth) % 1))
    elif kind == 2:
        half = half * (1 - rng.uniform(0.3, 0.7) * (0.5 + 0.5 * np.cos(along * teeth * 3)))
    left, right = half, half * rng.uniform(0.9, 1.1)
    bow = rng.uniform(-0.25, 0.25) * along**2
    shape = filled_polygon(
        np.concatenate([np.stack([bow - left, along * 2], 1), np.stack([bow + right, along * 2], 1)[::-1]])
    )
    if bernoulli(rng, 0.7):
        foot = (rng.uniform(-0.1, 0.1), -rng.uniform(0.1, 0.6))
        shape = union([shape, stroke([(0, 0.2), foot], rng.uniform(0.04, 0.08))])
    if bernoulli(rng, 0.25):
        shape = shape.difference(stroke(np.stack([bow, along * 2], 1)[4:54], rng.uniform(0.03, 0.07)))
    return shape


def maple(rng: np.random.Generator) -> BaseGeometry:
    """A palmate leaf: three to seven pointed lobes from one base, with a stalk."""
    lobes, reach = int(rng.choice([3, 5, 7])), rng.uniform(1.1, 2.2)
    angles = math.pi / 2 + np.linspace(-1, 1, lobes) * reach
    length = 1 - 0.45 * np.abs(np.linspace(-1, 1, lobes)) * rng.uniform(0.3, 1.3)
    width, barbs = rng.uniform(0.12, 0.3), bernoulli(rng, 0.6)
    plain, barbed = [(0, 0.4), (0.5, 1), (1, 0)], [(0, 0.3), (0.45, 1), (0.55, 0.6), (0.72, 0.9), (0.76, 0.45), (1, 0)]
    profile = np.array(barbed if barbs else plain)
    outline = np.concatenate([profile, (profile * (1, -1))[::-1]]) * (1, width)
    parts = [
        affinity.rotate(
            affinity.scale(filled_polygon(outline), size, size, origin=(0, 0)), math.degrees(a), origin=(0, 0)
        )
        for a, size in zip(angles, length, strict=True)
    ]
    return union([*parts, disc(0, 0.1, rng.uniform(0.15, 0.3)), stroke([(0, 0), (0, -rng.uniform(0.2, 0.7))], 0.06)])


def flower(rng: np.random.Generator) -> BaseGeometry:
    """Petals around a centre, r = a + b |cos(n t / 2)|^p or overlapping discs, sometimes with an eye and a stem."""
    petals, depth = int(rng.integers(3, 13)), rng.uniform(0.3, 0.85)
    if bernoulli(rng, 0.6):
        angles = equal_angles(24 * petals if petals < 6 else 12 * petals)
        shape = filled_polygon(
            polar_points(angles, 1 - depth + depth * np.abs(np.cos(petals * angles / 2)) ** rng.uniform(0.4, 2.0))
        )
    else:
        size = rng.uniform(0.7, 1.25) * math.sin(math.pi / petals)
        ring = [disc(x, y, size) for x, y in polar_points(equal_angles(petals), np.ones(petals))]
        shape = union([*ring, disc(0, 0, rng.uniform(0.3, 0.9))])
    if bernoulli(rng, 0.4):
        shape = shape.difference(disc(0, 0, rng.uniform(0.12, 0.4)))
    if bernoulli(rng, 0.2):
        foot = (rng.uniform(-0.2, 0.2), -rng.uniform(1.6, 2.6))
        shape = union([shape, stroke([(0, -0.6), foot], rng.uniform(0.08, 0.2))])
    return shape


def tendrils(rng: np.random.Generator) -> BaseGeometry:
    """Curved tapering strands from one body or a base line: flames, wings, hands, octopuses, grass."""
    count, curl = int(rng.integers(3, 10)), rng.uniform(-2.5, 2.5)
    fan, width, body = rng.uniform(0.6, 2 * math.pi * (1 - 1 / count)), rng.uniform(0.15, 0.5), rng.uniform(0.1, 0.5)
    mirrored, base, along = bernoulli(rng, 0.4), rng.uniform(0, 1.2) * float(bernoulli(rng, 0.5)), np.linspace(0, 1, 14)
    parts = [affinity.scale(disc(0, 0, body), 1 + base, 1)]
    for k, spread in enumerate(np.linspace(-0.5, 0.5, count)):
        bend = curl * (np.sign(spread) if mirrored else 1) * rng.uniform(0.6, 1.2)
        heading = math.pi / 2 + spread * fan + bend * along - bend / 2
        path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), axis=0) / 14 * rng.uniform(0.7, 1.3)
        parts.append(taper(path + np.array([spread * 2 * base, 0]), width * rng.uniform(0.7, 1.2), 0.02 * k))
    return union(parts)


def person(rng: np.random.Generator) -> BaseGeometry:
    """A stick or solid figure: head, trunk, arms and legs at random angles."""
    limb, trunk = rng.uniform(0.12, 0.35), rng.uniform(0.2, 0.6)
    head = disc(0, rng.uniform(1.0, 1.3), rng.uniform(0.22, 0.4))
    parts = [head, filled_polygon([(-trunk / 2, -0.3), (trunk / 2, -0.3), (trunk, 0.7), (-trunk, 0.7)])]
    for side in (-1, 1):
        elbow = np.array([side * rng.uniform(0.4, 0.9), rng.uniform(-0.1, 1.0)])
        hand = elbow + np.array([side * rng.uniform(-0.2, 0.5), rng.uniform(-0.6, 0.8)])
        knee = np.array([side * rng.uniform(0.1, 0.6), rng.uniform(-1.0, -0.6)])
        foot = knee + np.array([side * rng.uniform(-0.2, 0.3), -rng.uniform(0.5, 0.8)])
        shoulder, hip = np.array([side * trunk * 0.8, 0.6]), np.array([side * trunk * 0.3, -0.2])
        parts += [stroke(np.stack([shoulder, elbow, hand]), limb), stroke(np.stack([hip, knee, foot]), limb)]
    return union(parts)
