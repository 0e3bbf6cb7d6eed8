"""A list of pairs of files, as people keep them: a CSV with columns `a` and `b`, paths relative to the CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metricvae.core.array_files import address_of
from metricvae.core.errors import InputError
from metricvae.runtime.files import atomic_path


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
        path: of the CSV.
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
        raise InputError(f"{path} has columns {', '.join(columns) or 'none'}: expected a and b in its first line")
    rows = [(row["a"], row["b"]) for row in found]
    for number, row in enumerate(rows):
        if not (row[0] and row[1]):
            raise InputError(f"{path} row {number + 1} lacks a file name: expected two, separated by a comma")
    if not rows:
        raise InputError(f"{path} holds no pairs: expected at least one row below the line 'a,b'")
    return rows


def read_csv_rows(path: Path, expected: str) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns of a CSV with a header, and its rows.

    Args:
        path: of the file.
        expected: the columns it is to have, in messages.

    Raises:
        InputError: no such file, or no text.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            return list(reader.fieldnames or []), list(reader)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}: give a CSV with columns {expected}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}): give a text file with columns {expected}") from None


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV atomically."""
    with atomic_path(Path(path)) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
