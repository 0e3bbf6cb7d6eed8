"""Arrays in NumPy files by address: `file.npy`, `file.npy#3` (a row of it), `file.npz#key`, `file.npz#3`.

Nothing is unpickled, and no memory is allocated because a header says so.
"""

from __future__ import annotations

import contextlib
import math
import os
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError, shortened
from metricvae.runtime.reading import reading, refuse_unread

Array = npt.NDArray[Any]

MOST_BYTES = 2**29
"""Bytes of an array that is read as a whole, at most; of larger ones in `.npy` files, rows can be read."""

LONGEST_SIDE = 2**48
"""Of an array, at most: beside an empty side, longer ones take no bytes, and leave the range of NumPy."""

SUFFIXES = (".npy", ".npz")


def address_of(text: str, base: Path) -> tuple[Path, str | None] | None:
    """File and part that a text names, as `maps.npz#17`; None where it names no array in a file that is there."""
    name, mark, part = text.rpartition("#")
    if mark and name.lower().endswith(SUFFIXES) and os.path.isfile(base / name):
        return base / name, part
    if text.lower().endswith(SUFFIXES) and os.path.isfile(base / text):
        return base / text, None
    return None


class ArrayFiles:
    """Arrays in files, of which the last one that was read is kept, as neighbours in a table are often of one file."""

    def __init__(self) -> None:
        self._last: tuple[Path, str, Array] | None = None

    def read(self, path: Path, part: str | None) -> Array:
        """The array at an address.

        Args:
            path: of the file.
            part: key or number of a row; None for the only array in the file.

        Raises:
            InputError: no such part, no numbers, or too large.
        """
        name = path.name if part is None else f"{path.name}#{part}"
        try:
            with _complaints(name):
                return self._row(path, part) if path.suffix.lower() == ".npy" else self._member(path, part)
        except KeyError as error:
            raise InputError(f"{name}: {error.args[0]}") from None

    def _row(self, path: Path, part: str | None) -> Array:
        with reading(path, "an array") as file:
            check_header(file, path.stat().st_size, most=MOST_BYTES if part is None else None)
            if part is None:
                file.seek(0)
                return read_whole_array(file)
        with _quiet():
            return np.array(_row_of(np.lib.format.open_memmap(path, mode="r"), part))

    def _member(self, path: Path, part: str | None) -> Array:
        with zipfile.ZipFile(path) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist()]
            if part is not None and part in keys:
                return self._kept(archive, path, part)
            if len(keys) != 1:
                raise KeyError(f"holds {len(keys)} arrays ({', '.join(keys[:4])}): name one, as {path.name}#KEY")
            whole = self._kept(archive, path, keys[0])
            return whole if part is None else _row_of(whole, part)

    def _kept(self, archive: zipfile.ZipFile, path: Path, key: str) -> Array:
        if self._last is None or self._last[:2] != (path, key):
            name = key if key in archive.namelist() else f"{key}.npy"
            with archive.open(name) as header:
                check_header(header, archive.getinfo(name).file_size)
            with archive.open(name) as file:
                self._last = path, key, read_whole_array(file)
        return self._last[2]


@contextlib.contextmanager
def _complaints(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        refuse_unread(name, error)
        why = shortened(error, 160)
        raise InputError(f"{name} cannot be read as an array ({why}): save it with numpy, without pickle") from None


def check_header(file: Any, size: int, most: int | None = MOST_BYTES) -> tuple[int, ...]:
    """The shape that a header declares; ValueError unless it fits the bytes there are.

    Args:
        file: at the header.
        size: of the file, in bytes.
        most: bytes that are taken; None where no more than a few rows are read.
    """
    shape, dtype = npy_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are pickled")
    needed = math.prod(shape) * dtype.itemsize
    taken = size if most is None else min(size, most)
    if needed > taken:
        raise ValueError(f"it declares {needed:,} bytes, and {size:,} are there, of {taken:,} that are taken")
    return shape


def npy_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in a NumPy file, from its header alone; the file stands behind it then.

    Raises:
        ValueError: no such file, or one of another version of the format.
    """
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"it is of version {version} of the format: expected 1.0 or 2.0")
    try:
        with _quiet():
            shape, _, dtype = readers[version](file)
    except (ValueError, EOFError):
        raise
    except (tokenize.TokenError, SyntaxError, TypeError, LookupError, RecursionError, MemoryError) as error:
        raise ValueError(f"its header is none: {shortened(error)}") from None  # NumPy parses it as Python
    if not all(type(side) is int and 0 <= side <= LONGEST_SIDE for side in shape):
        raise ValueError(f"it declares the shape {shortened(shape)}")
    return shape, dtype


def read_whole_array(file: Any) -> Array:
    """The array in a NumPy file whose header `check_header` took, from its beginning; never unpickled.

    Raises:
        ValueError, EOFError: the file is damaged or cut short.
    """
    try:
        with _quiet():
            return np.lib.format.read_array(file, allow_pickle=False)
    except TypeError as error:  # types that NumPy makes, and cannot fill
        raise ValueError(str(error)) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what NumPy says of headers that Python 2 wrote: they are read all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading `.npy` or `.npz` file", UserWarning)
        yield


def _row_of(array: Array, part: str) -> Array:
    if not array.ndim:
        raise KeyError("is one number and has no rows: leave the part after # out")
    if not (part.isdecimal() and int(part) < len(array)):
        raise KeyError(f"expected a row, 0 to {len(array) - 1}, or a key after #")
    return np.asarray(array[int(part)])
