"""What the pose network learns of a pair: the overlap as a function of the rotation, from the exact scan."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.core.kind import Packed
from metricvae.kinds.silhouette.packing import unpack_masks
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, rotation_curve

SCAN_FREQUENCIES = 24
"""Of the scan: its cells are 8 pixels wide on a canvas of 200, which many pairs even out."""

Rows = npt.NDArray[np.int64]


def scan_pairs(
    packed: Packed, canvas: tuple[int, int], first: Rows, second: Rows, rotations: int
) -> dict[str, npt.NDArray[np.float16]]:
    """Curves of n pairs of m packed masks, each at the two best shifts of `rotations` rotations.

    Args:
        packed: (m, b) a bit a pixel.
        canvas: height and width in pixels.
        first, second: (n,) rows of the masks of each pair.
        rotations: evenly spaced over the circle.

    Returns:
        `area`, (n, rotations, 2), overlap as a share of the smaller area, and `shift`, (n, rotations, 2, 2) pixels of
        the second centroid from the first.
    """
    shapes = [PreparedMask(mask) for mask in unpack_masks(packed, *canvas)]
    config = SearchConfig(angles=rotations, frequencies=SCAN_FREQUENCIES)
    pairs = [(shapes[a], shapes[b]) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    curves = [rotation_curve(a, b, config) for a, b in pairs]
    least = np.array([min(a.area, b.area) for a, b in pairs])
    area = np.stack([curve.area for curve in curves]) / least[:, None, None]
    shift = np.stack([curve.shift for curve in curves])
    return {"area": area.astype(np.float16), "shift": shift.astype(np.float16)}
