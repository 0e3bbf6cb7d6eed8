"""Missing halves: what sticks out of a half, of a whole shape that holds it.

The whole is laid on the half where they overlap most. The edge of what sticks out follows the half's own where they
touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from metricvae.core.generation import ComplementModel, Floats
from metricvae.kinds.silhouette.records import SIZE, Mask
from metricvae.metrics.overlap.generation import LEAST_PART
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask

COVERED = (0.9, 1.0)
"""Share of the half that the whole is to hold."""

SHARE = (0.3, 0.7)
"""Share of the whole that the half is to be."""

ROOM = 70
"""Pixels round the canvas of the half in which the rest may lie."""

WRAPPED = 0.5
"""Share of the half's edge that the rest may touch, at most: a cut leaves the rest of the outline free."""


@dataclass(frozen=True)
class HalfComplement(ComplementModel):
    """The other half of a silhouette that was cut in two."""

    def draw_wholes(self, magnitude: float, count: int, rng: np.random.Generator) -> Floats:
        overlaps, areas = magnitude * rng.uniform(*COVERED, count), magnitude / rng.uniform(*SHARE, count)
        return np.stack([overlaps, areas], axis=1)

    def remainder(self, part: Mask, picture: Floats, pose: Pose) -> Floats | None:
        wide = np.pad(part, ROOM)
        return centred_piece(np.where(wide > 0, 0.0, move_mask(np.pad(picture, ROOM), pose)), wide)


def centred_piece(rest: Floats, half: Mask) -> Floats | None:
    """The largest piece of a picture, thin slivers left out, in the middle of a canvas.

    Args:
        rest: (H, W) picture in [0, 1] on a wide canvas.
        half: (H, W) where it must not be.

    Returns:
        None of one that is too small, too large for the canvas, or lies all about the half.
    """
    inside = ndimage.binary_opening(rest >= 0.5, np.ones((3, 3)))
    pieces, _ = ndimage.label(inside)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    if areas.max() < LEAST_PART:
        return None
    largest = pieces == areas.argmax()
    rows, columns = np.nonzero(largest)
    top, left = (int(ends.min() + ends.max() + 1) // 2 - SIZE // 2 for ends in (rows, columns))
    edge = ndimage.binary_dilation(half) & (half == 0)
    touched = np.count_nonzero(edge & ndimage.binary_dilation(largest)) / np.count_nonzero(edge)
    if max(np.ptp(rows), np.ptp(columns)) >= SIZE - 8 or touched > WRAPPED:
        return None
    shown = np.where(largest | (rest < 0.5), rest, 0.0)
    around = np.pad(shown, SIZE)
    return around[top + SIZE : top + 2 * SIZE, left + SIZE : left + 2 * SIZE]
