"""Hostile requests: each is refused with a status of 4xx and one line of JSON, and the server lives on."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("fastapi", reason="the extra `web` is not installed")

import pyarrow.parquet as pq
import uvicorn

from hostile_requests import API, NOBODY, hostile_requests, request
from metricvae.core.importing.faults import Faults
from metricvae.core.importing.reading import ObjectReader
from metricvae.core.importing.request import request_of
from metricvae.core.importing.rows import rows_of_table
from metricvae.core.importing.tables import open_table
from metricvae.runtime.reading import CONFINED, check_named
from metricvae.web import protocol, streams
from metricvae.web.arrow_input import ArrowInput
from metricvae.web.errors import RequestError
from metricvae.web.jobs.staging import check_table
from metricvae.web.settings import Limits
from metricvae.web.telemetry import METHODS
from web_problem import HOST, disc, make_app, png

MEMORY = 400 * 2**20
"""Bytes by which the server's process may grow over all of them; a 50 MB body among them."""

LIMITS = Limits(body_seconds=0.3)
ADDRESS = tuple[str, int]


class ThreadServer:
    """A server in a thread of this process, with short limits."""

    def __init__(self, folder: Path) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address: ADDRESS = self.socket.getsockname()
        app = make_app(folder, limits=LIMITS)
        config = uvicorn.Config(
            app, http=protocol.StrictProtocol, ws="none", log_config=None, h11_max_incomplete_event_size=32_768
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self) -> ThreadServer:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(30)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ADDRESS]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "HEADER_SECONDS", 0.3)
        with ThreadServer(tmp_path_factory.mktemp("hostile")) as server:
            yield server.address


def said(address: ADDRESS, content: bytes, seconds: float = 120) -> tuple[int, Any]:
    """Status and document of the answer to some bytes."""
    with socket.create_connection(address, timeout=seconds) as connection:
        sender = threading.Thread(target=_send, args=(connection, content), daemon=True)
        sender.start()
        found = bytearray()
        try:
            while part := connection.recv(65_536):
                found += part
        except ConnectionResetError:
            pass
        sender.join(seconds)
    head, _, body = bytes(found).partition(b"\r\n\r\n")
    assert head, "the connection was cut without an answer"
    assert b"\n" not in body
    return int(head.split(b" ")[1]), json.loads(body)


def _send(connection: socket.socket, content: bytes) -> None:
    try:
        connection.sendall(content)
    except OSError:
        return  # the server has said no already


def refused(address: ADDRESS, name: str, content: bytes) -> str:
    """Why a request was not refused as it must be; empty where it was."""
    try:
        status, document = said(address, content)
    except (AssertionError, ValueError, OSError) as error:
        return f"{name}: {error}"
    if not 400 <= status < 500:
        return f"{name}: {status} {document}"
    return "" if isinstance(document, dict) and document.get("error") else f"{name}: {document}"


ALL = hostile_requests()


def test_there_are_two_hundred_of_them():
    assert len(ALL) >= 200
    assert len({content for _, content in ALL}) == len(ALL)


def test_some_hostile_requests_are_refused(address):
    """Every fifth but those that are read in a process of their own, which are slow to begin with."""
    some = [
        one for one in ALL[::5] if b'"data"' not in one[1] and b"multipart" not in one[1] and b"smiles" not in one[1]
    ]
    assert [fault for name, content in some if (fault := refused(address, name, content))] == []
    assert said(address, request("GET", f"{API}/health"))[0] == 200


def test_who_sends_all_of_a_body_that_is_too_large_before_reading_gets_the_answer(address):
    content = next(content for name, content in ALL if name == "body of 3 MB")
    for _ in range(5):
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(content)
            time.sleep(0.1)
            found = bytearray()
            while part := connection.recv(64):
                found += part
        head, _, body = bytes(found).partition(b"\r\n\r\n")
        assert b" 413 " in head
        assert "send less" in json.loads(body)["error"]


