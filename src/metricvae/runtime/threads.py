"""One function of many values on all cores, for functions that leave the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def in_threads(function: Callable[[Given], Found], values: Sequence[Given]) -> list[Found]:
    """What the function says of each value, in order.

    Example:
        >>> in_threads(len, ["a", "bc"])
        [1, 2]
    """
    if len(values) < 2:
        return [function(one) for one in values]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(function, values))
