"""Rasterise planar geometry: scale the smallest enclosing circle, fill, and threshold at half coverage."""

from __future__ import annotations

import math

import numpy as np
import shapely
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.records import SIZE, Mask

SUPERSAMPLING = 3
"""Sub-pixels per pixel side when a polygon is filled."""


def enclosing_circle(geometry: BaseGeometry) -> tuple[float, float, float]:
    """Centre x, centre y and radius of the smallest circle around `geometry`."""
    circle = shapely.minimum_bounding_circle(geometry)
    west, south, east, north = circle.bounds
    return (west + east) / 2, (south + north) / 2, (east - west) / 2


def polygons_of(geometry: BaseGeometry) -> list[shapely.Polygon]:
    """The polygons in `geometry`, outermost first, so that an island inside a hole comes after the hole's owner."""
    parts = [part for part in shapely.get_parts(shapely.get_parts(geometry)) if part.geom_type == "Polygon"]
    return sorted((part for part in parts if not part.is_empty), key=lambda part: -shapely.Polygon(part.exterior).area)


def rasterise(geometry: BaseGeometry, radius: float, angle: float = 0.0, *, size: int = SIZE) -> Mask:
    """Mask of `geometry` whose smallest enclosing circle has `radius` pixels and sits at the canvas centre.

    Rotating the mask about the canvas centre therefore never leaves the canvas while `radius` <= `size` / 2.

    Args:
        geometry: polygon or multipolygon, x to the right and y up, any unit.
        radius: pixels.
        angle: degrees counter-clockwise as seen on screen.
        size: side of the canvas in pixels.

    Returns:
        (size, size) uint8 of 0 and 1; all 0 when the geometry is empty or smaller than half a pixel.
    """
    canvas = Image.new("L", (size * SUPERSAMPLING, size * SUPERSAMPLING))
    if geometry.is_empty:
        return np.zeros((size, size), np.uint8)
    x0, y0, extent = enclosing_circle(geometry)
    if extent == 0:
        return np.zeros((size, size), np.uint8)
    # A filled pixel reaches half a sub-pixel past its vertex: keep that inside the circle.
    scale = (radius * SUPERSAMPLING - 0.5) / extent
    cosine, sine = scale * math.cos(math.radians(angle)), scale * math.sin(math.radians(angle))
    rotation = np.array([[cosine, -sine], [-sine, -cosine]])
    middle = (size * SUPERSAMPLING - 1) / 2

    def pixels(ring: BaseGeometry) -> list[float]:
        points = (shapely.get_coordinates(ring) - (x0, y0)) @ rotation + middle
        flat: list[float] = points.ravel().tolist()
        return flat

    pen = ImageDraw.Draw(canvas)
    for part in polygons_of(geometry):
        pen.polygon(pixels(part.exterior), fill=255)
        for hole in part.interiors:
            pen.polygon(pixels(hole), fill=0)
    return np.ascontiguousarray(np.asarray(canvas.reduce(SUPERSAMPLING)) >= 128, dtype=np.uint8)
