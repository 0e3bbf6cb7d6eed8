"""Masks packed to one bit per pixel, for millions of silhouettes in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
Packed = npt.NDArray[np.uint8]


def pack_masks(masks: Mask) -> Packed:
    """Masks (m, H, W) of 0 and 1 as bits, (m, ceil(H * W / 8)) uint8, row by row.

    >>> pack_masks(np.ones((1, 2, 4), np.uint8))
    array([[255]], dtype=uint8)
    """
    return np.packbits(masks.reshape(len(masks), -1), axis=1)


def unpack_masks(packed: Packed, height: int, width: int) -> Mask:
    """The inverse of `pack_masks`: (m, b) uint8 to (m, height, width) uint8 of 0 and 1."""
    return np.unpackbits(packed, axis=1, count=height * width).reshape(-1, height, width)
