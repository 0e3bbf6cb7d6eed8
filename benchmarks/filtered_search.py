"""Search among the items that satisfy a condition: latency, and how many of the best are found. JSON on stdout.

    OMP_WAIT_POLICY=passive python benchmarks/filtered_search.py [--items 100000 1000000] [--width 64] [--threads 2]

An index of random unit codes, in clusters as the codes of real libraries are and spread evenly, with properties in its
columns. Queries are codes near those of items. Every search is for the best 100 that satisfy two ranges, and includes
the condition, computed anew; recall is the share of the exact best 100 among those that satisfy it. Threads build; a
search takes one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.search.ann import LEARNED_FROM, InvertedFile
from metricvae.search.expressions import filterable, parse_condition

Codes = npt.NDArray[np.float32]

SEED, QUERIES, TOP = 271_828, 100, 100
CLUSTERS, SPREAD = 2_000, 0.6
CONDITIONS = {
    "1": "mw < 2 and logp < 2",
    "0.5": "mw < 0.71 and logp < 0.704",
    "0.25": "mw < 0.5 and 0.2 < logp < 0.7",
    "0.1": "0.1 < mw < 0.41 and 0.3 < logp < 0.6226",
    "0.01": "0.3 < mw < 0.4 and logp < 0.1",
    "0.001": "0.3 < mw < 0.31 and logp < 0.1",
}
"""Conditions on two even columns, by the share of items that satisfy them."""


def unit(rows: Codes) -> Codes:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def codes_of(kind: str, items: int, width: int, random: np.random.Generator) -> Codes:
    """(n, d) unit codes: `even` on the sphere, or in `clusters`."""
    rows = random.standard_normal((items, width), dtype=np.float32)
    if kind == "clusters":
        middles = unit(random.standard_normal((CLUSTERS, width), dtype=np.float32))
        rows = middles[random.integers(0, CLUSTERS, items)] + rows * np.float32(SPREAD / width**0.5)
    return unit(rows)


def measure(cells: InvertedFile, codes: Codes, table: pa.Table, text: str, queries: Codes) -> dict[str, Any]:
    """Of one condition: share of items, milliseconds of the clock and of the processor, and recall."""
    columns = filterable(table.schema)
    holds = parse_condition(text, columns).holds(table).to_numpy()
    rows = np.flatnonzero(holds)
    products = codes[rows] @ queries.T
    times, processor, recall = [], [], []
    for number, query in enumerate(queries):
        start, begun = time.perf_counter(), time.process_time()
        wanted = parse_condition(text, columns).holds(table).to_numpy()
        found, _ = cells.find(query, TOP, None if wanted.all() else wanted)
        times.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (time.process_time() - begun))
        best = rows[np.argpartition(-products[:, number], min(TOP, len(rows) - 1))[:TOP]]
        recall.append(len(set(best.tolist()) & set(found.tolist())) / len(best))
    return {
        "share": float(holds.mean()),
        "p50_ms": float(np.percentile(times, 50)),
        "p95_ms": float(np.percentile(times, 95)),
        "p50_cpu_ms": float(np.percentile(processor, 50)),
        "recall": float(np.mean(recall)),
        "least_recall": float(np.min(recall)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    report: dict[str, Any] = {"width": options.width, "threads": options.threads, "top": TOP}
    for items in options.items:
        for kind in ("clusters", "even"):
            random = np.random.default_rng(SEED)
            codes = codes_of(kind, items, options.width, random)
            table = pa.table({name: pa.array(random.random(items, dtype=np.float32)) for name in ("mw", "logp")})
            queries = unit(
                codes[random.integers(0, items, QUERIES)]
                + random.standard_normal((QUERIES, options.width), dtype=np.float32)
                * np.float32(0.3 / options.width**0.5)
            )
            built = InvertedFile.build([codes], codes[:: max(1, items // LEARNED_FROM)], items, options.threads)
            with tempfile.TemporaryDirectory() as folder:
                built.write(Path(folder) / "codes.faiss")
                cells = InvertedFile.read(Path(folder) / "codes.faiss", options.threads)
                found = {share: measure(cells, codes, table, text, queries) for share, text in CONDITIONS.items()}
            report[f"{kind} {items}"] = found
            print(f"{kind} {items}: done", file=sys.stderr, flush=True)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
