"""Share of maximum overlaps that are certified, and the time that takes. JSON on stdout.

    python benchmarks/certify.py [--pairs 200] [--eps 0.01] [--cells 500000] [--workers 2]

Random `mixed` pairs. A proof stops after `--cells` cells with the gap that is proven by then.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.certify import certify
from metricvae.metrics.overlap.solver.search import PreparedMask

SEED = 2018


def proven(pair: tuple[Mask, Mask], eps: float, cells: int) -> tuple[float, bool, int, float]:
    """Gap, whether it is at most eps, cells, CPU seconds."""
    start = time.process_time()
    found = certify(PreparedMask(pair[0]), PreparedMask(pair[1]), eps, max_cells=cells)
    return found.gap, found.proven, found.cells, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--eps", type=float, default=0.01)
    parser.add_argument("--cells", type=int, default=500_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    masks = [shape.mask for shape in draw("mixed", 2 * options.pairs, SEED)]
    pairs = list(zip(masks[::2], masks[1::2], strict=True))
    work = functools.partial(proven, eps=options.eps, cells=options.cells)
    answers = []
    with ProcessPoolExecutor(options.workers) as pool:
        for answer in pool.map(work, pairs):
            answers.append(answer)
            print(f"{len(answers)} of {len(pairs)}", file=sys.stderr, end="\r")
    gap, done, cells, seconds = (np.array(column) for column in zip(*answers, strict=True))
    report = {
        "pairs": len(pairs),
        "eps": options.eps,
        "max_cells": options.cells,
        "share_proven": float(done.mean()),
        "share_with_gap_at_most": {f"{at:g}": float((gap <= at + 1e-9).mean()) for at in (0.01, 0.02, 0.05, 0.1, 0.2)},
        "median_gap": float(np.median(gap)),
        "cpu_seconds": {
            "mean": float(seconds.mean()),
            "median": float(np.median(seconds)),
            "max": float(seconds.max()),
        },
        "median_cpu_seconds_of_the_proven": float(np.median(seconds[done])) if done.any() else None,
        "median_cells": float(np.median(cells)),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
