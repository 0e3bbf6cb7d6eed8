"""Files of point clouds: xyz, PLY, tables of text, NumPy arrays. Sizes are checked before anything is allocated."""

from __future__ import annotations

import contextlib
import csv
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.array_files import check_header, read_whole_array
from metricvae.core.errors import InputError, listed, shortened
from metricvae.kinds.points.records import MOST_READ, PointCloud
from metricvae.runtime.extras import require
from metricvae.runtime.reading import check_regular, refuse_unread

MOST_BYTES = 64 * 2**20
"""Bytes of a file, at most."""

MOST_COLUMNS = 64
"""Columns of a table, at most."""

AXES = ("x", "y", "z")
NORMALS = ("nx", "ny", "nz")
"""Columns of a PLY file that rotate with the cloud; they are left out."""


def read_cloud(path: Path, dimension: int | None = None) -> PointCloud:
    """The cloud in a file, by its ending.

    Args:
        path: of the file.
        dimension: how many columns are coordinates; by default what the file says.

    Raises:
        InputError: no such file, one that is too large, or one that holds no cloud.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{path} is no point cloud: expected a file that ends in {', '.join(READERS)}")
    if suffix == ".ply":
        _plyfile()
    with _named(path):
        check_regular(path, "a point cloud", MOST_BYTES)
        return READERS[suffix](path, dimension)


def read_npy(path: Path, dimension: int | None) -> PointCloud:
    """(n, 2 or more) numbers; never unpickled."""
    with open(path, "rb") as file:
        check_header(file, path.stat().st_size, MOST_BYTES)
        file.seek(0)
        array = read_whole_array(file)
    return PointCloud.of(array, dimension, name=str(path))


def read_ply(path: Path, dimension: int | None) -> PointCloud:
    """The vertices of a PLY file, text or binary; all further properties but normals are scalars."""
    plyfile = _plyfile()
    _check_ply(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = plyfile.PlyData.read(str(path), mmap=False)
        vertices = data["vertex"]
    except (plyfile.PlyParseError, LookupError, ArithmeticError, MemoryError, TypeError, StopIteration) as error:
        raise InputError(f"{path} cannot be read as PLY ({_line(error)}): expected an element vertex") from None
    names = [one.name for one in vertices.properties if not isinstance(one, plyfile.PlyListProperty)]
    return _of_columns(path, names, lambda name: np.asarray(vertices[name]), dimension)


def _plyfile() -> Any:
    return require("plyfile", "points", "reading PLY files")


def _check_ply(path: Path) -> None:
    """Raise InputError unless the counts in the header can be meant: each element takes a byte at least."""
    with open(path, "rb") as file:
        header = file.read(2**16).partition(b"end_header")[0].decode("ascii", "replace")
    for line in header.splitlines():
        words = line.split()
        if words[:1] == ["element"]:
            count = int(words[2]) if len(words) == 3 and words[2].isdigit() else -1
            if not 0 <= count <= min(path.stat().st_size, MOST_READ if words[1] == "vertex" else MOST_BYTES):
                raise InputError(f"{path} declares '{line.strip()[:60]}', more than it can hold: copy it again")


def read_xyz(path: Path, dimension: int | None) -> PointCloud:
    """A row a point, `element x y z` or `x y z`, after the two header lines of an xyz file where it has them.

    Of a file of several frames the first is read.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    first = lines[0].split() if lines else []
    if len(first) == 1 and first[0].isdigit():
        count = int(first[0])
        if len(lines) < count + 2:
            declared = shortened(first[0])
            raise InputError(f"{path} declares {declared} points and has {max(0, len(lines) - 2)}: copy it again")
        lines = lines[2 : count + 2]
    rows = [line.split() for line in lines if line.strip()]
    return _of_rows(path, [None] * len(rows[0]) if rows else [], rows, dimension or 3)


def read_table(path: Path, dimension: int | None) -> PointCloud:
    """A row a point: x, y[, z], then scalars and at most one column of names; with or without a header.

    With a header that names x and y, coordinates are found by their names, else they come first. Columns are separated
    by commas, semicolons, tabs or spaces.
    """
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip() and line[0] != "#"]
    rows = _cells(lines)
    if not rows:
        raise InputError(f"{path} holds no points: expected a row a point")
    names: list[str | None] = [None] * len(rows[0])
    if not any(map(_is_number, rows[0])):
        names, rows = [name.strip().lower() for name in rows[0]], rows[1:]
    return _of_rows(path, names, rows, dimension)


def _cells(lines: Sequence[str]) -> list[list[str]]:
    head = lines[0] if lines else ""
    separator = next((one for one in ",;\t" if one in head), None)
    if separator is None:
        return [line.split() for line in lines]
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]


def _of_rows(path: Path, names: Sequence[str | None], rows: list[list[str]], dimension: int | None) -> PointCloud:
    """A cloud from cells of text, of which one column may hold names."""
    if not rows:
        raise InputError(f"{path} holds no points: expected a row a point")
    width = len(rows[0])
    if width > MOST_COLUMNS or len(rows) > MOST_READ:
        raise InputError(f"{path} has {len(rows):,} rows of {width} columns: expected {MOST_READ:,} of {MOST_COLUMNS}")
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise InputError(f"{path} has {len(row)} columns in point {number}: expected {width}, as in the first")
    text = [column for column in range(width) if not _is_number(rows[0][column])]
    if len(text) > 1:
        raise InputError(f"{path} has {len(text)} columns of text: expected numbers, and one column of names at most")
    labels = [row[text[0]] for row in rows] if text else []
    kept = [column for column in range(width) if column not in text]
    numbers = np.array([[_number(path, row[column], number) for column in kept] for number, row in enumerate(rows, 1)])
    if len(names) != width:
        raise InputError(f"{path} has {len(names)} names in its header and {width} columns: expected one for each")
    known = [names[column] for column in kept]
    if "x" in known and "y" in known:
        named = {str(name): numbers[:, place] for place, name in enumerate(known)}
        return _of_columns(path, list(named), lambda name: named[name], dimension, labels)
    return PointCloud.of(numbers, dimension, labels, str(path))


def _of_columns(
    path: Path,
    names: Sequence[str],
    column: Callable[[str], Any],
    dimension: int | None,
    labels: Sequence[str] = (),
) -> PointCloud:
    """A cloud from named columns: x, y and, where there is one, z; all others but normals are scalars."""
    there = [axis for axis in AXES[: dimension or 3] if axis in names]
    if len(there) < (dimension or 2):
        raise InputError(f"{path} has the columns {listed(names)}: expected {', '.join(AXES[: dimension or 2])}")
    scalars = [name for name in names if name not in (*AXES, *NORMALS)]
    rows = np.column_stack([np.asarray(column(name), np.float64) for name in (*there, *scalars)])
    return PointCloud.of(rows, len(there), labels, str(path))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(path: Path, text: str, point: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{path} has '{text[:40]}' in point {point}: expected a number") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Report what cannot be opened or decoded as bad input."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, EOFError, csv.Error) as error:
        refuse_unread(path, error)
        raise InputError(f"{path} cannot be read as a point cloud ({_line(error)}): save it again") from None


READERS: dict[str, Callable[[Path, int | None], PointCloud]] = {
    ".xyz": read_xyz,
    ".ply": read_ply,
    ".npy": read_npy,
    ".csv": read_table,
    ".tsv": read_table,
    ".txt": read_table,
}
"""Readers by the endings of files."""
