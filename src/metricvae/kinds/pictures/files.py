"""Reading picture files, with bounds: sizes are checked before anything is decoded."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from PIL import Image, ImageFile, PngImagePlugin

from metricvae.core.errors import InputError

LONGEST_SIDE = 4096
"""Pixels; a larger picture is refused before it is decoded."""

LARGEST_FILE = 64 * 2**20
"""Bytes; a larger file is refused before it is opened."""

_PNG_SIGNATURE = 8
"""Bytes before the first chunk of a PNG."""

T = TypeVar("T")


def read_picture(path: Path, convert: Callable[[Image.Image], T]) -> T:
    """What `convert` makes of the picture in a file, of any format that Pillow reads.

    Raises:
        InputError: the file is missing, too large, no picture, damaged, or `convert` fails.
    """
    with open_file(path, "an image") as file:
        return decode_picture(file, str(path), convert)


@contextlib.contextmanager
def open_file(path: Path, noun: str) -> Iterator[BinaryIO]:
    """A file to be read, of at most `LARGEST_FILE` bytes; `noun` is what it is to hold.

    Raises:
        InputError: there is none, it is too large, or it cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of {noun}")
    if not path.is_file():
        raise InputError(f"{path} is not a file: give the path of {noun}")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(f"{path} has {size:,} bytes, expected at most {LARGEST_FILE:,}: save a smaller picture")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): check it and its permissions") from error


def decode_picture(
    file: BinaryIO, name: str, convert: Callable[[Image.Image], T], *, formats: tuple[str, ...] | None = None
) -> T:
    """What `convert` makes of a picture; its size is checked from the header, before any pixel is decoded.

    Args:
        file: at its beginning.
        name: in messages.
        convert: of the whole picture.
        formats: that are read, by Pillow's names; None reads all.

    Raises:
        InputError: no picture, too large, damaged, or `convert` fails.
    """
    with _open_picture(file, name, formats) as picture:
        if max(picture.size) > LONGEST_SIDE:
            raise InputError(f"{name} is {picture.width}x{picture.height} pixels and {_too_large()}")
        try:
            with _whole_files_only():
                if picture.format == "PNG":
                    _check_chunks(file)
                picture.load()
            return convert(picture)
        except Exception as error:  # Pillow's plug-ins raise many kinds on damaged pixels
            raise InputError(f"{name} is damaged or cut short ({error}): save or copy it again") from error


def is_picture(path: Path) -> bool:
    """Whether a file's ending is one of a picture that Pillow reads."""
    return path.suffix.lower() in picture_extensions()


def picture_extensions() -> set[str]:
    """Endings of picture files that Pillow reads, in small letters."""
    known = Image.registered_extensions()
    return {extension for extension, format_name in known.items() if format_name in Image.OPEN and format_name != "PDF"}


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


def common_size(shapes: Iterable[tuple[int, ...]], title: str) -> tuple[int, ...] | None:
    """The shape of all pictures, as far as their height and width go; None where there are none.

    Args:
        shapes: (height, width, ...) of each.
        title: many of them, in messages.

    Raises:
        InputError: two have different sizes.
    """
    first: tuple[int, ...] | None = None
    for number, shape in enumerate(shapes, 1):
        first = first or shape
        if shape[:2] != first[:2]:
            sizes = " and ".join(f"{one[1]}x{one[0]}" for one in (first, shape))
            raise InputError(
                f"the {title} have different sizes ({sizes} pixels, number 1 and {number}): expected one size, resize "
                "them, or have them scaled with --fit and a size (--settings.height, --settings.width)"
            )
    return first
