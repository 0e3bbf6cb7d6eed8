"""Handwritten digits: scikit-learn's by default, or MNIST from a file that a user has."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy
from scipy import ndimage

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Mask

SIDE = 28
"""Side of MNIST's images in pixels; scikit-learn's, of 8 pixels, are enlarged to it without the margin."""

MARGIN = 4
"""Empty pixels around a digit in MNIST."""

MAX_IMAGES = 200_000
"""Images in a file, at most."""

_IMAGES, _LABELS = 0x803, 0x801
"""First four bytes of MNIST's files of images and of labels."""


@dataclass(frozen=True)
class Digits:
    """m digits.

    Attributes:
        masks: (m, 28, 28) uint8 of 0 and 1, grey levels thresholded at half.
        labels: (m,) int64, 0 to 9.
    """

    masks: Mask
    labels: npt.NDArray[np.int64]


def read_digits(file: Path | None = None) -> Digits:
    """Digits of a file, or scikit-learn's 1,797.

    Args:
        file: MNIST as `...images-idx3-ubyte` with the labels beside it (`...labels-idx1-ubyte`), both plain or with
            `.gz`, or as an `.npz` with `x_train` and `y_train`.

    Raises:
        InputError: no such file, none of these formats, a damaged one, or images of another size.
    """
    if file is None:
        from sklearn.datasets import load_digits

        found = load_digits()
        scale = (SIDE - 2 * MARGIN) / found.images.shape[1]
        grey = np.stack([ndimage.zoom(image, scale, order=1, grid_mode=True, mode="nearest") for image in found.images])
        masks = np.pad((grey >= 8).astype(np.uint8), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
        return Digits(masks, found.target.astype(np.int64))
    file = Path(file)
    if not file.is_file():
        raise InputError(f"{file} is not a file: give MNIST's images as idx3-ubyte (also .gz) or as .npz")
    images, labels = _read_npz(file) if file.suffix == ".npz" else _read_idx(file)
    if images.shape[1:] != (SIDE, SIDE) or labels.shape != (len(images),) or not len(images):
        raise InputError(
            f"{file} holds images of shape {images.shape} and labels of shape {labels.shape}: expected (n, 28, 28) "
            "and (n,)"
        )
    if labels.min() < 0 or labels.max() > 9:
        raise InputError(f"{file} has labels from {labels.min()} to {labels.max()}: expected 0 to 9")
    return Digits((images >= 128).astype(np.uint8), labels.astype(np.int64))


def _read_idx(file: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    labels = file.with_name(file.name.replace("images", "labels").replace("idx3", "idx1"))
    if labels == file or not labels.is_file():
        raise InputError(f"{file}: its labels, {labels.name}, are not beside it: put both files into one folder")
    return _idx(file, _IMAGES), _idx(labels, _LABELS)


def _idx(file: Path, magic: int) -> npt.NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes."""
    with _reading_errors(file):
        opened: IO[bytes] = gzip.open(file) if file.suffix == ".gz" else open(file, "rb")  # type: ignore[assignment] # noqa: SIM115
        with opened as stream:
            found, count = struct.unpack(">II", stream.read(8))
            if found != magic:
                raise ValueError(f"begins with {found:#x}, not {magic:#x}")
            sides = struct.unpack(">II", stream.read(8)) if magic == _IMAGES else ()
            if count > MAX_IMAGES or any(side != SIDE for side in sides):
                raise ValueError(f"says it has {count} entries of size {sides or 1}")
            size = count * math.prod(sides)
            data = stream.read(size + 1)
        if len(data) != size:
            raise ValueError(f"has {len(data)} bytes where it says {size}")
    return np.frombuffer(data, np.uint8).reshape(count, *sides)


def _read_npz(file: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    with _reading_errors(file), zipfile.ZipFile(file) as archive:
        return _member(archive, "x_train.npy", MAX_IMAGES * SIDE * SIDE), _member(
            archive, "y_train.npy", 8 * MAX_IMAGES
        )


def _member(archive: zipfile.ZipFile, name: str, most: int) -> npt.NDArray[np.uint8]:
    """One array of an `.npz`, of whole numbers, never unpickled."""
    if archive.getinfo(name).file_size > most + 1024:
        raise ValueError(f"{name} is larger than {most} bytes")
    with archive.open(name) as stream:
        array: npt.NDArray[np.uint8] = npy.read_array(stream, allow_pickle=False)
    if array.dtype.kind not in "ui":
        raise ValueError(f"{name} is of type {array.dtype}")
    return array


@contextmanager
def _reading_errors(file: Path) -> Iterator[None]:
    """Raise what goes wrong in reading `file` as an InputError that names it."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, struct.error, zipfile.BadZipFile) as error:
        raise InputError(f"{file} is not MNIST as idx3-ubyte or .npz ({error}): give another file") from None
