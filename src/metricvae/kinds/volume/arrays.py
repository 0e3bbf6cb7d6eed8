"""Volumes that come as NumPy arrays: three dimensions, a spacing of 1, the first point at the origin."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.array_files import npy_header, read_whole_array
from metricvae.core.errors import InputError, shortened
from metricvae.kinds.volume.records import MOST_VOXELS, DensityMap, check_values
from metricvae.runtime.reading import reading


def read_npy(path: Path | str) -> DensityMap:
    """The volume in a `.npy` file; nothing is unpickled, and no memory is taken before the sizes are checked.

    Raises:
        InputError: no such file, no array, or not one of three dimensions and finite numbers.
    """
    with reading(path, "a volume") as file:
        try:
            shape, dtype = npy_header(file)
            _check_form(shape, dtype, str(path))
            rest = Path(path).stat().st_size - file.tell()
            if rest < dtype.itemsize * math.prod(shape):
                raise InputError(f"{path} is cut short: copy it again")
            file.seek(0)
            array = read_whole_array(file)
        except InputError:
            raise
        except (ValueError, EOFError) as error:
            raise InputError(
                f"{path} cannot be read as an array ({shortened(error, 160)}): save it with numpy.save"
            ) from None
    return of_array(array, str(path))


def of_array(values: npt.NDArray[Any], name: str = "the array") -> DensityMap:
    """An array (nx, ny, nz) as a volume of spacing 1.

    Raises:
        InputError: other dimensions, or something other than finite numbers.
    """
    _check_form(values.shape, values.dtype, name)
    try:
        check_values(values)
    except InputError as error:
        raise InputError(f"{name} {error}") from None
    return DensityMap(np.ascontiguousarray(values, np.float32), np.ones(3), np.zeros(3))


def _check_form(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{name} has the shape {shape}: expected three dimensions, none of them empty")
    if math.prod(shape) > MOST_VOXELS:
        raise InputError(f"{name} has {' x '.join(map(str, shape))} voxels: expected {MOST_VOXELS:,} at most, bin it")
    if dtype.kind not in "fiub":
        raise InputError(f"{name} holds {dtype}: expected numbers")
