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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from known_data import Series, moleculeace, read_given, systems_of, taken
from scipy import stats
from sklearn.ensemble import RandomForestRegressor

from metricvae.kinds.molecule.extra import require
from metricvae.metrics.affinity.known import KnownLigands
from metricvae.metrics.affinity.known_kernels import tanimoto
from metricvae.metrics.affinity.known_prior import shipped_prior
from metricvae.metrics.affinity.known_process import Floats
from metricvae.metrics.affinity.known_table import known_table

COUNTS, LEAST, WIDTH = (0, 1, 3, 6, 10, 20), 8, 1.6449
BATCH, ROUNDS, BEST = 3, 8, 0.1
Method = Callable[[Series, Series], tuple[Floats, Floats | None]]
_bits: dict[tuple[str, ...], npt.NDArray[np.uint8]] = {}


def ours(known: Series, rest: Series) -> tuple[Floats, Floats | None]:
    table = known_table(known.ligands, known.pk, known.given, None, None)
    return KnownLigands.of(table, shipped_prior()).estimate(rest.ligands, rest.given)


def given(known: Series, rest: Series) -> tuple[Floats, Floats | None]:
    return (np.zeros(len(rest.pk)) if rest.given is None else rest.given), None


def heavy_atoms(known: Series, rest: Series) -> tuple[Floats, Floats | None]:
    return rest.ligands.descriptors[:, 0], None


def mean(known: Series, rest: Series) -> tuple[Floats, Floats | None]:
    return np.full(len(rest.pk), known.pk.mean() if len(known.pk) else 0.0), None


def nearest(known: Series, rest: Series) -> tuple[Floats, Floats | None]:
    if not len(known.pk):
        return mean(known, rest)
    return known.pk[tanimoto(morgan(rest), morgan(known)).argmax(axis=1)], None


def plain(known: Series, rest: Series) -> tuple[Floats, Floats | None]:
    if not len(known.pk):
        return mean(known, rest)
    own, across = tanimoto(morgan(known), morgan(known)), tanimoto(morgan(rest), morgan(known))
    level = known.pk.mean()
    inverse = np.linalg.inv(own + 0.1 * np.eye(len(own)))
    variance = 1.1 - np.einsum("ij,jk,ik->i", across, inverse, across)
    return level + across @ inverse @ (known.pk - level), np.sqrt(np.maximum(variance, 0.0))


def forest(known: Series, rest: Series) -> tuple[Floats, Floats | None]:
    if not len(known.pk):
        return mean(known, rest)
    trees = RandomForestRegressor(100, random_state=0).fit(np.unpackbits(morgan(known), axis=1), known.pk)
    return trees.predict(np.unpackbits(morgan(rest), axis=1)), None


METHODS: dict[str, Method] = {
    **{"ours": ours, "tanimoto": plain, "forest": forest, "nearest": nearest},
    **{"heavy_atoms": heavy_atoms, "mean": mean, "given": given},
}


def morgan(series: Series) -> npt.NDArray[np.uint8]:
    """(n, b) packed counts of Morgan fingerprints of radius 2."""
    key = tuple(series.smiles)
    if key not in _bits:
        if len(_bits) > 64:
            _bits.clear()
        chem, module = require("rdkit.Chem"), require("rdkit.Chem.rdFingerprintGenerator")
        generator = module.GetMorganGenerator(radius=2, fpSize=4096, countSimulation=True)
        mols = map(chem.MolFromSmiles, series.ligands.names.tolist())
        _bits[key] = np.array([np.packbits(generator.GetFingerprintAsNumPy(mol)) for mol in mols])
    return _bits[key]


def spearman(predicted: Floats, measured: Floats) -> float:
    """Spearman's coefficient, 0 where all are the same."""
    if np.ptp(predicted) < 1e-9 or np.ptp(measured) < 1e-9:
        return 0.0
    return float(stats.spearmanr(predicted, measured).statistic)


def measures(method: Method, known: Series, rest: Series) -> list[float]:
    """Spearman's coefficient, root mean square error, part in the 90 % interval, width of it."""
    predicted, sd = method(known, rest)
    errors = rest.pk - predicted
    width = np.full(len(errors), np.nan) if sd is None else WIDTH * sd
    inside = float((np.abs(errors) <= width).mean()) if sd is not None else np.nan
    return [spearman(predicted, rest.pk), float(np.sqrt((errors**2).mean())), inside, float(2 * width.mean())]


def curves(series: list[Series], names: list[str], repeats: int) -> dict[str, Any]:
    """Measures by method and number of known ligands."""
    found: dict[str, Any] = {}
    for name in names:
        for count in COUNTS:
            of_targets = []
            for one in series:
                if len(one.pk) < count + LEAST:
                    continue
                orders = [np.random.default_rng((seed, count)).permutation(len(one.pk)) for seed in range(repeats)]
                split = [
                    (taken(one, rows[:count]), taken(one, rows[count:])) for rows in orders[: repeats if count else 1]
                ]
                of_targets.append(np.mean([measures(METHODS[name], *pair) for pair in split], axis=0))
            found.setdefault(name, {})[count] = summary(np.array(of_targets))
    return found


def summary(rows: Floats) -> dict[str, Any]:
    """Means of (t, 4) measures of targets, and the bootstrap interval of the first."""
    draws = np.random.default_rng(0).integers(0, len(rows), (2_000, len(rows)))
    low, high = np.quantile(rows[draws, 0].mean(axis=1), [0.05, 0.95])
    names = ("spearman", "rmse", "inside", "width")
    found = zip(names, rows.mean(axis=0).tolist(), strict=True)
    means = {name: round(value, 3) for name, value in found if not np.isnan(value)}
    return {"targets": len(rows), "interval": [round(float(low), 3), round(float(high), 3)], **means}


def left_one(series: list[Series], names: list[str]) -> dict[str, Any]:
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


def active(series: list[Series], repeats: int) -> dict[str, Any]:
    """Rounds until the best tenth is reached, and the part of it that is measured at the end, by what is chosen."""
    found: dict[str, Any] = {}
    for goal in ("best", "learn", "random"):
        runs = [campaign(one, goal, seed) for one in series if len(one.pk) >= 30 for seed in range(repeats)]
        reached, part = np.array(runs).T
        found[goal] = {"runs": len(runs), "rounds": round(reached.mean(), 2), "part": round(part.mean(), 3)}
    return found


def campaign(one: Series, goal: str, seed: int) -> tuple[float, float]:
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
