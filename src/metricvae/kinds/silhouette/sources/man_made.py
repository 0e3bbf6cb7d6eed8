"""Parametric families of man-made shapes: tools, machines, signs and letters."""

from __future__ import annotations

import math

import numpy as np
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.drawing import (
    bar,
    bernoulli,
    disc,
    equal_angles,
    filled_polygon,
    polar_points,
    stroke,
    taper,
    union,
)


def wrench(rng: np.random.Generator) -> BaseGeometry:
    """A handle with an open jaw at one end and a jaw or an eye at the other."""
    length, width = rng.uniform(1.2, 3.0), rng.uniform(0.15, 0.45)
    head, jaw = rng.uniform(0.35, 0.65), rng.uniform(0.15, 0.4)
    ends = [disc(0, 0, head), disc(length, 0, head * rng.uniform(0.5, 1.0))]
    shape = union([bar(0, -width / 2, length, width / 2), *ends])
    mouth = affinity.rotate(bar(-head * 2, -jaw / 2, -head * 0.1, jaw / 2), rng.uniform(-40, 40), origin=(0, 0))
    shape = shape.difference(mouth)
    if bernoulli(rng, 0.5):
        return shape.difference(disc(length, 0, head * rng.uniform(0.2, 0.4)))
    far = affinity.rotate(bar(length, -jaw / 3, length + head * 2, jaw / 3), rng.uniform(-40, 40), origin=(length, 0))
    return shape.difference(far)


def gear(rng: np.random.Generator) -> BaseGeometry:
    """A toothed wheel, often with a bore, spokes or bolt holes."""
    teeth, depth = int(rng.integers(5, 25)), rng.uniform(0.08, 0.35)
    duty, slant = rng.uniform(0.3, 0.65), rng.uniform(0.0, 0.35)
    step = 2 * math.pi / teeth
    corners = np.array([0, slant * 0.5, duty - slant * 0.5 * duty, duty]) * step
    angles = (equal_angles(teeth)[:, None] + corners).ravel()
    shape = filled_polygon(polar_points(angles, np.tile([1 - depth, 1, 1, 1 - depth], teeth)))
    if bernoulli(rng, 0.75):
        shape = shape.difference(disc(0, 0, rng.uniform(0.1, 0.85) * (1 - depth)))
    elif bernoulli(rng, 0.7):
        count, ring = int(rng.integers(3, 9)), rng.uniform(0.4, 0.6) * (1 - depth)
        hole = min(0.8 * ring * math.sin(math.pi / count), 0.3)
        shape = shape.difference(
            union([disc(x, y, hole) for x, y in polar_points(equal_angles(count), np.full(count, ring))])
        )
    return shape


def arrow(rng: np.random.Generator) -> BaseGeometry:
    """An arrow: straight or bent shaft, filled, open or barbed head, one or two of them."""
    width, head, length = rng.uniform(0.12, 0.5), rng.uniform(0.4, 0.9), rng.uniform(1.0, 3.0)
    barb = rng.uniform(-0.4, 0.4)
    point = filled_polygon([(0, 0), (-head, head * 0.8), (-head * (1 - barb), 0), (-head, -head * 0.8)])
    if bernoulli(rng, 0.3):
        point = stroke([(-head, head * 0.8), (0, 0), (-head, -head * 0.8)], width, cap="flat", join="mitre")
    inset = min(0.8 * head, width)
    if bernoulli(rng, 0.35):
        sweep, bow = rng.uniform(1.0, 4.5), rng.uniform(0.8, 1.6)
        arc = polar_points(np.linspace(-math.pi / 2, -math.pi / 2 + sweep, 24), np.full(24, bow)) + np.array([0, bow])
        shaft = stroke(-arc * (1, 1) - (inset, 0), width, cap="flat")
    else:
        shaft = bar(-length, -width / 2, -inset, width / 2)
    parts = [point, shaft]
    if bernoulli(rng, 0.2):
        parts.append(affinity.rotate(point, 180, origin=(-length / 2, 0)))
    return union(parts)


