"""Whether a picture file is whole: checksums where its format has them, and its end where it says where that is.

Pillow decodes what it can: it skips the checksums of a PNG's pixels, and fills up what a file that is cut short lacks.
Formats without checksums (BMP, TIFF, GIF, JPEG) can be tested for their length alone; a byte that was changed within is
not found.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import struct
import warnings
from collections.abc import Callable, Iterator
from typing import BinaryIO

from PIL import ImageFile, PngImagePlugin

_PNG_SIGNATURE = 8
"""Bytes before the first chunk of a PNG."""

_IEND_CRC = b"\xae\x42\x60\x82"

_STDERR = 2

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what Pillow logs of damage, the exception says


def check_complete(file: BinaryIO, format_name: str | None) -> None:
    """Raise an exception unless a picture file of a format is whole; the file stands where it stood.

    Args:
        file: that can be read from its beginning.
        format_name: as Pillow has it.
    """
    place = file.tell()
    try:
        _CHECKS.get(format_name or "", _nothing)(file)
    finally:
        file.seek(place)


@contextlib.contextmanager
def strictly(format_name: str | None) -> Iterator[None]:
    """Decode a picture without filling up what is not there, whatever another library set for the process.

    What Pillow only warns of in a TIFF, that its tables are cut short, is an error; what libtiff writes to the standard
    error itself is dropped, as the exception says it.
    """
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with contextlib.ExitStack() as stack:
            if format_name == "TIFF":
                stack.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("error", "Corrupt EXIF data|Tag data larger than file", UserWarning)
                stack.enter_context(_silent_stderr())
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what libraries of C write to the standard error."""
    saved, null = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, _STDERR)
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)
        os.close(null)


def _nothing(file: BinaryIO) -> None:
    pass


def _check_png(file: BinaryIO) -> None:
    """Compare the CRC-32 of every chunk up to the last, IEND."""
    file.seek(_PNG_SIGNATURE)
    PngImagePlugin.ChunkStream(file).verify()
    if file.read(4) != _IEND_CRC:
        raise ValueError("it ends before its last checksum")


def _check_bmp(file: BinaryIO) -> None:
    """Compare the length that the header gives, where it gives one."""
    file.seek(2)
    (size,) = struct.unpack("<I", file.read(4))
    there = _size(file)
    if size > there:
        raise ValueError(f"{there:,} bytes of {size:,}")


def _check_gif(file: BinaryIO) -> None:
    """Look for the trailer."""
    size = _size(file)
    file.seek(max(0, size - 1024))
    if not file.read().rstrip(b"\0").endswith(b";"):
        raise ValueError("it has no end")


def _check_tiff(file: BinaryIO) -> None:
    """Follow the chain of directories to its end; the pixels of the first are read when it is decoded."""
    size = _size(file)
    file.seek(0)
    head = file.read(8)
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8 or struct.unpack(order + "H", head[2:4])[0] != 42:
        return  # BigTIFF, which Pillow follows itself
    (place,), seen = struct.unpack(order + "I", head[4:8]), set[int]()
    while place:
        if place in seen or place + 2 > size:
            raise ValueError(f"a directory lies at byte {place:,} of {size:,}")
        seen.add(place)
        file.seek(place)
        (entries,) = struct.unpack(order + "H", file.read(2))
        file.seek(place + 2 + 12 * entries)
        following = file.read(4)
        if len(following) < 4:
            raise ValueError("its directory is cut short")
        (place,) = struct.unpack(order + "I", following)


def _check_ico(file: BinaryIO) -> None:
    """Compare the lengths of the pictures in the table with the file's."""
    size = _size(file)
    file.seek(4)
    (count,) = struct.unpack("<H", file.read(2))
    for _ in range(count):
        length, place = struct.unpack("<8xII", file.read(16))
        if place + length > size:
            raise ValueError(f"{size:,} bytes of {place + length:,}")


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


_CHECKS: dict[str, Callable[[BinaryIO], None]] = {
    "PNG": _check_png,
    "BMP": _check_bmp,
    "GIF": _check_gif,
    "TIFF": _check_tiff,
    "ICO": _check_ico,
}
"""What is looked at before anything is decoded, by Pillow's names of formats."""
