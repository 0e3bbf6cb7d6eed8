"""The rows of a table of pairs, or of sequences in memory: usable ones as numbers, and the objects they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.errors import InputError
from metricvae.core.importing.cells import Cells, HeldCells, ListCells, is_list
from metricvae.core.importing.faults import Faults
from metricvae.core.importing.request import ImportRequest, Report
from metricvae.core.importing.tables import PairTable, TableBatch
from metricvae.core.importing.values import PairRows, RowReader, join_rows


def rows_of_table(
    table: PairTable, request: ImportRequest, faults: Faults, report: Report
) -> tuple[PairRows, tuple[Cells, Cells]]:
    """The usable rows of a table, and the objects that stand left and right in them.

    Args:
        table: read a batch at a time.
        request: what its columns mean.
        faults: told of rows that cannot be used.
        report: told how far that is.

    Raises:
        InputError: the table is damaged, or holds no rows.
    """
    columns = request.columns
    others = [name for name in columns.needed if name not in (columns.left, columns.right)]
    reader, parts, cells = RowReader(request.metric, columns, faults), [], None
    for batch in table.batches(columns.needed, faults):
        cells = cells or _cells_of(table, batch, request)
        ends = [_numbers(side, batch, name) for side, name in zip(cells, (columns.left, columns.right), strict=True)]
        values = {name: batch.columns[name].to_pylist() for name in others}
        rows = [at for at in range(len(batch.rows)) if not _blank(at, ends, values)]
        parts.append(_read(reader, batch.rows, rows, ends, values))
        report("reading rows", int(batch.rows[-1]) if len(batch.rows) else 0, 0)
    if cells is None:
        raise InputError(f"{table.path} holds no pairs: expected rows below the header")
    return join_rows(parts), cells


def _read(
    reader: RowReader,
    numbers: npt.NDArray[np.int64],
    rows: Sequence[int],
    ends: Sequence[Sequence[int | str]],
    values: Mapping[str, Sequence[Any]],
) -> PairRows:
    chosen = {name: [column[at] for at in rows] for name, column in values.items()}
    return reader.read(numbers[list(rows)].tolist(), [[side[at] for at in rows] for side in ends], chosen)


def _blank(at: int, ends: Sequence[Sequence[int | str]], values: Mapping[str, Sequence[Any]]) -> bool:
    """Whether a row is an empty line."""
    return all(isinstance(side[at], str) for side in ends) and not any(column[at] for column in values.values())


def _cells_of(table: PairTable, batch: TableBatch, request: ImportRequest) -> tuple[Cells, Cells]:
    names = request.columns.left, request.columns.right
    lists = [is_list(batch.columns[name].type) for name in names]
    if request.shared and lists[0] != lists[1]:
        raise InputError(
            f"{table.path} has arrays in one of the columns {names[0]} and {names[1]} and texts in the other: "
            "expected the same sort of both for objects of one kind"
        )
    if request.shared:
        both: Cells = ListCells(table, names) if lists[0] else HeldCells()
        return both, both
    sides = [ListCells(table, [name]) if lists[at] else HeldCells() for at, name in enumerate(names)]
    return sides[0], sides[1]


def _numbers(cells: Cells, batch: TableBatch, name: str) -> list[int | str]:
    """The number of the object in each cell of a column, or what is wrong with it."""
    if isinstance(cells, ListCells):
        return [_list_number(cells, cell, name, row) for cell, row in zip(batch.columns[name], batch.rows, strict=True)]
    assert isinstance(cells, HeldCells)
    texts = ("" if cell is None else str(cell).strip() for cell in batch.columns[name].to_pylist())
    return [cells.add(text) if text else "no object" for text in texts]


def _list_number(cells: ListCells, cell: pa.Scalar, name: str, row: int) -> int | str:
    if not cell.is_valid:
        return "no object"
    try:
        return cells.add(cell, name, int(row))
    except (ValueError, pa.ArrowException):
        return "lists of different lengths"


def rows_of_objects(
    left: Sequence[Any],
    right: Sequence[Any],
    columns: Mapping[str, Sequence[Any]],
    request: ImportRequest,
    faults: Faults,
) -> tuple[PairRows, tuple[Cells, Cells]]:
    """The usable ones among pairs in memory; arguments as for `import_pairs`."""
    first = HeldCells()
    second = first if request.shared else HeldCells()
    reader = RowReader(request.metric, request.columns, faults)
    ends = [
        ["no object" if cell is None else side.add(cell) for cell in objects]
        for side, objects in ((first, left), (second, right))
    ]
    plain = {name: _plain_list(column) for name, column in columns.items()}
    rows = reader.read(range(1, len(left) + 1), ends, plain)
    return rows, (first, second)


def _plain_list(column: Sequence[Any]) -> list[Any]:
    return list(np.asarray(column, object))
