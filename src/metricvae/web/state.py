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

PATIENCE = 30.0
"""Seconds in which what is loaded in the background must be: a process that ends in the middle of it is aborted."""

BEFORE_WARMING = 0.7
"""Seconds that the first page has for itself before models are loaded."""


@dataclass(frozen=True)
class ServerState:
    """Objects, models and threads of one server.

    Attributes:
        settings: how it was set up.
        readers: processes that read objects.
        solvers: a process that solves pairs.
        objects: that clients sent.
        models: that were loaded.
        compute: threads for predictions.
        slow: a thread for what takes longer, so that predictions do not wait for it.
        libraries: indexes that were loaded.
        jobs: long work.
        ready: set when the models were warmed.
        closing: set when the server is told to end.
        warmed: set when nothing is loaded in the background any more.
    """

    settings: ServerSettings
    readers: ReaderPool
    solvers: ReaderPool
    objects: ObjectStore
    models: ModelShelf
    compute: Compute
    slow: Compute
    libraries: LibraryShelf
    jobs: JobService
    ready: threading.Event
    closing: threading.Event
    warmed: threading.Event

    def start(self) -> None:
        """Run jobs, and load models in the background, so that the first page does not wait for them."""
        self.jobs.start()
        if not self.settings.warm:
            self.ready.set()
        timer = threading.Timer(BEFORE_WARMING, self._warm)
        timer.daemon = True
        timer.start()

    def _warm(self) -> None:
        try:
            for name in self.settings.warm:
                if not self.closing.is_set():
                    warm(self.models, name)
            self.ready.set()
            if not self.closing.is_set():
                self.readers.warm_up(self.settings.samples)
        finally:
            self.warmed.set()

    def stop(self) -> None:
        """End threads and processes; jobs go on with the next server."""
        self.closing.set()
        self.compute.stop()
        self.slow.stop()
        self.jobs.stop()
        self.readers.stop()
        self.solvers.stop()
        self.warmed.wait(PATIENCE)


def open_state(settings: ServerSettings) -> ServerState:
    """The state of a new server, with what an earlier one left in its folder."""
    limits, torch_threads = settings.limits, settings.torch_threads
    readers = ReaderPool(settings.readers, limits, limits.read_seconds)
    objects = ObjectStore(settings.folder / "objects", readers, limits)
    jobs = JobService(settings, objects, shipped_model)
    return ServerState(
        settings=settings,
        readers=readers,
        solvers=ReaderPool(1, limits, limits.solve_seconds),
        objects=objects,
        models=ModelShelf(jobs.find_model),
        compute=Compute(settings.threads, torch_threads),
        slow=Compute(1, torch_threads),
        libraries=LibraryShelf(jobs.find_folder),
        jobs=jobs,
        ready=threading.Event(),
        closing=threading.Event(),
        warmed=threading.Event(),
    )
