"""Libraries that are searched: indexes in memory, each with its model."""

from __future__ import annotations

import os
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

ANSWERS = 32
"""Models that answer another of their metrics, that are held."""

Files = tuple[tuple[str, int, int, int], ...]


class LibraryShelf:
    """Loaded indexes by name.

    Args:
        find: gives the folder of a library by what a client calls it; raises RequestError.
    """

    def __init__(self, find: Callable[[str], Path]) -> None:
        self.find, self.lock = find, threading.Lock()
        self.loaded: OrderedDict[str, tuple[float, Index, Predictor]] = OrderedDict()
        self.answers: OrderedDict[tuple[Path, str], tuple[Predictor, tuple[Files, Files], Predictor]] = OrderedDict()

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

    def answering(self, predictor: Predictor, metric: str) -> Predictor:
        """A model that answers another of its metrics; read again where files of the model have changed.

        Raises:
            InputError: it has none of that name.
        """
        from metricvae.prediction.added_metrics import METRICS_FOLDER, NAME

        folder = predictor.base.folder
        state = _files_of(folder), _files_of(folder / METRICS_FOLDER / metric) if NAME.fullmatch(metric) else ()
        with self.lock:
            known = self.answers.get((folder, metric))
            if known is not None and known[0] is predictor and known[1] == state:
                self.answers.move_to_end((folder, metric))
                return known[2]
        found = predictor.answering(metric)
        with self.lock:
            self.answers[folder, metric] = predictor, state, found
            while len(self.answers) > ANSWERS:
                self.answers.popitem(last=False)
        return found


def _files_of(folder: Path) -> Files:
    """What changes when a file of a folder does; nothing of one that is not there."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    except OSError:
        return ()
    return tuple(sorted((name, about.st_ino, about.st_size, about.st_mtime_ns) for name, about in found))
