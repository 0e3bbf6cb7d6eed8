"""Maps of any grid and box on one cubic grid: what is background, where the middle lies, what is cut.

1. **Background.** The median of the values on the six faces of the box, and the noise about it, 1.4826 times the
   median deviation from it. What follows is the difference from the background: density.
2. **Contour.** Density above three times the noise, and above a tenth of the highest density, belongs to the object;
   the upper half of the densities always does, as where an object fills its box up to the faces.
3. **Centre.** The mean of the points above the contour, weighted by how far they are above it.
4. **Grid.** The density's cubic spline at the points of the cube; where the map's grid is much finer than the cube's,
   the mean over a cell, so that noise does not alias.

A box of a few hundred voxels, an origin anywhere, padding, noise, an offset and another unit of density change none of
this by more than interpolation does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Positions
from metricvae.kinds.volume.interpolation import spline_matrix
from metricvae.kinds.volume.records import DensityMap, Values

NOISES = 3.0
"""Standard deviations of the noise that the contour lies above the background, at least."""

CONTOUR = 0.1, 0.5
"""Shares of the highest density that the contour lies above the background, at least and at most."""

SAMPLED = 1.5
"""Grids up to so many times as fine as the cube's are sampled at its points; finer ones are averaged."""

LARGE = 4_000_000
"""Voxels of a map from which on contour and centre are found on a coarser grid."""

MOST_CUT = 0.5
"""Share of an object that may lie outside the cube."""


@dataclass(frozen=True)
class Outline:
    """Where the object of a map lies.

    Attributes:
        background: that was subtracted.
        centre: (3,) of the density above the contour, in the map's unit.
        radii: (k,) distances of the voxels above the contour from the centre.
        weights: (k,) how far they are above it, summing to 1.
    """

    background: float
    centre: Positions
    radii: Positions
    weights: Positions

    def extent(self, share: float = 0.995) -> float:
        """Diameter of the sphere about the centre that holds that share of the object."""
        order = np.argsort(self.radii)
        place = np.searchsorted(np.cumsum(self.weights[order]), share)
        return 2 * float(self.radii[order][min(int(place), len(order) - 1)])

    def cut(self, extent: float) -> float:
        """Share of the object outside the sphere in a cube of that edge about the centre: the same however it lies."""
        return float(self.weights[self.radii > extent / 2].sum())


def background_and_noise(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Median of the faces of a box (nx, ny, nz), and the noise about it."""
    faces = [values[[0, -1]], values[:, [0, -1]], values[:, :, [0, -1]]]
    border = np.concatenate([np.asarray(face, np.float64).ravel() for face in faces])
    middle = float(np.median(border))
    return middle, 1.4826 * float(np.median(np.abs(border - middle)))


def outline_of(one: DensityMap) -> Outline:
    """Where the object of a map lies.

    Raises:
        InputError: nothing in it rises above the background.
    """
    background, noise = background_and_noise(one.values)
    step = max(1, math.ceil((one.values.size / LARGE) ** (1 / 3)))
    density = one.values[::step, ::step, ::step] - np.float32(background)
    highest = float(density.max())
    contour = min(max(NOISES * noise, CONTOUR[0] * highest), CONTOUR[1] * highest)
    above = np.clip(density - np.float32(contour), 0, None)
    if not (above > 0).any():
        raise InputError("a map has nothing above its background: expected density inside and less at the faces")
    index = np.nonzero(above)
    weights = above[index].astype(np.float64)
    weights /= weights.sum()
    places = np.column_stack(index) * (np.asarray(one.spacing) * step) + one.origin
    centre = weights @ places
    return Outline(background, centre, np.linalg.norm(places - centre, axis=1), weights)


def resample_map(one: DensityMap, side: int, extent: float, centre: Positions, background: float) -> Values:
    """(side, side, side) density of a map about a centre, on a cube whose edge is `extent`.

    Args:
        one: the map.
        side: points along each edge, each in the middle of its cell.
        extent: of the cube, in the map's unit.
        centre: (3,) in the map's unit.
        background: to subtract.
    """
    cell = extent / side
    points = (np.arange(side) - (side - 1) / 2) * cell
    found = one.values.astype(np.float64) - background
    for axis in range(3):
        spacing = float(one.spacing[axis])
        at = (points + centre[axis] - one.origin[axis]) / spacing
        width = math.sqrt(max(0.0, (cell / spacing) ** 2 - SAMPLED**2))
        found = np.tensordot(found, spline_matrix(found.shape[0], at, width), axes=(0, 1))
    return found.astype(np.float32)


def centred_cube(one: DensityMap, side: int, extent: float) -> Values:
    """The map about the centre of its density; see the head of this module.

    Raises:
        InputError: nothing rises above the background, or more than `MOST_CUT` of the object lies outside the cube.
    """
    outline = outline_of(one)
    cut = outline.cut(extent)
    if cut > MOST_CUT:
        raise InputError(
            f"{cut:.0%} of a map's density lies outside the cube of {extent:g} about its centre: the object is "
            f"{outline.extent():.0f} across; crop it, or take a kind of that extent"
        )
    return resample_map(one, side, extent, outline.centre, outline.background)


def whole_cube(one: DensityMap, side: int, extent: float) -> Values:
    """The values of a map about the middle of its box, for objects that are compared as they lie."""
    steps = np.asarray(one.spacing) * (np.array(one.values.shape) - 1)
    return resample_map(one, side, extent, one.origin + steps / 2, 0.0)
