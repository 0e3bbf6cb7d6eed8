"""Reading silhouettes from image files, with bounds, and the PNG bytes they are stored as."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import shapely
from PIL import Image, ImageFile, PngImagePlugin

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import SIZE, Mask, Silhouette, as_mask

LONGEST_SIDE = 4096
"""Pixels; a larger picture is refused before it is decoded."""

LARGEST_FILE = 64 * 2**20
"""Bytes; a larger file is refused before it is opened."""

FITTED_RADIUS = 80.0
"""Pixels: radius of the smallest enclosing circle after fitting."""

_PNG_SIGNATURE = 8
"""Bytes before the first chunk of a PNG."""

_MARGIN = 2
"""Pixels round a fitted shape that the resampling filter may blur into."""


def read_image(path: Path | str, *, fit: bool = False) -> Mask:
    """The mask in an image file: white (or opaque) shape on black (or transparent), cut at half.

    Any format Pillow reads. Colours are turned into grey levels. When the picture has transparency and its visible
    part has one colour (as icons have), the opacity is the shape, whatever that colour; otherwise transparent
    means black.

    Args:
        path: file.
        fit: accept any size; scale and centre so that the smallest enclosing circle has radius 80.

    Raises:
        InputError: the file is missing, too large, no picture, damaged, blank, white all over, or (without `fit`)
            not 200x200.
    """
    grey = _read_grey(Path(path))
    if not fit:
        return as_mask(grey, name=str(path))
    inside = as_mask(grey, name=str(path), size=None)
    return as_mask(fit_to_canvas(grey, inside), name=f"{path} after fitting")


def fit_to_canvas(grey: Mask, inside: Mask) -> Mask:
    """Scale and centre a (H, W) uint8 picture of grey levels onto a (200, 200) one of grey levels.

    Args:
        grey: 0 to 255.
        inside: 1 where the shape is, 0 or 1; its smallest enclosing circle gets the canvas centre and radius 80.
    """
    x, y, radius = _circle_of(inside)
    scale = radius / FITTED_RADIUS
    levels = (grey if grey.max() > 1 else grey * 255).astype(np.uint8)
    # The square of the picture that becomes the canvas, in its own pixels; what lies outside the picture is black.
    half = scale * SIZE / 2
    west, north = int(np.floor(x - half)) - _MARGIN, int(np.floor(y - half)) - _MARGIN
    side = int(np.ceil(2 * half)) + 2 * _MARGIN + 1
    square = Image.fromarray(levels).crop((west, north, west + side, north + side))
    corner_x, corner_y = x - half - west, y - half - north
    region = (corner_x, corner_y, corner_x + 2 * half, corner_y + 2 * half)
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=region))


def read_folder(folder: Path | str, *, fit: bool = False) -> list[Silhouette]:
    """Every image in a folder and the folders below it, sorted by name; files that are no images are passed over.

    The extension tells an image (any that Pillow knows); hidden files and folders are skipped. The id and group of a
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
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if _is_image(path, folder))
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


def decode_png(content: bytes, *, name: str = "the image") -> Mask:
    """The mask in PNG bytes, (200, 200).

    Raises:
        InputError: not a whole PNG of that size with a shape in it.
    """
    return as_mask(_grey_of(io.BytesIO(content), name, formats=("PNG",)), name=name)


def _is_image(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in _image_extensions() and path.is_file()


def _image_extensions() -> set[str]:
    known = Image.registered_extensions()
    return {extension for extension, format_name in known.items() if format_name in Image.OPEN and format_name != "PDF"}


def _read_grey(path: Path) -> Mask:
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of an image")
    if not path.is_file():
        raise InputError(f"{path} is not a file: give the path of an image")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(f"{path} has {size:,} bytes, expected at most {LARGEST_FILE:,}: save a smaller picture")
        with open(path, "rb") as file:
            return _grey_of(file, str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): check it and its permissions") from error


def _grey_of(file: BinaryIO, name: str, *, formats: tuple[str, ...] | None = None) -> Mask:
    """Grey levels (H, W) of a picture; its size is checked from the header, before any pixel is decoded."""
    with _open_picture(file, name, formats) as picture:
        if max(picture.size) > LONGEST_SIDE:
            raise InputError(f"{name} is {picture.width}x{picture.height} pixels and {_too_large()}")
        try:
            with _whole_files_only():
                if picture.format == "PNG":
                    _check_chunks(file)
                picture.load()
            return _shape_of(picture)
        except Exception as error:  # Pillow's plug-ins raise many kinds on damaged pixels
            raise InputError(f"{name} is damaged or cut short ({error}): save or copy it again") from error


def _open_picture(file: BinaryIO, name: str, formats: tuple[str, ...] | None) -> Image.Image:
    """A picture of which the header alone is read."""
    try:
        with warnings.catch_warnings(), _whole_files_only():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file, formats=formats)
    except Image.DecompressionBombError:
        raise InputError(f"{name} {_too_large()}") from None
    except Exception as error:  # likewise on a foreign or damaged header
        raise InputError(f"{name} is not a picture that can be read: expected PNG or another image format") from error


def _check_chunks(file: BinaryIO) -> None:
    """Compare the CRC-32 of every chunk of a PNG up to the last, IEND; loading skips those of the pixels."""
    place = file.tell()
    file.seek(_PNG_SIGNATURE)
    PngImagePlugin.ChunkStream(file).verify()
    file.seek(place)


@contextlib.contextmanager
def _whole_files_only() -> Iterator[None]:
    """Have Pillow refuse files that are cut short, whatever another library set for the process."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _too_large() -> str:
    return f"is larger than {LONGEST_SIDE}x{LONGEST_SIDE}: scale it down"


def _shape_of(picture: Image.Image) -> Mask:
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _shape_of_deep(np.asarray(picture, dtype=np.float64))
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("L"))
    layers = np.asarray(picture.convert("RGBA"))
    opacity = layers[..., 3]
    visible = layers[..., :3][opacity >= 128]
    if opacity.min() < 128 and len(visible) and int(np.ptp(visible, axis=0).max()) <= 8:
        return opacity
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    return np.asarray(Image.alpha_composite(black, picture.convert("RGBA")).convert("L"))


def _shape_of_deep(values: np.ndarray) -> Mask:
    """More than eight bits a pixel: cut half way up to 1, 255 or 65,535, whichever the picture needs."""
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise ValueError("grey levels outside 0 to 65,535")
    top = next(limit for limit in (1, 255, 65535) if values.max() <= limit)
    return np.asarray(np.floor(values * (255 / top) + 0.5), dtype=np.uint8)


def _circle_of(inside: Mask) -> tuple[float, float, float]:
    """Centre and radius of the smallest circle round the pixels inside; (0, 0) is the corner of the picture."""
    rows = np.flatnonzero(inside.any(axis=1))
    first = inside[rows].argmax(axis=1)
    last = inside.shape[1] - inside[rows, ::-1].argmax(axis=1)
    corners = [np.stack([columns, rows + lower], axis=1) for columns in (first, last) for lower in (0, 1)]
    circle = shapely.minimum_bounding_circle(shapely.multipoints(np.concatenate(corners).astype(np.float64)))
    west, south, east, north = circle.bounds
    return (west + east) / 2, (south + north) / 2, (east - west) / 2
