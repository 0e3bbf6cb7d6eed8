"""Models in memory, and the codes of objects that they have seen: each object is encoded once."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.web.errors import RequestError
from metricvae.web.objects.records import as_kind

if TYPE_CHECKING:
    from metricvae.prediction.predictor import Predictor
    from metricvae.prediction.records import Encoded

CODES = 200_000
"""Codes that are held: about 1 kB each."""

AT_ONCE = 256
"""Objects that are read, and encoded, together."""

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

    def encode(
        self,
        model: str,
        side: str,
        keys: Sequence[str],
        find: Callable[[str], tuple[str, Object]],
        *,
        fit: bool = False,
    ) -> Encoded:
        """The codes of objects as one side of a model sees them, in their order.

        Args:
            model: its name.
            side: of a pair; that of a model with one tower for both does not matter.
            keys: tell objects apart: equal for equal objects only.
            find: gives the name of an object's kind, and itself; asked for those alone whose codes are not held.
            fit: scale and centre images.

        Raises:
            RequestError: an object that the model does not take (422), or what `find` raises.
        """
        predictor = self.get(model)
        side = "left" if predictor.model.shared else side
        place = model, f"{side}{' fit' * fit}"
        found = self._held(place, keys)
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        kind = predictor.kind(side)
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            objects = [as_kind(value, held, kind, fit=fit) for held, value in map(find, some)]
            codes = predictor.encode(objects, side)
            found |= self._hold(place, {key: codes[row : row + 1] for row, key in enumerate(some)})
        return joined([found[key] for key in keys])

    def _held(self, place: tuple[str, str], keys: Sequence[str]) -> dict[str, Encoded]:
        """The codes that are held of some objects."""
        with self.lock:
            found = {key: self.codes[*place, key] for key in dict.fromkeys(keys) if (*place, key) in self.codes}
            for key in found:
                self.codes.move_to_end((*place, key))
        return found

    def _hold(self, place: tuple[str, str], codes: Mapping[str, Encoded]) -> dict[str, Encoded]:
        """Hold codes, each in memory of its own, so that one that goes leaves none behind."""
        own = {key: joined([code]) for key, code in codes.items()}
        with self.lock:
            self.codes |= {(*place, key): code for key, code in own.items()}
            while len(self.codes) > CODES:
                self.codes.popitem(last=False)
        return own


def joined(parts: Sequence[Encoded]) -> Encoded:
    """Codes one behind the other, copied."""
    import torch

    from metricvae.prediction.records import Encoded

    columns = ("codes", "magnitudes", "novelty")
    return Encoded(*(torch.cat([getattr(part, column) for part in parts]) for column in columns))


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


def warm(shelf: ModelShelf, name: str) -> None:
    """Load a model, if there is one of that name."""
    with contextlib.suppress(InputError, RequestError):
        shelf.get(name)
