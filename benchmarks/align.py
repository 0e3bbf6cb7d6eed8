"""How well the aligner lays shapes on one another, and whether the exact search gains by it. JSON on stdout.

    python benchmarks/align.py --work FOLDER [--model overlap] [--icons FOLDER] [--leaves FOLDER] [--pairs 2000]

Unseen `mixed` shapes: the test split of pairs labelled with a seed that no training used; icons and leaves: pairs of
the folders' images. Shares are of the exact search's maximum. One process, one thread; times from codes, and with the
shapes prepared, as a library has them. Compared in the same run: centroids aligned and the best of 72 turns, and the
exact search at search configurations that take about as long.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from model import FOREIGN_PAIRS, MIXED_PAIRS, SEED, labelled

from metricvae.alignment.predictor import Alignments, Offers, best_offer, judged
from metricvae.core.dataset import DataSet
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.poses import PoseArray
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, solve
from metricvae.prediction.predictor import Predictor

TRIES, STEPS = (1, 4, 8, 16, 24), (0, 8)
CONFIGS = {
    "angles 36, frequencies 18, local optimisations 4, refinements 1": SearchConfig(
        angles=36, frequencies=18, local_optimisations=4, refinements=1
    ),
    "angles 48, frequencies 18, local optimisations 12, refinements 2": SearchConfig(
        angles=48, frequencies=18, local_optimisations=12, refinements=2
    ),
    "default": SearchConfig(),
}
PROPOSED = {
    "8 proposals": (8, SearchConfig(local_optimisations=8, refinements=3)),
    "16 proposals": (16, SearchConfig(local_optimisations=16, refinements=4)),
    "24 proposals": (24, SearchConfig(local_optimisations=24, refinements=6)),
    "48 proposals": (48, SearchConfig(local_optimisations=48, refinements=6)),
}

Floats = npt.NDArray[np.float64]


def turned_about_centroids(turns: int = 72) -> PoseArray:
    return np.column_stack([np.arange(turns) * (math.tau / turns), np.zeros((turns, 2))])


class Pairs:
    """Pairs of shapes, prepared and encoded, with their exact overlaps."""

    def __init__(self, aligner: Alignments, predictor: Predictor, data: DataSet, split: str, count: int) -> None:
        rows = data.rows(split)[:count]
        self.objects, ends = np.unique(np.stack([data.first[rows], data.second[rows]]), return_inverse=True)
        self.first, self.second = ends.reshape(2, -1)
        self.true = data.value[rows]
        self.shapes = [PreparedMask(data.mask(int(i))) for i in self.objects]
        masks = [shape.mask for shape in self.shapes]
        self.codes = aligner.encode(masks.__getitem__, len(masks))
        self.encoded = predictor.encode(masks.__getitem__, len(masks))
        self.offers = functools.partial(aligner.offers, self.codes, self.first, self.second)
        self.product = predictor.values(self.encoded, self.first, self.second)
        for shape in self.shapes:  # what a search keeps of a shape
            _ = shape.points, shape.image

    def over(self, laid: Callable[[PreparedMask, PreparedMask, int], Overlap]) -> dict[str, float]:
        """Shares reached by a way to lay the shapes of a pair, and its time."""
        start = time.perf_counter()
        found = [
            laid(self.shapes[a], self.shapes[b], i)
            for i, (a, b) in enumerate(zip(self.first.tolist(), self.second.tolist(), strict=True))
        ]
        seconds = time.perf_counter() - start
        share = np.array([one.area for one in found]) / self.true
        return shares(share) | {"us_a_pair": 1e6 * seconds / len(found)}


def shares(share: Floats) -> dict[str, float]:
    return {
        "mean": float(share.mean()),
        "p5": float(np.quantile(share, 0.05)),
        "least": float(share.min()),
        "shortfall_percent": 100 * float((1 - share).mean()),
    }


def r2(said: Floats, true: Floats) -> float:
    return 1 - float(np.square(said - true).sum() / np.square(true - true.mean()).sum())


def aligned(pairs: Pairs, times: int = 3) -> dict[str, Any]:
    """What the offers reach, and how fast they come."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        made = pairs.offers(max(TRIES))
        seconds.append(time.perf_counter() - start)
    count = len(pairs.true)
    areas = np.array([shape.area for shape in pairs.shapes])
    least = np.minimum(areas[pairs.first], areas[pairs.second])
    centroids = turned_about_centroids()

    def laid(tries: int, steps: int) -> dict[str, float]:
        return pairs.over(lambda a, b, i: judged(a, b, made.frames[i, :tries], made.share[i], steps).overlap)

    reached = {f"best of {tries}, {steps} steps": laid(tries, steps) for steps in STEPS for tries in TRIES}
    return {
        "pairs": count,
        "offers_us_a_pair": 1e6 * float(np.median(seconds)) / count,
        "offers": reached,
        "centroids, best of 72 turns": pairs.over(lambda a, b, _: best_offer(a, b, centroids)),
        "r2_of_the_curves": r2(made.share[:, 0] * least, pairs.true),
        "r2_of_the_product": r2(pairs.product, pairs.true),
    }


def _solved(config: SearchConfig, made: Offers | None, a: PreparedMask, b: PreparedMask, pair: int) -> Overlap:
    return solve(a, b, config, None if made is None else made.frames[pair])


def searched(pairs: Pairs) -> dict[str, Any]:
    """The exact search by scans, and from proposals."""
    report = {}
    for name, config in CONFIGS.items():
        report[name] = pairs.over(functools.partial(_solved, config, None))
    for name, (count, config) in PROPOSED.items():
        made = pairs.offers(count)
        report[name] = pairs.over(functools.partial(_solved, config, made))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="overlap")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--icons", type=Path)
    parser.add_argument("--leaves", type=Path)
    parser.add_argument("--pairs", type=int, default=2_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load(options.model)
    aligner = Alignments(predictor)
    report: dict[str, Any] = {}
    plans = {"mixed": OverlapPlan("mixed", MIXED_PAIRS, SEED)}
    for name, folder in (("icons", options.icons), ("leaves", options.leaves)):
        if folder is not None:
            plans[name] = OverlapPlan(str(folder), FOREIGN_PAIRS, SEED, partners=3)
    for name, plan in plans.items():
        data = labelled(options.work, name, plan)
        pairs = Pairs(aligner, predictor, data, "test" if name == "mixed" else "all", options.pairs)
        pairs.over(lambda a, b, _: solve(a, b))  # spectra are kept, and kernels compiled
        report[name] = aligned(pairs) | ({"searches": searched(pairs)} if name == "mixed" else {})
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
