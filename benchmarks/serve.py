"""How fast `metricvae serve` answers, and how much memory it holds: JSON on stdout.

    python benchmarks/serve.py --seconds 30 --clients 4 --minutes 0 > serve.json

It starts a server on a free port of this machine, with its folder in a temporary one, and measures from outside:

    start     seconds from the command to the first answer of the page's address, and until the models are loaded
    predict   one pair by ids, and one drawn pair of which one shape changes each time: requests/s, quantiles of latency
    batch     100,000 pairs by code, as NDJSON and as an Arrow stream: seconds end to end; pairs/s inside, in-process
    mixed     minutes of predictions, solutions, uploads, lists: errors, and how memory of all its processes grows
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

API = "/api/v1"
OBJECTS, PAIRS = 100, 100_000


class Connection:
    """One client that keeps its connection."""

    def __init__(self, port: int) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def post(self, path: str, body: Any, kind: str = "application/json") -> bytes:
        """The body of an answer; raises where it is an error."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.http.request("POST", API + path, content, {"Content-Type": kind})
        return self._read()

    def get(self, path: str) -> bytes:
        """The body of an answer; raises where it is an error."""
        self.http.request("GET", path)
        return self._read()

    def _read(self) -> bytes:
        answer = self.http.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{answer.status}: {content[:200]!r}")
        return content


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[int, int, dict[str, float]]]:
    """A server: its port, its process, and how long it took to start."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "metricvae", "serve", "--port", "0", "--folder", str(folder)]
    with open(os.devnull, "w") as nothing:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=nothing, text=True)
    assert process.stdout is not None
    found = re.search(r":(\d+)/", process.stdout.readline())
    assert found is not None
    port = int(found[1])
    try:
        times = {"page": _until(lambda: Connection(port).get("/"), start)}
        times["ready"] = _until(lambda: Connection(port).get(f"{API}/ready"), start)
        yield port, process.pid, times
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _until(work: Callable[[], Any], start: float) -> float:
    while True:
        with contextlib.suppress(OSError, RuntimeError):
            work()
            return time.perf_counter() - start
        time.sleep(0.01)


def shapes(count: int) -> list[np.ndarray]:
    """Ellipses with a bite, 200x200, all different."""
    rng = np.random.default_rng(0)
    y, x = np.indices((200, 200)) - 99.5
    found = []
    for _ in range(count):
        a, b, turn = rng.uniform(25, 75), rng.uniform(15, 60), rng.uniform(0, np.pi)
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        bite = (u - a * rng.uniform(0.5, 1)) ** 2 + v**2 < (b * rng.uniform(0.2, 0.6)) ** 2
        found.append((((u / a) ** 2 + (v / b) ** 2 < 1) & ~bite).astype(np.uint8))
    return found


def send(connection: Connection, mask: np.ndarray, name: str) -> str:
    """The id of a shape that was sent."""
    buffer = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    document = json.loads(connection.post("/objects", {"kind": "silhouette", "data": data, "name": name}))
    return str(document["id"])


def load(
    place: tuple[int, int], clients: int, seconds: float, work: Callable[[Connection, random.Random], Any]
) -> dict[str, Any]:
    """What several clients see who each ask again as soon as they are answered; what it costs the server's process.

    Args:
        place: port and process of the server.
        clients: at a time.
        seconds: how long.
        work: one request.
    """
    port, pid = place
    busy = processor_seconds(pid)
    times: list[float] = []
    errors: list[str] = []
    until = time.perf_counter() + seconds

    def run(number: int) -> None:
        connection, chance = Connection(port), random.Random(number)
        while (start := time.perf_counter()) < until:
            try:
                work(connection, chance)
                times.append(time.perf_counter() - start)
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                errors.append(str(error))
                connection = Connection(port)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    quantiles = np.quantile(times, (0.5, 0.95, 0.99)) * 1_000
    named = {f"p{name}_ms": round(float(value), 2) for name, value in zip((50, 95, 99), quantiles, strict=True)}
    costs = {"processor_ms_each": round(1_000 * (processor_seconds(pid) - busy) / max(1, len(times)), 2)}
    rate = {"requests": len(times), "requests_per_second": round(len(times) / seconds, 1)}
    told = {"errors": len(errors), **({"first_errors": errors[:5]} if errors else {})}
    return {"clients": clients, **rate, **named, **costs, **told}


def processor_seconds(pid: int) -> float:
    """Of a process so far, in itself and in the system."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drawn_pair(masks: list[np.ndarray]) -> Callable[[Connection, random.Random], Any]:
    """Predict a pair of drawn shapes, of which one changes by a pixel each time."""
    texts = [["".join(map(str, row)) for row in mask.tolist()] for mask in masks[:2]]

    def work(connection: Connection, chance: random.Random) -> None:
        rows = list(texts[0])
        at, column = chance.randrange(60, 140), chance.randrange(200)
        rows[at] = rows[at][:column] + "1" + rows[at][column + 1 :]
        connection.post("/predict", {"model": "overlap", "first": {"rows": rows}, "second": {"rows": texts[1]}})

    return work


