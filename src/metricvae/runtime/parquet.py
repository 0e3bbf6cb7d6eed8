"""Parquet files: written atomically, and read a few rows at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.errors import InputError
from metricvae.runtime.files import atomic_path
from metricvae.runtime.parquet_pages import check_pages
from metricvae.runtime.reading import check_regular, damaged

REMEDY = "restore it or make its folder again"


def write_table(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables, one after the other, as one Parquet file, atomically."""
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)


@contextlib.contextmanager
def checked(
    path: Path, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None
) -> Iterator[pq.ParquetFile]:
    """A Parquet file of which no page declares more than it can hold, so that reading it takes no absurd memory.

    Args:
        path: of the file.
        columns: names of the columns that will be read; by default all.
        groups: numbers of the row groups that will be read; by default all.

    Raises:
        InputError: no ordinary file.
        ValueError: pages of absurd sizes, or damaged ones; see `check_pages`.
        pyarrow.ArrowException: no Parquet file.
    """
    check_regular(path, "a Parquet file")
    check_pages(path, columns, groups)
    with pq.ParquetFile(path) as parquet:
        yield parquet


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole Parquet file, or some of its columns.

    Raises:
        InputError: no such file, no Parquet, a damaged one, or one that lacks a column.
    """
    with damaged(path, REMEDY), checked(path, columns) as parquet:
        table = parquet.read(columns=None if columns is None else list(columns))
        missing = [name for name in columns or () if name not in table.column_names]
        if missing:
            raise InputError(f"{path} lacks the column {missing[0]}: {REMEDY}")
        return table


def read_schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file, with the metadata of the file; errors as of `read_table`."""
    check_regular(path, "a Parquet file")
    with damaged(path, REMEDY):
        return pq.read_schema(path)


def read_group(path: Path, group: int) -> pa.Table:
    """One row group of a Parquet file, by its number from 0; errors as of `read_table`."""
    with damaged(path, REMEDY), checked(path, groups=[group]) as parquet:
        return parquet.read_row_group(group)


def row_count(path: Path) -> int:
    """How many rows a Parquet file says it has; errors as of `read_table`."""
    check_regular(path, "a Parquet file")
    with damaged(path, REMEDY):
        return int(pq.read_metadata(path).num_rows)


def float32_lists(rows: npt.NDArray[np.float64], width: int) -> pa.Array:
    """Rows (n, ...) of `width` numbers each as a column of lists of float32."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1).astype(np.float32)), width)


def read_rows(path: Path, rows: npt.ArrayLike, columns: Sequence[str]) -> pa.Table:
    """Some rows of a Parquet file, in the order they are asked for; only the row groups that hold them are read.

    Args:
        path: of the file.
        rows: (k,) numbers from 0.
        columns: names of the columns wanted.
    """
    wanted: npt.NDArray[Any] = np.asarray(rows, np.int64)
    check_regular(path, "a Parquet file")
    with damaged(path, REMEDY), pq.ParquetFile(path) as parquet:
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        groups = np.searchsorted(starts, wanted, side="right") - 1
        order, read = np.argsort(groups, kind="stable"), np.unique(groups).tolist()
        check_pages(path, columns, read)
        parts = [
            parquet.read_row_group(group, columns=list(columns)).take(wanted[groups == group] - starts[group])
            for group in read
        ]
        schema = parquet.schema_arrow
    empty = pa.schema([schema.field(name) for name in columns]).empty_table()
    return pa.concat_tables(parts).take(np.argsort(order, kind="stable")) if parts else empty
