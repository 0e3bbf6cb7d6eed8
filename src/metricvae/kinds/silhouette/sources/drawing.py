"""Strokes, discs and bars: the geometry that the parametric families are composed of.

Coordinates are in any unit, x to the right and y up, with shapes about one unit in size; `rasterise` scales them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import affinity
from shapely.geometry import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.raster import enclosing_circle

Points = npt.NDArray[np.floating[Any]]
"""(n, 2) vertices."""


def filled_polygon(points: npt.ArrayLike) -> BaseGeometry:
    """The region inside a closed line of (n, 2) points, also where the line crosses itself."""
    polygon = Polygon(np.asarray(points))
    return polygon if polygon.is_valid else shapely.make_valid(polygon).buffer(0)


def polar_points(angles: Points, radii: Points) -> Points:
    """Cartesian coordinates (n, 2) of points at `radii` (n,) and `angles` (n,) in radians."""
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=-1)


def equal_angles(count: int, offset: float = 0.0) -> Points:
    """`count` equally spaced angles of the circle in radians, from `offset` on: (count,)."""
    return offset + np.arange(count) * (2 * math.pi / count)


def stroke(points: npt.ArrayLike, width: float, *, cap: str = "round", join: str = "round") -> BaseGeometry:
    """An open line through (n, 2) points, `width` wide; `cap` is round, flat or square, `join` round or mitre."""
    return LineString(np.asarray(points)).buffer(width / 2, quad_segs=4, cap_style=cap, join_style=join)


def taper(points: npt.ArrayLike, width: float, tip: float = 0.0) -> BaseGeometry:
    """A line through (n, 2) points whose width changes from `width` to `tip`: a horn, a tail, a flame."""
    path = np.asarray(points, dtype=np.float64)
    along = np.gradient(path, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
    half = np.linspace(width / 2, tip / 2 + 1e-3, len(path))[:, None]
    return filled_polygon(np.concatenate([path + half * normal, (path - half * normal)[::-1]]))


def union(parts: Sequence[BaseGeometry]) -> BaseGeometry:
    """The union of `parts`."""
    return shapely.union_all(list(parts))


def disc(x: float, y: float, radius: float) -> BaseGeometry:
    """A disc, as a polygon of 32 corners."""
    return Point(x, y).buffer(radius, quad_segs=8)


def bar(x0: float, y0: float, x1: float, y1: float) -> BaseGeometry:
    """An upright rectangle."""
    return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def to_unit_circle(shape: BaseGeometry) -> BaseGeometry:
    """`shape` moved and scaled so that its smallest enclosing circle is the unit circle."""
    x, y, radius = enclosing_circle(shape)
    size = 1 / max(radius, 1e-9)
    return affinity.affine_transform(shape, [size, 0, 0, size, -size * x, -size * y])


def place(shape: BaseGeometry, at: npt.ArrayLike, size: float, angle: float = 0.0) -> BaseGeometry:
    """`shape` rotated by `angle` radians and scaled by `size` about its origin, then moved to the point `at`."""
    (x, y), cosine, sine = np.asarray(at, np.float64), size * math.cos(angle), size * math.sin(angle)
    return affinity.affine_transform(shape, [cosine, -sine, sine, cosine, x, y])


def bernoulli(rng: np.random.Generator, probability: float) -> bool:
    """A random boolean that is true with `probability`."""
    return bool(rng.random() < probability)
