"""The contour of a piece, with everything that its joins to other pieces share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import ndtri

from metricvae.kinds.silhouette.outlines import resample_outline, trace
from metricvae.metrics.match.solver.contacts import EdgeArrays

SPACING, MAX_POINTS = 2.5, 480
"""Pixels between the points of an edge, and points at most."""

MARGIN = 40
"""Pixels around the canvas within which the distance from an edge is known."""

BLUR = 1.2
"""Standard deviation, in pixels, of the Gaussian that smooths distances near an edge."""

CORNER_REACH = 4
"""Points to both sides between which the turning angle of the outline is measured."""

MIN_CORNER_ANGLE = 0.5
"""Least turning angle of a corner, radians."""

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Edge:
    """A piece as its outline, the inside to the right; each part is computed on first use and cached.

    Places are in pixels from the canvas centre, x to the right and y down.

    Attributes:
        mask: (H, W) uint8 of 0 and 1.
    """

    mask: npt.NDArray[np.uint8]

    @functools.cached_property
    def points(self) -> Floats:
        """(n, 4): x, y, the row at which the point's loop starts, the points of the loop; (0, 4) of a blank piece."""
        found = resample_outline(*trace(self.mask, *self._middle), SPACING, 1, MAX_POINTS).astype(np.float64)
        return found[found[:, 3] > 0]

    @functools.cached_property
    def normals(self) -> Floats:
        """(n, 2) unit vectors to the outside."""
        along = self.points[self.rows_ahead(2), :2] - self.points[self.rows_ahead(-2), :2]
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
        return np.ascontiguousarray(np.stack([along[:, 1], -along[:, 0]], axis=1))

    @functools.cached_property
    def deviation(self) -> Floats:
        """(n,) root mean square deviation of 11 points around each from their best line, pixels, at most 2.

        For centred points z_k as complex numbers, the sum of squares across the principal axis is
        (sum |z_k|^2 - |sum z_k^2|) / 2.
        """
        around = self.windows(5)
        off = (np.abs(around) ** 2).sum(1) - np.abs((around**2).sum(1))
        return np.minimum(np.sqrt(np.maximum(off, 0.0) / (2 * around.shape[1])), 2.0)

    @functools.cached_property
    def corners(self) -> Indices:
        """(k,) rows of the points at which the turning angle has a local maximum; convex corners only."""
        turning = self.turning_angles
        sharpest = np.all([turning >= turning[self.rows_ahead(step)] for step in (-2, -1, 1, 2)], axis=0)
        long_enough = self.points[:, 3] > 2 * CORNER_REACH + 1
        return np.flatnonzero(sharpest & long_enough & (turning > MIN_CORNER_ANGLE))

    @functools.cached_property
    def turning_angles(self) -> Floats:
        """(n,) radians by which the outline turns at each point, positive where it is convex."""
        place = self.points[:, 0] + 1j * self.points[:, 1]
        ahead, behind = place[self.rows_ahead(CORNER_REACH)], place[self.rows_ahead(-CORNER_REACH)]
        found: Floats = np.angle((ahead - place) * np.conj(place - behind))
        return found

    @functools.cached_property
    def distance_field(self) -> npt.NDArray[np.float32]:
        """(H + 2 MARGIN, W + 2 MARGIN) float32 signed distance from the edge in pixels, negative inside.

        Near the edge the distance is -BLUR Phi^-1(blurred mask), with Phi the normal distribution function, which is
        exact for a straight edge: the distance to the nearest pixel is wrong by up to half a pixel there. From 1 to 2.5
        pixels the two are blended.
        """
        mask = np.pad(self.mask, MARGIN)
        distance = scipy.ndimage.distance_transform_edt
        exact = np.where(mask > 0, 0.5 - distance(mask), distance(mask == 0) - 0.5)
        blurred = scipy.ndimage.gaussian_filter(mask.astype(np.float32), BLUR)
        near = -BLUR * ndtri(np.clip(blurred, 1e-3, 1 - 1e-3))
        share = np.clip((np.abs(exact) - 1.0) / 1.5, 0.0, 1.0)
        return (share * exact + (1 - share) * near).astype(np.float32)

    @functools.cached_property
    def arrays(self) -> EdgeArrays:
        """The piece as arrays, for the compiled loops."""
        points, corners = (self.points, self.normals, self.deviation), (self.corners, self.turning_angles)
        return EdgeArrays(self.distance_field, self.centre, *points, *corners)

    @property
    def centre(self) -> Floats:
        """Column and row of the canvas centre in `distance_field`."""
        return np.array(self._middle) + MARGIN

    @property
    def _middle(self) -> tuple[float, float]:
        height, width = self.mask.shape
        return (width - 1) / 2, (height - 1) / 2

    def rows_ahead(self, step: int) -> Indices:
        """(n,) row of the point that is `step` further along each point's loop."""
        start, length = self.points[:, 2].astype(np.int64), self.points[:, 3].astype(np.int64)
        found: Indices = start + (np.arange(len(start)) - start + step) % length
        return found

    def windows(self, reach: int, *, backwards: bool = False) -> npt.NDArray[np.complex128]:
        """(n, 2 reach + 1) complex: the points around each as x + iy from their mean, along the outline or against."""
        place = self.points[:, 0] + 1j * self.points[:, 1]
        order = range(reach, -reach - 1, -1) if backwards else range(-reach, reach + 1)
        around = np.stack([place[self.rows_ahead(step)] for step in order], axis=1)
        return around - around.mean(axis=1, keepdims=True)


def cached_edges(mask_of: Callable[[int], npt.NDArray[np.uint8]], most: int | None = None) -> Callable[[int], Edge]:
    """A function that gives the `Edge` of a piece by its index, with a cache of the `most` last used (None: all)."""
    return functools.lru_cache(most)(lambda index: Edge(mask_of(index)))
