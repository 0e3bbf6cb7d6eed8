"""Outlines of the DejaVu fonts that matplotlib includes, and groups of them that are the same shape.

Many letters look alike (Latin A, Greek Alpha, Cyrillic A) and many signs are rotated copies of one another (arrows).
`glyph_groups.json`, made by :func:`find_groups`, lists every usable code point in groups of such near-duplicates; a
code point's variants in all the fonts belong to its group.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import itertools
import json
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from metricvae.core.errors import InputError
from metricvae.runtime.extras import missing, require

FONTS: tuple[str, ...] = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSans-Bold.ttf")
"""Font files; the first has the most code points, the others add variants."""

_EXTRA = ("glyphs", "the source of glyphs")

_CATEGORIES = {
    "M": "mark",
    "N": "number",
    "P": "punctuation",
    "Sm": "math",
    "Sc": "currency",
    "Sk": "modifier",
    "So": "symbol",
}


def font_folder() -> Path:
    """Where matplotlib keeps its fonts; matplotlib itself is not imported.

    Raises:
        InputError: matplotlib is not installed.
    """
    found = importlib.util.find_spec("matplotlib")
    if found is None or not found.submodule_search_locations:
        raise missing("matplotlib, which brings the fonts", *_EXTRA)
    return Path(found.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"


@functools.cache
def open_font(font: str) -> Any:
    """The font file of that name, held in memory (no open file that forked workers would share)."""
    path = font_folder() / font
    if not path.is_file():
        raise InputError(f"{path} is missing: reinstall matplotlib, which brings the font")
    return require("fontTools.ttLib", *_EXTRA).TTFont(io.BytesIO(path.read_bytes()), lazy=True)


@functools.cache
def code_points(font: str) -> dict[int, str]:
    """Code point -> glyph name of every character in a font."""
    return dict(open_font(font).getBestCmap())


@functools.lru_cache(maxsize=8192)
def outline(code_point: int, font: str = FONTS[0]) -> BaseGeometry:
    """The filled outline of a character, one em = 1, y up; empty for a blank.

    Contours are added or subtracted in order of decreasing area, by their direction, so that islands in holes remain.
    """
    glyphs = open_font(font).getGlyphSet()
    pen = require("fontTools.pens.recordingPen", *_EXTRA).DecomposingRecordingPen(glyphs)
    glyphs[code_points(font)[code_point]].draw(pen)
    contours = [shapely.Polygon(points) for points in _contours(pen.value) if len(points) > 2]
    shape: BaseGeometry = shapely.Polygon()
    for contour in sorted(contours, key=lambda contour: -contour.area):
        filled = contour if contour.is_valid else contour.buffer(0)
        shape = shape.difference(filled) if contour.exterior.is_ccw else shape.union(filled)
    per_em = open_font(font)["head"].unitsPerEm
    return shapely.transform(shape, lambda points: points / per_em)


def _contours(commands: list[tuple[str, tuple[tuple[float, float] | None, ...]]]) -> list[np.ndarray]:
    """Quadratic outlines as polygons, each curve as four segments."""
    steps = np.linspace(0.25, 1, 4)[:, None]
    contours: list[list[np.ndarray]] = []
    for name, arguments in commands:
        points = [np.asarray(point, np.float64) for point in arguments if point is not None]
        if name == "moveTo":
            contours.append([points[0][None]])
        elif name == "lineTo":
            contours[-1].append(points[0][None])
        elif name == "qCurveTo":
            if arguments[-1] is None:  # no corner anywhere: start half way between two control points
                points.append((points[-1] + points[0]) / 2)
                contours.append([points[-1][None]])
            start, controls = contours[-1][-1][-1], points[:-1]
            ends = [(a + b) / 2 for a, b in itertools.pairwise(controls)] + [points[-1]]
            for control, end in zip(controls, ends, strict=True):
                contours[-1].append((1 - steps) ** 2 * start + 2 * steps * (1 - steps) * control + steps**2 * end)
                start = end
    return [np.concatenate(contour) for contour in contours]


def family_of(code_point: int) -> str:
    """Broad kind of a character: a letter's script (`latin`, `greek`, ...), else `number`, `symbol`, `math` ..."""
    character = chr(code_point)
    category = unicodedata.category(character)
    if category.startswith("L"):
        return unicodedata.name(character, "letter").split()[0].lower()
    return _CATEGORIES.get(category, _CATEGORIES.get(category[0], "other"))


@functools.cache
def glyph_groups() -> tuple[tuple[int, ...], ...]:
    """Groups of usable code points that are near-duplicates up to scale, rotation and reflection, smallest first."""
    text = (
        resources.files("metricvae.kinds.silhouette.sources").joinpath("glyph_groups.json").read_text(encoding="utf-8")
    )
    return tuple(tuple(group) for group in json.loads(text)["groups"])


def group_name(group: tuple[int, ...]) -> str:
    """The stable name of a group: its smallest code point."""
    return f"glyphs/U+{group[0]:04X}"


def fonts_with(code_point: int) -> list[str]:
    """The fonts of :data:`FONTS` that have the character."""
    return [font for font in FONTS if code_point in code_points(font)]


def random_glyph(rng: np.random.Generator) -> tuple[int, tuple[int, ...], BaseGeometry]:
    """A code point, its group and one of its outlines: group, member and font each drawn uniformly."""
    groups = glyph_groups()
    group = groups[int(rng.integers(len(groups)))]
    code_point = group[int(rng.integers(len(group)))]
    fonts = fonts_with(code_point)
    return code_point, group, outline(code_point, fonts[int(rng.integers(len(fonts)))])
