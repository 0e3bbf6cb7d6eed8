"""How well affinities follow from known ligands of the same target, by how many are known. JSON on stdout.

    python benchmarks/known_ligands.py AFFINITY ACTIVITY [--sets merck plb schrodinger moleculeace] [--given prior.csv]

`curves`: of each target, so many ligands are chosen at random, `--repeats` times, and the others are predicted:
Spearman's coefficient (0 where all predictions are the same), root mean square error, and the share of values in the 90
% interval, each a mean over repeats, then over targets with at least `LEAST` others; 90 % intervals of the mean are by
bootstrap of the targets. `left_one`: each ligand is predicted from all others of its system, of systems of at least
ten; the mean over systems of Spearman's coefficient. `active`: from three random ligands on, three more each round:
rounds until one of the best tenth is measured, and the part of the best tenth that is measured after eight rounds.

Merck, PLB and Schrodinger: systems of `complexes.csv`. `moleculeace`: the four targets that the shipped constants have
not seen. `--given` has prior means by the ids of complexes (columns id, value) of a model that has not seen the target.
Peers: `tanimoto` is a Gaussian process with the Tanimoto kernel of counts of Morgan fingerprints of radius 2, variance
1, noise 0.1, the mean of what is known; `forest` 100 trees on these; `nearest` the value of the most similar known.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.metrics.affinity.known import KnownLigands
from metricvae.metrics.affinity.known_prior import shipped_prior
from metricvae.metrics.affinity.known_table import known_table
from metricvae.reproduction.affinity.known_curves import METHODS, WIDTH, curves, summary
from metricvae.reproduction.affinity.ligand_series import LigandSeries, moleculeace, read_given, systems_of, taken
from metricvae.reproduction.affinity.statistics import spearman

BATCH, ROUNDS, BEST = 3, 8, 0.1


def left_one(series: list[LigandSeries], names: list[str]) -> dict[str, Any]:
    """Spearman's coefficient of what all others of a system say of each ligand."""
    found: dict[str, Any] = {}
    for name in names:
        rows = []
        for one in series:
            if len(one.pk) < 10:
                continue
            places = np.arange(len(one.pk))
            pairs = [(taken(one, np.delete(places, at)), taken(one, places[at : at + 1])) for at in places]
            answers = [METHODS[name](*pair) for pair in pairs]
            predicted = np.array([answer[0][0] for answer in answers])
            sd = np.array([np.nan if answer[1] is None else answer[1][0] for answer in answers])
            error = np.abs(predicted - one.pk)
            rows.append(
                [
                    spearman(predicted, one.pk),
                    np.sqrt((error**2).mean()),
                    (error <= WIDTH * sd).mean(),
                    2 * WIDTH * sd.mean(),
                ]
            )
        found[name] = summary(np.array(rows))
    return found


def active(series: list[LigandSeries], repeats: int) -> dict[str, Any]:
    """Rounds until the best tenth is reached, and the part of it that is measured at the end, by what is chosen."""
    found: dict[str, Any] = {}
    for goal in ("best", "learn", "random"):
        runs = [campaign(one, goal, seed) for one in series if len(one.pk) >= 30 for seed in range(repeats)]
        reached, part = np.array(runs).T
        found[goal] = {"runs": len(runs), "rounds": round(reached.mean(), 2), "part": round(part.mean(), 3)}
    return found


def campaign(one: LigandSeries, goal: str, seed: int) -> tuple[float, float]:
    """Rounds to the best tenth (`ROUNDS` + 1 where it is not reached), and the part of it that was measured."""
    generator = np.random.default_rng(seed)
    rows = generator.permutation(len(one.pk))
    best = one.pk >= np.quantile(one.pk, 1 - BEST)
    chosen, reached = rows[:BATCH], ROUNDS + 1
    for number in range(ROUNDS + 1):
        if best[chosen].any():
            reached = min(reached, number)
        if number == ROUNDS:
            break
        free = np.setdiff1d(rows, chosen)
        if goal == "random":
            more = generator.permutation(free)[:BATCH]
        else:
            known = taken(one, chosen)
            model = KnownLigands.of(known_table(known.ligands, known.pk, known.given, None, None), shipped_prior())
            rest = taken(one, free)
            more = free[model.suggest_of(rest.ligands, BATCH, "best" if goal == "best" else "learn", rest.given)]
        chosen = np.concatenate([chosen, more])
    return float(reached), float(best[chosen].sum() / best.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("affinity", type=Path)
    parser.add_argument("activity", type=Path)
    parser.add_argument("--sets", nargs="*", default=["merck", "plb", "schrodinger", "moleculeace"])
    parser.add_argument("--methods", nargs="*", default=[name for name in METHODS if name != "given"])
    parser.add_argument("--parts", nargs="*", default=["curves", "left_one", "active"])
    parser.add_argument("--given", type=Path)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    means = None if options.given is None else read_given(options.given)
    for name in options.sets:
        if name == "moleculeace":
            series = moleculeace(options.activity, left_out=True)
        else:
            series = systems_of(options.affinity, name, means)
        report: dict[str, Any] = {"set": name, "ligands": sum(len(one.pk) for one in series)}
        if "curves" in options.parts:
            report["curves"] = curves(series, options.methods, options.repeats)
        if "left_one" in options.parts and name != "moleculeace":
            report["left_one"] = left_one(series, options.methods)
        if "active" in options.parts:
            report["active"] = active(series, options.repeats)
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
