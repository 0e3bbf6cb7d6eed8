"""Jobs of the server: every verb that can be one is told in words that the command line takes, and what changes a
library changes a copy of it."""

from __future__ import annotations

import io
import json
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("fastapi", reason="the extra `web` is not installed")

from fastapi.testclient import TestClient

from metricvae import cli
from metricvae.runtime.files import write_json
from metricvae.runtime.reading import files_below
from metricvae.search.store import new_document, read_document, with_segment
from metricvae.web.errors import RequestError
from metricvae.web.jobs.arguments import Argument, VerbForm
from metricvae.web.jobs.forms import FORMS
from metricvae.web.jobs.records import BEGINNING, INPUTS, RESULTS, UNFINISHED
from metricvae.web.jobs.service import JobService
from metricvae.web.jobs.staging import JobStage
from metricvae.web.jobs.worker import prepare_folder
from metricvae.web.objects.process import read_object
from metricvae.web.routes.jobs import EXAMPLES, zipped
from metricvae.web.settings import Limits, ServerSettings
from web_problem import HOST, bar, disc, make_app, png, silhouette

API = "/api/v1"
TABLE = pa.table({"id": ["a", "b"]})
KEY, OTHER = "0" * 32, "1" * 32

SAMPLES: dict[str, Any] = {
    **{"require": ["plausible", f"{{{KEY}}}=5000"], "between": [KEY, OTHER], "pairs": [[KEY, OTHER]]},
    **{"files": [KEY], "ids": ["a", "--b"], "only": ["edit-distance", "dtw"], "range": "0..1", "engine": "vina"},
    **{"diverse": 0.5, "learning_rate": 0.001, "task": "overlap", "what": "all", "source": "mixed", "split": "test"},
    **{"side": "left", "preset": "paper", "by": "overlap", "kind": "silhouette", "right": "silhouette"},
    **{"metric": "tabular", "seconds": 60, "minutes": 2, "where": "mw > 600"},
}
"""What arguments may be told; others are given an id, a whole number or true."""

BY_VERB: dict[tuple[str, str], Any] = {("import", "task"): "regression"}


class EmptyStage:
    """A stage that puts nothing anywhere."""

    def object(self, key: str) -> str:
        return f"{INPUTS}/{key}.png"

    def objects(self, keys: list[str]) -> str:
        return f"{INPUTS}/library"

    def pairs(self, pairs: list[Any]) -> str:
        return f"{INPUTS}/pairs.csv"

    def model(self, name: str) -> str:
        return "overlap"

    def folder_of(self, name: str) -> str:
        return "folder"

    def index_copy(self, name: str) -> str:
        return UNFINISHED

    def lines(self, texts: list[str]) -> str:
        return f"{INPUTS}/lines.txt"

    def results(self, name: str) -> str:
        return f"{UNFINISHED}/{name}" if name else UNFINISHED


def told(verb: str, name: str, argument: Argument) -> Any:
    """Something that an argument may be told."""
    for given in (BY_VERB.get((verb, name)), SAMPLES.get(name), KEY, 1_000, 10, True):
        try:
            if given is not None and argument.words(name, given, EmptyStage()):
                return given
        except Exception as error:
            assert type(error).__name__ == "RequestError"  # noqa: PT017
    return SAMPLES.get(name)


@pytest.mark.parametrize("verb", FORMS)
def test_the_command_line_takes_what_a_job_tells_it(verb: str) -> None:
    form = FORMS[verb]
    given = {name: told(verb, name, argument) for name, argument in form.arguments.items()}
    assert None not in given.values(), given
    name, *words = form.argv(given, EmptyStage())
    options = cli._parse(name, [*words, "--json", "--progress", "json"])
    assert options.json


def test_verbs_that_are_no_jobs_are_those_that_need_none() -> None:
    assert set(cli.VERBS) - {form.words[0] for form in FORMS.values()} == {
        *("serve", "kinds", "metrics", "models", "completion")
    }


