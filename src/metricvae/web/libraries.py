"""Libraries that are searched: indexes in memory, each with its model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metricvae.prediction.predictor import Predictor
    from metricvae.search.index import Index

LIBRARIES = 8
"""Indexes that are held."""


class LibraryShelf:
    """Loaded indexes by name.

    Args:
        find: gives the folder of a library by what a client calls it; raises RequestError.
    """

    def __init__(self, find: Callable[[str], Path]) -> None:
        self.find, self.lock = find, threading.Lock()
        self.loaded: OrderedDict[str, tuple[float, Index, Predictor]] = OrderedDict()

    def get(self, name: str) -> tuple[Index, Predictor]:
        """An index and its model; read again where its files have changed.

        Raises:
            RequestError: there is none of that name (404).
            InputError: it is damaged, or its model is gone.
        """
        from metricvae.search.index import load_for, read_index
        from metricvae.search.store import INDEX

        folder = self.find(name)
        changed = (folder / INDEX).stat().st_mtime if (folder / INDEX).exists() else 0.0
        with self.lock:
            known = self.loaded.get(name)
            if known is not None and known[0] == changed:
                self.loaded.move_to_end(name)
                return known[1], known[2]
            index = read_index(folder)
            predictor = load_for(index)
            self.loaded[name] = changed, index, predictor
            while len(self.loaded) > LIBRARIES:
                self.loaded.popitem(last=False)
            return index, predictor
