"""The HTTP interface: objects, answers, streams, jobs, and who may ask."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `web` is not installed")

from fastapi.testclient import TestClient

from metricvae.api import load
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.web.client import Client, RemoteError
from metricvae.web.jobs.worker import write_outcome
from metricvae.web.libraries import LibraryShelf
from metricvae.web.objects.process import read_object, solve_objects
from metricvae.web.objects.store import ObjectStore, Sent
from metricvae.web.settings import Limits
from web_problem import HOST, TOKEN, bar, disc, make_app, png, rows, silhouette

API = "/api/v1"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server that reads and solves in this process, which is quicker than to start two more."""
    app = make_app(tmp_path_factory.mktemp("serve"))
    for pool, work in ((app.state.server.readers, read_object), (app.state.server.solvers, solve_objects)):
        pool.read = work
    with TestClient(app, base_url=f"http://{HOST}") as client:
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server that asks for a token; its jobs do not run."""
    app = make_app(tmp_path_factory.mktemp("guarded"), host="0.0.0.0", token=TOKEN)
    yield TestClient(app, base_url=f"http://{HOST}")
    app.state.server.jobs.queue.close()


@pytest.fixture(scope="module")
def ids(client: TestClient) -> tuple[str, str]:
    """A disc and a bar that were sent."""
    sent = [
        client.post(f"{API}/objects", json=silhouette(one, name))
        for one, name in ((disc(), "disc.png"), (bar(), "bar.png"))
    ]
    assert [one.status_code for one in sent] == [201, 201]
    return sent[0].json()["id"], sent[1].json()["id"]


@pytest.fixture(scope="module")
def truth() -> Any:
    return load("overlap").predict(disc(), bar())


def test_what_is_registered_is_listed(client):
    names = {
        noun: [row["name"] for row in client.get(f"{API}/{noun}").json()[noun]]
        for noun in ("kinds", "metrics", "models")
    }
    assert "silhouette" in names["kinds"]
    assert "overlap" in names["metrics"]
    assert "overlap" in names["models"]
    assert client.get(f"{API}/libraries").json() == {"libraries": []}


def test_an_object_is_kept_by_its_content(client, ids):
    about = client.get(f"{API}/objects/{ids[0]}").json()
    assert (about["kind"], about["name"], about["facts"]["area"]) == ("silhouette", "disc.png", float(disc().sum()))
    again = client.post(
        f"{API}/objects",
        files={"file": ("disc.png", client.get(f"{API}/objects/{ids[0]}/file").content)},
        data={"kind": "silhouette"},
    )
    assert again.json()["id"] == ids[0]
    picture = client.get(f"{API}/objects/{ids[0]}/picture.png")
    assert picture.headers["content-type"] == "image/png"
    assert client.get(f"{API}/objects/{'0' * 32}").status_code == 404


class DrawnKind(SilhouetteKind):
    """Counts the pictures that it draws."""

    drawn = 0

    def adapt(self, objects):
        return self

    def picture(self, value):
        type(self).drawn += 1
        return super().picture(value)


def test_a_hit_is_drawn_once(tmp_path):
    store = ObjectStore(tmp_path, None, Limits(objects=1))
    first, again = (store.put_value(DrawnKind(), disc(), "a hit") for _ in range(2))
    assert (first, DrawnKind.drawn) == (again, 1)
    assert store.picture(first) == SilhouetteKind().picture(disc())
    store.put_value(DrawnKind(), bar(), "another")
    assert store.picture(first) is None


def test_what_is_sent_is_hashed_once(monkeypatch):
    sent, hashed, digest = Sent("silhouette", png(disc())), [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda: hashed.append(1) or digest())
    assert sent.id == sent.id != Sent("silhouette", png(bar())).id
    assert len(hashed) == 2


class CountedPredictor:
    """A model whose metrics are read as often as is asked for them."""

    def __init__(self, folder):
        self.base, self.read = SimpleNamespace(folder=folder), []

    def answering(self, metric):
        if not (self.base.folder / "metrics" / metric / "config.json").exists():
            raise InputError(f"it has no metric {metric!r}")
        self.read.append(metric)
        return object()


def test_a_metric_of_a_library_is_read_again_only_where_files_of_its_model_changed(tmp_path):
    shelf, predictor = LibraryShelf(lambda name: tmp_path), CountedPredictor(tmp_path)
    place = tmp_path / "metrics" / "mass"
    for _ in range(2):
        with pytest.raises(InputError):
            shelf.answering(predictor, "mass")
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    first = shelf.answering(predictor, "mass")
    assert shelf.answering(predictor, "mass") is first
    for changed in (place / "config.json", place / "head.safetensors", tmp_path / "config.json"):
        (tmp_path / "new").write_text("{1}")
        (tmp_path / "new").replace(changed)
        assert shelf.answering(predictor, "mass") is not first
        first = shelf.answering(predictor, "mass")
    assert shelf.answering(CountedPredictor(tmp_path), "mass") is not first
    assert predictor.read == ["mass"] * 4
    (place / "config.json").unlink()
    with pytest.raises(InputError):
        shelf.answering(predictor, "mass")


def test_a_prediction_is_that_of_the_library(client, ids, truth):
    for first, second in (ids, ({"rows": rows(disc())}, {"rows": bar().tolist()}), (ids[0], silhouette(bar()))):
        said = client.post(f"{API}/predict", json={"model": "overlap", "first": first, "second": second}).json()
        assert (said["value"], said["low"], said["high"]) == pytest.approx((truth.value, truth.low, truth.high))
        assert said["outside"] == (truth.novelty > 1)
    assert client.post(f"{API}/predict", json={"model": "overlap", "first": ids[0], "second": ids[1]}).json()[
        "command"
    ] == ("metricvae predict overlap disc.png bar.png")


def test_codes_are_those_of_the_library(client, ids):
    said = client.post(f"{API}/encode", json={"model": "overlap", "objects": list(ids)}).json()
    assert np.allclose(said["codes"], load("overlap").encode([disc(), bar()]).numpy(), atol=1e-4)
    assert said["magnitudes"] == [float(disc().sum()), float(bar().sum())]


def test_objects_are_read_and_encoded_together_and_only_where_their_codes_are_not_held(client, ids, monkeypatch):
    state = client.app.state.server
    predictor, read, encoded = state.models.get("overlap"), [], []
    state.models.codes.clear()
    value, encode = state.objects.value, predictor.encode
    monkeypatch.setattr(state.objects, "value", lambda key: read.append(key) or value(key))
    monkeypatch.setattr(predictor, "encode", lambda found, side: encoded.append(len(found)) or encode(found, side))
    header = json.dumps({"model": "overlap", "objects": [*ids, ids[0]]})
    stream = {"content": f"{header}\n[0, 2]\n", "headers": {"content-type": "application/x-ndjson"}}
    first = client.post(f"{API}/predict/batch", **stream)
    assert (read, encoded) == (list(ids), [2])
    assert client.post(f"{API}/predict/batch", **stream).content == first.content
    assert client.post(f"{API}/encode", json={"model": "overlap", "objects": list(ids)}).status_code == 200
    pair = {"model": "overlap", "first": ids[0], "second": ids[1]}
    assert client.post(f"{API}/predict", json=pair).status_code == 200
    assert client.post(f"{API}/latent/plane", json={"around": list(ids)}).status_code == 200
    assert (read, encoded) == (list(ids), [2])
    assert {len(code.codes.untyped_storage()) for code in state.models.codes.values()} == {4 * predictor.code_width}


def test_a_solution_is_exact_and_has_a_pose(client, ids):
    said = client.post(f"{API}/solve", json={"metric": "overlap", "first": ids[0], "second": ids[1]}).json()
    solver = OverlapMetric().solver
    truth = solver.solve(solver.prepare(disc()), solver.prepare(bar()))
    assert said["value"] == pytest.approx(truth.value)
    assert said["pose"]["angle"] == pytest.approx(truth.pose.angle_deg)
    assert said["pose"]["shift"] == pytest.approx([truth.pose.dx, truth.pose.dy])


def test_a_walk_and_a_plane_give_pictures(client, ids):
    walk = client.post(f"{API}/latent/walk", json={"first": ids[0], "second": ids[1], "steps": 3}).json()
    assert [step["share"] for step in walk["steps"]] == [0, 0.5, 1]
    assert all(step["png"] for step in walk["steps"])
    assert client.post(f"{API}/latent/plane", json={"around": list(ids), "x": 1.0, "y": -0.5}).json()["png"]


@pytest.mark.parametrize("form", ["ndjson", "arrow"])
def test_a_stream_of_pairs_is_answered_in_its_order(client, ids, form):
    import pyarrow as pa

    header, pairs = {"model": "overlap", "objects": list(ids)}, [[0, 1], [1, 0], [0, 0]] * 3_000
    truth = load("overlap").similarity([disc(), bar()], [disc(), bar()]).numpy()
    expected = [truth[a, b] for a, b in pairs]
    if form == "ndjson":
        body = "\n".join(map(json.dumps, [header, *pairs]))
        said = client.post(f"{API}/predict/batch", content=body, headers={"content-type": "application/x-ndjson"})
        values = [json.loads(line)[0] for line in said.text.splitlines()]
    else:
        table = pa.table({"first": [a for a, _ in pairs], "second": [b for _, b in pairs]})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema.with_metadata({"metricvae": json.dumps(header)})) as writer:
            writer.write_table(table)
        kind = {"content-type": "application/vnd.apache.arrow.stream"}
        said = client.post(f"{API}/predict/batch", content=sink.getvalue().to_pybytes(), headers=kind)
        values = pa.ipc.open_stream(said.content).read_all()["value"].to_pylist()
    assert values == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"model": "overlap"}',
        '{"model": "overlap", "objects": ["x"]}',
        "HEADER\n[0, 2]",
        "HEADER\n[0]",
        "HEADER\n[0.5, 1]",
        "HEADER\nx",
    ],
)
def test_a_stream_that_is_wrong_is_refused_in_a_line(client, ids, body):
    body = body.replace("HEADER", json.dumps({"model": "overlap", "objects": list(ids)}))
    said = client.post(f"{API}/predict/batch", content=body, headers={"content-type": "application/x-ndjson"})
    assert said.status_code == 422
    assert said.json()["error"]


def _arrow_stream(ids, *columns):
    """A stream of pairs with a batch for each pair of columns."""
    import pyarrow as pa

    schema = pa.schema([("first", pa.int64()), ("second", pa.int64())])
    header = {"metricvae": json.dumps({"model": "overlap", "objects": list(ids)})}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema.with_metadata(header)) as writer:
        for both in columns:
            writer.write_batch(pa.record_batch([pa.array(one, pa.int64()) for one in both], schema=schema))
    return {
        "content": sink.getvalue().to_pybytes(),
        "headers": {"content-type": "application/vnd.apache.arrow.stream"},
    }


def test_rows_that_are_missing_from_an_arrow_stream_are_refused(client, ids):
    said = client.post(f"{API}/predict/batch", **_arrow_stream(ids, ([0, None], [1, 1])))
    assert said.status_code == 422
    assert "whole numbers" in said.json()["error"]


def test_an_answer_that_cannot_be_ended_is_not_ended(client, ids):
    """The status was sent with the first batch: the second, which is wrong, closes the connection."""
    import pyarrow as pa

    said = client.post(f"{API}/predict/batch", **_arrow_stream(ids, ([0], [1]), ([0], [7])))
    assert said.status_code == 200
    reader = pa.ipc.open_stream(said.content)
    assert len(reader.read_next_batch()) == 1
    assert not said.content.endswith(b"\xff\xff\xff\xff\0\0\0\0"), "an Arrow stream that ended says so"


@pytest.fixture(scope="module")
def solved(client: TestClient, ids: tuple[str, str]) -> dict[str, Any]:
    """A job that solved a pair."""
    sent = {"verb": "solve", "arguments": {"pairs": [list(ids)]}, "once": "the-only-one"}
    job, again = (client.post(f"{API}/jobs", json=sent).json() for _ in range(2))
    assert job["id"] == again["id"]
    assert job["command"] == "metricvae solve --pairs=pairs.csv --out=results/pairs.csv --workers=1"
    return wait(client, job["id"])


def wait(client: TestClient, key: str, seconds: float = 60) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = client.get(f"{API}/jobs/{key}").json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def test_a_job_ends_with_results_and_files(client, solved):
    assert (solved["state"], solved["progress"], solved["error"]) == ("done", 1.0, None)
    assert solved["result"]["pairs"] == 1
    assert [row["name"] for row in client.get(f"{API}/jobs/{solved['id']}/files").json()["files"]] == ["pairs.csv"]
    table = client.get(f"{API}/jobs/{solved['id']}/files/pairs.csv")
    assert table.text.startswith("a,b,overlap")
    assert table.headers["content-disposition"].startswith("attachment")
    archive = zipfile.ZipFile(BytesIO(client.get(f"{API}/jobs/{solved['id']}/archive.zip").content))
    assert archive.read("pairs.csv").decode() == table.text
    assert solved["id"] in [job["id"] for job in client.get(f"{API}/jobs").json()["jobs"]]


def test_events_of_a_job_end_with_the_whole_of_it(client, solved):
    text = client.get(f"{API}/jobs/{solved['id']}/events").text
    events = dict(part.splitlines()[:2] for part in text.strip().split("\n\n"))
    assert "event: progress" in events
    assert json.loads(events["event: end"].removeprefix("data: "))["result"] == solved["result"]


def test_a_job_ends_once(tmp_path: Path):
    write_outcome(tmp_path, {"status": 0})
    write_outcome(tmp_path, {"status": 1})
    assert json.loads((tmp_path / "outcome.json").read_text()) == {"status": 0}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_job_that_waits_can_be_cancelled(guarded):
    asked = {"verb": "label", "arguments": {"task": "overlap", "source": "mixed", "pairs": 8}}
    head = {"authorization": f"Bearer {TOKEN}"}
    key = guarded.post(f"{API}/jobs", json=asked, headers=head).json()["id"]
    assert guarded.get(f"{API}/jobs/{key}", headers=head).json()["state"] == "queued"
    assert guarded.post(f"{API}/jobs/{key}/cancel", headers=head).json()["state"] == "cancelled"


WRONG_JOBS = [
    ({"verb": "rm"}, "there is no verb 'rm'"),
    ({"verb": "solve", "arguments": {}}, "pairs is missing"),
    ({"verb": "solve", "arguments": {"pairs": [["/etc/passwd", "x"]]}}, "expected the id of an object"),
    ({"verb": "solve", "arguments": {"pairs": [["0" * 32, "0" * 32]]}}, "there is no object"),
    ({"verb": "generate", "arguments": {"model": "../overlap"}}, "there is no model"),
    (
        {"verb": "generate", "arguments": {"model": "overlap", "require": ["score:os:system>=1"]}},
        "expected a requirement",
    ),
    (
        {"verb": "generate", "arguments": {"model": "overlap", "require": ["like:/etc/x.png>=1"]}},
        "expected a requirement",
    ),
    ({"verb": "generate", "arguments": {"model": "overlap", "n": 1e9}}, "expected a whole number"),
    ({"verb": "generate", "arguments": {"model": "overlap", "out": "/tmp"}}, "there is no argument 'out'"),
    ({"verb": "train", "arguments": {"dataset": ["/etc"]}}, "there is no library"),
    ({"verb": "train", "arguments": {"dataset": ["job:" + "0" * 32]}}, "there is no job"),
]


@pytest.mark.parametrize(("body", "said"), WRONG_JOBS)
def test_a_job_that_is_wrong_is_refused_in_a_line(client, body, said):
    answer = client.post(f"{API}/jobs", json=body)
    assert answer.status_code in (404, 422)
    assert said in answer.json()["error"]


def test_a_table_may_not_name_files_outside(client):
    for cell in ("/etc/passwd.png", "../../x.png", "~/x.png"):
        sent = client.post(
            f"{API}/objects", files={"file": ("pairs.csv", f"a,b,value\n{cell},b.png,1\n")}, data={"kind": "file"}
        )
        arguments = {"table": sent.json()["id"], "kind": "silhouette"}
        said = client.post(f"{API}/jobs", json={"verb": "import", "arguments": arguments})
        assert said.status_code == 422
        assert "expected names of" in said.json()["error"]


def test_a_server_is_watched(client):
    assert client.get(f"{API}/health").json()["status"] == "ok"
    assert client.get(f"{API}/ready").status_code == 200
    text = client.get("/metrics").text
    assert 'metricvae_requests_total{method="GET",route="/health",status="200"}' in text


def test_every_answer_has_its_headers(client):
    for path in ("/", f"{API}/kinds", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_the_description_of_the_interface_has_examples(client):
    paths = client.get(f"{API}/openapi.json").json()["paths"]
    assert paths[f"{API}/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert f"{API}/jobs/{{key}}/events" in paths


def test_a_token_is_asked_for_and_taken(guarded):
    assert guarded.get(f"{API}/kinds").status_code == 401
    assert guarded.get("/metrics").status_code == 401
    assert guarded.get(f"{API}/kinds", headers={"authorization": f"Bearer {TOKEN[:-1]}"}).status_code == 401
    assert guarded.get(f"{API}/kinds", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.get(f"{API}/health").status_code == 200
    assert guarded.post(f"{API}/session", json={"token": "wrong"}).status_code == 401
    session = guarded.post(f"{API}/session", json={"token": TOKEN})
    assert "HttpOnly" in session.headers["set-cookie"]
    assert "SameSite=strict" in session.headers["set-cookie"]
    assert guarded.get(f"{API}/kinds").status_code == 200  # by its cookie


def test_the_client_says_the_same_in_few_lines(client, tmp_path, truth):
    remote = Client(f"http://{HOST}")
    remote.http.close()
    remote.http = client
    for name, mask in (("disc.png", disc()), ("bar.png", bar())):
        (tmp_path / name).write_bytes(png(mask))
    first, second = (remote.send(tmp_path / name, "silhouette") for name in ("disc.png", "bar.png"))
    assert remote.predict("overlap", first, second).value == pytest.approx(truth.value)
    assert remote.predict_pairs("overlap", [first, second], [(0, 1)])[0][0] == pytest.approx(truth.value, rel=1e-4)
    job = remote.submit("solve", once="the-only-one", pairs=[[first, second]])
    assert remote.wait(job).result["pairs"] == 1
    assert [path.name for path in remote.download(job, tmp_path / "out")] == ["pairs.csv"]
    assert [event.name for event in remote.events(job)][-1] == "end"
    with pytest.raises(RemoteError, match="there is no model 'none'") as caught:
        remote.predict("none", first, second)
    assert (caught.value.status, caught.value.field) == (404, "model")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server with its processes, which may read for half a second."""
    limits = Limits(read_seconds=0.5, read_memory=2**30)
    with TestClient(make_app(tmp_path_factory.mktemp("whole"), limits=limits), base_url=f"http://{HOST}") as client:
        yield client


