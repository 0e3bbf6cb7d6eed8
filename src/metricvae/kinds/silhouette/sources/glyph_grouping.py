"""Groups of glyphs that are near-duplicates of one another: the script that makes `glyph_groups.json`.

Run `python -m metricvae.kinds.silhouette.sources.glyph_grouping` to make the file again (a minute).

Each outline is rasterised with its smallest enclosing circle filling a small canvas and sampled along rings around the
centre, f(r, t). The moduli of the Fourier coefficients over t are invariant to rotation and reflection: they find
candidates. Two candidates are linked when their best intersection over union over all rotations, with and without
reflection, reaches :data:`SAME`. Linked glyphs, and the fonts' variants of one code point, form a group.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from metricvae.kinds.silhouette.sources.glyphs import FONTS, code_points, outline
from metricvae.kinds.silhouette.sources.raster import enclosing_circle, rasterise
from metricvae.runtime.files import write_text

SAME = 0.90
"""Intersection over union at the best rotation from which two outlines count as one shape."""

CANDIDATE = 0.30
"""Relative distance of two signatures below which they are compared."""

LEAST_FILL = 0.03
"""Share of its enclosing circle that a usable glyph covers at least: less is a hairline or distant dots."""

_SIDE, _RINGS, _ANGLES = 96, 24, 128

Rings = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]


def usable(code_point: int, font: str) -> bool:
    """Whether a glyph is neither blank, tiny nor a hairline."""
    shape = outline(code_point, font)
    if shape.is_empty or shape.area < 1e-3:
        return False
    radius = enclosing_circle(shape)[2]
    return bool(radius > 0.03 and shape.area > LEAST_FILL * np.pi * radius**2)


def rings_of(shape: BaseGeometry) -> Rings:
    """Values (rings, angles) of a rasterised shape on circles around the centre of its enclosing circle.

    Each circle is weighted by the square root of its radius, so that sums of products are areas.
    """
    picture = rasterise(shape, _SIDE / 2 - 1, size=_SIDE).astype(np.float32)
    radii = (np.arange(_RINGS) + 0.5) / _RINGS * (_SIDE / 2 - 1)
    angles = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    middle = (_SIDE - 1) / 2
    rows, columns = middle + np.outer(radii, np.sin(angles)), middle + np.outer(radii, np.cos(angles))
    rings = map_coordinates(picture, [rows, columns], order=1) * np.sqrt(radii / radii.mean())[:, None]
    return np.asarray(rings, np.float32)


def spectrum_of(shape: BaseGeometry) -> Spectrum:
    """(rings, angles / 2 + 1) Fourier coefficients of :func:`rings_of` over the angle."""
    return np.fft.rfft(rings_of(shape), axis=1).astype(np.complex64)


def signature(spectrum: Spectrum) -> npt.NDArray[np.float32]:
    """Moduli of the low Fourier coefficients, as one unit vector."""
    moduli = np.abs(spectrum[:, :16]).ravel()
    return np.asarray(moduli / np.linalg.norm(moduli), np.float32)


def similarity(first: Spectrum, second: Spectrum) -> float:
    """Best intersection over union over all rotations, with or without reflection, of two ring spectra."""
    shared = max(float(np.fft.irfft((first * other).sum(axis=0), _ANGLES).max()) for other in (second.conj(), second))
    whole = [float(np.fft.irfft((s * s.conj()).sum(axis=0), _ANGLES)[0]) for s in (first, second)]
    return shared / (sum(whole) - shared)


def find_groups() -> list[list[int]]:
    """Groups of usable code points, each sorted, in order of their smallest member."""
    nodes = [(point, font) for font in FONTS for point in sorted(code_points(font)) if usable(point, font)]
    spectra = [spectrum_of(outline(*node)) for node in nodes]
    tree = cKDTree(np.stack([signature(spectrum) for spectrum in spectra]))
    links = [pair for pair in tree.query_pairs(CANDIDATE) if similarity(spectra[pair[0]], spectra[pair[1]]) >= SAME]
    points = sorted({point for point, _ in nodes})
    index = {point: k for k, point in enumerate(points)}
    rows, columns = [index[nodes[a][0]] for a, _ in links], [index[nodes[b][0]] for _, b in links]
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(points), len(points)))
    labels = connected_components(graph, directed=False)[1]
    groups: dict[int, list[int]] = {}
    for point, label in zip(points, labels, strict=True):
        groups.setdefault(int(label), []).append(point)
    return sorted(groups.values())


def main() -> None:
    """Write `glyph_groups.json` beside this module."""
    lines = ",\n".join(json.dumps(group, separators=(",", ":")) for group in find_groups())
    note = json.dumps({"fonts": FONTS, "same": SAME})[1:-1]
    target = Path(str(resources.files("metricvae.kinds.silhouette.sources"))) / "glyph_groups.json"
    write_text(target, f'{{{note},"groups":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
