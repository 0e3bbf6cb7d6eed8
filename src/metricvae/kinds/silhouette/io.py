"""Reading silhouettes from image files, with bounds, and the PNG bytes they are stored as."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import shapely
from PIL import Image

from metricvae.core.errors import InputError, say_of_input
from metricvae.kinds.pictures.files import decode_picture, is_picture, read_picture
from metricvae.kinds.silhouette.records import CANVAS, Canvas, Mask, Silhouette, as_mask
from metricvae.runtime.reading import files_below

FITTED_RADIUS = 0.4
"""Radius of the smallest enclosing circle after fitting, as a share of the canvas's shorter side."""

BLACK_ON_WHITE = 0.9
"""Share of the border's pixels from which on, white, they are more likely paper than shape."""

_MARGIN = 2
"""Pixels round a fitted shape that the resampling filter may blur into."""


def read_image(path: Path | str, *, fit: bool = False, canvas: Canvas | None = CANVAS, invert: bool = False) -> Mask:
    """The mask in an image file: white (or opaque) shape on black (or transparent), cut at half.

    Colours are turned into grey levels. When the picture has transparency and its visible part has one colour (as icons
    have), the opacity is the shape, whatever that colour; otherwise transparent means black.

    Args:
        path: file.
        fit: accept any size; scale and centre so that the smallest enclosing circle has a radius of 0.4 of the
            canvas's shorter side.
        canvas: height and width in pixels; None takes any, and fits to 200x200.
        invert: take black for white. A picture that is white along its border is taken as it is, with a warning.

    Raises:
        InputError: the file is missing, too large, no picture, damaged, blank, white all over, or (without `fit`)
            not of the size of the canvas.
    """
    grey = read_picture(Path(path), _shape_of)
    if invert:
        grey = (255 if grey.max() > 1 else 1) - grey
    inside = as_mask(grey, name=str(path), canvas=None if fit else canvas)
    if not invert and _white_border(inside) >= BLACK_ON_WHITE:
        say_of_input(f"{path} is white along its border: if its shape is black on white, give --invert")
    if not fit:
        return inside
    return as_mask(fit_to_canvas(grey, inside, canvas or CANVAS), name=f"{path} after fitting", canvas=None)


def fit_to_canvas(grey: Mask, inside: Mask, canvas: Canvas = CANVAS) -> Mask:
    """Scale and centre a (H, W) uint8 picture of grey levels onto a canvas, as grey levels.

    Args:
        grey: 0 to 255.
        inside: 1 where the shape is, 0 or 1; its smallest enclosing circle gets the canvas centre and a radius of 0.4
            of the canvas's shorter side.
        canvas: height and width.
    """
    x, y, radius = _circle_of(inside)
    scale = radius / (FITTED_RADIUS * min(canvas))
    levels = (grey if grey.max() > 1 else grey * 255).astype(np.uint8)
    # The part of the picture that becomes the canvas, in its own pixels; what lies outside the picture is black.
    half_width, half_height = scale * canvas[1] / 2, scale * canvas[0] / 2
    west, north = int(np.floor(x - half_width)) - _MARGIN, int(np.floor(y - half_height)) - _MARGIN
    broad, high = (int(np.ceil(2 * half)) + 2 * _MARGIN + 1 for half in (half_width, half_height))
    cut = Image.fromarray(levels).crop((west, north, west + broad, north + high))
    corner_x, corner_y = x - half_width - west, y - half_height - north
    region = (corner_x, corner_y, corner_x + 2 * half_width, corner_y + 2 * half_height)
    return np.asarray(cut.resize((canvas[1], canvas[0]), Image.Resampling.BILINEAR, box=region))


def read_folder(folder: Path | str, *, fit: bool = False) -> list[Silhouette]:
    """Every image in a folder and the folders below it, sorted by name; files that are no images are passed over.

    The extension tells an image (any that is read); hidden files and folders are skipped. The id and group of a
    shape are its path relative to `folder`, its source and family the folder's name.

    Raises:
        InputError: no such folder, no image in it, or an image that :func:`read_image` refuses.
    """
    folder = Path(folder)
    names = image_names(folder)
    source = folder.resolve().name
    return [Silhouette(name, source, source, name, read_image(folder / name, fit=fit)) for name in names]


def image_names(folder: Path) -> list[str]:
    """Paths of the images that `read_folder` reads, relative to the folder, sorted.

    Raises:
        InputError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give glyphs, procedural, mixed or a folder of images")
    names = sorted(path.relative_to(folder).as_posix() for path in files_below(folder) if is_picture(path))
    if not names:
        raise InputError(f"{folder} holds no image: expected PNG or other pictures, white shape on black")
    return names


def encode_png(mask: Mask) -> bytes:
    """A mask as the bytes of an 8-bit grey PNG, 0 and 255; equal masks give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(
        buffer, format="PNG", compress_level=6
    )  # 9: a fifth smaller, ten times as long
    return buffer.getvalue()


def decode_png(content: bytes, *, name: str = "the image", canvas: Canvas = CANVAS) -> Mask:
    """The mask in PNG bytes, of the size of the canvas.

    Raises:
        InputError: not a whole PNG of that size with a shape in it.
    """
    return as_mask(decode_picture(io.BytesIO(content), name, _shape_of, formats=("PNG",)), name=name, canvas=canvas)


def _shape_of(picture: Image.Image) -> Mask:
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("L"))
    layers = np.asarray(picture.convert("RGBA"))
    opacity = layers[..., 3]
    visible = layers[..., :3][opacity >= 128]
    if opacity.min() < 128 and len(visible) and int(np.ptp(visible, axis=0).max()) <= 8:
        return opacity
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    return np.asarray(Image.alpha_composite(black, picture.convert("RGBA")).convert("L"))


def _white_border(inside: Mask) -> float:
    """Share of the pixels along the border that are inside the shape."""
    border = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    return float(border.mean())


def _circle_of(inside: Mask) -> tuple[float, float, float]:
    """Centre and radius of the smallest circle round the pixels inside; (0, 0) is the corner of the picture."""
    rows = np.flatnonzero(inside.any(axis=1))
    first = inside[rows].argmax(axis=1)
    last = inside.shape[1] - inside[rows, ::-1].argmax(axis=1)
    corners = [np.stack([columns, rows + lower], axis=1) for columns in (first, last) for lower in (0, 1)]
    circle = shapely.minimum_bounding_circle(shapely.multipoints(np.concatenate(corners).astype(np.float64)))
    west, south, east, north = circle.bounds
    return (west + east) / 2, (south + north) / 2, (east - west) / 2
