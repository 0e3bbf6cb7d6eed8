"""The edge of a piece, with all that its joins to other pieces share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import ndtri

from metricvae.kinds.silhouette.outlines import resample_outline, trace
from metricvae.metrics.match.solver.contacts import Side

SPACING, MOST = 2.5, 480
"""Pixels between the points of an edge, and points at most."""

MARGIN = 40
"""Pixels round the canvas within which the distance from an edge is known."""

SOFTNESS = 1.2
"""Standard deviation, in pixels, of the blur that takes the stairs out of distances near an edge."""

REACH = 4
"""Points to both sides that tell how sharp a corner is."""

SHARP = 0.5
"""Radians that an outline turns at a corner, at least."""

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Edge:
    """A piece as its outline, the inside to the right; each part is computed on first use and kept.

    Places are in pixels from the canvas centre, x to the right and y down.

    Attributes:
        mask: (H, W) uint8 of 0 and 1.
    """

    mask: npt.NDArray[np.uint8]

    @functools.cached_property
    def points(self) -> Floats:
        """(n, 4): x, y, the row at which the point's loop starts, the points of the loop; (0, 4) of a blank piece."""
        found = resample_outline(*trace(self.mask, *self._middle), SPACING, 1, MOST).astype(np.float64)
        return found[found[:, 3] > 0]

    @functools.cached_property
    def normals(self) -> Floats:
        """(n, 2) unit vectors to the outside."""
        along = self.points[self.ahead(2), :2] - self.points[self.ahead(-2), :2]
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
        return np.ascontiguousarray(np.stack([along[:, 1], -along[:, 0]], axis=1))

    @functools.cached_property
    def bent(self) -> Floats:
        """(n,) pixels, at most 2, by which 11 points around each are off a line, as a root mean square."""
        around = self.windows(5)
        off = (np.abs(around) ** 2).sum(1) - np.abs((around**2).sum(1))
        return np.minimum(np.sqrt(np.maximum(off, 0.0) / (2 * around.shape[1])), 2.0)

    @functools.cached_property
    def corners(self) -> Indices:
        """(k,) rows of the points at which the outline turns most, outwards."""
        sharpest = np.all([self.turns >= self.turns[self.ahead(step)] for step in (-2, -1, 1, 2)], axis=0)
        long_enough = self.points[:, 3] > 2 * REACH + 1
        return np.flatnonzero(sharpest & long_enough & (self.turns > SHARP))

    @functools.cached_property
    def turns(self) -> Floats:
        """(n,) radians by which the outline turns at each point, outwards as positive."""
        place = self.points[:, 0] + 1j * self.points[:, 1]
        found: Floats = np.angle((place[self.ahead(REACH)] - place) * np.conj(place - place[self.ahead(-REACH)]))
        return found

    @functools.cached_property
    def field(self) -> npt.NDArray[np.float32]:
        """(H + 2 MARGIN, W + 2 MARGIN) pixels from the edge, negative inside.

        Near the edge the distance is read from the blurred mask, as that of a straight edge: the stairs of pixels make
        the exact distance wrong by half a pixel there.
        """
        mask = np.pad(self.mask, MARGIN)
        distance = scipy.ndimage.distance_transform_edt
        exact = np.where(mask > 0, 0.5 - distance(mask), distance(mask == 0) - 0.5)
        blurred = scipy.ndimage.gaussian_filter(mask.astype(np.float32), SOFTNESS)
        near = -SOFTNESS * ndtri(np.clip(blurred, 1e-3, 1 - 1e-3))
        share = np.clip((np.abs(exact) - 1.0) / 1.5, 0.0, 1.0)
        return (share * exact + (1 - share) * near).astype(np.float32)

    @functools.cached_property
    def side(self) -> Side:
        """The piece as the compiled loops read it."""
        return Side(self.field, self.centre, self.points, self.normals, self.bent, self.corners, self.turns)

    @property
    def centre(self) -> Floats:
        """Column and row of the canvas centre in `field`."""
        return np.array(self._middle) + MARGIN

    @property
    def _middle(self) -> tuple[float, float]:
        height, width = self.mask.shape
        return (width - 1) / 2, (height - 1) / 2

    def ahead(self, step: int) -> Indices:
        """(n,) row of the point `step` further along each point's loop."""
        start, length = self.points[:, 2].astype(np.int64), self.points[:, 3].astype(np.int64)
        found: Indices = start + (np.arange(len(start)) - start + step) % length
        return found

    def windows(self, reach: int, *, backwards: bool = False) -> npt.NDArray[np.complex128]:
        """(n, 2 reach + 1): points around each as x + iy from their mean, along the outline or against it."""
        place = self.points[:, 0] + 1j * self.points[:, 1]
        order = range(reach, -reach - 1, -1) if backwards else range(-reach, reach + 1)
        around = np.stack([place[self.ahead(step)] for step in order], axis=1)
        return around - around.mean(axis=1, keepdims=True)


def kept_edges(mask_of: Callable[[int], npt.NDArray[np.uint8]], most: int | None = None) -> Callable[[int], Edge]:
    """The edges of pieces by their number, each prepared once; of the `most` that were asked for last, None for all."""
    return functools.lru_cache(most)(lambda index: Edge(mask_of(index)))