def batch(port: int, ids: list[str]) -> dict[str, Any]:
    """Seconds of a stream of pairs, the median of five."""
    pairs = np.random.default_rng(1).integers(0, len(ids), (PAIRS, 2))
    header, connection = {"model": "overlap", "objects": ids}, Connection(port)
    lines = json.dumps(header) + "\n" + "\n".join(f"[{a},{b}]" for a, b in pairs.tolist())
    table, sink = pa.table({"first": pairs[:, 0], "second": pairs[:, 1]}), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.with_metadata({"metricvae": json.dumps(header)})) as writer:
        writer.write_table(table)
    bodies = {
        "ndjson": (lines.encode(), "application/x-ndjson"),
        "arrow": (sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"),
    }
    found: dict[str, Any] = {"pairs": PAIRS}
    for name, (body, kind) in bodies.items():
        times = []
        for _ in range(5):
            start = time.perf_counter()
            connection.post("/predict/batch", body, kind)
            times.append(time.perf_counter() - start)
        found[f"{name}_seconds"] = {"median": round(float(np.median(times)), 3), "least": round(min(times), 3)}
    return found


def inside() -> dict[str, float]:
    """Pairs/s of one thread by what the route computes with, without HTTP: of the wall clock, and of the processor."""
    import torch

    from metricvae.prediction.predictor import Predictor
    from metricvae.web.streams import CHUNK, PairComparison

    torch.set_num_threads(1)
    predictor = Predictor.load("overlap")
    encoded = predictor.encode(shapes(OBJECTS))
    comparison, rows = (
        PairComparison(predictor, encoded, encoded),
        np.random.default_rng(2).integers(0, OBJECTS, (2, CHUNK)),
    )
    comparison.answers(*rows)
    wall, busy = [], []
    for _ in range(10):
        start, begun = time.perf_counter(), time.thread_time()
        comparison.answers(*rows)
        wall.append(time.perf_counter() - start)
        busy.append(time.thread_time() - begun)
    return {"pairs_per_second": round(CHUNK / min(wall)), "pairs_per_processor_second": round(CHUNK / min(busy))}


def mixed(port: int, pid: int, ids: list[str], clients: int, minutes: float) -> dict[str, Any]:
    """Minutes of many sorts of requests."""
    masks = shapes(400)

    def work(connection: Connection, chance: random.Random) -> None:
        first, second = chance.choice(ids), chance.choice(ids)
        match chance.randrange(20):
            case 0:
                connection.post("/solve", {"metric": "overlap", "first": first, "second": second})
            case 1:
                send(connection, chance.choice(masks), f"{chance.randrange(50)}.png")
            case 2:
                connection.post("/latent/plane", {"around": [first], "x": chance.uniform(-2, 2)})
            case 3 | 4:
                connection.get(f"{API}/{chance.choice(('models', 'kinds', 'jobs', 'health'))}")
            case 5 | 6 | 7:
                drawn_pair(masks)(connection, chance)
            case _:
                connection.post("/predict", {"model": "overlap", "first": first, "second": second})

    load((port, pid), clients, 20.0, work)  # libraries are loaded, caches fill
    with watched(pid) as samples:
        found = load((port, pid), clients, 60 * minutes, work)
    before, after = (sum(one.values()) for one in (samples[0], samples[-1]))
    kept = [samples[round(place * (len(samples) - 1) / 10)] for place in range(11)]
    return {"minutes": minutes, **found, "memory_mb": kept, "growth": round(after / before - 1, 4)}


@contextlib.contextmanager
def watched(pid: int) -> Iterator[list[dict[str, float]]]:
    """Megabytes of a server, and of the processes that it started, at the start, every 20 s and at the end."""
    samples, over = [memory_of_all(pid)], threading.Event()

    def watch() -> None:
        while not over.wait(20):
            samples.append(memory_of_all(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()
        samples.append(memory_of_all(pid))


def memory_of_all(pid: int) -> dict[str, float]:
    """Megabytes of a process, and of its children and theirs together."""
    below, found = [pid], 0.0
    while below:
        at = below.pop()
        children: list[int] = []
        with contextlib.suppress(OSError):
            for path in Path(f"/proc/{at}/task").glob("*/children"):
                children += map(int, path.read_text().split())
        for child in children:
            with contextlib.suppress(OSError):
                found += memory(child)
        below += children
    return {"server": memory(pid), "children": round(found, 1)}


def memory(pid: int) -> float:
    """Megabytes that a process holds."""
    with open(f"/proc/{pid}/statm") as file:
        return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each load")
    parser.add_argument("--clients", type=int, default=4, help="at a time")
    parser.add_argument("--minutes", type=float, default=0.0, help="of mixed load; 0 leaves it out")
    options = parser.parse_args()
    found: dict[str, Any] = {"load_average": list(os.getloadavg()), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "serve") as (port, pid, times):
        found["start_seconds"] = {name: round(value, 2) for name, value in times.items()}
        masks, connection = shapes(OBJECTS), Connection(port)
        ids = [send(connection, mask, f"{number}.png") for number, mask in enumerate(masks)]
        connection.post("/encode", {"model": "overlap", "objects": ids})

        def one_pair(client: Connection, chance: random.Random) -> None:
            client.post("/predict", {"model": "overlap", "first": chance.choice(ids), "second": chance.choice(ids)})

        found["predict_by_id"] = load((port, pid), options.clients, options.seconds, one_pair)
        found["predict_drawn"] = load((port, pid), 1, options.seconds, drawn_pair(masks))
        found["batch"] = batch(port, ids)
        if options.minutes:
            found["mixed"] = mixed(port, pid, ids, options.clients, options.minutes)
        found["memory_mb"] = memory(pid)
    found["inside"] = inside()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
