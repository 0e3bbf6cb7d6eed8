"""Tables of pairs as people keep them, CSV or Parquet, read a batch of rows at a time."""

from __future__ import annotations

import abc
import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from metricvae.core.errors import InputError, shortened
from metricvae.core.importing.faults import Faults
from metricvae.core.importing.request import Columns
from metricvae.core.pair_list import delimiter_of
from metricvae.runtime.parquet import checked
from metricvae.runtime.reading import refuse_unread, unreadable

CSV_BLOCK = 2**22
"""Bytes of a CSV that are parsed together; no row may be longer."""

LONGEST_HEADER = 2**20
CSV_ROWS, PARQUET_ROWS = 4_096, 512
"""Rows of a table that are looked at together; cells of a Parquet file may be whole arrays."""

PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class TableBatch:
    """Some rows of a table.

    Attributes:
        rows: (n,) numbers of the rows, the first below the header is 1.
        columns: (n,) cells by name of the column.
    """

    rows: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]


class PairTable(abc.ABC):
    """A file of pairs.

    Attributes:
        path: of the file, or of the folder that the pairs are in.
        names: of all its columns.
        columns: what columns mean beside those that a user names; None where the table does not know.
        notes: what is to be said of the rows, a sentence each, once all were read.
    """

    path: Path
    names: tuple[str, ...]
    columns: Columns | None = None
    notes: tuple[str, ...] = ()

    @abc.abstractmethod
    def batches(self, columns: Sequence[str], faults: Faults | None = None) -> Iterator[TableBatch]:
        """Some columns of all rows, in order; rows that are not as long as the header go to `faults`.

        Raises:
            InputError: the file is damaged.
        """

    def require(self, columns: Sequence[str]) -> None:
        """Raise InputError, which names the columns there are, if one of these is missing or there twice."""
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise InputError(f"{self.path} has {len(self.names)} columns, two of which are '{twice[0]}': rename one")
        missing = [name for name in columns if name not in self.names]
        if missing:
            there = shortened(", ".join(self.names), 300)
            raise InputError(f"{self.path} lacks the column '{missing[0]}': it has {there or 'none'}; name one of them")


def open_table(path: Path) -> PairTable:
    """The table in a file: Parquet by its ending, else CSV.

    Raises:
        InputError: no such file, or neither.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder: expected a table of pairs, CSV or Parquet")
    if not path.is_file():
        raise InputError(f"there is no file {path}: expected a table of pairs, CSV or Parquet")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty: expected a table of pairs with a line of column names first")
    return ParquetTable(path) if path.suffix.lower() in PARQUET_SUFFIXES else CsvTable(path)


class CsvTable(PairTable):
    """A CSV with a header, in UTF-8; cells are separated by commas, by tabs in `.tsv`, or as the header has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = self._header()
        self.delimiter = _delimiter(path, header)
        try:
            cells = next(csv.reader(io.StringIO(header), delimiter=self.delimiter, strict=True), [])
        except csv.Error as error:
            raise InputError(f"{path} has no header that can be read ({error}): expected names of columns") from None
        self.names = tuple(cell.strip() for cell in cells)

    def _header(self) -> str:
        try:
            with open(self.path, "rb") as file:
                start = file.read(LONGEST_HEADER)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}): give a CSV or Parquet file") from None
        if b"\0" in start:
            raise InputError(f"{self.path} holds NUL bytes, so it is no text: expected a CSV in UTF-8, or .parquet")
        try:
            text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
        except UnicodeDecodeError:
            raise InputError(f"{self.path} is not UTF-8 text: expected a CSV in UTF-8, or a file .parquet") from None
        return text.partition("\n")[0]

    def batches(self, columns: Sequence[str], faults: Faults | None = None) -> Iterator[TableBatch]:
        short: list[tuple[int, int]] = []

        def skip(row: pyarrow.csv.InvalidRow) -> str:
            short.append((row.number - 1, row.actual_columns))
            return "skip"

        last = 0
        try:
            for block in self._reader(columns, skip):
                for start in range(0, len(block), CSV_ROWS):
                    batch = block.slice(start, CSV_ROWS)
                    rows = _numbers(last, len(batch), [number for number, _ in short])
                    last = int(rows[-1])
                    yield TableBatch(rows, {name: batch.column(name) for name in columns})
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise InputError(f"{self.path} cannot be read as CSV ({_plain(error)}): correct it") from None
        except OSError as error:
            raise unreadable(self.path, error) from error
        for number, count in short:
            if faults is None:
                break
            faults.add(number, "cells", f"has {counted_cells(count)}: expected {len(self.names)}, as the header")

    def _reader(self, columns: Sequence[str], skip: object) -> pyarrow.csv.CSVStreamingReader:
        return pyarrow.csv.open_csv(
            self.path,
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=CSV_BLOCK, column_names=list(self.names), skip_rows=1
            ),
            pyarrow.csv.ParseOptions(
                delimiter=self.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            pyarrow.csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )


def counted_cells(count: int) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count} cell" if count == 1 else f"{count} cells"


def _numbers(last: int, count: int, left_out: Sequence[int]) -> npt.NDArray[np.int64]:
    """The next `count` numbers after `last` that are not left out."""
    ahead = [number for number in left_out if number > last]
    numbers = np.arange(last + 1, last + count + len(ahead) + 1)
    return np.setdiff1d(numbers, ahead)[:count].astype(np.int64)


def _delimiter(path: Path, header: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    return delimiter_of(header)


def _plain(error: Exception) -> str:
    return shortened(error, 160)


class ParquetTable(PairTable):
    """A Parquet file; a column of objects holds texts, or lists of numbers, which are the objects themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with pq.ParquetFile(path) as file:
                self.names = tuple(file.schema_arrow.names)
        except (pa.ArrowException, ValueError, OSError) as error:  # names that are not UTF-8 among them
            refuse_unread(path, error)
            raise InputError(f"{path} cannot be read as Parquet ({_plain(error)}): give a whole file") from None

    def batches(self, columns: Sequence[str], faults: Faults | None = None) -> Iterator[TableBatch]:
        last = 0
        try:
            with checked(self.path, columns) as file:
                for batch in file.iter_batches(PARQUET_ROWS, columns=list(columns), use_threads=False):
                    rows = np.arange(last + 1, last + 1 + len(batch))
                    last += len(batch)
                    batch.validate(full=True)  # texts that are not UTF-8 among them
                    yield TableBatch(rows, {name: batch.column(name) for name in columns})
        except (pa.ArrowException, ValueError, OSError) as error:
            refuse_unread(self.path, error)
            raise InputError(f"{self.path} cannot be read as Parquet ({_plain(error)}): give a whole file") from None