def cross(rng: np.random.Generator) -> BaseGeometry:
    """Crossing bars: Greek, Latin, patriarchal, with flared arms or round ends."""
    width, drop = rng.uniform(0.15, 0.7), rng.uniform(0.0, 0.6)
    flare = rng.uniform(-0.3, 1.0) * float(bernoulli(rng, 0.5))
    tip = width * (1 + flare) / 2
    arm = filled_polygon([(0, -width / 2), (1, -tip), (1, tip), (0, width / 2)])
    if bernoulli(rng, 0.25):
        arm = union([arm, disc(1, 0, tip * rng.uniform(1.0, 1.6))])
    parts = [bar(-width / 2, -width / 2, width / 2, width / 2)]
    for quarter, reach in enumerate([1, 1, 1, 1 + drop]):
        parts.append(affinity.rotate(affinity.scale(arm, reach, 1, origin=(0, 0)), 90 * quarter, origin=(0, 0)))
    if bernoulli(rng, 0.2):
        parts.append(bar(-0.6, 0.55, 0.6, 0.55 + width * 0.6))
    return union(parts)


def comb(rng: np.random.Generator) -> BaseGeometry:
    """A spine with many parallel teeth on one or both sides, even or graded."""
    teeth, width = int(rng.integers(4, 16)), rng.uniform(0.25, 0.7)
    spine, reach = rng.uniform(0.08, 0.3), rng.uniform(0.4, 1.4)
    grade = rng.uniform(-0.8, 0.8) * float(bernoulli(rng, 0.5))
    pitch = 2 / teeth
    parts = [bar(-1, -spine, 1, 0)]
    both = bernoulli(rng, 0.3)
    for k in range(teeth):
        x, length = -1 + pitch * (k + (1 - width) / 2), reach * (1 + grade * (k / teeth - 0.5))
        parts.append(bar(x, -(spine + length) if both else -spine / 2, x + pitch * width, length))
    return union(parts)


_LETTERS: tuple[str, ...] = (
    "100/100/111",
    "111/010/010",
    "101/101/111",
    "101/111/101",
    "11/10/11/10/11",
    "100/110/111",
    "11/10/11/10/10",
    "101/101/010",
    "1000/1100/0110/0011",
    "111/001/011/000/010",
    "111/101/111/101/101",
    "010/111/010/010",
    "111/010/111",
    "10001/11011/10101/10001",
    "110/011",
    "111/001/111/100/111",
    "0110/1001/1011/0111",
    "11111/10001/10101/10001",
)


def letter(rng: np.random.Generator) -> BaseGeometry:
    """A letter or stairs on a coarse grid, either one of a list (L T U H E ...) or random cells grown from one."""
    wide, high = rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.0)
    if bernoulli(rng, 0.6):
        rows = str(rng.choice(_LETTERS)).split("/")
        cells = [(c, -r) for r, row in enumerate(rows) for c, cell in enumerate(row) if cell == "1"]
    else:
        cells = [(0, 0)]
        while len(cells) < 5 + wide * 8:
            column, row = cells[int(rng.integers(len(cells)))]
            step = [(1, 0), (-1, 0), (0, 1), (0, -1)][int(rng.integers(4))]
            if (column + step[0], row + step[1]) not in cells:
                cells.append((column + step[0], row + step[1]))
    grow = rng.uniform(0.0, 0.18)
    boxes = [(c * wide, r * high) for c, r in cells]
    shape = union([bar(x - grow, y - grow, x + wide + grow, y + high + grow) for x, y in boxes])
    return affinity.skew(shape, rng.uniform(-25, 25) if bernoulli(rng, 0.3) else 0)


def key(rng: np.random.Generator) -> BaseGeometry:
    """A key: bow with a hole, stem, bits."""
    bow, stem, length = rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.22), rng.uniform(1.2, 2.4)
    sides = int(rng.choice([3, 4, 6, 32]))
    outer = filled_polygon(polar_points(equal_angles(sides, math.pi / sides), np.full(sides, bow)))
    parts = [outer, bar(0, -stem / 2, length, stem / 2)]
    for k in range(int(rng.integers(1, 5))):
        x = length - 0.05 - k * rng.uniform(0.18, 0.28)
        parts.append(bar(x - rng.uniform(0.08, 0.15), 0, x, -rng.uniform(0.2, 0.55)))
    return union(parts).difference(affinity.scale(outer, *[rng.uniform(0.3, 0.75)] * 2, origin=(0, 0)))


