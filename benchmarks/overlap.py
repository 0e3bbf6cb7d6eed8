"""Ours and the searches one would use instead, on the same pairs in one run. JSON on stdout, a picture on demand.

    python benchmarks/overlap.py [--pairs 60] [--set mixed] [--plot docs/pictures/searches.png]

Each search runs at several budgets, one process, one thread, shapes prepared anew for every pair. Shortfall is against
the best of the dense search and everything that ran. Needs the package `cma` for one of the searches (extra `dev`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver import searches
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.planar import Effort, Prepared, solve
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.plotting.charts import TradeOff, draw_trade_off
from metricvae.runtime.files import write_bytes

SEED = 42
OURS = {
    "low": Effort(angles=48, waves=20, climbs=24, finishes=3),
    "default": Effort(),
    "high": Effort(angles=120, waves=40, climbs=160, finishes=16),
}
GENERAL: dict[str, Callable[..., Overlap]] = {
    "random poses": searches.search_randomly,
    "differential evolution": searches.evolve,
    "dual annealing": searches.anneal,
    "DIRECT": searches.divide,
    "CMA-ES, restarts": searches.adapt,
}
BUDGETS = (1_000, 2_000, 4_000, 5_000, 8_000, 16_000)


def contenders() -> dict[str, dict[str, Callable[[Prepared, Prepared], Overlap]]]:
    """Name of a search -> setting -> the search."""
    found: dict[str, dict[str, Callable[[Prepared, Prepared], Overlap]]] = {
        "metricvae": {name: partial(solve, effort=effort) for name, effort in OURS.items()},
        "centroids, turns": {f"{n}": _settled(searches.align_centroids, n) for n in (72, 360)},
        "principal axes": {"2": searches.align_axes},
    }
    for name, search in GENERAL.items():
        found[name] = {f"{n}": _settled(search, n, SEED) for n in BUDGETS}
    return found


def _settled(search: Callable[..., Overlap], *settings: int) -> Callable[[Prepared, Prepared], Overlap]:
    """A search that takes two shapes, with settings after them."""
    return lambda a, b: search(a, b, *settings)


def timed(search: Callable[[Prepared, Prepared], Overlap], masks: list[Any]) -> tuple[np.ndarray, float, float]:
    """Areas found, and wall and CPU seconds a pair."""
    wall, cpu = time.perf_counter(), time.process_time()
    areas = [search(Prepared(a), Prepared(b)).area for a, b in zip(masks[::2], masks[1::2], strict=True)]
    count = len(areas)
    return np.array(areas), (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--set", default="mixed", help="glyphs, procedural or mixed")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    masks = [shape.mask for shape in draw(options.set, 2 * options.pairs, SEED)]
    solve(Prepared(masks[0]), Prepared(masks[1]))  # compiled code is loaded before any clock starts
    dense, wall, cpu = timed(solve_dense, masks)
    rows: list[dict[str, Any]] = [{"search": "dense oracle", "setting": "0.5 degrees", "wall": wall, "cpu": cpu}]
    areas = [dense]
    for name, settings in contenders().items():
        for setting, search in settings.items():
            found, wall, cpu = timed(search, masks)
            areas.append(found)
            rows.append({"search": name, "setting": setting, "wall": wall, "cpu": cpu})
            print(name, setting, f"{1000 * cpu:.1f} ms", file=sys.stderr)
    best = np.max(areas, axis=0)
    for row, found in zip(rows, areas, strict=True):
        shortfall = 1 - found / best
        row |= {
            "wall_ms": round(1000 * row.pop("wall"), 2),
            "cpu_ms": round(1000 * row.pop("cpu"), 2),
            "mean_shortfall_percent": round(100 * float(shortfall.mean()), 4),
            "worst_shortfall_percent": round(100 * float(shortfall.max()), 3),
            "within_1_percent": round(float((shortfall <= 0.01).mean()), 4),
        }
    print(json.dumps({"pairs": options.pairs, "set": options.set, "seed": SEED, "searches": rows}, indent=2))
    if options.plot is not None:
        curves = [
            TradeOff(name, [r["cpu_ms"] / 1000 for r in own], [r["mean_shortfall_percent"] for r in own])
            for name in contenders()
            if (own := [row for row in rows if row["search"] == name])
        ]
        write_bytes(options.plot, draw_trade_off(curves))


if __name__ == "__main__":
    main()
