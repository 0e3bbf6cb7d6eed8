"""Grey levels of more than eight bits as 0 to 255, and pictures as they are meant to be looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from metricvae.core.errors import say_of_input

SCALES = (1, 255, 1023, 4095, 16383, 65535)
"""Largest levels that cameras, scanners and programs use: one bit, 8, 10, 12, 14 and 16."""

_USUAL = (1, 255, 65535)

Bytes = npt.NDArray[np.uint8]


def is_deep(picture: Image.Image) -> bool:
    """Whether a picture has grey levels of more than eight bits."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def eight_bits(picture: Image.Image, name: str) -> Bytes:
    """Levels of a deep picture, (H, W), as 0 to 255: on the smallest of `SCALES` that holds them all.

    A scale between 8 and 16 bits is a guess, which is said.

    Args:
        picture: for which `is_deep` holds.
        name: in messages.

    Raises:
        ValueError: levels outside 0 to 65,535.
    """
    values = np.asarray(picture, dtype=np.float64)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > SCALES[-1]:
        raise ValueError("grey levels outside 0 to 65,535")
    top = next(limit for limit in SCALES if values.max() <= limit)
    if top not in _USUAL:
        say_of_input(f"{name} has grey levels up to {values.max():,.0f}: taken on the scale of 0 to {top:,}")
    return np.asarray(np.floor(values * (255 / top) + 0.5), dtype=np.uint8)


def upright(picture: Image.Image) -> Image.Image:
    """A picture as its EXIF data say it is to be looked at."""
    return ImageOps.exif_transpose(picture)


def first_frame(picture: Image.Image, name: str) -> Image.Image:
    """The picture itself, of which it is said when more follow in its file."""
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        say_of_input(f"{name} holds {frames} pictures: the first is taken, save the others by themselves")
    return picture
