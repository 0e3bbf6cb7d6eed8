"""What the routes of one server share."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from metricvae.web.errors import RequestError
from metricvae.web.models import Compute, ModelShelf, shipped_model, warm
from metricvae.web.objects.readers import ReaderPool
from metricvae.web.objects.store import ObjectStore
from metricvae.web.settings import ServerSettings

JOB = "job:"
"""Before the id of a job whose result is meant: a model that it trained, a library that it indexed."""


@dataclass(frozen=True)
class ServerState:
    """Objects, models and threads of one server.

    Attributes:
        settings: how it was set up.
        readers: processes that read objects.
        objects: that clients sent.
        models: that were loaded.
        compute: threads for mathematics.
        ready: set when the models were warmed.
    """

    settings: ServerSettings
    readers: ReaderPool
    objects: ObjectStore
    models: ModelShelf
    compute: Compute
    ready: threading.Event

    def warm_up(self) -> None:
        """Load models in the background, so that the first page does not wait for them."""
        threading.Thread(target=self._warm, daemon=True, name="warm").start()

    def _warm(self) -> None:
        self.readers.start()
        warm(self.models, self.settings.warm)
        self.ready.set()

    def stop(self) -> None:
        """End threads and processes."""
        self.compute.stop()
        self.readers.stop()


def open_state(settings: ServerSettings) -> ServerState:
    """The state of a new server, with what an earlier one left in its folder."""
    readers = ReaderPool(settings.readers, settings.limits)
    objects = ObjectStore(settings.folder / "objects", readers, settings.limits)
    models = ModelShelf(lambda name: find_model(name))
    compute = Compute(settings.threads, settings.torch_threads)
    return ServerState(settings, readers, objects, models, compute, threading.Event())


def find_model(name: str) -> str | Path:
    """The name, or the folder, of a model by what a client calls it."""
    if name.startswith(JOB):
        raise RequestError(404, f"there is no model {name[:40]!r}", "model")
    return shipped_model(name)
