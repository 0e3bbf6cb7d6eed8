"""Jobs as routes see them: submit, look, cancel, and read what they wrote."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metricvae.runtime.command_line import command_of
from metricvae.runtime.files import write_json
from metricvae.runtime.reading import files_below
from metricvae.web.errors import RequestError
from metricvae.web.jobs.forms import FORMS
from metricvae.web.jobs.queue import JobQueue
from metricvae.web.jobs.records import (
    EVENTS,
    FINAL,
    INPUTS,
    MESSAGES,
    PARTIAL,
    PROGRESS,
    RESULTS,
    TASK,
    UNFINISHED,
    JobRecord,
)
from metricvae.web.jobs.runner import JobRunner, read_outcome
from metricvae.web.jobs.staging import JobStage
from metricvae.web.objects.records import ID
from metricvae.web.objects.store import ObjectStore
from metricvae.web.settings import ServerSettings

JOB = "job:"
"""Before the id of a job whose results are meant: a model that it trained, a library that it indexed."""

LOG = "log.jsonl"
"""What trainings write, a line an evaluation."""


class JobService:
    """The jobs of one server.

    Args:
        settings: of the server.
        objects: that clients sent.
        find_model: name of a model that ships; raises RequestError.
    """

    def __init__(self, settings: ServerSettings, objects: ObjectStore, find_model: Any) -> None:
        self.settings, self.objects, self.shipped = settings, objects, find_model
        self.folder = settings.folder / "jobs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.queue = JobQueue(settings.folder / "jobs.sqlite")
        self.runner = JobRunner(self.queue, self.folder, settings.workers)

    def start(self) -> None:
        """Begin to run jobs."""
        self.runner.start()

    def stop(self) -> None:
        """End what runs; it goes on with the next server."""
        self.runner.stop()
        self.queue.close()

    def submit(self, verb: str, arguments: Mapping[str, Any], once: str | None = None) -> JobRecord:
        """Put a job into the queue; on return it is on disk.

        Raises:
            RequestError: no such verb (404), a wrong argument (422), or too many jobs (429).
        """
        if once is not None and (known := self.queue.of_submission(once)) is not None:
            return known
        form = FORMS.get(verb)
        if form is None:
            raise RequestError(404, f"there is no verb {verb[:40]!r}: expected one of {', '.join(FORMS)}", "verb")
        limits, key = self.settings.limits, secrets.token_hex(16)
        self.queue.refuse_more(limits.jobs)
        work = self.folder / f"new-{key}"
        try:
            argv = form.argv(arguments, JobStage(work, self.objects, self.find_model, self.find_folder))
            task = {"argv": argv, "resumes": form.resumes, "seconds": limits.job_seconds, "memory": limits.job_memory}
            document = {"verb": verb, "arguments": dict(arguments), **task}
            write_json(work / TASK, document)
            os.rename(work, self.folder / key)
            return self.queue.add(key, verb, self._shown(argv), limits.jobs, once)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            self._remove_unqueued(key)
            self.runner.wake.set()

    def _remove_unqueued(self, key: str) -> None:
        """Remove the folder of a submission that has become no job; one of which the disk does not say stays."""
        with contextlib.suppress(sqlite3.Error):
            if (self.folder / key).exists() and self.queue.get(key) is None:
                shutil.rmtree(self.folder / key, ignore_errors=True)

    def get(self, key: str) -> JobRecord:
        """A job.

        Raises:
            RequestError: there is none of that id (404).
        """
        found = self.queue.get(key) if ID.fullmatch(key) else None
        if found is None:
            raise RequestError(404, f"there is no job {key[:40]!r}")
        return found

    def cancel(self, key: str) -> JobRecord:
        """Ask a job to end."""
        self.get(key)
        self.queue.cancel(key)
        self.runner.wake.set()
        return self.get(key)

    def document(self, job: JobRecord, *, whole: bool = True) -> dict[str, Any]:
        """What clients are told of a job; `whole` adds its result and what it was told."""
        folder, ended = self.folder / job.id, job.state in FINAL
        now = {} if ended else read_small(folder / PROGRESS)
        total = now.get("total") or 0
        shown: dict[str, Any] = {
            **{name: getattr(job, name) for name in ("id", "verb", "state", "command", "created", "started", "ended")},
            **{"attempts": job.attempts, "error": job.error or None, "cancelling": job.cancelling},
            "progress": 1.0 if job.state == "done" else (min(1.0, now["done"] / total) if total else 0.0),
            **{name: now.get(name) for name in ("stage", "done", "total", "detail", "seconds_left")},
        }
        if whole:
            outcome = read_outcome(folder) if ended else None
            shown["result"] = None if outcome is None else outcome.get("result")
            shown["arguments"] = read_small(folder / TASK).get("arguments", {})
            shown["messages"] = read_text(folder / MESSAGES)[-4_000:]
            shown["files"] = list(self.paths(job)) if job.state == "done" else []
        return shown

    def paths(self, job: JobRecord) -> dict[str, Path]:
        """The files that a job wrote, by their names."""
        folder = self.folder / job.id / RESULTS
        found = [path for path in sorted(files_below(folder)) if not path.is_symlink()] if folder.is_dir() else []
        return {path.relative_to(folder).as_posix(): path for path in found}

    def files(self, job: JobRecord) -> list[dict[str, Any]]:
        """Names and sizes of what a job wrote."""
        return [{"name": name, "bytes": path.stat().st_size} for name, path in self.paths(job).items()]

    def file(self, job: JobRecord, name: str) -> Path:
        """A file that a job wrote, by one of the names that `files` gives.

        Raises:
            RequestError: there is none of that name (404).
        """
        found = self.paths(job).get(name)
        if found is None:
            raise RequestError(404, f"the job wrote no file {name[:80]!r}")
        return found

    def event_files(self, job: JobRecord) -> dict[str, list[Path]]:
        """Files whose lines are events, by what these are called; of each the first that there is counts."""
        folder = self.folder / job.id
        logs = [folder / UNFINISHED / LOG, folder / RESULTS / LOG]
        return {"progress": [folder / EVENTS], "partial": [folder / PARTIAL], "log": logs}

    def find_model(self, name: str) -> str | Path:
        """Name of a model that ships, or the folder of one that a job trained."""
        return self.results_of(name, "config.json", "model") if name.startswith(JOB) else self.shipped(name)

    def find_folder(self, name: str) -> Path:
        """Folder of a library, or of what a job wrote."""
        if name.startswith(JOB):
            return self.results_of(name, "", "folder")
        found = self.settings.libraries.get(name)
        if found is None:
            known = ", ".join(self.settings.libraries) or "none; index one as a job, and call it job:ID"
            raise RequestError(404, f"there is no library {name[:40]!r}: expected one of {known}", "library")
        return found

    def results_of(self, name: str, marker: str, noun: str) -> Path:
        """Folder of what a job wrote, called `job:ID`.

        Raises:
            RequestError: there is no such job, it is not done, or it wrote something else.
        """
        job = self.get(name.removeprefix(JOB))
        folder = self.folder / job.id / RESULTS
        if job.state != "done" or not (folder / marker).exists():
            raise RequestError(422, f"job {job.id} is {job.state}: expected one that has made a {noun}")
        return folder

    def _shown(self, argv: list[str]) -> str:
        """The command line of a job, as somebody would type it beside the files."""
        hidden = {str(path): name for name, path in self.settings.libraries.items()}
        hidden |= {f"{self.folder.resolve()}/": "", f"{INPUTS}/": "", UNFINISHED: RESULTS}
        for path, name in hidden.items():
            argv = [word.replace(path, name) for word in argv]
        return command_of(*argv)


def read_small(path: Path) -> dict[str, Any]:
    """A small JSON document; an empty one where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_text(path: Path) -> str:
    """A text; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
