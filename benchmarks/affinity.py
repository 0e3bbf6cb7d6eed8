"""Affinities of complexes that were left out: by protein and by scaffold, and in series beside other programs. JSON.

    python benchmarks/affinity.py --affinity AFFINITY --work FOLDER [--all] [--seed 0]

AFFINITY and FOLDER as for `ship_affinity.py`; features are computed once and kept. Without `--all` training is on the
sets that the shipped model may be trained on, and the other sets are predicted besides, by the fold in which their
protein is left out (`others`).

- `new_proteins`: five parts by clusters of proteins, `new_scaffolds`: five parts by scaffolds. Pearson R with its 90 %
  interval (bootstrap over clusters), Spearman, RMSE, coverage of 90 % intervals; beside the mean, heavy atoms,
  Vina's score of the pose (its sign turned), and a forest of ligand descriptors alone.
- `crystal`: the same of complexes whose pose is a crystal's.
- `series`: by set, mean over systems of at least ten ligands of Kendall's tau and Spearman's rho within the system, of
  the part in which its protein is left out; beside heavy atoms, Vina and the scores in the table. `ranking` is the
  model's other function. Systems with such scores count for them alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affinity_data import SHIPPABLE, Computed, Entry, computed, entries, protein_clusters, training_set
from scipy.stats import kendalltau, spearmanr

from metricvae.metrics.affinity.posed import mean_of_parts
from metricvae.metrics.affinity.posed_fit import (
    LeftOut,
    PartConfig,
    PosedConfig,
    TrainingSet,
    error_model,
    fit_parts,
    folds_of,
    left_out,
)
from metricvae.runtime.process_pool import worker_pool

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST = 10
"""Ligands of a system in which a ranking is looked at."""

DRAWS = 1_000


def rank_numbers(said: Floats, pk: Floats) -> dict[str, float]:
    """Kendall's tau and Spearman's rho."""
    return {"kendall": float(kendalltau(said, pk).statistic), "spearman": float(spearmanr(said, pk).statistic)}


def agreement(said: Floats, pk: Floats, groups: Ints, seed: int) -> dict[str, Any]:
    """Pearson R with its interval, Spearman's rho, and RMSE."""
    rng, names = np.random.default_rng(seed), np.unique(groups)
    rows = [np.flatnonzero(groups == one) for one in names]
    drawn = []
    for _ in range(DRAWS):
        chosen = np.concatenate([rows[one] for one in rng.integers(len(names), size=len(names))])
        drawn.append(np.corrcoef(said[chosen], pk[chosen])[0, 1])
    return {
        "n": len(pk),
        "clusters": len(names),
        "pearson": round(float(np.corrcoef(said, pk)[0, 1]), 3),
        "interval": np.round(np.quantile(drawn, (0.05, 0.95)), 3).tolist(),
        "spearman": round(float(spearmanr(said, pk).statistic), 3),
        "rmse": round(float(np.sqrt(np.mean((said - pk) ** 2))), 3),
    }


def report(data: TrainingSet, answers: dict[str, Floats], rows: Ints, seed: int) -> dict[str, Any]:
    """How answers for some complexes agree with what was measured, by their names."""
    return {name: agreement(said[rows], data.pk[rows], data.proteins[rows], seed) for name, said in answers.items()}


def series(held: dict[str, Entry], names: tuple[str, ...], pk: Floats, answers: dict[str, Floats]) -> dict[str, Any]:
    """Rankings within systems, by set."""
    found: dict[str, Any] = {}
    for chosen in ("merck", "schrodinger", "plb"):
        systems: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            if name in held and held[name].set == chosen:
                systems.setdefault(held[name].system, []).append(row)
        per_system = {
            system: _of_system(np.array(rows), [held[names[row]] for row in rows], pk, answers)
            for system, rows in systems.items()
            if len(rows) >= FEWEST
        }
        found[chosen] = {"systems": len(per_system), "mean": _means(list(per_system.values())), "by_system": per_system}
    return found


