"""Density maps: values on a grid in space, and the files that hold them (MRC, MAP, CCP4).

The format is MRC2014 (A. Cheng et al., J. Struct. Biol. 192 (2015) 146), of which CCP4's is the older sister: a header
of 1,024 bytes, an extended header, and the values, columns fastest. Nothing is allocated because a header says so.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Positions
from metricvae.kinds.molecule.streams import open_bytes
from metricvae.runtime.files import atomic_path

MOST_VOXELS = 512**3
"""Voxels of a map, at most: half a gigabyte of values."""

LONGEST_EXTENSION = 2**26
"""Bytes of an extended header, at most; it is passed over."""

ENDINGS = (".mrc", ".map", ".ccp4")
"""Of map files; each may have `.gz` after it."""

MODES: dict[int, str] = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
"""The types of values that are read, by the number of their mode; the complex and packed ones are not."""

RIGHT_ANGLE_SLACK = 0.05
"""Degrees that an angle of the cell may be from 90."""

_PIECE = 2**22

_FIELDS = [
    *(("size", "i4", 3), ("mode", "i4"), ("start", "i4", 3), ("intervals", "i4", 3)),
    *(("cell", "f4", 3), ("angles", "f4", 3), ("axes", "i4", 3), ("least", "f4"), ("most", "f4"), ("mean", "f4")),
    *(("group", "i4"), ("extension", "i4"), ("extra", "V8"), ("extension_type", "S4"), ("version", "i4")),
    *(("rest", "V84"), ("origin", "f4", 3), ("magic", "S4"), ("machine", "u1", 4), ("deviation", "f4")),
    *(("label_count", "i4"), ("labels", "S80", 10)),
]
_BYTES = 1024

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DensityMap:
    """Values at the points of an orthogonal grid: (i, j, k) lies at origin + spacing * (i, j, k), on axes x, y, z.

    Attributes:
        values: (nx, ny, nz) float32.
        spacing: (3,) float64, angstroms from one grid point to the next.
        origin: (3,) float64, angstroms: where the first grid point lies.
    """

    values: Values
    spacing: Positions
    origin: Positions

    def axes(self) -> tuple[Positions, Positions, Positions]:
        """Coordinates of the grid points along x, y and z, (nx,), (ny,) and (nz,) angstroms."""
        steps = zip(self.origin, self.spacing, self.values.shape, strict=True)
        x, y, z = (start + step * np.arange(size) for start, step, size in steps)
        return x, y, z


def read_map(path: Path | str) -> DensityMap:
    """The map in a file, turned so that its axes are x, y, z, whatever their order in the file.

    The first grid point lies at ORIGIN where the header has one that is not zero (as MRC2014 says), else at
    NXSTART, NYSTART, NZSTART grid steps (as CCP4 says). Either byte order is read, and gzip.

    Raises:
        InputError: the file cannot be opened, is no map, is cut short, has more than :data:`MOST_VOXELS`, a mode that
            is not in :data:`MODES`, no size of its voxels, a cell whose angles are not right, several volumes, or
            values that are NaN or infinite.
    """
    with _named(path), open_bytes(path) as file:
        header = _header_of(_exactly(file, _BYTES, "header"))
        size = _checked_size(header)
        order = _axis_order(header)
        spacing = _spacing(header)
        origin = _origin(header, order, spacing)
        extension = int(header["extension"])
        if not 0 <= extension <= LONGEST_EXTENSION:
            raise InputError(f"states an extended header of {extension:,} bytes, which no map has")
        _exactly(file, extension, "extended header")
        kind = np.dtype(MODES[int(header["mode"])]).newbyteorder(header.dtype["mode"].byteorder)
        content = _exactly(file, int(np.prod(size)) * kind.itemsize, "values")
        file.read(_PIECE)  # the end of a gzipped file, where its checksum is compared
    stored = np.frombuffer(content, dtype=kind).reshape(size[::-1])  # sections, rows, columns
    # File axis 2 - k holds the axis that column, row, section k has; the axes x, y, z are looked up in turn.
    values = np.ascontiguousarray(stored.transpose([2 - order.index(axis) for axis in (0, 1, 2)]), dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{path} has {(~np.isfinite(values)).sum():,} values that are NaN or infinite: mend the map")
    return DensityMap(values, spacing, origin)


def write_map(path: Path | str, density_map: DensityMap) -> None:
    """Write a map atomically as MRC2014 of 32-bit floats, gzipped where the name ends in `.gz`.

    ORIGIN has the place to the angstrom. NXSTART, NYSTART and NZSTART have it in whole grid steps, for the tools that
    look there; the two agree where the origin is a multiple of the spacing, as that of every map made here is.

    Raises:
        InputError: values that are not (nx, ny, nz) finite numbers, a spacing that is not above 0, or the disk.
    """
    values = np.asarray(density_map.values, dtype="<f4")
    spacing = np.asarray(density_map.spacing, dtype=np.float64)
    if values.ndim != 3 or not values.size or not np.isfinite(values).all():
        raise InputError(f"a map of shape {values.shape} cannot be written: expected (nx, ny, nz) finite values")
    if not (np.isfinite(spacing).all() and (spacing > 0).all() and np.isfinite(density_map.origin).all()):
        raise InputError(f"a map of spacing {spacing} cannot be written: expected angstroms above 0, and an origin")
    content = _header_for(values, spacing, density_map.origin).tobytes(), values.tobytes(order="F")
    with atomic_path(Path(path)) as temporary, open(temporary, "wb") as file:
        if str(path).lower().endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                packed.writelines(content)
        else:
            file.writelines(content)


def _header_dtype(order: str) -> np.dtype[Any]:
    return np.dtype(_FIELDS).newbyteorder(order)  # type: ignore[arg-type,call-overload]


def _header_of(content: bytearray) -> Any:
    """The header in the byte order in which its axes and mode make sense."""
    for order in ("<", ">"):
        header = np.frombuffer(content, dtype=_header_dtype(order))[0]
        if 0 <= header["mode"] <= 200 and 0 < header["size"][0] < 2**16:
            return header
    raise InputError("is not an MRC or CCP4 map: its header has no mode and size that make sense")


def _checked_size(header: Any) -> tuple[int, int, int]:
    """Columns, rows and sections."""
    columns, rows, sections = (int(length) for length in header["size"])
    if int(header["mode"]) not in MODES:
        raise InputError(f"has values of mode {header['mode']}: expected {', '.join(map(str, MODES))}")
    if min(columns, rows, sections) < 1 or columns * rows * sections > MOST_VOXELS:
        raise InputError(f"has {columns} x {rows} x {sections} voxels: expected 1 to {MOST_VOXELS:,}, cut or bin it")
    if header["group"] >= 401:
        raise InputError("holds a stack of volumes: expected one, split it")
    return columns, rows, sections


def _axis_order(header: Any) -> list[int]:
    """The axis (0 = x, 1 = y, 2 = z) along columns, rows and sections; x, y, z in old files that say nothing."""
    order = [int(axis) - 1 for axis in header["axes"]]
    if order == [-1, -1, -1]:
        return [0, 1, 2]
    if sorted(order) != [0, 1, 2]:
        raise InputError(f"has the axis order {[axis + 1 for axis in order]}: expected 1, 2 and 3 once each")
    return order


def _spacing(header: Any) -> Positions:
    """(3,) angstroms along x, y, z."""
    angles = header["angles"].astype(np.float64)
    if angles.any() and not (np.abs(angles - 90) <= RIGHT_ANGLE_SLACK).all():
        raise InputError(f"has a cell with the angles {angles.tolist()}: expected 90, resample it onto a box")
    cell, intervals = header["cell"].astype(np.float64), header["intervals"].astype(np.float64)
    if not (np.isfinite(cell).all() and (cell > 0).all() and (intervals > 0).all()):
        raise InputError(
            f"has the cell {cell.tolist()} for {intervals.astype(int).tolist()} voxels: expected angstroms above 0, "
            "set the voxel size"
        )
    spacing: Positions = cell / intervals
    return spacing


def _origin(header: Any, order: list[int], spacing: Positions) -> Positions:
    """(3,) angstroms along x, y, z."""
    origin: Positions = header["origin"].astype(np.float64)
    if not np.isfinite(origin).all():
        raise InputError(f"has the origin {origin.tolist()}: expected angstroms")
    if not origin.any():
        origin = header["start"].astype(np.float64)[[order.index(axis) for axis in (0, 1, 2)]] * spacing
    return origin


def _exactly(file: BinaryIO, count: int, part: str) -> bytearray:
    """So many bytes, in memory that grows with what is there."""
    content = bytearray()
    while len(content) < count:
        piece = file.read(min(_PIECE, count - len(content)))
        if not piece:
            raise InputError(f"is cut short: its {part} has {len(content):,} bytes of {count:,}; copy it again")
        content += piece
    return content


@contextlib.contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """Put the path before a message that does not name it, and tell damage to gzip and disk as bad input."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path} {error}") from None
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut short ({error}): copy it again") from error


def _header_for(values: Values, spacing: Positions, origin: Positions) -> np.ndarray[Any, Any]:
    header = np.zeros(1, dtype=_header_dtype("<"))
    mean = values.mean(dtype=np.float64)
    filled: dict[str, Any] = {
        "size": values.shape,
        "mode": 2,
        "start": np.clip(np.rint(origin / spacing), -(2**31), 2**31 - 1),
        "intervals": values.shape,
        "cell": spacing * values.shape,
        "angles": 90,
        "axes": (1, 2, 3),
        "least": values.min(),
        "most": values.max(),
        "mean": mean,
        "group": 1,
        "version": 20140,
        "origin": origin,
        "magic": b"MAP ",
        "machine": (0x44, 0x44, 0, 0),
        "deviation": np.sqrt(np.square(values - mean, dtype=np.float64).mean()),
        "label_count": 1,
    }
    for field, content in filled.items():
        header[field] = content
    header["labels"][0, 0] = b"metricvae"
    return header
