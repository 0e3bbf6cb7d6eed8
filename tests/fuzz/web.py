"""Targets: the HTTP interface, in this process; what it refuses it refuses with 4xx and one line of JSON."""

from __future__ import annotations

import base64
import functools
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi.testclient import TestClient
from httpx import InvalidURL

from metricvae.core.errors import InputError
from metricvae.web.bodies import ObjectBody
from metricvae.web.objects.process import read_object, solve_objects
from web_problem import HOST, bar, disc, make_app, png, rows

from .files import Make
from .folders import JSON
from .target import Target

API = "/api/v1"
BODY = {"content-type": "application/json"}


BODY_OF_DISC = {"kind": "silhouette", "name": "a.png", "data": base64.b64encode(png(disc())).decode()}
KNOWN = ObjectBody(**BODY_OF_DISC).sent.id


@functools.cache
def served(folder: Path) -> Any:
    """A client of a server that reads and solves in this process, and has the object `KNOWN`.

    It is made by the process that attacks it: threads do not survive a fork. Its jobs are never started.
    """
    app = make_app(folder / "server")
    for pool, work in ((app.state.server.readers, read_object), (app.state.server.solvers, solve_objects)):
        pool.read = work
    client = TestClient(app, base_url=f"http://{HOST}")
    assert client.post(f"{API}/objects", json=BODY_OF_DISC).json()["id"] == KNOWN
    return client


def checked(answer: Any) -> Any:
    """The document of an answer.

    Raises:
        InputError: it is a refusal as it should be.
        AssertionError: it is no answer of this server.
    """
    if answer.status_code < 400:
        return answer.content
    assert answer.status_code < 500, f"{answer.status_code} {answer.text[:300]}"
    document = answer.json()
    assert set(document) == {"error", "field"}, document
    raise InputError(document["error"])


def answered(send: Callable[[], Any]) -> Any:
    """The same of a request that is sent here; a stream that is cut where its body turns bad is a refusal, too."""
    try:
        return checked(send())
    except RuntimeError as error:
        if "response already started" not in str(error):
            raise
        raise InputError("the answer was cut") from error


def posted(name: str, path: str, bodies: Callable[[str], list[Any]], headers: dict[str, str] | None = None) -> Make:
    """A target that posts bodies, which are told the id of an object."""

    def make(folder: Path) -> Target:
        seeds = tuple(one if isinstance(one, bytes) else json.dumps(one).encode() for one in bodies(KNOWN))

        def read(file: Path) -> Any:
            return checked(
                served(folder.parent).post(f"{API}{path}", content=file.read_bytes(), headers=headers or BODY)
            )

        words = (
            *JSON,
            KNOWN.encode(),
            b'"rows": ["01", "10"]',
            b'"smiles": "CCCCO"',
            b'"fit": true',
            b'"model": "overlap"',
        )
        return Target(name, folder / "body", seeds, read, words, weight=0.25)

    return make


def _predictions(known: str) -> list[Any]:
    drawn = {"rows": rows(bar()[90:110:2, ::10])}
    return [
        {"model": "overlap", "first": known, "second": known},
        {"model": "overlap", "first": drawn, "second": known, "fit": True},
    ]


def _objects(_: str) -> list[Any]:
    picture = base64.b64encode(png(disc(20, 64))).decode()
    return [
        {"kind": "silhouette", "name": "a.png", "data": picture, "fit": True},
        {"kind": "sequence", "text": "ACDEF", "name": "x"},
        {"kind": "vector", "text": "1 2 3"},
        {"kind": "molecule-2d", "smiles": "CCCCO"},
        {"kind": "file", "name": "a.csv", "data": base64.b64encode(b"a,b\n1,2\n").decode()},
    ]


def _ways(known: str) -> list[Any]:
    square = {"rows": ["0" * 200] * 90 + ["0" * 90 + "1" * 20 + "0" * 90] * 20 + ["0" * 200] * 90}
    return [
        {"first": known, "second": known, "metric": "overlap"},
        {"first": square, "second": known, "model": "overlap"},
    ]


def _jobs(known: str) -> list[Any]:
    return [
        {"verb": "solve", "arguments": {"pairs": [[known, known]]}},
        {"verb": "generate", "arguments": {"model": "overlap", "require": [f"{{{known}}}=1783", "area=4000"], "n": 2}},
    ]


def _batch(known: str) -> list[Any]:
    return [json.dumps({"model": "overlap", "objects": [known]}).encode() + b"\n[0, 0]\n[0, 0]\n"]


def _arrow(known: str) -> list[Any]:
    header = json.dumps({"model": "overlap", "objects": [known]}).encode()
    table = pa.table({"first": np.zeros(3, np.int64), "second": np.zeros(3, np.int64)})
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema.with_metadata({"metricvae": header})) as writer:
        writer.write_table(table.replace_schema_metadata({"metricvae": header}))
    return [file.getvalue()]


def _paths(folder: Path) -> Target:
    seeds = tuple(
        f"{API}{path}".encode()
        for path in (
            "/kinds",
            "/metrics",
            "/models",
            "/health",
            "/jobs?count=3",
            f"/objects/{KNOWN}",
            f"/objects/{KNOWN}/picture.png",
            f"/objects/{KNOWN}/file",
            "/jobs/verbs",
            "/libraries",
        )
    )
    words = (b"..", b"/", b"%2e%2e%2f", b"%00", b"?", b"&", b"=", b"%ff", b"//", b"picture.", b"files/", KNOWN.encode())

    def read(file: Path) -> Any:
        path = file.read_bytes().decode("ascii", "ignore").replace("#", "").strip()
        path = "".join(letter for letter in path if letter.isprintable())
        try:
            return answered(lambda: served(folder.parent).get("/" + path.lstrip("/")))
        except InvalidURL as error:
            raise InputError(str(error)) from None

    return Target("HTTP paths", folder / "path", seeds, read, words, weight=0.25)


def web_targets() -> Iterator[tuple[str, Make]]:
    """All of them by name."""
    for name, path, bodies in (
        ("predict", "/predict", _predictions),
        (
            "encode",
            "/encode",
            lambda known: [
                {"model": "overlap", "objects": [known, {"rows": ["01", "11"]}], "side": "left", "fit": True}
            ],
        ),
        ("objects", "/objects", _objects),
        ("solve", "/solve", _ways),
        ("plane", "/latent/plane", lambda known: [{"around": [known], "x": 0.5, "y": -1, "model": "overlap"}]),
        ("search", "/search", lambda known: [{"library": "x", "query": known, "where": "mw < 5"}]),
        ("jobs", "/jobs", _jobs),
    ):
        yield f"HTTP {name}", posted(f"HTTP {name}", path, bodies)
    yield "HTTP batch", posted("HTTP batch", "/predict/batch", _batch, {"content-type": "application/x-ndjson"})
    arrow = {"content-type": "application/vnd.apache.arrow.stream"}
    yield "HTTP Arrow batch", posted("HTTP Arrow batch", "/predict/batch", _arrow, arrow)
    yield "HTTP paths", _paths
