"""Records of silhouettes: a binary mask with its name, source and group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError

SIZE = 200
"""Side of the canvas in pixels where none is given (the paper's 40,000-pixel input)."""

Canvas = tuple[int, int]
"""Height and width in pixels."""

CANVAS: Canvas = (SIZE, SIZE)

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Silhouette:
    """A silhouette.

    Attributes:
        id: stable name, unique within a data set; the same source, seed and index always give the same id.
        source: `glyphs`, `procedural`, or the folder of images.
        family: the kind of shape (`gear`, `star`, ..., a Unicode block, or the folder's name).
        group: shapes of a group are variants of one another, and all of them are in one split.
        mask: (H, W) uint8, 1 inside the shape, 0 outside.
    """

    id: str
    source: str
    family: str
    group: str
    mask: Mask

    @property
    def area(self) -> int:
        """Number of pixels inside the shape."""
        return int(self.mask.sum(dtype=np.int64))


def check_canvas(shape: tuple[int, ...], canvas: Canvas, name: str) -> None:
    """Raise InputError unless a picture has the size of a canvas; `name` is what it is called."""
    if shape != canvas:
        got, expected = (f"{size[1]}x{size[0]}" for size in (shape, canvas))
        raise InputError(f"{name} is {got} pixels, expected {expected}: scale it, or use --fit")


def as_mask(array: npt.ArrayLike, *, name: str = "the array", canvas: Canvas | None = CANVAS) -> Mask:
    """Convert an array to a mask, (H, W) uint8 of 0 and 1.

    Booleans and integers of 0 and 1 are kept; grey levels 0..255 and floats 0..1 are thresholded at half.

    Args:
        array: of pixels.
        name: in messages.
        canvas: height and width that it must have; None takes any.

    Raises:
        InputError: not two-dimensional, wrong size, NaN or infinite pixels, values outside the ranges above,
            a blank array or one without any background.

    >>> as_mask([[0, 255], [0, 0]], canvas=None)
    array([[0, 1],
           [0, 0]], dtype=uint8)
    """
    values = np.asarray(array)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise InputError(f"{name} has shape {values.shape} and type {values.dtype}: expected a 2-D array of numbers")
    if canvas is not None:
        check_canvas(values.shape, canvas, name)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{name} has NaN or infinite pixels: expected numbers from 0 to 1")
    if values.size and (values.min() < 0 or values.max() > 255):
        raise InputError(f"{name} has values from {values.min()} to {values.max()}: expected 0..1 or 0..255")
    top = values.max(initial=0)
    mask = (values > 0.5) if top <= 1 else (values >= 128)
    if not mask.any():
        raise InputError(f"{name} is blank: expected a white shape on black")
    if mask.all():
        raise InputError(f"{name} is white all over: expected a white shape on black")
    return np.ascontiguousarray(mask, dtype=np.uint8)