def hammer(rng: np.random.Generator) -> BaseGeometry:
    """A handle and a head across it: hammer, axe, pick or shovel."""
    length, width = rng.uniform(1.2, 2.6), rng.uniform(0.1, 0.3)
    handle, kind = stroke([(0, 0), (0, length)], width), rng.integers(4)
    if kind == 0:
        head = bar(-rng.uniform(0.3, 0.8), length - rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.8), length)
    elif kind == 1:
        edge = polar_points(np.linspace(-0.9, 0.9, 12), np.full(12, rng.uniform(0.6, 1.0)))
        head = affinity.translate(filled_polygon([(-width, -0.15), *edge, (-width, 0.15)]), 0, length - 0.5)
    elif kind == 2:
        bow = polar_points(np.linspace(0.4, math.pi - 0.4, 20), np.full(20, 1.0)) * (1, 0.8)
        head = union([taper(half, 0.3, 0.02) for half in (bow[9:], bow[10::-1])])
        head = affinity.translate(head, 0, length - 0.85)
    else:
        spoon = affinity.scale(disc(0, 0, 1), rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.7))
        head = affinity.translate(spoon, 0, length)
    return union([handle, head])


def sword(rng: np.random.Generator) -> BaseGeometry:
    """A blade with point, guard, grip and pommel; straight or curved, sometimes with a groove."""
    length, width = rng.uniform(1.2, 2.8), rng.uniform(0.12, 0.45)
    bow = rng.uniform(-0.5, 0.5) * float(bernoulli(rng, 0.4))
    along = np.linspace(0, 1, 12)
    half = width / 2 * np.minimum(1, (1 - along) / rng.uniform(0.15, 0.6)) + 1e-3
    middle = bow * along**2
    left, right = (np.stack([middle + side * half, along * length], axis=1) for side in (-1, 1))
    blade = filled_polygon(np.concatenate([left, right[::-1]]))
    west, east = ((side * rng.uniform(0.2, 0.6), rng.uniform(-0.15, 0.15)) for side in (-1, 1))
    guard = stroke([west, (0, 0), east], 0.12)
    grip = bar(-0.07, -rng.uniform(0.3, 0.6), 0.07, 0)
    shape = union([blade, guard, grip, disc(0, grip.bounds[1], rng.uniform(0.08, 0.18))])
    if bernoulli(rng, 0.3):
        shape = shape.difference(stroke([(0, length * 0.1), (bow * 0.25, length * 0.5)], width * 0.25))
    return shape


def scissors(rng: np.random.Generator) -> BaseGeometry:
    """Two crossed blades with finger holes."""
    opening, grip, hole = rng.uniform(8, 40), rng.uniform(0.25, 0.45), rng.uniform(0.4, 0.75)
    blade = filled_polygon([(-0.6, -0.06), (0, -0.12), (rng.uniform(1.0, 2.0), 0.02), (0, 0.1), (-0.6, 0.06)])
    eye = affinity.scale(disc(-0.6 - grip, -0.1, grip), 1.2, 0.9)
    half = union([blade, eye]).difference(affinity.scale(eye, hole, hole))
    one = affinity.rotate(half, opening, origin=(0, 0))
    return union([one, affinity.scale(one, 1, -1, origin=(0, 0))])


def grid(rng: np.random.Generator) -> BaseGeometry:
    """A frame, lattice, ladder or brick wall: a box with rows and columns of holes."""
    columns, rows = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    wall, aspect = rng.uniform(0.1, 0.45), rng.uniform(0.5, 1.6)
    outside = bar(-wall, -wall * aspect, columns, rows * aspect)
    cells = [bar(c, r * aspect, c + 1 - wall, (r + 1 - wall) * aspect) for c in range(columns) for r in range(rows)]
    if bernoulli(rng, 0.25) and len(cells) > 3:
        return union(cells)
    present = [cell for cell in cells if not bernoulli(rng, 0.12)] or cells
    return outside.difference(union(present))
