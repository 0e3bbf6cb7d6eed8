"""A list of pairs of files, as people keep them: a CSV with columns `a` and `b`, paths relative to the CSV."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from metricvae.core.array_files import address_of
from metricvae.core.errors import InputError, listed, shortened
from metricvae.runtime.files import atomic_path
from metricvae.runtime.reading import STDIN, read_text


@dataclass(frozen=True)
class PairList:
    """n pairs of m files.

    Attributes:
        names: (n,) the two names of each pair as the CSV has them.
        files: (m,) each file once, or what else names an object.
        first, second: (n,) int64, rows of `files`.
    """

    names: tuple[tuple[str, str], ...]
    files: tuple[Path | str, ...]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]


def one_pair(a: Path | str, b: Path | str) -> PairList:
    """Two files, or what else names objects, as a list of one pair."""
    ends = np.array([0], np.int64), np.array([1], np.int64)
    return PairList(((str(a), str(b)),), (a, b), *ends)


def read_pair_list(path: Path, *, inline: bool = False) -> PairList:
    """Read the CSV and make sure that every file it names is there.

    Args:
        path: of the CSV; `-` is standard input, whose paths are relative to the working folder.
        inline: whether a name that is no file may be an object itself.

    Raises:
        InputError: no such file, no text, a missing column, an empty list, or a row whose file is missing.
    """
    path = Path(path)
    names = _rows(path)
    files: dict[Path | str, int] = {}
    places = np.empty((len(names), 2), dtype=np.int64)
    for number, pair in enumerate(names):
        for side, name in enumerate(pair):
            file: Path | str = path.parent / name
            if file not in files and not os.path.isfile(file):  # Path.is_file raises on a name that is too long
                address = "\0" not in name and address_of(name, path.parent) is not None
                if not (inline or address):
                    raise InputError(f"{path} row {number + 1}: there is no file '{name}' beside the CSV: mend the row")
                file = str(file) if address else name
            places[number, side] = files.setdefault(file, len(files))
    return PairList(tuple(names), tuple(files), places[:, 0], places[:, 1])


def _rows(path: Path) -> list[tuple[str, str]]:
    columns, found = read_csv_rows(path, "a,b")
    if not {"a", "b"} <= set(columns):
        raise InputError(f"{path} has columns {listed(columns)}: expected a and b in its first line")
    rows = [(row["a"], row["b"]) for row in found]
    for number, row in enumerate(rows):
        if not (row[0] and row[1]):
            raise InputError(f"{path} row {number + 1} lacks a file name: expected two, separated by a comma")
    if not rows:
        raise InputError(f"{path} holds no pairs: expected at least one row below the line 'a,b'")
    return rows


def read_csv_rows(path: Path, expected: str) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns of a CSV with a header, and its rows; cells are separated as the header has it.

    Args:
        path: of the file; `-` is standard input.
        expected: the columns it is to have, in messages.

    Raises:
        InputError: no such file, no text, or two columns of one name.
    """
    text = read_text(path, f"a CSV with columns {expected}")
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text.partition("\n")[0]))
        columns, rows = list(reader.fieldnames or []), list(reader)
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV ({error}): give a text file with columns {expected}") from None
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise InputError(f"{path} has two columns '{shortened(twice[0])}': rename one, expected {expected}")
    return columns, rows


def delimiter_of(header: str) -> str:
    """What separates the cells of a table: of comma, tab and semicolon the first that its header has, else a comma."""
    return next((mark for mark in (",", "\t", ";") if mark in header), ",")


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV atomically; `-` is standard output. Names of files keep their bytes, UTF-8 or not."""
    if str(path) == STDIN:
        sys.stdout.flush()
        out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "surrogateescape", newline="")
        write_csv(out, columns, rows)
        out.flush()
        out.detach()
        return
    with (
        atomic_path(Path(path)) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        write_csv(file, columns, rows)


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write the rows of a CSV."""
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)
