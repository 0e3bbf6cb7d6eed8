"""Pages of Parquet files, looked at before they are read: what a page declares is what Arrow allocates for it.

The footer of a file says how many bytes each column takes, but each page repeats its own two sizes in a header among
the data, and memory is asked for by that header. A byte that was changed there asks for 2 GiB in a file of 300 bytes.
Footers are read here too, because PyArrow ends the process where it builds its description of a damaged column.

Footers and headers are structures of the compact protocol of Apache Thrift; the fields are those of parquet.thrift
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md and
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

LARGEST_PAGE = 2**26
"""Bytes that a page may have when decompressed, however few it has in the file. Writers begin a page after 1 MiB."""

LARGEST_RATIO = 1_000
"""Times by which a larger page may be compressed."""

LARGEST_FOOTER = 2**26
"""Bytes; a million rows of 20 columns in groups of two thousand have four million."""

WINDOW, LARGEST_HEADER = 2**12, 2**20
"""Bytes that are read of a header at first, and at most: it holds the least and the greatest value of its page."""

MAGIC = b"PAR1"
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
DEEPEST = 12
"""Levels of structures and lists, at most; the format has eight."""


@dataclass(frozen=True)
class ColumnChunk:
    """Where a column of a row group lies: its name, without those of what it holds, and its first and last byte."""

    name: str
    start: int
    end: int


def check_pages(path: Path, columns: Sequence[str] | None = None, groups: Iterable[int] | None = None) -> None:
    """Refuse a Parquet file of which a page declares more than it can hold.

    Args:
        path: of the file.
        columns: names of the columns that will be read; by default all.
        groups: numbers of the row groups that will be read; by default all.

    Raises:
        ValueError: no Parquet file, sizes that are negative, larger than the column or beyond what compression does, or
            a footer or header that is not whole.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        rows = footer(path, found.st_size, found.st_mtime_ns, found.st_ino)
        for number in range(len(rows)) if groups is None else groups:
            for column in rows[number]:
                if columns is None or column.name in columns:
                    _check_column(file, column, found.st_size)


@functools.lru_cache(maxsize=64)
def footer(path: Path, size: int, changed: int, number: int) -> tuple[tuple[ColumnChunk, ...], ...]:
    """The columns of each row group.

    Args:
        path, size, changed, number: of the file: bytes, time in nanoseconds, and inode.

    Raises:
        ValueError: no Parquet file, or one with a footer that is not whole.
    """
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        end = file.read(8)
        length = int.from_bytes(end[:4], "little")
        if end[4:] != MAGIC or length > min(size - 8, LARGEST_FOOTER):
            raise ValueError("it does not end as a Parquet file does")
        file.seek(size - 8 - length)
        data = file.read(length)
    try:
        fields, _ = _struct(data, 0, 0)
        return tuple(tuple(_column(column) for column in group[1]) for group in fields[4])
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError("the footer is not whole") from error


def _column(chunk: dict[int, Any]) -> ColumnChunk:
    data = chunk[3]
    offsets = [offset for offset in (data[9], data.get(11)) if offset]  # 0 of pages that there are not
    start = min(offsets) if offsets else 0
    return ColumnChunk(data[3][0].decode(), start, start + (data[7] if offsets else 0))


def _check_column(file: BufferedReader, column: ColumnChunk, size: int) -> None:
    if not 0 <= column.start <= column.end <= size:
        raise ValueError(f"the column {column.name} does not lie within the file")
    at = column.start
    while at < column.end:
        header, compressed, uncompressed = _page(file, at)
        at += header + compressed
        if compressed < 0 or uncompressed < 0 or at > column.end:
            raise ValueError(f"a page of the column {column.name} does not end within the column")
        if uncompressed > max(LARGEST_PAGE, LARGEST_RATIO * compressed):
            raise ValueError(f"a page of {compressed:,} bytes of {column.name} declares {uncompressed:,} bytes")


def _page(file: BufferedReader, at: int) -> tuple[int, int, int]:
    """Bytes of the header of a page, and the two sizes that it declares: in the file, and decompressed."""
    window = WINDOW
    while True:
        file.seek(at)
        data = file.read(window)
        try:
            fields, end = _struct(data, 0, 0)
            if end <= len(data):
                return end, int(fields[3]), int(fields[2])
        except (LookupError, TypeError):
            pass
        if len(data) < window or window >= LARGEST_HEADER:
            raise ValueError(f"the header of the page at byte {at} is not whole")
        window *= 16


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """The values of a structure by the number of their field, and where it ends."""
    if depth > DEEPEST:
        raise ValueError("structures in structures without end")
    found: dict[int, Any] = {}
    field = 0
    while True:
        head = data[at]
        at += 1
        kind = head & 15
        if kind == _STOP:
            return found, at
        if head >> 4:
            field += head >> 4
        else:
            field, at = _zigzag(data, at)
        if kind in (_TRUE, _FALSE):  # a truth value is its own type
            continue
        found[field], at = _value(data, at, kind, depth)


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """A value of a field or a list, and where it ends; None in the place of one that Parquet's sizes do not need."""
    if kind in (_I16, _I32, _I64):
        return _zigzag(data, at)
    if kind == _BINARY:
        size, at = _varint(data, at)
        return data[at : at + size], at + size
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    if kind in (_LIST, _SET):
        return _list(data, at, depth)
    if kind == _DOUBLE:
        return None, at + 8
    if kind in (_TRUE, _FALSE, _BYTE):
        return None, at + 1
    raise ValueError(f"a value of the type {kind}, which Parquet does not have")


def _list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    if depth > DEEPEST:
        raise ValueError("lists in lists without end")
    head = data[at]
    count, at = _varint(data, at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
    found = []
    for _ in range(count):
        value, at = _value(data, at, head & 15, depth + 1)
        found.append(value)
        if at > len(data):
            raise IndexError("a list beyond the end")
    return found, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    number = data[at]
    at += 1
    if number > 127:
        number, at = _varint(data, at - 1)
    return (number >> 1) ^ -(number & 1), at
