"""Sequences in memory: code points of their letters, one to each place, zeros behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.kind import Packed


def pack_letters(sequences: Sequence[str], length: int, letter: npt.DTypeLike) -> Packed:
    """(m, b) bytes of m sequences, each letter a number of the type `letter`; at least `length` places a row."""
    places = max([length, *map(len, sequences)])
    rows = np.zeros((len(sequences), places), letter)
    for row, one in zip(rows, sequences, strict=True):
        row[: len(one)] = np.frombuffer(one.encode("utf-32-le"), np.uint32)
    return rows.view(np.uint8)


def letters_of(packed: Packed, letter: npt.DTypeLike) -> npt.NDArray[Any]:
    """(m, L) code points of what `pack_letters` gave."""
    return np.ascontiguousarray(packed).view(letter)


def text_of(points: npt.NDArray[Any]) -> str:
    """The sequence of a row of code points."""
    return points[points > 0].astype("<u4").tobytes().decode("utf-32-le")


def pad_to_widest(parts: Sequence[Packed]) -> Packed:
    """Several arrays of packed sequences as one, zeros behind the shorter rows."""
    widest = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, widest - part.shape[1]))) for part in parts])
