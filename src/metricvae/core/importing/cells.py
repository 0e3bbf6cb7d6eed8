"""The objects that a table or a sequence names, each once, in the order in which they come first."""

from __future__ import annotations

import abc
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.array_files import ArrayFiles
from metricvae.core.errors import InputError, shortened
from metricvae.core.importing.tables import PairTable
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, ReadOptions
from metricvae.core.object_files import resolve
from metricvae.runtime.reading import ReadError, check_named, refuse_unread

Wanted = npt.NDArray[np.bool_]
Found = tuple[int, Object | InputError]
"""Number of an object, and the object, or why there is none."""

AT_ONCE = 128
"""Objects that are read in one go."""


class Cells(abc.ABC):
    """Distinct objects of the cells of one or two columns."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    @abc.abstractmethod
    def name(self, number: int) -> str:
        """What an object is called; need not be unique."""

    @abc.abstractmethod
    def parts(self, wanted: Wanted) -> Iterator[tuple[list[int], list[Any]]]:
        """Numbers of some objects and what they are to be converted from, some at a time, in the order of numbers."""


class HeldCells(Cells):
    """Objects by what is in memory: texts, paths, arrays, whatever a kind converts.

    Equal texts, equal paths, arrays of equal content, and one Python object are one object each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Any] = []

    def add(self, cell: Any) -> int:
        """The number of an object."""
        number = self._number(key_of(cell))
        if number == len(self.items):
            self.items.append(cell)
        return number

    def name(self, number: int) -> str:
        cell = self.items[number]
        return str(cell) if isinstance(cell, str | Path) else str(number)

    def parts(self, wanted: Wanted) -> Iterator[tuple[list[int], list[Any]]]:
        numbers = np.flatnonzero(wanted).tolist()
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            yield some, [self.items[number] for number in some]


def key_of(cell: Any) -> Any:
    """What equal objects have in common."""
    match cell:
        case str():
            return cell
        case Path():
            return ("path", os.path.normpath(cell))
        case np.ndarray() if not cell.dtype.hasobject:
            return digest_of_array(cell)
        case bool() | int() | float():
            return (type(cell), cell)
    return ("object", id(cell))


def digest_of_array(array: npt.NDArray[Any]) -> bytes:
    """A hash of the shape and content; float32 and float64 of equal values are equal, as are integers."""
    wide = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.int64}.get(array.dtype.kind, array.dtype)
    digest = hashlib.blake2b(f"{array.shape}{np.dtype(wide)}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array, wide).data)
    return digest.digest()


class ListCells(Cells):
    """Objects that are lists of numbers in columns of a Parquet file; they are read again where they are needed.

    Args:
        table: the file.
        columns: that hold them.
    """

    def __init__(self, table: PairTable, columns: Sequence[str]) -> None:
        super().__init__()
        self.table, self.columns = table, tuple(dict.fromkeys(columns))
        self.places: list[tuple[str, int]] = []

    def add(self, cell: pa.Scalar, column: str, row: int) -> int:
        """The number of the object in a cell.

        Raises:
            ValueError: rows of different lengths.
        """
        number = self._number(digest_of_array(array_of(cell)))
        if number == len(self.places):
            self.places.append((column, row))
        return number

    def name(self, number: int) -> str:
        return str(number)

    def parts(self, wanted: Wanted) -> Iterator[tuple[list[int], list[Any]]]:
        place = {self.places[number]: number for number in np.flatnonzero(wanted).tolist()}
        for batch in self.table.batches(self.columns):
            numbers, arrays = [], []
            for column in self.columns:
                for at, row in enumerate(batch.rows.tolist()):
                    number = place.get((column, row))
                    if number is not None:
                        numbers.append(number)
                        arrays.append(array_of(batch.columns[column][at]))
            if numbers:
                yield numbers, arrays


def is_list(column: pa.DataType) -> bool:
    """Whether cells of this type are arrays themselves."""
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_kind(column) for is_kind in kinds) or isinstance(column, pa.FixedShapeTensorType)


def array_of(cell: pa.Scalar) -> npt.NDArray[Any]:
    """The array in a cell: a list, or lists of lists of equal lengths."""
    if isinstance(cell, pa.FixedShapeTensorScalar):
        return np.asarray(cell.to_numpy())
    values = cell.values
    if values is None:
        raise ValueError("an array in an array is missing")
    if is_list(values.type):
        return np.stack([array_of(one) for one in values]) if len(values) else np.empty((0, 0))
    return np.asarray(values.to_numpy(zero_copy_only=False))


def convert_cells(
    kind: ObjectKind, base: Path, cells: Sequence[Any], options: ReadOptions = AS_IT_IS
) -> list[Object | InputError]:
    """The objects of some cells, or why there is none.

    Args:
        kind: that reads them.
        base: folder that paths are relative to.
        cells: texts, paths, arrays, or whatever the kind converts.
        options: of reading.

    Raises:
        ReadError: the disk does not give a file, which is not the fault of a cell.
    """
    files = ArrayFiles()
    found: list[Object | InputError] = []
    for cell in cells:
        try:
            check_named(base, cell)
            found.append(kind.convert(resolve(kind, base, cell, files), options))
        except ReadError:
            raise
        except (OSError, ValueError) as error:  # InputError is a ValueError
            refuse_unread(shortened(cell), error)
            found.append(InputError(shortened(error, 200)))
    return found
