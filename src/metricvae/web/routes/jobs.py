"""`/jobs`: long work, each in a process of its own, with events while it runs."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from metricvae.web.bodies import Body as RequestBody
from metricvae.web.bodies import Name
from metricvae.web.errors import RequestError
from metricvae.web.jobs.forms import FORMS
from metricvae.web.jobs.records import FINAL, JobRecord
from metricvae.web.jobs.service import JobService
from metricvae.web.pipes import BytePipe
from metricvae.web.state import ServerState

BETWEEN_EVENTS = 0.2
QUIET = 15.0
"""Seconds after which a comment keeps a connection alive."""

MOST_STREAMS = 64

LARGE = 2**30
"""Bytes from which a file of an archive is told in 64 bits; not all programs read that of small ones."""


class JobBody(RequestBody):
    """A verb, and what it is told; `once` makes a second submission of the same give the same job."""

    verb: Name
    arguments: dict[str, Any] = Field(default_factory=dict)
    once: Annotated[str, Field(min_length=8, max_length=100)] | None = None


EXAMPLES: Any = {
    "generate": {
        "summary": "shapes that overlap another by 1783 pixels",
        "value": {
            "verb": "generate",
            "arguments": {"model": "overlap", "require": ["{" + "0" * 32 + "}=1783"], "n": 8},
        },
    },
    "dock": {"value": {"verb": "dock", "arguments": {"receptor": "0" * 32, "ligands": "1" * 32}}},
    "train": {"value": {"verb": "train", "arguments": {"dataset": ["job:" + "0" * 32], "steps": 500}}},
    "index": {
        "summary": "a library of a file of molecules, to search in as job:ID",
        "value": {"verb": "index", "arguments": {"model": "molecules", "library": "0" * 32}},
    },
    "append": {
        "summary": "a library of more items; the one that is named stays as it is",
        "value": {"verb": "append", "arguments": {"index": "job:" + "0" * 32, "library": "1" * 32}},
    },
    "delete": {
        "summary": "a library of fewer items",
        "value": {"verb": "delete", "arguments": {"index": "job:" + "0" * 32, "where": "mw > 600"}},
    },
    "quickstart": {"value": {"verb": "quickstart", "arguments": {"seed": 1}}},
    "reproduce": {
        "summary": "Table 1 of the paper, on pairs that another job labelled",
        "value": {"verb": "reproduce", "arguments": {"what": "table-1", "dataset": "job:" + "0" * 32}},
    },
}


def router(state: ServerState) -> APIRouter:
    """The routes of jobs."""
    routes, jobs = APIRouter(prefix="/jobs", tags=["jobs"]), state.jobs
    streams = asyncio.Semaphore(MOST_STREAMS)

    @routes.post("", status_code=202)
    def submit(body: Annotated[JobBody, Body(openapi_examples=EXAMPLES)]) -> dict[str, Any]:
        """Put work into the queue. When the answer comes it is on disk, and no end of the server loses it."""
        return jobs.document(jobs.submit(body.verb, body.arguments, body.once), whole=False)

    @routes.get("")
    def newest(count: int = 100) -> dict[str, Any]:
        """The last jobs, newest first."""
        found = jobs.queue.newest(min(max(count, 1), 1_000))
        return {"jobs": [jobs.document(job, whole=False) for job in found]}

    @routes.get("/verbs")
    def verbs() -> dict[str, Any]:
        """What can be asked for, and what each verb may be told."""
        return {"verbs": {name: _form(name) for name in FORMS}}

    @routes.get("/{key}")
    def job(key: str) -> dict[str, Any]:
        """A job: how far it is, and its result when it is done."""
        return jobs.document(jobs.get(key))

    @routes.post("/{key}/cancel")
    def cancel(key: str) -> dict[str, Any]:
        """Ask a job to end."""
        return jobs.document(jobs.cancel(key), whole=False)

    @routes.get("/{key}/events")
    async def events(key: str, request: Request) -> StreamingResponse:
        """Server-sent events: `progress` and `log` (of a training) as they come, then `end` with the whole job."""
        await run_in_threadpool(jobs.get, key)
        if streams.locked():
            raise RequestError(503, "too many events are being sent: ask for the job itself")
        return StreamingResponse(
            _limited(streams, event_stream(state, key, request)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @routes.get("/{key}/files")
    def files(key: str) -> dict[str, Any]:
        """What a job that is done wrote."""
        return {"files": jobs.files(jobs.get(key))}

    @routes.get("/{key}/files/{name:path}")
    def file(key: str, name: str) -> FileResponse:
        """One of the files, to be saved: a browser never shows it as a page of this server."""
        path = jobs.file(jobs.get(key), name)
        shown = path.suffix.lower() in (".png", ".json", ".csv", ".txt", ".sdf")
        media = None if shown else "application/octet-stream"
        return FileResponse(path, media_type=media, filename=path.name)

    @routes.get("/{key}/archive.zip")
    def archive(key: str) -> StreamingResponse:
        """All files of a job."""
        found = jobs.get(key)
        paths = jobs.paths(found)
        if not paths:
            raise RequestError(404, "the job wrote no files")
        headers = {"Content-Disposition": f'attachment; filename="{found.verb}-{key[:8]}.zip"'}
        return StreamingResponse(zipped(paths), media_type="application/zip", headers=headers)

    return routes


def _form(name: str) -> dict[str, Any]:
    form = FORMS[name]
    arguments = {
        key: {"about": one.about, "required": one.required, "many": one.many} for key, one in form.arguments.items()
    }
    return {"about": form.about, "arguments": arguments}


async def _limited(streams: asyncio.Semaphore, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with streams:
        async for event in events:
            yield event


async def event_stream(state: ServerState, key: str, request: Request) -> AsyncIterator[bytes]:
    """The events of a job until it ends or nobody listens."""
    jobs, places = state.jobs, dict[str, int]()
    quiet, last = 0.0, ""
    while not (state.closing.is_set() or await request.is_disconnected()):
        job = await run_in_threadpool(jobs.get, key)
        found = await run_in_threadpool(_new_events, jobs, job, places)
        if job.state != last:
            last = job.state
            found.insert(0, _event("state", jobs.document(job, whole=False)))
        for event in found:
            yield event
        if job.state in FINAL:
            yield _event("end", await run_in_threadpool(jobs.document, job))
            return
        quiet = 0.0 if found else quiet + BETWEEN_EVENTS
        if quiet >= QUIET:
            quiet = 0.0
            yield b": still here\n\n"
        await asyncio.sleep(BETWEEN_EVENTS)


def _new_events(jobs: JobService, job: JobRecord, places: dict[str, int]) -> list[bytes]:
    """Whole lines that came since the last look."""
    found = []
    for name, paths in jobs.event_files(job).items():
        path = next((one for one in paths if one.is_file()), None)
        if path is None:
            continue
        for line in _lines_from(path, name, places):
            try:
                found.append(_event(name, json.loads(line)))
            except ValueError:
                continue
    return found


def _lines_from(path: Path, name: str, places: dict[str, int]) -> list[bytes]:
    start = places.get(name, 0)
    with open(path, "rb") as file:
        file.seek(start)
        content = file.read(2**20)
    whole = content[: content.rfind(b"\n") + 1]
    places[name] = start + len(whole)
    return whole.splitlines()


def _event(name: str, document: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


def zipped(paths: Mapping[str, Path]) -> Iterator[bytes]:
    """A ZIP of files, a piece at a time: no file is held in memory."""
    pipe = BytePipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, path in paths.items():
            large = path.stat().st_size >= LARGE
            with open(path, "rb") as file, archive.open(name, "w", force_zip64=large) as entry:
                while part := file.read(2**18):
                    entry.write(part)
                    yield pipe.taken()
    yield pipe.taken()
