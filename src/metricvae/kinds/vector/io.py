"""Rows of numbers in files and in text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.arrays import read_npy
from metricvae.runtime.reading import read_text

LONGEST = 65_536
"""Numbers of an object, at most."""

LETTERS_A_NUMBER = 64
"""Letters that a number in text takes, at most."""

TEXT_SUFFIXES = (".csv", ".txt")
SUFFIXES = (".npy", *TEXT_SUFFIXES)

_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")

Numbers = npt.NDArray[np.float64]


def read_numbers(path: Path) -> npt.NDArray[Any]:
    """The numbers in a NumPy file, or in a text file of one row or one column.

    Raises:
        InputError: no such file, too large a one, or not one of numbers.
    """
    if path.suffix.lower() not in TEXT_SUFFIXES:
        return read_npy(path, LONGEST)
    limit = LONGEST * LETTERS_A_NUMBER
    text = read_text(path, f"a file of numbers, one row of at most {LONGEST}", limit)
    rows = [line for line in text.splitlines() if line.strip()]
    if len(rows) > 1 and any(len(_SEPARATOR.split(row.strip())) > 1 for row in rows):
        raise InputError(f"{path} holds {len(rows)} rows of several numbers: expected one row, or one number a line")
    return parse_numbers(" ".join(rows), str(path))


def parse_numbers(text: str, name: str = "the text") -> Numbers:
    """Numbers separated by spaces, commas or semicolons, with or without brackets around all of them.

    An empty place between two commas is a missing number, NaN, as `nan` is.

    Raises:
        InputError: something that is no number, or nothing at all.

    Example:
        >>> parse_numbers("1.0, 2.5,,3").tolist()
        [1.0, 2.5, nan, 3.0]
    """
    if len(text) > LONGEST * LETTERS_A_NUMBER:
        raise InputError(f"{name} has {len(text)} letters: expected at most {LONGEST} numbers")
    inner = text.strip()
    if inner[:1] + inner[-1:] in ("[]", "()"):
        inner = inner[1:-1].strip()
    words = _SEPARATOR.split(inner) if inner else []
    if not words:
        raise InputError(f"{name} holds no numbers: expected some, separated by spaces, commas or semicolons")
    try:
        return np.array([float(word) if word else np.nan for word in words])
    except ValueError:
        wrong = next(word for word in words if word and not _is_number(word))
        raise InputError(
            f"{name} holds '{wrong[:40]}': expected numbers, separated by spaces, commas or semicolons"
        ) from None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
