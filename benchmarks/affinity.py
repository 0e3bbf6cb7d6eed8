"""Affinities of complexes of the sets that the shipped model is not trained on, without their proteins. JSON.

    python benchmarks/affinity.py --affinity AFFINITY --work FOLDER [--seed 0]

AFFINITY and FOLDER as for `ship_affinity.py`; features are computed once and kept. Each complex is predicted by the
fold in which its cluster of proteins is left out. Pearson R with its 90 % interval (bootstrap over clusters),
Spearman, RMSE, of all, of those whose pose is a crystal's, and of those with labels of PDBbind. What is measured on the
sets that are trained on, beside other programs: `metricvae reproduce affinity`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.metrics.affinity.posed import mean_of_parts
from metricvae.metrics.affinity.posed_fit import PosedConfig, fit_parts, folds_of
from metricvae.reproduction.affinity.complexes import SHIPPABLE, computed, entries
from metricvae.reproduction.affinity.statistics import Floats, Ints, bootstrap_pearson, rmse, spearman
from metricvae.reproduction.affinity.training_rows import docking_of, protein_clusters, training_set
from metricvae.runtime.process_pool import worker_pool

PDBBIND = ("gems", "gign", "v2013core")


def agreement(said: Floats, pk: Floats, clusters: Ints, seed: int) -> dict[str, Any]:
    """How answers agree with what was measured."""
    found = bootstrap_pearson(said, pk, clusters, seed)
    return {
        "n": len(pk),
        "clusters": len(np.unique(clusters)),
        "pearson": round(found.value, 3),
        "interval": [round(found.low, 3), round(found.high, 3)],
        "spearman": round(spearman(said, pk), 3),
        "rmse": round(rmse(said, pk), 3),
    }


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with worker_pool(1) as pool:
        known = computed(options.affinity, entries(options.affinity), options.work, pool)
        docked = docking_of(options.affinity, known, options.work, pool)
        data, clusters = training_set(options.affinity, known, SHIPPABLE, docked), protein_clusters(known)
    config = PosedConfig(seed=options.seed)
    rows = np.array(
        [
            row
            for row, entry in enumerate(known.entries)
            if entry.set not in SHIPPABLE and not (known.faults[row] or entry.relative or entry.bound)
        ]
    )
    folds = folds_of(np.concatenate([data.proteins, clusters[rows]]), config.folds, config.seed)
    said = np.full(len(rows), np.nan)
    for fold in range(config.folds):
        test = folds[len(data.proteins) :] == fold
        parts = fit_parts(data, folds[: len(data.proteins)] != fold, config)
        said[test] = mean_of_parts(parts, known.features[rows[test]], data.names)[0]
    pk = np.array([known.entries[row].pk for row in rows])
    sets = np.array([known.entries[row].set for row in rows])
    crystal = np.array([known.entries[row].crystal for row in rows])
    chosen = {"all": np.ones(len(rows), bool), "crystal": crystal, "pdbbind": np.isin(sets, PDBBIND)}
    found = {name: agreement(said[one], pk[one], clusters[rows][one], options.seed) for name, one in chosen.items()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
