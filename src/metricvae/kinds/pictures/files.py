"""Reading picture files, with bounds: sizes are checked before anything is decoded."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar

from PIL import Image

from metricvae.core.errors import InputError
from metricvae.kinds.pictures.completeness import check_complete, strictly
from metricvae.kinds.pictures.levels import eight_bits, first_frame, is_deep, upright
from metricvae.runtime.reading import reading, refuse_unread

LONGEST_SIDE = 4096
"""Pixels; a larger picture is refused before it is decoded."""

LARGEST_FILE = 64 * 2**20
"""Bytes; a larger file is refused before it is opened."""

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "ICO", "JPEG2000", "TGA", "AVIF")
"""Formats that are read, by Pillow's names: those that Pillow decodes itself. EPS, for one, would start Ghostscript."""

T = TypeVar("T")


def read_picture(path: Path, convert: Callable[[Image.Image], T]) -> T:
    """What `convert` makes of the picture in a file, of any of `FORMATS`.

    Raises:
        InputError: the file is missing, too large, no picture, damaged, or `convert` fails.
    """
    with reading(path, "an image", LARGEST_FILE) as file:
        content = io.BytesIO(file.read())  # a file that is asked for more bytes than it has allocates them
    return decode_picture(content, str(path), convert)


def decode_picture(
    file: BinaryIO, name: str, convert: Callable[[Image.Image], T], *, formats: tuple[str, ...] = FORMATS
) -> T:
    """What `convert` makes of a picture; its size is checked from the header, before any pixel is decoded.

    The picture is turned upright by its EXIF data, and has eight bits a channel; of several in a file it is the first.

    Args:
        file: at its beginning.
        name: in messages.
        convert: of the whole picture.
        formats: that are read, by Pillow's names.

    Raises:
        InputError: no picture, too large, damaged, or `convert` fails.
    """
    with _open_picture(file, name, formats) as picture:
        if max(picture.size) > LONGEST_SIDE:
            raise InputError(f"{name} is {picture.width}x{picture.height} pixels and {_too_large()}")
        try:
            with strictly(picture.format):
                check_complete(file, picture.format)
                first_frame(picture, name).load()
            turned = upright(picture)
            return convert(Image.fromarray(eight_bits(turned, name)) if is_deep(turned) else turned)
        except Exception as error:  # Pillow's plug-ins raise many kinds on damaged pixels
            refuse_unread(name, error)
            raise InputError(f"{name} is damaged or cut short ({error}): save or copy it again") from error


def is_picture(path: Path) -> bool:
    """Whether a file's ending is one of a picture that is read."""
    return path.suffix.lower() in picture_extensions()


def picture_extensions() -> set[str]:
    """Endings of picture files that are read, in small letters."""
    return {extension for extension, name in Image.registered_extensions().items() if name in _there(FORMATS)}


@functools.cache
def _there(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some formats that this build of Pillow decodes."""
    Image.init()
    return tuple(name for name in formats if name in Image.OPEN)


def _open_picture(file: BinaryIO, name: str, formats: tuple[str, ...]) -> Image.Image:
    """A picture of which the header alone is read."""
    try:
        with warnings.catch_warnings(), strictly(None):
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file, formats=_there(formats))
    except Image.DecompressionBombError:
        raise InputError(f"{name} {_too_large()}") from None
    except Exception as error:  # likewise on a foreign or damaged header
        refuse_unread(name, error)
        raise InputError(f"{name} is not a picture that can be read: expected PNG or another image format") from error


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
