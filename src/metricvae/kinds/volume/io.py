"""Density maps and their files (MRC, MAP, CCP4), read and written by mrcfile.

The format is MRC2014 (A. Cheng et al., J. Struct. Biol. 192 (2015) 146) or its predecessor of CCP4. What mrcfile leaves
open is decided here: which axis is which, where the map lies, and that no memory is allocated because a header says so.
"""

from __future__ import annotations

import contextlib
import gzip
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from mrcfile.mrcinterpreter import MrcInterpreter
from mrcfile.mrcobject import MrcObject

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Positions
from metricvae.kinds.molecule.streams import open_bytes
from metricvae.kinds.volume.records import MOST_VOXELS, DensityMap, Values, check_grid, check_values
from metricvae.runtime.files import atomic_path
from metricvae.runtime.reading import refuse_unread

LONGEST_EXTENSION = 2**26
"""Bytes of an extended header, at most; its content is not used."""


MODES = (0, 1, 2, 6, 12)
"""Modes that are read: int8, int16, float32, uint16 and float16; the complex and packed ones are not."""

MAX_ANGLE_ERROR = 0.05
"""Degrees that an angle of the cell may be from 90."""

_BLOCK = 2**22


def read_map(path: Path | str) -> DensityMap:
    """The map in a file, transposed so that its axes are x, y, z, whatever their order in the file.

    The first grid point lies at ORIGIN where the header has one that is not zero (as MRC2014 says), else at
    NXSTART, NYSTART, NZSTART grid steps (as CCP4 says). Either byte order is read, and gzip.

    Raises:
        InputError: the file cannot be opened, is no map, is cut short, has more than :data:`MOST_VOXELS`, a mode that
            is not in :data:`MODES`, no size of its voxels or one beyond belief, a cell whose angles are not right,
            several volumes, or values that are NaN, infinite or beyond :data:`LARGEST_VALUE`.
    """
    with _named(path), open_bytes(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of headers without map ID or machine stamp, as old ones are
        header, stored = _read_grid(file)
        order = _axis_order(header)
        spacing = _spacing(header)
        origin = _origin(header, order, spacing)
        # File axis 2 - k holds the axis that column, row, section k has.
        axes = [2 - order.index(axis) for axis in (0, 1, 2)]
        values = np.ascontiguousarray(stored.transpose(axes), dtype=np.float32)
        check_grid(spacing, origin)
        check_values(values)
        return DensityMap(values, spacing, origin)


def write_map(path: Path | str, density_map: DensityMap) -> None:
    """Write a map atomically as MRC2014 of 32-bit floats, gzipped where the name ends in `.gz`.

    ORIGIN has the first grid point in angstroms. NXSTART, NYSTART and NZSTART have it in whole grid steps, for programs
    that look there; the two agree where the origin is a multiple of the spacing, as that of every simulated map is.
    Equal maps give equal bytes.

    Raises:
        InputError: values that are not (nx, ny, nz) finite numbers, a spacing that is not above 0, or the disk.
    """
    with np.errstate(over="ignore"):
        values = np.asarray(density_map.values, dtype="<f4")
    spacing = np.asarray(density_map.spacing, dtype=np.float64)
    if values.ndim != 3 or not values.size or not np.isfinite(values).all():
        raise InputError(f"a map of shape {values.shape} cannot be written: expected (nx, ny, nz) finite values")
    if not (np.isfinite(spacing).all() and (spacing > 0).all() and np.isfinite(density_map.origin).all()):
        raise InputError(f"a map of spacing {spacing} cannot be written: expected angstroms above 0, and an origin")
    grid = _NewGrid(values, spacing, density_map.origin)
    with atomic_path(Path(path)) as temporary, open(temporary, "wb") as file, contextlib.ExitStack() as stack:
        target: Any = file
        if str(path).lower().endswith(".gz"):
            target = stack.enter_context(gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0))
        target.write(grid.header.tobytes())
        target.write(grid.data)


