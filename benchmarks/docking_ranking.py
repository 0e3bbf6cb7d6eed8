"""Fit the weights by which docked poses are ranked (`metricvae.metrics.docking.ranking`). JSON on stdout.

    python benchmarks/docking.py DATA --set train --count 1000 --option poses=30 --option strain= --out train.jsonl
    python benchmarks/docking_ranking.py train.jsonl [--sets unifep_ref] [--test test.jsonl]

What is maximised is the mean logarithm of the probability that a pose within 2 angstroms of the crystal's is chosen
among the poses of its molecule, a softmax of a linear function of the terms, less a quadratic penalty on how far the
standardised weights lie from Vina's energy. Clusters of proteins count alike, and are held out as a whole in
cross-validation. Complexes without such a pose are left out. `--sets` names the sets that
may be learned from: weights ship that were fitted to sets whose licences allow it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from metricvae.metrics.docking.ranking import WEIGHTS

NEAR, PENALTY, FOLDS = 2.0, 0.003, 10
Floats = npt.NDArray[np.float64]
Complex = tuple[Floats, Floats, str]
"""Terms (p, t) and deviations (p,) of the poses of one molecule, and the cluster of its protein."""


def read(path: Path, sets: list[str]) -> list[Complex]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found: list[dict[str, Any]] = [row for row in rows if "parts" in row and (not sets or row["set"] in sets)]
    return [
        (
            np.array([[one[name] for name in WEIGHTS] for one in row["parts"]]),
            np.array(row["deviations"]),
            row.get("cluster", row["id"]),
        )
        for row in found
    ]


def fit(complexes: list[Complex], penalty: float = PENALTY) -> Floats:
    """(t,) weights of the terms, lower sums being better."""
    spread = np.concatenate([terms - terms.mean(axis=0) for terms, *_ in complexes]).std(axis=0) + 1e-6
    energy = np.array([name.startswith("vina.") or name == "inside" for name in WEIGHTS], float)
    sizes = Counter(cluster for *_, cluster in complexes)
    kept = [
        (terms / spread, away <= NEAR, 1.0 / sizes[cluster]) for terms, away, cluster in complexes if away.min() <= NEAR
    ]
    whole = sum(weight for *_, weight in kept)

    def loss(change: Floats) -> tuple[float, Floats]:
        weights, total, gradient = energy * spread + change, 0.0, np.zeros(len(change))
        for terms, near, share in kept:
            chances = special.log_softmax(-terms @ weights)
            among = special.logsumexp(chances[near])
            total -= share * among
            gradient += share * terms.T @ (np.exp(chances - among) * near - np.exp(chances))
        return (
            total / whole + penalty * float(change @ change),
            gradient / whole + 2 * penalty * change,
        )

    found = optimize.minimize(loss, np.zeros(len(energy)), jac=True, method="L-BFGS-B")
    return np.asarray(energy + found.x / spread)


def found_first(complexes: list[Complex], weights: Floats) -> list[bool]:
    """Whether the pose that is ranked first lies near the crystal's."""
    return [bool(away[np.argmin(terms @ weights)] <= NEAR) for terms, away, _ in complexes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("poses", type=Path)
    parser.add_argument("--sets", nargs="*", default=["unifep_ref"])
    parser.add_argument("--test", type=Path)
    options = parser.parse_args()
    complexes = read(options.poses, options.sets)
    clusters = sorted({cluster for *_, cluster in complexes})
    places = np.random.default_rng(0).permutation(len(clusters)) % FOLDS
    fold = places[[clusters.index(cluster) for *_, cluster in complexes]]
    held: list[bool] = []
    for number in range(FOLDS):
        weights = fit([one for one, part in zip(complexes, fold, strict=True) if part != number])
        held += found_first([one for one, part in zip(complexes, fold, strict=True) if part == number], weights)
    weights = fit(complexes)
    report = {
        "complexes": len(complexes),
        "fitted": float(np.mean(found_first(complexes, weights))),
        "cross_validated": float(np.mean(held)),
        "weights": {name: round(float(one), 4) for name, one in zip(WEIGHTS, weights, strict=True)},
    }
    if options.test is not None:
        report["test"] = float(np.mean(found_first(read(options.test, []), weights)))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
