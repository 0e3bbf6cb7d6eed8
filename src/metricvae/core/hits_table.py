"""Hits as a table: the names of its columns, its numbers as texts, and CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.core.hits import FoundObject, Value
from metricvae.runtime.files import write_text

NAMED = ("id", "path")
"""The columns before those of values."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which a spreadsheet takes a text for a formula (OWASP, CSV Injection)."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def column_names(found: Sequence[FoundObject]) -> list[str]:
    """Names of all values of some hits, in the order in which they first appear.

    Raises:
        InputError: a field of a hit has the name of a column that every hit has.
    """
    for hit in found:
        for name in hit.fields:
            if name in (*NAMED, "predicted", hit.score_name):
                raise InputError(f"a field of the hit {hit.name} is called {name}, as a column of all hits: rename it")
    return list(dict.fromkeys(name for hit in found for name in hit.columns))


def value_text(value: Value | None) -> str:
    """A value as a text: seven digits of a number, which is what single precision holds; nothing for one that is not
    finite, or is absent."""
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return f"{float(value):.7g}" if math.isfinite(value) else ""
    return "" if value is None else str(value)


def safe_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with an apostrophe before it where it begins like one.

    That is the advice of OWASP (CSV Injection). Texts that are plain numbers stay as they are.

    >>> safe_cell("=1+1"), safe_cell("-2.5"), safe_cell("ZINC1")
    ("'=1+1", '-2.5', 'ZINC1')
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def csv_records(found: Sequence[FoundObject]) -> list[str]:
    """The lines of a CSV, each with its end: a header, then a record for each hit, in the order given.

    The columns are `id`, `path`, `predicted`, the exact score under its name, and all further fields; what a hit lacks
    is empty. Texts go through :func:`safe_cell`, numbers stay numbers.

    Raises:
        InputError: see :func:`column_names`.
    """
    names = column_names(found)
    rows = [[safe_cell(name) for name in (*NAMED, *names)]]
    rows += [[safe_cell(text) for text in (hit.name, hit.path, *_values(hit, names))] for hit in found]
    return [_record(row) for row in rows]


def write_hits_csv(path: Path, found: Sequence[FoundObject]) -> None:
    """Write hits as CSV (UTF-8) atomically; see :func:`csv_records`.

    Raises:
        InputError: the disk refuses, or a field has the name of a column.
    """
    write_text(path, "".join(csv_records(found)))


def _values(hit: FoundObject, names: Sequence[str]) -> list[str]:
    columns = hit.columns
    return [value_text(columns.get(name)) for name in names]


def _record(row: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue().encode("utf-8", "replace").decode()