def test_every_example_is_of_a_verb_and_its_arguments() -> None:
    for example in EXAMPLES.values():
        form: VerbForm = FORMS[example["value"]["verb"]]
        assert form.argv(example["value"]["arguments"], EmptyStage())


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small index, with what somebody who changes it would leave beside it."""
    folder = tmp_path / "server" / "library"
    folder.mkdir(parents=True)
    plan = {"model": {"name": "overlap", "sha256": ""}, "kind": "silhouette", "side": "right", "library": "../shapes"}
    write_json(folder / "index.json", with_segment(folder, new_document(plan), [TABLE], TABLE.schema))
    (folder / ".lock").touch()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def staged(tmp_path: Path, library: Path, verb: str, **more: Any) -> tuple[Path, list[str]]:
    """Folder and words of a job that changes a library."""
    folder = tmp_path / "jobs" / KEY
    stage = JobStage(folder, None, lambda name: name, lambda name: library)  # type: ignore[arg-type]
    return folder, FORMS[verb].argv({"index": "books", **more}, stage)


def test_what_is_deleted_is_deleted_of_a_copy(tmp_path: Path, library: Path) -> None:
    folder, argv = staged(tmp_path, library, "delete", ids=["-a b", "c"])
    assert argv == ["delete", UNFINISHED, f"--ids-from={INPUTS}/lines.txt"]
    assert (folder / INPUTS / "lines.txt").read_text() == "-a b\nc\n"
    for _ in range(2):  # a second attempt begins anew
        prepare_folder(folder, resumes=False)
        document = read_document(folder / UNFINISHED)
        assert names(folder / UNFINISHED) == ["index.json", "items-000.parquet"]
        (folder / UNFINISHED / "items-000.parquet").unlink()
    assert (folder / RESULTS / document["plan"]["library"]).resolve() == tmp_path / "server" / "shapes"
    assert names(library) == [".lock", "index.json", "items-000.parquet"]
    assert read_document(library)["plan"]["library"] == "../shapes"


def test_an_appending_goes_on_with_its_copy(tmp_path: Path, library: Path) -> None:
    folder, _ = staged(tmp_path, library, "delete", where="mw > 600")
    prepare_folder(folder, resumes=True)
    (folder / UNFINISHED / "items-001.parquet").touch()
    (folder / UNFINISHED).rename(folder / RESULTS)  # it was killed before it said that it had ended
    prepare_folder(folder, resumes=True)
    assert "items-001.parquet" in names(folder / UNFINISHED)
    assert "items-001.parquet" not in names(folder / BEGINNING)


def test_what_is_no_index_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(RequestError, match="'books' is no index") as caught:
        staged(tmp_path, tmp_path / "other", "delete", compact=True)
    assert str(tmp_path) not in str(caught.value)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[JobService]:
    """Jobs that do not run, two at most."""
    service = JobService(ServerSettings(tmp_path, limits=Limits(jobs=2)), None, lambda name: name)  # type: ignore[arg-type]
    yield service
    service.queue.close()


LABEL = {"task": "overlap", "source": "mixed", "pairs": 8}


def test_a_submission_that_becomes_no_job_leaves_no_folder(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.submit("label", LABEL, "the first one")
    with monkeypatch.context() as patch:  # two at the same time: either is seen first when it is put into the queue
        patch.setattr(service.queue, "of_submission", lambda once: None)
        assert service.submit("label", LABEL, "the first one") == job
    with monkeypatch.context() as patch:
        patch.setattr(service.queue, "_refuse_more", fail_of_the_disk)
        patch.setattr(service.queue, "refuse_more", lambda most: None)
        with pytest.raises(sqlite3.OperationalError):
            service.submit("label", LABEL)
    other = service.submit("label", LABEL)
    with monkeypatch.context() as patch:
        patch.setattr(service.queue, "refuse_more", lambda most: None)
        with pytest.raises(RequestError, match="2 jobs wait"):
            service.submit("label", LABEL)
    assert names(service.folder) == sorted([job.id, other.id])


def fail_of_the_disk(most: int) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_too_many_jobs_are_refused_before_anything_is_written(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.submit("label", LABEL, "the first one")
    service.submit("label", LABEL)
    monkeypatch.setattr("metricvae.web.jobs.service.JobStage", None)
    with pytest.raises(RequestError, match="2 jobs wait") as caught:
        service.submit("label", LABEL)
    assert caught.value.status == 429
    assert service.submit("label", LABEL, "the first one") == job


def test_files_of_a_job_are_listed_once_for_an_archive(service: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    job, listed = service.submit("label", LABEL), []
    (service.folder / job.id / RESULTS / "sub").mkdir(parents=True)
    for name in ("sub/a.txt", "b.txt"):
        (service.folder / job.id / RESULTS / name).write_text(name)
    (service.folder / job.id / RESULTS / "link.txt").symlink_to("/etc/hostname")
    monkeypatch.setattr("metricvae.web.jobs.service.files_below", lambda path: listed.append(path) or files_below(path))
    content = b"".join(zipped(service.paths(job)))
    assert len(listed) == 1
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            name: name for name in ("b.txt", "sub/a.txt")
        }
    assert service.files(job) == [{"name": "b.txt", "bytes": 5}, {"name": "sub/a.txt", "bytes": 9}]
    with pytest.raises(RequestError, match=r"the job wrote no file '\.\./task.json'"):
        service.file(job, "../task.json")


def test_an_archive_holds_files_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1_000)
    monkeypatch.setattr("metricvae.web.routes.jobs.LARGE", 900)
    (tmp_path / "large").write_bytes(bytes(5_000))
    content = b"".join(zipped({"large": tmp_path / "large", "again": tmp_path / "large"}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in ("large", "again")] == [bytes(5_000)] * 2


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server that reads in this process."""
    app = make_app(tmp_path_factory.mktemp("serve"))
    app.state.server.readers.read = read_object
    with TestClient(app, base_url=f"http://{HOST}") as client:
        yield client


