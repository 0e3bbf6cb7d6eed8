"""Shortfall of the overlap search against the dense search, and its speed. JSON on stdout.

    python benchmarks/solver.py --icons FOLDER_OF_PNGS [--pairs 200] [--workers 2] [--speed-pairs 4000]

Three sets of random pairs: `mixed` shapes, thin or spiky shapes (combs, 12-rayed stars, spirals, rings), and the
images of a folder. The dense search takes most of a second a pair. `--speed-pairs 0` leaves the speed out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from metricvae.kinds.silhouette.io import read_folder
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.families import SIMPLE
from metricvae.kinds.silhouette.sources.generators import draw, stream
from metricvae.kinds.silhouette.sources.raster import rasterise
from metricvae.labelling.run import label
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, overlap_area, solve

THIN = ("comb", "rays", "spiral", "ring")
SEED = 2017


def thin_shapes(count: int) -> list[Mask]:
    """Procedural shapes of the thin and spiky families, equally many of each."""
    by_family: dict[str, list[Mask]] = {family: [] for family in THIN}
    for shape in stream("procedural", 10**6, SEED):
        if shape.family in by_family and len(by_family[shape.family]) < -(-count // len(THIN)):
            by_family[shape.family].append(shape.mask)
        if sum(map(len, by_family.values())) >= count:
            break
    shapes = [mask for masks in by_family.values() for mask in masks]
    order = np.random.default_rng(SEED).permutation(len(shapes))
    return [shapes[i] for i in order[:count]]


def sets(pairs: int, icons: Path | None) -> dict[str, list[Mask]]:
    """2 x `pairs` masks of each kind; neighbours are a pair."""
    found = {"mixed": [shape.mask for shape in draw("mixed", 2 * pairs, SEED)], "thin": thin_shapes(2 * pairs)}
    if icons is not None:
        images = read_folder(icons)
        chosen = np.random.default_rng(SEED).choice(len(images), 2 * pairs, replace=False)
        found["icons"] = [images[i].mask for i in chosen]
    return found


def solve_both(pair: tuple[Mask, Mask]) -> tuple[Overlap, Overlap, float]:
    """Overlaps by the fast and the dense search, and CPU seconds of the fast one, preparation included."""
    start = time.process_time()
    fast = solve(PreparedMask(pair[0]), PreparedMask(pair[1]))
    seconds = time.process_time() - start
    return fast, solve_dense(PreparedMask(pair[0]), PreparedMask(pair[1])), seconds


def measure(masks: list[Mask], pool: ProcessPoolExecutor) -> dict[str, float]:
    pairs = list(zip(masks[::2], masks[1::2], strict=True))
    answers = list(pool.map(solve_both, pairs, chunksize=4))
    shortfall = np.array([1 - fast.area / dense.area for fast, dense, _ in answers])
    redone = [
        abs(overlap_area(a, b, fast.pose) - fast.area) for (a, b), (fast, _, _) in zip(pairs, answers, strict=True)
    ]
    above = [fast.area > min(fast.area_a, fast.area_b) for fast, _, _ in answers]
    return {
        "pairs": len(pairs),
        "mean_shortfall_percent": round(100 * float(shortfall.mean()), 4),
        "mean_shortfall_where_dense_is_better_percent": round(100 * float(shortfall.clip(min=0).mean()), 4),
        "worst_shortfall_percent": round(100 * float(shortfall.max()), 3),
        "largest_gain_percent": round(-100 * float(shortfall.min()), 3),
        "pose_redone_worst_difference_pixels": round(max(redone), 4),
        "pairs_above_smaller_area": int(np.sum(above)),
        "cpu_ms_a_pair_unshared": round(1000 * float(np.median([seconds for *_, seconds in answers])), 2),
    }


def speed(workers: int, pairs: int, device: str) -> dict[str, float | str]:
    """Labelling as users run it: wall time of the labelling stage after the workers have started."""
    marks: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        label(
            OverlapPlan("mixed", pairs, SEED, batched=device != "cpu"),
            Path(folder) / "data",
            workers=workers,
            device=device,
            on_progress=lambda p: marks.append((time.monotonic(), p.done)) if p.stage == "labelling pairs" else None,
        )
        wall = time.monotonic() - start
    steady = (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])
    return {
        "device": device,
        "workers": workers,
        "pairs": pairs,
        "pairs_per_second": round(steady, 1),
        "whole_command_seconds": round(wall, 1),
    }


def growth(pairs: int = 24) -> list[dict[str, float]]:
    """CPU time a pair on canvases of 100 to 800 pixels, of the same shapes, preparation included."""
    random = np.random.default_rng(SEED)
    makers = [SIMPLE[i] for i in random.integers(0, len(SIMPLE), 2 * pairs)]
    seeds = random.integers(0, 2**31, 2 * pairs).tolist()
    rows = []
    for size in (100, 200, 400, 800):
        masks = [
            rasterise(family.draw(np.random.default_rng(seed)), 0.4 * size, size=size)
            for family, seed in zip(makers, seeds, strict=True)
        ]
        solve(PreparedMask(masks[0]), PreparedMask(masks[1]))
        times = []
        for a, b in zip(masks[::2], masks[1::2], strict=True):
            start = time.process_time()
            solve(PreparedMask(a), PreparedMask(b))
            times.append(time.process_time() - start)
        rows.append({"side": size, "cpu_ms_a_pair": round(1000 * float(np.median(times)), 2)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icons", type=Path)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--speed-pairs", type=int, default=4000)
    parser.add_argument("--device", default="cpu", help="that the speed is measured on")
    options = parser.parse_args()
    report: dict[str, object] = {}
    if options.speed_pairs:
        report |= {"speed": speed(options.workers, options.speed_pairs, options.device), "growth": growth()}
    with ProcessPoolExecutor(options.workers) as pool:
        for name, masks in sets(options.pairs, options.icons).items():
            report[name] = measure(masks, pool)
            print(name, report[name], file=sys.stderr)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
