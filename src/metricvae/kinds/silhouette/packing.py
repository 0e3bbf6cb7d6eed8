"""Silhouettes in memory by the million: one bit a pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
Packed = npt.NDArray[np.uint8]


def packed_masks(masks: Mask) -> Packed:
    """(m, H, W) masks of 0 and 1 -> (m, ceil(H * W / 8)), row by row."""
    return np.packbits(masks.reshape(len(masks), -1), axis=1)


def unpacked_masks(packed: Packed, height: int, width: int) -> Mask:
    """The inverse of `packed_masks`."""
    return np.unpackbits(packed, axis=1, count=height * width).reshape(-1, height, width)