@pytest.mark.slow
def test_all_hostile_requests_are_refused_and_memory_is_bounded(address):
    before = memory()
    assert [fault for name, content in ALL if (fault := refused(address, name, content))] == []
    assert said(address, request("GET", f"{API}/health"))[0] == 200
    assert memory() - before < MEMORY


def test_methods_of_clients_make_no_numbers_of_their_own(address):
    for number in range(5):
        said(address, request(f"M{number}", f"{API}/kinds"))
    said(address, request("OPTIONS", f"{API}/kinds"))
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(request("GET", "/metrics"))
        text = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    found = set(re.findall(r'metricvae_requests_total\{method="(\w+)"', text))
    assert {"other", "OPTIONS"} <= found <= {*METHODS, "other"}


def memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("part", ["headers", "body"])
def test_who_sends_slowly_is_refused(address, part):
    start = time.monotonic()
    whole = request("POST", f"{API}/predict", b"{}" * 50, {"Content-Type": "application/json"})
    status, document = said(address, whole[:40] if part == "headers" else whole[:-60])
    assert (status, "s" in document["error"]) == (408, True)
    assert time.monotonic() - start < 10


def test_many_slow_clients_do_not_stop_others(address):
    slow = [socket.create_connection(address) for _ in range(50)]
    for one in slow:
        one.sendall(b"GET / HTTP/1.1\r\nHost: ")
    assert said(address, request("GET", f"{API}/health"))[0] == 200
    assert said(address, request("GET", f"{API}/jobs/{NOBODY}", host=HOST))[0] == 404
    for one in slow:
        one.close()


PAIRS = pa.table({"first": [0, 1, 2, 3, 4, 5, 6], "second": [0] * 7})