def _of_system(rows: Ints, held: list[Entry], pk: Floats, answers: dict[str, Floats]) -> dict[str, dict[str, float]]:
    found = {name: rank_numbers(said[rows], pk[rows]) for name, said in answers.items()}
    for name in ("glide_dock", "glide_inplace", "mmgbsa", "fep"):
        have = np.array([name in one.scores for one in held])
        if have.sum() >= FEWEST:
            given = np.array([-one.scores.get(name, np.nan) for one in held])[have]
            found[name] = rank_numbers(given, pk[rows[have]])
    return found


def _means(found: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for one in found for name in one)
    return {
        name: {
            key: round(float(np.nanmean([one[name][key] for one in found if name in one])), 3)
            for key in ("kendall", "spearman")
        }
        for name in names
    }


def answers_of(data: TrainingSet, found: LeftOut, folds: Ints, config: PosedConfig) -> dict[str, Floats]:
    """The model's answers and those of the baselines, for complexes left out."""
    heavy = np.log(data.features[:, data.names.index("ligand.heavy")])
    alone = replace(config, parts=(PartConfig(("ligand",), False, 3, 1.0),), linear=replace(config.linear, weight=0.0))
    ligand = left_out(data, folds, alone)
    vina = -data.features[:, data.names.index("term.vina.rotatable")]
    return {
        "model": found.pk,
        "ranking": found.ranking,
        "ligand_alone": ligand.pk,
        "heavy_atoms": _fitted(heavy, data),
        "vina": _fitted(vina, data),
    }


def _fitted(column: Floats, data: TrainingSet) -> Floats:
    """A column on the scale of pK, so that errors can be compared; correlations stay what they are."""
    slope, offset = np.polyfit(column[data.posed], data.pk[data.posed], 1)
    return np.asarray(offset + abs(slope) * column)


def others(data: TrainingSet, known: Computed, clusters: Ints, config: PosedConfig, seed: int) -> dict[str, Any]:
    """Sets that were not trained on, predicted without their cluster of proteins; see the module."""
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
    kinds = np.array([known.entries[row].set for row in rows])
    crystal = np.array([known.entries[row].crystal for row in rows])
    chosen = {"all": np.ones(len(rows), bool), "crystal": crystal, "pdbbind": np.isin(kinds, PDBBIND)}
    return {name: agreement(said[one], pk[one], clusters[rows][one], seed) for name, one in chosen.items()}


PDBBIND = ("gems", "gign", "v2013core")


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with worker_pool(1) as pool:
        known = computed(options.affinity, entries(options.affinity), options.work, pool)
    data = training_set(options.affinity, known, None if options.all else SHIPPABLE)
    config = PosedConfig(seed=options.seed)
    held = {one.id: one for one in known.entries}
    crystal = np.array([name in held and held[name].crystal for name in data.reference.names])
    pdbbind = np.array([name in held and held[name].set in PDBBIND for name in data.reference.names])
    found: dict[str, Any] = {"complexes": len(data.weight), "posed": int(data.posed.sum())}
    parts = {"new_proteins": data.proteins, "new_scaffolds": data.scaffolds}
    left = {name: left_out(data, folds_of(groups, config.folds, config.seed), config) for name, groups in parts.items()}
    error = error_model(data, list(left.values()), config)
    found["error"] = error.coefficients
    for name, one in left.items():
        answers = answers_of(data, one, folds_of(parts[name], config.folds, config.seed), config)
        chosen = {"all": data.posed, "crystal": crystal, "pdbbind": pdbbind}
        found[name] = {
            key: report(data, answers, np.flatnonzero(rows), options.seed) for key, rows in chosen.items() if rows.any()
        }
        sigma = error.sigma(one.spread, one.ligand, one.protein)
        missed = np.abs(one.pk - data.pk)
        found[name]["coverage"] = round(float((missed <= error.quantile * sigma)[data.posed].mean()), 4)
        if name == "new_proteins":
            found["series"] = series(held, data.reference.names, data.pk, answers)
    if not options.all:
        found["others"] = others(data, known, protein_clusters(known), config, options.seed)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
