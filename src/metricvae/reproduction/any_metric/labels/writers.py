"""Objects as the files in which a user would have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def write_array(path: Path, array: npt.NDArray[Any]) -> Path:
    """An array as a NumPy file."""
    path = path.with_suffix(".npy")
    with open(path, "wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return path


def read_array(path: Path) -> npt.NDArray[Any]:
    """An array from a NumPy file."""
    with open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def write_png(path: Path, levels: npt.NDArray[np.uint8]) -> Path:
    """Grey levels (H, W) as a PNG."""
    path = path.with_suffix(".png")
    Image.fromarray(levels).save(path)
    return path
