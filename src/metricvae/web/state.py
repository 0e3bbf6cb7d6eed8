"""What the routes of one server share."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from metricvae.web.jobs.service import JobService
from metricvae.web.libraries import LibraryShelf
from metricvae.web.models import Compute, ModelShelf, shipped_model, warm
from metricvae.web.objects.readers import ReaderPool
from metricvae.web.objects.store import ObjectStore
from metricvae.web.settings import ServerSettings


@dataclass(frozen=True)
class ServerState:
    """Objects, models and threads of one server.

    Attributes:
        settings: how it was set up.
        readers: processes that read objects.
        objects: that clients sent.
        models: that were loaded.
        compute: threads for predictions.
        slow: a thread for what takes longer, so that predictions do not wait for it.
        libraries: indexes that were loaded.
        jobs: long work.
        ready: set when the models were warmed.
        closing: set when the server is told to end.
    """

    settings: ServerSettings
    readers: ReaderPool
    objects: ObjectStore
    models: ModelShelf
    compute: Compute
    slow: Compute
    libraries: LibraryShelf
    jobs: JobService
    ready: threading.Event
    closing: threading.Event

    def start(self) -> None:
        """Run jobs, and load models in the background, so that the first page does not wait for them."""
        self.jobs.start()
        threading.Thread(target=self._warm, daemon=True, name="warm").start()

    def _warm(self) -> None:
        warm(self.models, self.settings.warm)
        self.ready.set()
        self.readers.warm_up(self.settings.samples)

    def stop(self) -> None:
        """End threads and processes; jobs go on with the next server."""
        self.compute.stop()
        self.slow.stop()
        self.jobs.stop()
        self.readers.stop()


def open_state(settings: ServerSettings) -> ServerState:
    """The state of a new server, with what an earlier one left in its folder."""
    readers = ReaderPool(settings.readers, settings.limits)
    objects = ObjectStore(settings.folder / "objects", readers, settings.limits)
    jobs = JobService(settings, objects, shipped_model)
    models = ModelShelf(jobs.find_model)
    compute = Compute(settings.threads, settings.torch_threads)
    slow, libraries = Compute(1, settings.torch_threads), LibraryShelf(jobs.find_folder)
    return ServerState(
        settings, readers, objects, models, compute, slow, libraries, jobs, *(threading.Event(), threading.Event())
    )