def arrow(table: pa.Table = PAIRS, **options: Any) -> bytes:
    """A stream of a table in one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def patched(old: int, new: int) -> bytes:
    """A stream with another number in the description of its batch."""
    _, batch = pa.ipc.MessageReader.open_stream(arrow())
    head = batch.metadata.to_pybytes()
    assert struct.pack("<q", old) in head
    return arrow().replace(head, head.replace(struct.pack("<q", old), struct.pack("<q", new)))


HOSTILE_STREAMS = {
    "more rows than bytes": patched(7, 200_000_000),
    "buffers beyond the body": patched(56, 2**40),
    "a body of a terabyte": patched(112, 2**40),
    "a negative length": patched(7, -7),
    "zstd": arrow(compression="zstd"),
    "lz4": arrow(compression="lz4"),
    "zstd of an early version": arrow(compression="zstd", metadata_version=pa.ipc.MetadataVersion.V4),
    "rows without bytes": arrow(pa.table({"first": pa.nulls(1_000), "second": pa.nulls(1_000)})),
    "runs": arrow(pa.table(dict.fromkeys(("first", "second"), pa.RunEndEncodedArray.from_arrays([2**30], [1])))),
    "dictionaries": arrow(PAIRS.append_column("third", pa.array(["x"] * 7).dictionary_encode())),
    "a schema of 9 MB": arrow(PAIRS.replace_schema_metadata({"metricvae": " " * (9 * 2**20)})),
    "two columns of a name": arrow(PAIRS.append_column("first", PAIRS["second"])),
    "texts": arrow(pa.table({"first": ["0"], "second": ["1"]})),
    "numbers beyond 64 bits": arrow(pa.table({"first": pa.array([2**63], pa.uint64()), "second": [0]})),
    "a schema alone": arrow()[:100],
}


class AnyComparison:
    """Answers whatever rows there are."""

    @classmethod
    def answer(cls, patch: pytest.MonkeyPatch) -> None:
        """Let it answer the streams of a test, whatever their headers are."""
        patch.setattr(streams, "comparison_of", lambda *_: cls())
        patch.setattr(streams, "_json", lambda _: {})

    def answers(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, ...]:
        return (first * 1.0,) * len(streams.COLUMNS)


@pytest.mark.parametrize("content", HOSTILE_STREAMS.values(), ids=HOSTILE_STREAMS)
def test_an_arrow_stream_that_lies_or_unpacks_is_refused_before_it_is_used(monkeypatch, content):
    AnyComparison.answer(monkeypatch)
    with pytest.raises(RequestError, match="columns first and second of whole numbers") as caught:
        list(streams.arrow_answers(None, io.BytesIO(content)))
    assert caught.value.status == 422


def test_an_arrow_stream_of_any_whole_numbers_is_taken():
    for kind in (pa.int8(), pa.uint32(), pa.int64()):
        columns = {name: column.cast(kind) for name, column in zip(PAIRS.column_names, PAIRS.columns, strict=True)}
        content = arrow(pa.table({"third": ["x"] * 7, **columns}))
        (found,) = ArrowInput(io.BytesIO(content), ("second", "first")).batches()
        assert [column.tolist() for column in found] == [[0] * 7, list(range(7))]


class CountedFile(io.BytesIO):
    """A file that counts the bytes that were read of it."""

    taken = 0

    def read(self, count: int | None = -1) -> bytes:
        found = super().read(count)
        self.taken += len(found)
        return found

    def readlines(self, count: int | None = -1) -> list[bytes]:
        found = super().readlines(count)
        self.taken += sum(map(len, found))
        return found


@pytest.mark.parametrize("pair", [b"[0,1],", b"[0,1]", b" ", b"9", b"["])
def test_a_stream_without_ends_of_lines_is_refused_after_one_block(monkeypatch, pair):
    AnyComparison.answer(monkeypatch)
    file = CountedFile(b"{}\n" + pair * (3 * streams.BLOCK // len(pair)))
    with pytest.raises(RequestError, match=r"expected a line \[first, second\]") as caught:
        list(streams.ndjson_answers(None, file))
    assert caught.value.status == 422
    assert file.taken <= streams.BLOCK


def test_blank_lines_and_lines_across_blocks_are_taken(monkeypatch):
    AnyComparison.answer(monkeypatch)
    monkeypatch.setattr(streams, "BLOCK", 20)
    file = io.BytesIO(b"{}\n[0, 1]\r\n\n   \n[10, 1]\n" + b"\n" * 50 + b"[200, 1]\n[3000, 1]")
    assert b"".join(streams.ndjson_answers(None, file)).count(b"\n") == 4
    with pytest.raises(RequestError):
        list(streams.ndjson_answers(None, io.BytesIO(b"{}\n[0, 1], [2, 3]\n")))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """The folder of a job's inputs, with a picture in it, and another beside it that a link leads to."""
    folder = tmp_path / "inputs"
    (folder / "sub").mkdir(parents=True)
    for name in ("inputs/a.png", "inputs/sub/b.png", "secret.png"):
        (tmp_path / name).write_bytes(png(disc()))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    return folder


def table_of(folder: Path, form: str, names: list[str]) -> Path:
    """A table of pairs of an object and one that is in the folder."""
    path = folder / ("pairs.parquet" if form == "parquet" else "pairs.csv")
    if form == "parquet":
        pq.write_table(pa.table({"a": names, "b": ["a.png"] * len(names), "value": [1.0] * len(names)}), path)
    elif form == "semicolon":
        path.write_text("a;b;value\n" + "".join(f"{name};a.png;1\n" for name in names))
    else:
        long = f"{'x' * 140_000},a.png,1\n" if form == "long cell" else ""
        path.write_text(f"a,b,value\n{long}" + "".join(f"{name},a.png,1\n" for name in names))
    return path


