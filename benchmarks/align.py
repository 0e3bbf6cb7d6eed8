"""Shares of the maximum overlap that the aligner's proposals reach, alone and in the exact search. JSON on stdout.

    python benchmarks/align.py --work FOLDER [--model overlap] [--icons FOLDER] [--leaves FOLDER] [--pairs 2000]

Unseen `mixed` shapes: the test split of pairs labelled with a seed that no training used; icons and leaves: pairs of
the folders' images. Shares are of the exact search's maximum. One process, one thread; times from codes, and with the
shapes prepared, as a library has them. Compared in the same run: centroids aligned and the best of 72 rotations, and
the exact search at search configurations that take about as long.
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

from metricvae.alignment.predictor import Aligner, Proposals
from metricvae.core.dataset import PairDataset
from metricvae.metrics.overlap.alignment.refinement import best_pose, refine
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.poses import PoseArray
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, solve
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.inputs import masks_of

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


def rotations_about_centroids(count: int = 72) -> PoseArray:
    """(count, 3) evenly spaced rotations with the centroids aligned."""
    return np.column_stack([np.arange(count) * (math.tau / count), np.zeros((count, 2))])


class Pairs:
    """Pairs of shapes, prepared and encoded, with their exact overlaps."""

    def __init__(self, aligner: Aligner, predictor: Predictor, data: PairDataset, split: str, count: int) -> None:
        rows = data.rows(split)[:count]
        self.objects, ends = np.unique(np.stack([data.first[rows], data.second[rows]]), return_inverse=True)
        self.first, self.second = ends.reshape(2, -1)
        self.true = data.value[rows]
        masks = masks_of(data.left, self.objects)
        self.shapes, self.aligner = list(map(PreparedMask, masks)), aligner
        self.codes = aligner.encode(masks)
        encoded = predictor.encode(masks)
        self.propose = functools.partial(aligner.propose, self.codes, self.first, self.second)
        self.product = predictor.values(encoded, encoded, self.first, self.second)
        for shape in self.shapes:  # what a search keeps of a shape
            _ = shape.points, shape.image

    def shares_of(self, method: Callable[[PreparedMask, PreparedMask, int], float]) -> dict[str, float]:
        """Shares of the exact overlap that a method reaches, told both shapes and the number of the pair; its time."""
        start = time.perf_counter()
        found = [
            method(self.shapes[a], self.shapes[b], i)
            for i, (a, b) in enumerate(zip(self.first.tolist(), self.second.tolist(), strict=True))
        ]
        seconds = time.perf_counter() - start
        share = np.array(found) / self.true
        return summary_of(share) | {"us_a_pair": 1e6 * seconds / len(found)}


def summary_of(share: Floats) -> dict[str, float]:
    return {
        "mean": float(share.mean()),
        "p5": float(np.quantile(share, 0.05)),
        "least": float(share.min()),
        "shortfall_percent": 100 * float((1 - share).mean()),
    }


def r2(predicted: Floats, true: Floats) -> float:
    return 1 - float(np.square(predicted - true).sum() / np.square(true - true.mean()).sum())


def measure_proposals(pairs: Pairs, times: int = 3) -> dict[str, Any]:
    """Shares that the proposals reach, and the time they take."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        made = pairs.propose(max(TRIES))
        seconds.append(time.perf_counter() - start)
    count = len(pairs.true)
    centroids = rotations_about_centroids()

    def reached(tries: int, steps: int) -> dict[str, float]:
        return pairs.shares_of(lambda a, b, i: refine(a, b, made.poses[i, :tries], steps).area)

    by_search = {f"best of {tries}, {steps} steps": reached(tries, steps) for steps in STEPS for tries in TRIES}
    return {
        "pairs": count,
        "proposals_us_a_pair": 1e6 * float(np.median(seconds)) / count,
        "proposals": by_search,
        "centroids, best of 72 rotations": pairs.shares_of(lambda a, b, _: best_pose(a, b, centroids).area),
        "r2_of_the_curves": r2(made.expected[:, 0], pairs.true),
        "r2_of_the_product": r2(pairs.product, pairs.true),
    }


def _overlap(config: SearchConfig, made: Proposals | None, a: PreparedMask, b: PreparedMask, pair: int) -> float:
    return solve(a, b, config, None if made is None else made.poses[pair]).area


def measure_searches(pairs: Pairs) -> dict[str, Any]:
    """Shares that the exact search reaches by scans, and from proposals."""
    report = {}
    for name, config in CONFIGS.items():
        report[name] = pairs.shares_of(functools.partial(_overlap, config, None))
    for name, (count, config) in PROPOSED.items():
        made = pairs.propose(count)
        report[name] = pairs.shares_of(functools.partial(_overlap, config, made))
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
    aligner = Aligner(predictor)
    report: dict[str, Any] = {}
    plans = {"mixed": OverlapPlan("mixed", MIXED_PAIRS, SEED)}
    for name, folder in (("icons", options.icons), ("leaves", options.leaves)):
        if folder is not None:
            plans[name] = OverlapPlan(str(folder), FOREIGN_PAIRS, SEED, partners=3)
    for name, plan in plans.items():
        data = labelled(options.work, name, plan)
        pairs = Pairs(aligner, predictor, data, "test" if name == "mixed" else "all", options.pairs)
        pairs.shares_of(lambda a, b, _: solve(a, b).area)  # prepares spectra, and compiles kernels
        report[name] = measure_proposals(pairs) | ({"searches": measure_searches(pairs)} if name == "mixed" else {})
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
