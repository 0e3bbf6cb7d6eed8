"""Models in memory, and the codes of objects that they have seen: each object is encoded once."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind
from metricvae.web.errors import RequestError
from metricvae.web.objects.records import as_kind

if TYPE_CHECKING:
    from metricvae.prediction.predictor import Predictor
    from metricvae.prediction.records import Encoded

CODES = 200_000
"""Codes that are held: about 1 kB each."""

MODELS = 12
"""Models that are held."""


class ModelShelf:
    """Loaded models by name, and codes by object.

    Args:
        find: gives the folder, or the name, of a model by what a client calls it; raises RequestError.
    """

    def __init__(self, find: Callable[[str], str | Path]) -> None:
        self.find = find
        self.lock = threading.Lock()
        self.loading: dict[str, threading.Lock] = {}
        self.loaded: OrderedDict[str, Predictor] = OrderedDict()
        self.codes: OrderedDict[tuple[str, str, str], Encoded] = OrderedDict()

    def get(self, name: str) -> Predictor:
        """A model, loaded when it is first asked for.

        Raises:
            RequestError: there is none of that name (404).
        """
        with self.lock:
            found = self.loaded.get(name)
            if found is not None:
                self.loaded.move_to_end(name)
                return found
            waiting = self.loading.setdefault(name, threading.Lock())
        with waiting:
            with self.lock:
                found = self.loaded.get(name)
            return found if found is not None else self._load(name)

    def _load(self, name: str) -> Predictor:
        from metricvae.prediction.predictor import Predictor

        predictor = Predictor.load(self.find(name))
        with self.lock:
            self.loaded[name] = predictor
            while len(self.loaded) > MODELS:
                self.loaded.popitem(last=False)
        return predictor

    def encode(self, model: str, side: str, key: str, held: str, value: Object, *, fit: bool = False) -> Encoded:
        """The code of one object as one side of a model sees it.

        Args:
            model: its name.
            side: of a pair; that of a model with one tower for both does not matter.
            key: tells objects apart: equal for equal objects only.
            held: name of the object's kind.
            value: itself.
            fit: scale and centre an image.

        Raises:
            RequestError: an object that the model does not take (422).
        """
        predictor = self.get(model)
        side = "left" if predictor.model.shared else side
        place = (model, f"{side}{' fit' * fit}", key)
        with self.lock:
            found = self.codes.get(place)
            if found is not None:
                self.codes.move_to_end(place)
                return found
        code = predictor.encode([as_kind(value, held, predictor.kind(side), fit=fit)], side)
        with self.lock:
            self.codes[place] = code
            while len(self.codes) > CODES:
                self.codes.popitem(last=False)
        return code


class Compute:
    """Threads for mathematics: so many at a time, each with so many threads of PyTorch's.

    Args:
        threads: at a time.
        torch_threads: of each.
    """

    def __init__(self, threads: int, torch_threads: int) -> None:
        self.torch_threads = torch_threads
        self.pool = ThreadPoolExecutor(max(1, threads), "compute")
        self.local = threading.local()

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What a function gives, from one of the threads."""
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(self.pool, self._prepared, work, arguments)

    def _prepared(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if not getattr(self.local, "ready", False):
            import torch

            torch.set_num_threads(self.torch_threads)
            self.local.ready = True
        return work(*arguments)

    def stop(self) -> None:
        """Wait for what runs, and drop what waits."""
        self.pool.shutdown(wait=True, cancel_futures=True)


def shipped_model(name: str) -> str:
    """A model that ships, by its name.

    Raises:
        RequestError: there is none of that name (404).
    """
    from metricvae.training.checkpoint import shipped_models

    known = shipped_models()
    if name not in known:
        raise RequestError(404, f"there is no model {name[:40]!r}: expected one of {', '.join(known)}", "model")
    return name


def kind_of_side(predictor: Predictor, side: str) -> ObjectKind:
    """The kind of objects on a side of a model."""
    return predictor.kind(side)


def warm(shelf: ModelShelf, name: str) -> None:
    """Load a model, if there is one of that name."""
    with contextlib.suppress(InputError, RequestError):
        shelf.get(name)