@pytest.mark.parametrize("form", ["comma", "semicolon", "long cell", "parquet"])
def test_an_importer_of_the_server_reads_no_file_outside_of_the_folder_of_its_table(monkeypatch, inputs, form):
    outside = [str(inputs.parent / "secret.png"), "../secret.png", "sub/../../secret.png", "link.png"]
    path, request = table_of(inputs, form, [*outside, "sub/b.png"]), request_of("silhouette", "value", None)

    def read() -> dict[str, bool]:
        _, cells = rows_of_table(open_table(path), request, Faults(False, path.name), lambda *_: None)
        reader = ObjectReader(cells[0], inputs, np.ones(len(cells[0]), bool), 1, lambda *_: None)
        found = reader.read(request.kinds[0], "")
        return {cells[0].name(n): isinstance(one, np.ndarray) for part in found for n, one in zip(*part, strict=True)}

    assert all(read()[name] for name in outside)
    monkeypatch.setenv(CONFINED, "1")
    found = read()
    assert {name for name, whole in found.items() if whole} == {"a.png", "sub/b.png"}
    assert set(outside) < set(found)


def test_tables_of_complexes_and_lists_of_sites_name_no_file_outside_either(monkeypatch, inputs):
    pytest.importorskip("rdkit")
    pytest.importorskip("gemmi")
    from metricvae.kinds.pocket.kind import PocketKind
    from metricvae.kinds.pocket.site_list import listed_sites, read_sites
    from metricvae.metrics.affinity.complexes import complex_rows

    monkeypatch.setenv(CONFINED, "1")
    (inputs.parent / "secret.pdb").write_text("END\n")
    (inputs / "rows.csv").write_text("receptor,ligand\n../secret.pdb@point=1;2;3,CCO\na.png,../secret.sdf\n")
    (inputs.parent / "secret.sdf").write_text("")
    assert ["leads out of" in row.reason for row in complex_rows(inputs / "rows.csv")] == [True, True]
    (inputs / "sites.txt").write_text("../secret.pdb@auto\n")
    part = read_sites(PocketKind(), inputs / "sites.txt", listed_sites(inputs / "sites.txt"), map)
    assert "leads out of" in part.skipped[0]


def test_parts_of_a_cell_name_no_file_outside_either(monkeypatch, inputs):
    monkeypatch.setenv(CONFINED, "1")
    for cell in ("rec.pdb@ligand={}", "rec.pdb@ligand= {} ", "{}@auto", "{}#3", Path("{}")):
        with pytest.raises(ValueError, match="leads out of"):
            check_named(inputs, type(cell)(str(cell).format(inputs.parent / "secret.png")))
    for cell in ("a.png", "a.png@point=1,2,3", "F/C=C/F", "/C=C/F", "/etc/no such file", "", "\0", "x@" * 100_000, 7):
        check_named(inputs, cell)


@pytest.mark.parametrize(
    "line",
    [
        *("x.png;/etc/hostname;1", "/etc/hostname,b,1", "a,../b.png,1", "a,x/../../b.png,1", "~/x.png,b,1"),
        *("a,rec.pdb@ligand=/etc/hostname,1", 'a,"."./b.png,1', "a,..\\b.png,1", "a,file:///etc/hostname,1"),
        *(f"{'x' * 140_000},b,1\n/etc/hostname,b,1", "caf\xe9,b,1\n/etc/hostname,b,1", "a,\xa0/etc/hostname,1"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_table_that_names_files_outside_is_refused_however_it_is_written(tmp_path, line, encoding):
    path = tmp_path / "table.csv"
    path.write_bytes(f"a,b,value\n{line}\n".encode(encoding))
    with pytest.raises(RequestError, match=r"the table (names the file|is not UTF-8)") as caught:
        check_table(path)
    assert (caught.value.status, len(str(caught.value)) < 200) == (422, True)


def test_a_table_of_smiles_is_taken(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,value\nF/C=C/F,/C=C\\F,1\nInChI=1S/C2H6/c1-2/h1-2H3,a/b.png,1\nC..C,a@auto,2\n")
    check_table(path)