@pytest.mark.slow
def test_objects_are_read_and_solved_in_processes_of_their_own(whole):
    keys = [whole.post(f"{API}/objects", json=silhouette(one)).json()["id"] for one in (disc(), bar())]
    said = whole.post(f"{API}/solve", json={"metric": "overlap", "first": keys[0], "second": keys[1], "picture": True})
    solver = OverlapMetric().solver
    assert said.json()["value"] == solver.solve(solver.prepare(disc()), solver.prepare(bar())).value
    assert said.json()["picture"]


@pytest.mark.slow
def test_a_process_that_takes_too_long_or_dies_is_replaced(whole):
    assert whole.post(f"{API}/objects", json=silhouette(disc(), "first.png")).status_code == 201
    for number, how in enumerate((signal.SIGSTOP, signal.SIGKILL)):
        os.kill(whole.app.state.server.readers.readers[0].process.pid, how)
        said = whole.post(f"{API}/objects", json=silhouette(bar(), f"stopped-{number}.png"))
        assert said.status_code == 422 or how == signal.SIGKILL  # a dead one may be seen in time
        assert whole.post(f"{API}/objects", json=silhouette(bar(), f"after-{number}.png")).status_code == 201


@pytest.mark.slow
def test_a_job_that_runs_can_be_cancelled(whole):
    key = whole.post(f"{API}/objects", json=silhouette(disc())).json()["id"]
    slow = {"model": "overlap", "require": [f"{{{key}}}=100", "area=9000"], "seconds": 600}
    job = whole.post(f"{API}/jobs", json={"verb": "generate", "arguments": slow}).json()["id"]
    until = time.monotonic() + 60
    while whole.get(f"{API}/jobs/{job}").json()["stage"] is None and time.monotonic() < until:
        time.sleep(0.1)
    whole.post(f"{API}/jobs/{job}/cancel")
    assert wait(whole, job)["state"] == "cancelled"
