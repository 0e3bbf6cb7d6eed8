"""Reading images from picture files, arrays and memory, with bounds, and the PNG bytes they are stored as."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from metricvae.core.array_files import npy_header, read_whole_array
from metricvae.core.errors import InputError, shortened
from metricvae.kinds.pictures.files import LARGEST_FILE, LONGEST_SIDE, decode_picture, read_picture
from metricvae.runtime.reading import reading

Levels = npt.NDArray[np.uint8]
"""(H, W, C) of an image, C = 1 for grey levels or 3 for red, green and blue."""


def read_image(path: Path) -> Levels:
    """The image in a file: a picture, or a NumPy array as `as_levels` takes it.

    Raises:
        InputError: the file is missing, too large, damaged or holds something else.
    """
    return read_array(path) if path.suffix.lower() == ".npy" else read_picture(path, levels_of)


def levels_of(picture: Image.Image) -> Levels:
    """An upright picture of eight bits a channel, what is transparent over white.

    Palettes become colours; grey stays one channel.
    """
    if picture.has_transparency_data:
        grey = picture.mode in ("LA", "La", "L", "1")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if grey else "RGB")
    values = np.asarray(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))
    return values[..., None] if values.ndim == 2 else values


def read_array(path: Path) -> Levels:
    """The image in a NumPy file; its shape and type are checked from the header, nothing is unpickled.

    Raises:
        InputError: no such file, or one that holds something else.
    """
    with reading(path, "an array", LARGEST_FILE) as file:
        try:
            shape, dtype = npy_header(file)
        except (ValueError, EOFError) as error:
            raise InputError(
                f"{path} cannot be read as an array ({shortened(error, 160)}): save it with numpy.save"
            ) from None
        _check_form(shape, dtype, str(path))
        file.seek(0)
        try:
            array = read_whole_array(file)
        except (ValueError, EOFError) as error:
            raise InputError(f"{path} is damaged or cut short ({error}): save or copy it again") from None
    return as_levels(array, str(path))


def as_levels(array: npt.NDArray[Any], name: str = "the array") -> Levels:
    """An array as an image.

    Args:
        array: (H, W), (H, W, 1) or (H, W, 3): whole numbers from 0 to 255, floats from 0 to 1 (rounded to 255 steps),
            or booleans.
        name: in messages.

    Raises:
        InputError: of another form, with other values, or larger than 4096 pixels along a side.

    Example:
        >>> as_levels(np.array([[0.0, 1.0]]))[0, :, 0].tolist()
        [0, 255]
    """
    _check_form(array.shape, array.dtype, name)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{name} has NaN or infinite pixels: expected numbers from 0 to 1")
    top = 1 if array.dtype.kind in "fb" else 255
    if array.min() < 0 or array.max() > top:
        raise InputError(
            f"{name} has values from {array.min():g} to {array.max():g}: expected whole numbers from 0 to 255, or "
            "floats from 0 to 1; scale it"
        )
    levels = array if top == 255 else np.floor(array * 255.0 + 0.5)
    return np.ascontiguousarray(levels if array.ndim == 3 else levels[..., None], np.uint8)


def _check_form(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    good = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
    if not good or dtype.kind not in "buif" or not all(0 < side <= LONGEST_SIDE for side in shape[:2]):
        raise InputError(
            f"{name} has shape {shape} and type {dtype}: expected numbers of the shape (height, width) or (height, "
            f"width, 3), at most {LONGEST_SIDE} a side"
        )


def fitted(levels: Levels, height: int, width: int) -> Levels:
    """An image resized to (height, width, C), its sides each by its own factor."""
    if levels.shape[:2] == (height, width):
        return levels
    channels = [
        np.asarray(Image.fromarray(levels[..., one]).resize((width, height), Image.Resampling.BILINEAR))
        for one in range(levels.shape[2])
    ]
    return np.stack(channels, axis=-1)


def with_channels(levels: Levels, channels: int) -> Levels:
    """An image with so many channels: grey repeated, or colours as their luminance."""
    if levels.shape[2] == channels:
        return levels
    if channels == 3:
        return np.repeat(levels, 3, axis=2)
    return np.asarray(Image.fromarray(levels).convert("L"))[..., None]


def encode_png(levels: Levels) -> bytes:
    """An image as the bytes of an 8-bit PNG; equal images give equal bytes."""
    buffer = io.BytesIO()
    picture = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    picture.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def decode_png(content: bytes) -> Levels:
    """The inverse of `encode_png`.

    Raises:
        InputError: not a whole PNG.
    """
    return decode_picture(io.BytesIO(content), "the image", levels_of, formats=("PNG",))