class _Grid(MrcInterpreter):
    """The header and values in a stream: their sizes are checked first, and memory grows with the bytes there are."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, permissive=True)
        self._read_only = True

    def _read_extended_header(self) -> None:
        size = int(self.header.nsymbt)
        if not 0 <= size <= LONGEST_EXTENSION:
            raise InputError(f"declares an extended header of {size:,} bytes: expected 0 to {LONGEST_EXTENSION:,}")
        super()._read_extended_header()

    def _read_data(self, max_bytes: int = 0) -> None:
        _check_size(self.header)
        super()._read_data(max_bytes)

    def _read_bytearray_from_stream(self, number_of_bytes: int) -> tuple[bytearray, int]:
        content = bytearray()
        while len(content) < number_of_bytes:
            block = self._iostream.read(min(_BLOCK, number_of_bytes - len(content)))
            if not block:
                raise InputError(f"is cut short: {len(content):,} bytes of {number_of_bytes:,}; copy it again")
            content += block
        return content, len(content)


class _NewGrid(MrcObject):
    """The header and values of a map to be written."""

    def __init__(self, values: Values, spacing: Positions, origin: Positions) -> None:
        super().__init__()
        self._create_default_attributes()
        self.set_data(values.transpose(2, 1, 0))
        self.voxel_size = tuple(spacing)
        self.nstart = tuple(np.clip(np.rint(origin / spacing), -(2**31), 2**31 - 1).astype(np.int32))
        self.header.origin = tuple(origin)
        self.header.label[0] = b"metricvae"  # in the place of one with the time


def _read_grid(file: BinaryIO) -> tuple[Any, npt.NDArray[Any]]:
    """The header and the values (sections, rows, columns) of a file."""
    grid = _Grid(file)
    file.read(_BLOCK)  # past the end of a gzipped file, where its checksum is compared
    header = grid.header
    return header, grid.data.reshape(int(header.nz), int(header.ny), int(header.nx))


def _check_size(header: Any) -> None:
    columns, rows, sections = int(header.nx), int(header.ny), int(header.nz)
    if int(header.mode) not in MODES:
        raise InputError(f"is no MRC or CCP4 map of mode {', '.join(map(str, MODES))}: got mode {header.mode}")
    if min(columns, rows, sections) < 1 or columns * rows * sections > MOST_VOXELS:
        raise InputError(f"has {columns} x {rows} x {sections} voxels: expected 1 to {MOST_VOXELS:,}, crop or bin it")
    if header.ispg >= 401:
        raise InputError("holds a stack of volumes: expected one, split it")


def _axis_order(header: Any) -> list[int]:
    """The axis (0 = x, 1 = y, 2 = z) along columns, rows and sections; x, y, z where the header has zeros."""
    order = [int(axis) - 1 for axis in (header.mapc, header.mapr, header.maps)]
    if order == [-1, -1, -1]:
        return [0, 1, 2]
    if sorted(order) != [0, 1, 2]:
        raise InputError(f"has the axis order {[axis + 1 for axis in order]}: expected 1, 2 and 3 once each")
    return order


def _spacing(header: Any) -> Positions:
    """(3,) angstroms along x, y, z."""
    angles = _vector(header.cellb)
    if angles.any() and not (np.abs(angles - 90) <= MAX_ANGLE_ERROR).all():
        raise InputError(f"has a cell with the angles {angles.tolist()}: expected 90, resample it onto a box")
    cell, intervals = _vector(header.cella), np.array([header.mx, header.my, header.mz], dtype=np.float64)
    if not (np.isfinite(cell).all() and (cell > 0).all() and (intervals > 0).all()):
        raise InputError(
            f"has the cell {cell.tolist()} for {intervals.astype(int).tolist()} voxels: expected angstroms above 0, "
            "set the voxel size"
        )
    return cell / intervals


def _origin(header: Any, order: list[int], spacing: Positions) -> Positions:
    """(3,) angstroms along x, y, z."""
    origin = _vector(header.origin)
    if not np.isfinite(origin).all():
        raise InputError(f"has the origin {origin.tolist()}: expected angstroms")
    if not origin.any():
        start = np.array([header.nxstart, header.nystart, header.nzstart], dtype=np.float64)
        origin = start[[order.index(axis) for axis in (0, 1, 2)]] * spacing
    return origin


def _vector(field: Any) -> Positions:
    """(3,) float64 of a header's field of three numbers."""
    return np.array(field.tolist(), dtype=np.float64)


@contextlib.contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """Put the path before a message that lacks it, and report damaged gzip, headers and disks as bad input."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path} {error}") from None
    except (EOFError, OSError, ValueError, zlib.error) as error:
        refuse_unread(path, error)
        raise InputError(f"{path} is damaged or cut short ({error}): copy it again") from error