def ended(client: TestClient, verb: str, **arguments: Any) -> dict[str, Any]:
    """A job that has ended."""
    job = client.post(f"{API}/jobs", json={"verb": verb, "arguments": arguments}).json()
    until = time.monotonic() + 1_200
    while job["state"] not in ("done", "failed", "cancelled") and time.monotonic() < until:
        time.sleep(0.1)
        job = client.get(f"{API}/jobs/{job['id']}").json()
    return job


def done(client: TestClient, verb: str, **arguments: Any) -> dict[str, Any]:
    """A job that is done."""
    job = ended(client, verb, **arguments)
    assert job["state"] == "done", job
    return job


def test_an_import_reads_no_file_of_the_server(client: TestClient, tmp_path: Path) -> None:
    names = [str(tmp_path / f"{number}.png") for number in range(20)]
    for number, name in enumerate(names):
        Path(name).write_bytes(png(disc(30 + number)))
    table = pa.table({"a": names * 5, "b": names[::-1] * 5, "value": [float(one) for one in range(100)]})
    pq.write_table(table, tmp_path / "pairs.parquet")
    sent = client.post(
        f"{API}/objects",
        files={"file": ("pairs.parquet", (tmp_path / "pairs.parquet").read_bytes())},
        data={"kind": "file"},
    )
    job = ended(client, "import", table=sent.json()["id"], kind="silhouette")
    assert job["state"] == "failed"
    assert "0.png' leads out of" in job["error"]


@pytest.mark.slow
def test_a_library_grows_and_shrinks_as_jobs(client: TestClient) -> None:
    sent = [
        client.post(f"{API}/objects", json=silhouette(disc(radius), f"disc-{radius}.png")).json()["id"]
        for radius in (40, 50, 60)
    ]
    more = client.post(f"{API}/objects", json=silhouette(bar(), "bar.png")).json()["id"]
    small = done(client, "index", model="overlap", library=sent)
    large = done(client, "append", index=f"job:{small['id']}", library=[more])
    assert (large["result"]["added"], large["result"]["items"]) == (1, 4)
    assert large["command"] == "metricvae append results library --workers=1"
    less = done(client, "delete", index=f"job:{large['id']}", ids=["disc-50.png", "none.png"])
    assert (less["result"]["deleted"], less["result"]["unknown"], less["result"]["items"]) == (1, 1, 3)
    found = {}
    for name, job in (("small", small), ("large", large), ("less", less)):
        body = {"library": f"job:{job['id']}", "query": more, "count": 10}
        said = client.post(f"{API}/search", json=body)
        assert said.status_code == 200, said.text
        found[name] = {hit["name"] for hit in said.json()["hits"]}
    discs = {"disc-40.png", "disc-50.png", "disc-60.png"}
    assert found == {"small": discs, "large": discs | {"bar.png"}, "less": discs - {"disc-50.png"} | {"bar.png"}}


@pytest.mark.slow
def test_a_report_is_a_job(client: TestClient) -> None:
    job = done(client, "reproduce", what="figure-1.2")
    assert {"index.html", "report.json", "report.md"} <= set(job["files"])
    assert json.loads(client.get(f"{API}/jobs/{job['id']}/files/report.json").content)


@pytest.mark.slow
def test_the_quick_start_is_a_job(client: TestClient) -> None:
    job = done(client, "quickstart", seed=1)
    assert {"index.html", "report.json"} <= {name.rpartition("/")[2] for name in job["files"]}
    assert client.get(f"{API}/jobs/{job['id']}/archive.zip").status_code == 200


def test_a_library_that_is_none_is_refused_in_a_line(client: TestClient) -> None:
    said = client.post(f"{API}/jobs", json={"verb": "delete", "arguments": {"index": "books", "compact": True}})
    assert said.status_code == 404
    assert "there is no library 'books'" in said.json()["error"]
