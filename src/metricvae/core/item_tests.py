"""Tests of items of an index that cost time: a quick screen of all items, and an exact check of a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TableTest = Callable[[pa.Table], npt.NDArray[np.bool_]]
"""(n,) answers for the n rows of a table."""


@dataclass(frozen=True)
class ItemTest:
    """Whether items of an index have some feature, as a substructure.

    Attributes:
        screened: columns of the index that `possible` reads.
        possible: whether an item can have it: where not, it certainly has not.
        checked: columns of the index that `holds` reads.
        holds: whether an item has it.
    """

    screened: tuple[str, ...]
    possible: TableTest
    checked: tuple[str, ...]
    holds: TableTest
