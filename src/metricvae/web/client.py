"""A client of the HTTP interface, for programs on this or another machine.

It needs httpx and nothing of the models. A few lines do it:

    from metricvae.web.client import Client

    with Client("http://127.0.0.1:8000") as client:
        first, second = client.send("disc.png", "silhouette"), client.send("bar.png", "silhouette")
        print(client.predict("overlap", first, second).value)
        job = client.submit("generate", model="overlap", require=[f"{{{first}}}=5000"], n=8)
        for event in client.events(job):
            print(event.name, event.document.get("stage"))
        client.download(job, "answers")
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metricvae.core.errors import InputError
from metricvae.runtime.extras import require

API = "/api/v1"


class RemoteError(InputError):
    """What a server refused, in its words.

    Args:
        status: of HTTP.
        message: one line.
        field: of the request that is at fault; None where it is none.
    """

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.field = status, field


@dataclass(frozen=True)
class RemotePrediction:
    """The answer for one pair.

    Attributes:
        value: predicted metric in its unit; of a binary metric, the probability of a 1.
        low, high: ends of the interval.
        unit: of them.
        novelty: above 1, an object is unlike those of the training.
        outside: whether it is.
        command: the command line that gives the same.
        milliseconds: that the server took.
        match: the answer of a binary metric; None of another.
    """

    value: float
    low: float
    high: float
    unit: str
    novelty: float
    outside: bool
    command: str
    milliseconds: float
    match: bool | None = None


@dataclass(frozen=True)
class RemoteJob:
    """A job as the server has it.

    Attributes:
        id: of it.
        verb: of the command line.
        state: queued, running, done, failed or cancelled.
        progress: 0 to 1.
        command: the command line that gives the same.
        error: why it failed; None where it did not.
        result: the document that the verb prints; None while it runs.
        stage: what is being done.
        seconds_left: to the end of the stage; None while that is not known.
    """

    id: str
    verb: str
    state: str
    progress: float
    command: str
    error: str | None = None
    result: Any = None
    stage: str | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class RemoteEvent:
    """One event of a job: `state`, `progress`, `partial`, `log` or `end`."""

    name: str
    document: Mapping[str, Any]


class Client:
    """A connection to a server.

    Args:
        url: of the server, as `metricvae serve` prints it; a token behind `#token=` is taken.
        token: that the server asks for, where it does.
        seconds: that an answer may take.

    Raises:
        InputError: httpx is not installed.
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", token: str | None = None, *, seconds: float = 120.0) -> None:
        base, _, shown = url.partition("#token=")
        token = token or shown or None
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        httpx = require("httpx", "web", "the client")
        self.http = httpx.Client(base_url=base.rstrip("/"), headers=headers, timeout=seconds, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.http.close()

    def models(self) -> list[dict[str, Any]]:
        """Models of the server."""
        return list(self._get("/models")["models"])

    def libraries(self) -> list[dict[str, Any]]:
        """Libraries of the server."""
        return list(self._get("/libraries")["libraries"])

    def send(self, file: str | Path, kind: str, *, site: str = "", fit: bool = False) -> str:
        """Send a file once; its id, by which it is named from then on.

        Args:
            file: on this machine.
            kind: of the object, or `file` of a table or a library.
            site: part of it, as `ligand=LIG` of a structure.
            fit: scale and centre an image.
        """
        path = Path(file)
        with open(path, "rb") as content:
            sent = {"file": (path.name, content)}
            form = {"kind": kind, "site": site, "fit": "true" if fit else ""}
            return str(self._read(self.http.post(f"{API}/objects", files=sent, data=form))["id"])

    def send_text(self, text: str, kind: str, name: str = "") -> str:
        """Send an object that is a text, as a SMILES; its id."""
        return str(self._post("/objects", {"kind": kind, "text": text, "name": name})["id"])

    def predict(self, model: str, first: str, second: str, *, fit: bool = False) -> RemotePrediction:
        """The predicted metric of two objects that were sent."""
        body = {"model": model, "first": first, "second": second, "fit": fit}
        return _record(RemotePrediction, self._post("/predict", body))

    def predict_pairs(
        self, model: str, objects: Sequence[str], pairs: Iterable[tuple[int, int]]
    ) -> list[tuple[float, float, float, float]]:
        """Value, low, high and novelty of many pairs of rows of `objects`, which are ids."""
        head = json.dumps({"model": model, "objects": list(objects)})
        body = "\n".join([head, *(f"[{first}, {second}]" for first, second in pairs)])
        kind = {"Content-Type": "application/x-ndjson"}
        answer = self.http.post(f"{API}/predict/batch", content=body.encode(), headers=kind)
        self._check(answer)
        rows: list[Any] = json.loads(f"[{','.join(answer.text.splitlines())}]")
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def solve(self, metric: str, first: str, second: str, *, by: str | None = None) -> dict[str, Any]:
        """The exact metric of two objects, and the pose of the second."""
        return self._post("/solve", {"metric": metric, "first": first, "second": second, "by": by})

    def search(self, library: str, query: str, count: int = 12, **wanted: Any) -> list[dict[str, Any]]:
        """The items of a library that answer best; `wanted` as `where="mw < 450"`, `exact=100`."""
        return list(self._post("/search", {"library": library, "query": query, "count": count, **wanted})["hits"])

    def submit(self, verb: str, *, once: str | None = None, **arguments: Any) -> RemoteJob:
        """Put a job into the queue.

        Args:
            verb: see `/api/v1/jobs/verbs`.
            once: a second submission of the same gives the first one's job, after a connection that broke.
            arguments: of the verb.
        """
        return _record(RemoteJob, self._post("/jobs", {"verb": verb, "arguments": arguments, "once": once}))

    def job(self, job: RemoteJob | str) -> RemoteJob:
        """A job as it is now."""
        return _record(RemoteJob, self._get(f"/jobs/{_id(job)}"))

    def cancel(self, job: RemoteJob | str) -> RemoteJob:
        """Ask a job to end."""
        return _record(RemoteJob, self._post(f"/jobs/{_id(job)}/cancel", {}))

    def events(self, job: RemoteJob | str) -> Iterator[RemoteEvent]:
        """What happens to a job, until it ends."""
        with self.http.stream("GET", f"{API}/jobs/{_id(job)}/events") as answer:
            if answer.is_error:
                answer.read()
                self._check(answer)
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield RemoteEvent(name, json.loads(line.removeprefix("data: ")))

    def wait(self, job: RemoteJob | str) -> RemoteJob:
        """A job when it has ended.

        Raises:
            RemoteError: it failed, or was cancelled.
        """
        for _ in self.events(job):
            pass
        found = self.job(job)
        if found.state != "done":
            raise RemoteError(422, found.error or f"the job is {found.state}")
        return found

    def download(self, job: RemoteJob | str, folder: str | Path) -> list[Path]:
        """Write what a job wrote into a folder; the files."""
        answer = self.http.get(f"{API}/jobs/{_id(job)}/archive.zip")
        self._check(answer)
        with zipfile.ZipFile(BytesIO(answer.content)) as archive:
            archive.extractall(folder)
            return [Path(folder) / name for name in archive.namelist()]

    def _get(self, path: str) -> dict[str, Any]:
        return self._read(self.http.get(f"{API}{path}"))

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._read(self.http.post(f"{API}{path}", json={k: v for k, v in body.items() if v is not None}))

    def _read(self, answer: Any) -> dict[str, Any]:
        self._check(answer)
        document: dict[str, Any] = answer.json()
        return document

    def _check(self, answer: Any) -> None:
        """Raise RemoteError for an answer that is an error."""
        if not answer.is_error:
            return
        try:
            document = answer.json()
        except ValueError:
            document = {}
        raise RemoteError(answer.status_code, document.get("error") or answer.reason_phrase, document.get("field"))


def _id(job: RemoteJob | str) -> str:
    return job if isinstance(job, str) else job.id


def _record(kind: Any, document: Mapping[str, Any]) -> Any:
    """A record of the fields that it knows."""
    return kind(**{one.name: document[one.name] for one in fields(kind) if one.name in document})
