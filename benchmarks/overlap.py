"""The overlap search against general optimisers, on the same pairs in one run. JSON on stdout, a figure on demand.

    python benchmarks/overlap.py [--pairs 60] [--set mixed] [--plot docs/pictures/searches.png]

Each search runs at several budgets, in one process and one thread, preparation of the shapes included. The shortfall
is relative to the best overlap of all searches, the dense one included. CMA-ES needs the package `cma` (extra `dev`).
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

import general_searches
import numpy as np

from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.objective import direct_search
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, solve
from metricvae.plotting.charts import TradeOff, draw_trade_off
from metricvae.runtime.files import write_bytes

SEED = 42
OURS = {
    "low": SearchConfig(angles=48, frequencies=20, local_optimisations=24, refinements=3),
    "default": SearchConfig(),
    "high": SearchConfig(angles=120, frequencies=40, local_optimisations=160, refinements=16),
}
GENERAL: dict[str, Callable[..., Overlap]] = {
    "random poses": general_searches.random_search,
    "differential evolution": general_searches.differential_evolution,
    "dual annealing": general_searches.dual_annealing,
    "DIRECT": direct_search,
    "CMA-ES, restarts": general_searches.cma_es,
}
BUDGETS = (1_000, 2_000, 4_000, 5_000, 8_000, 16_000)


def contenders() -> dict[str, dict[str, Callable[[PreparedMask, PreparedMask], Overlap]]]:
    """Name of a search -> setting -> the search."""
    found: dict[str, dict[str, Callable[[PreparedMask, PreparedMask], Overlap]]] = {
        "metricvae": {name: partial(solve, config=config) for name, config in OURS.items()},
        "centroids, rotations": {f"{n}": _with_settings(general_searches.align_centroids, n) for n in (72, 360)},
        "principal axes": {"2": general_searches.align_axes},
    }
    for name, search in GENERAL.items():
        found[name] = {f"{n}": _with_settings(search, n, SEED) for n in BUDGETS}
    return found


def _with_settings(search: Callable[..., Overlap], *settings: int) -> Callable[[PreparedMask, PreparedMask], Overlap]:
    """A search of two shapes with its further arguments given."""
    return lambda a, b: search(a, b, *settings)


def timed(search: Callable[[PreparedMask, PreparedMask], Overlap], masks: list[Any]) -> tuple[np.ndarray, float, float]:
    """Areas found, and wall and CPU seconds a pair."""
    wall, cpu = time.perf_counter(), time.process_time()
    areas = [search(PreparedMask(a), PreparedMask(b)).area for a, b in zip(masks[::2], masks[1::2], strict=True)]
    count = len(areas)
    return np.array(areas), (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--set", default="mixed", help="glyphs, procedural or mixed")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    masks = [shape.mask for shape in draw(options.set, 2 * options.pairs, SEED)]
    solve(PreparedMask(masks[0]), PreparedMask(masks[1]))  # compiled code is loaded before any clock starts
    dense, wall, cpu = timed(solve_dense, masks)
    rows: list[dict[str, Any]] = [{"search": "dense reference", "setting": "0.5 degrees", "wall": wall, "cpu": cpu}]
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
