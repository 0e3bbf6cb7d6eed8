"""How often the exact solver of `match` finds the true pose of two pieces, and the true piece. JSON on stdout.

    python benchmarks/joins.py --work FOLDER [--pieces 200] [--fit]

Pieces are of `mixed` shapes, cut along zigzag and curved lines. With `--fit`, pieces of training shapes give the
weights of the score (`joins.SCORE_WEIGHTS`): those that maximise the likelihood of the true pose among all candidates
of the pair and of other pieces (a conditional logit, McFadden 1974). Without, pieces of test shapes are measured.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.labelling.run import label
from metricvae.metrics.match.labelling import MatchPlan
from metricvae.metrics.match.pairs import shape_of
from metricvae.metrics.match.solver import joins
from metricvae.metrics.match.solver.contacts import FEATURES
from metricvae.metrics.match.solver.edges import Edge, cached_edges
from metricvae.metrics.overlap.solver.poses import origin_pose
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.reproduction.inputs import pose_at

SEED, PAIRS = 271_828, 8_000
OTHERS = 49
"""Pieces of other shapes that the true piece is ranked against."""

ANGLE_TOLERANCE, SHIFT_TOLERANCE = 0.1, 4.0
"""Radians and pixels within which a pose is the true one."""

Floats = npt.NDArray[np.float64]


class Pieces:
    """Matching pieces of one split, and their true poses."""

    def __init__(self, data: PairDataset, split: Any, count: int, seed: int) -> None:
        rows = data.rows(split)
        matches = rows[data.value[rows] == 1]
        self.data, self.edge = data, cached_edges(data.left.object)
        self.rows = np.random.default_rng(seed).permutation(matches)[:count]

    def pair(self, row: int) -> tuple[Edge, Edge]:
        """The two pieces of a row."""
        return self.edge(int(self.data.first[row])), self.edge(int(self.data.second[row]))

    def pose(self, row: int) -> Floats:
        """(3,) true pose, as the compiled loops read it."""
        return origin_pose(pose_at(self.data, row) or Pose(0.0, 0.0, 0.0))


def near(found: Floats, pose: Floats) -> npt.NDArray[np.bool_]:
    """Which poses (k, 4 + features) are the true one."""
    angle = np.abs((found[:, 1] - pose[0] + np.pi) % (2 * np.pi) - np.pi)
    shift = np.hypot(*(found[:, 2:4] - pose[1:]).T)
    hit: npt.NDArray[np.bool_] = (angle < ANGLE_TOLERANCE) & (shift < SHIFT_TOLERANCE)
    return hit


def measure(pieces: Pieces) -> dict[str, float]:
    """Shares of true poses that are found, and of true pieces that rank first."""
    joins.join(*pieces.pair(int(pieces.rows[0])))  # compiles
    rng, right, present, first, times = np.random.default_rng(1), [], [], [], []
    for row in pieces.rows.tolist():
        a, b = pieces.pair(row)
        start = time.perf_counter()
        found = joins.candidate_poses(a, b)
        times.append(time.perf_counter() - start)
        hit = near(found, pieces.pose(row))
        right.append(len(found) > 0 and hit[int(np.argmax(found[:, 0]))])
        present.append(hit.any())
        shape = _shape(pieces.data, row)
        others = [other for other in rng.permutation(pieces.rows).tolist() if _shape(pieces.data, other) != shape]
        best = found[:, 0].max(initial=joins.NO_MATCH_SCORE)
        scores = [joins.join(a, pieces.pair(other)[1]).score for other in others[:OTHERS]]
        first.append(best > max(scores))
    return {
        "pairs": len(pieces.rows),
        "true_pose_percent": 100 * float(np.mean(right)),
        "true_pose_among_candidates_percent": 100 * float(np.mean(present)),
        "true_piece_first_of_50_percent": 100 * float(np.mean(first)),
        "milliseconds": 1e3 * float(np.median(times)),
    }


def _shape(data: PairDataset, row: int) -> str:
    return shape_of(data.left.ids[int(data.first[row])])


def fit_weights(pieces: Pieces) -> dict[str, Any]:
    """Weights of the features that maximise the likelihood of the true poses."""
    weights, rng, sets = np.asarray(joins.SCORE_WEIGHTS), np.random.default_rng(2), []
    for row in pieces.rows.tolist():
        a, b = pieces.pair(row)
        pose = pieces.pose(row)
        true = joins.refine(a, b, np.array([[0.0, *pose]]), weights)
        if not near(true, pose)[0]:
            continue  # the contact is too short to hold the pieces
        false = [joins.candidate_poses(a, b)]
        false[0] = false[0][~near(false[0], pose)]
        for other in rng.choice(pieces.rows, 4).tolist():
            if other != row:
                found = joins.candidate_poses(a, pieces.pair(other)[1])
                false.append(found[np.argsort(-found[:, 0])[:15]])
        sets.append(np.concatenate([true, *false])[:, 4:])

    def cost(weight: Floats) -> float:
        likely = [special.logsumexp(one @ weight) - one[0] @ weight for one in sets]
        return float(np.mean(likely)) + 1e-4 * float(weight @ weight)

    def best(weight: Floats) -> float:
        return 100 * float(np.mean([np.argmax(one @ weight) == 0 for one in sets]))

    found = optimize.minimize(cost, weights, method="BFGS").x
    return {
        "pairs": len(sets),
        "cost": {"before": cost(weights), "after": cost(found)},
        "true_first_percent": {"before": best(weights), "after": best(found)},
        "weights": dict(zip(FEATURES, np.round(found, 3).tolist(), strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=200)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    label(MatchPlan("mixed", PAIRS, SEED, cuts=("zigzag", "curved")), options.work / "joins")
    data = read_dataset(options.work / "joins")
    pieces = Pieces(data, "train" if options.fit else "test", options.pieces, SEED)
    print(json.dumps(fit_weights(pieces) if options.fit else measure(pieces), indent=2))


if __name__ == "__main__":
    main()
