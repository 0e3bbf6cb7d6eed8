"""Molecules ranked for pockets: the exact fit, its speed, and the one-shot model. JSON on stdout.

    python benchmarks/pocket_fit.py exact --data DATA --library LIBRARY.sdf
    python benchmarks/pocket_fit.py model --data DATA --library LIBRARY.sdf --out EXACT.npz [--model pocket-fit]
    python benchmarks/pocket_fit.py screens --dude DUDE --zinc zinc250k.smi.gz --work WORK [--conformers 3]

DATA is a data set of `label pocket-fit`; LIBRARY holds molecules with conformers that stand in no pair of it.

`exact`: pairs a second of processor time of one core, and of the clock with two threads (medians of five runs in turn),
for several configurations of the search; what each loses of the fit against a thorough search; milliseconds to prepare.

`model`: Pearson correlation of prediction and exact fit on the test pairs, whose proteins are of other clusters than
those of the training; then, for test pockets of which at most `CONTAINED` of the words of the sequence stand in any one
sequence of the training, one a protein cluster: the mean over pockets of the Pearson correlation over the library, and
of the share of the exact best 1 % among the first 10 % by the model, with 95 % intervals by resampling pockets. Beside:
the number of heavy atoms, and the mean exact fit of the molecule in all other pockets (a floor that no real use has).
Milliseconds to encode, and of a product of a pocket's code with a million codes of molecules.

`screens`: actives of DUD-E targets with a receptor among decoys (`benchmarks/screens.py`), best of its conformers:
area under the ROC curve and enrichment among the first 1 %, with 95 % intervals by resampling actives and decoys.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from dude import enrichment

from metricvae.core.dataset_files import LEFT, read_dataset
from metricvae.kinds.molecule.readers import read
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.prepare import read_pocket
from metricvae.kinds.pocket.records import Pocket
from metricvae.kinds.pocket.table import read_pockets
from metricvae.metrics.pocket_fit.solver import SEARCH, FitSolver
from metricvae.metrics.shape.solver.overlays import OverlayConfig
from metricvae.prediction.predictor import Predictor

Floats = npt.NDArray[np.float64]

SEED, BEST, FIRST = 2026, 0.01, 0.1
CONTAINED, WORD = 0.3, 4
POCKETS, MOLECULES, RUNS = 24, 200, 5
RESAMPLED = 2_000

SEARCHES = {
    "default": SEARCH,
    "half": OverlayConfig(96, 48, 16, 16),
    "eighth": OverlayConfig(48, 16, 16, 16),
}
THOROUGH = OverlayConfig(1008, 1008, 256, 128)


def molecules_of(path: Path) -> list[Molecule]:
    """The molecules of a file."""
    return [one for one in read(path) if isinstance(one, Molecule)]


def pockets_of(data: Path, split: str) -> tuple[list[Pocket], list[str]]:
    """The pockets of a split of a data set, and their groups."""
    table = pq.read_table(data / LEFT, filters=[("split", "=", split)])
    return read_pockets(table), table["group"].to_pylist()


def interval(values: Floats) -> list[float]:
    """Mean, and its 95 % interval by resampling."""
    drawn = np.random.default_rng(SEED).integers(0, len(values), (RESAMPLED, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return [round(float(one), 4) for one in (values.mean(), low, high)]


# The exact fit


def exact_fits(solver: FitSolver, pockets: Sequence[Any], molecules: Sequence[Any], threads: int = 1) -> Floats:
    """(p, m) fits of prepared molecules in prepared pockets."""
    rows = np.column_stack([np.zeros(len(molecules), np.int64), np.arange(1, len(molecules) + 1)])
    return np.array(
        [[one.value for one in solver.solve_pairs([pocket, *molecules], rows, threads)] for pocket in pockets]
    )


def timed(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def exact(options: argparse.Namespace) -> dict[str, Any]:
    """Speed and losses of the searches."""
    random = np.random.default_rng(SEED)
    pockets, _ = pockets_of(options.data, "test")
    pockets = [pockets[row] for row in random.choice(len(pockets), POCKETS, replace=False)]
    molecules = molecules_of(options.library)[:MOLECULES]
    solver, report = FitSolver(), dict[str, Any]()
    ready = [solver.prepare(one) for one in pockets], [solver.prepare(one) for one in molecules]
    pairs = len(pockets) * len(molecules)
    preparing: dict[str, Sequence[Any]] = {"ms_pocket": pockets, "ms_molecule": molecules}
    for name, several in preparing.items():
        seconds = timed(functools.partial(list, map(solver.prepare, several)), time.process_time)
        report[name] = round(1e3 * seconds / len(several), 2)
    best = exact_fits(FitSolver(THOROUGH), *ready)
    report |= {"pairs": pairs, "mean_fit": float(best.mean()), "sd_fit": float(best.std())}
    found = {name: exact_fits(FitSolver(search), *ready) for name, search in SEARCHES.items()}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in SEARCHES}
    for _ in range(RUNS):
        for name, search in SEARCHES.items():
            work = functools.partial(exact_fits, FitSolver(search), *ready)
            one = timed(work, time.process_time)
            two = timed(functools.partial(work, threads=2), time.perf_counter)
            runs[name].append((pairs / one, pairs / two))
    for name, values in found.items():
        lost = best - values
        report[name] = {
            "per_core_second": round(float(np.median([one for one, _ in runs[name]]))),
            "per_second_two_threads": round(float(np.median([two for _, two in runs[name]]))),
            "mean_loss": round(float(lost.mean()), 5),
            "loss_95_percent": round(float(np.quantile(lost, 0.95)), 5),
            "pearson": round(float(np.corrcoef(best.ravel(), values.ravel())[0, 1]), 4),
            "pearson_in_pocket": round(float(np.mean(correlations(values, best))), 4),
        }
    return report


# The model


def words(sequence: str) -> set[str]:
    return {sequence[start : start + WORD] for start in range(len(sequence) - WORD + 1)}


def unseen(data: Path) -> list[Pocket]:
    """Test pockets of proteins unlike all of the training, one of each group."""
    known = [words(one.sequence) for one in pockets_of(data, "train")[0]]
    pockets, groups = pockets_of(data, "test")
    random, found = np.random.default_rng(SEED), dict[str, Pocket]()
    for row in random.permutation(len(pockets)).tolist():
        own = words(pockets[row].sequence)
        if own and max(len(own & other) / min(len(own), len(other)) for other in known if other) <= CONTAINED:
            found.setdefault(groups[row], pockets[row])
    return list(found.values())


def correlations(scores: Floats, true: Floats) -> Floats:
    """(p,) Pearson correlations of the rows."""
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in zip(scores, true, strict=True)])


def found_early(scores: Floats, true: Floats) -> Floats:
    """(p,) shares of the exact best that are among the first by score."""
    best, first = (max(1, round(share * true.shape[1])) for share in (BEST, FIRST))
    return np.array(
        [
            np.isin(np.argsort(-other)[:best], np.argsort(-one, kind="stable")[:first]).mean()
            for one, other in zip(scores, true, strict=True)
        ]
    )


def ranking(scores: Floats, true: Floats) -> dict[str, list[float]]:
    return {
        "pearson_in_pocket": interval(correlations(scores, true)),
        "best_1_percent_in_first_10": interval(found_early(scores, true)),
    }


def model(options: argparse.Namespace) -> dict[str, Any]:
    """What the model finds of what the exact fit does."""
    data, predictor = read_dataset(options.data), Predictor.load(options.model)
    rows = data.rows("test")
    value = predictor.predict_rows(data, rows).value
    pockets, library, solver = unseen(options.data), molecules_of(options.library), FitSolver()
    if not options.out.exists():
        ready = [solver.prepare(one) for one in library]
        true = exact_fits(solver, [solver.prepare(one) for one in pockets], ready, threads=2)
        np.savez(options.out, true=true)
    true = np.load(options.out)["true"]
    seconds = {}
    with torch.inference_mode():
        start = time.process_time()
        codes = predictor.encode(library, "right").codes
        seconds["ms_molecule"] = 1e3 * (time.process_time() - start) / len(library)
        scores = predictor.model.head.score_matrix(predictor.encode(pockets, "left").codes, codes).double().numpy()
        million = codes[torch.randint(len(codes), (1_000_000,))]
        start = time.perf_counter()
        (million @ codes[0]).topk(1_000)
        seconds["ms_product_with_a_million"] = 1e3 * (time.perf_counter() - start)
    atoms = np.tile([float(len(one.elements)) for one in library], (len(pockets), 1))
    others = (true.sum(axis=0) - true) / (len(pockets) - 1)
    return {
        "test_pairs": len(rows),
        "pearson_test_pairs": round(float(np.corrcoef(value, data.value[rows])[0, 1]), 4),
        "pockets": len(pockets),
        "library": len(library),
        **{name: round(one, 2) for name, one in seconds.items()},
        "model": ranking(scores, true)
        | {"pearson_all": round(float(np.corrcoef(scores.ravel(), true.ravel())[0, 1]), 4)},
        "heavy_atoms": ranking(atoms, true),
        "fewest_heavy_atoms": ranking(-atoms, true),
        "mean_in_other_pockets": ranking(others, true),
    }


# Screens


def auc_and_enrichment(scores: Floats, active: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Area under the ROC curve, and the enrichment factor of the first 1 %."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(active, scores)), enrichment(scores, active)


def figures(scores: Floats, active: npt.NDArray[np.bool_]) -> dict[str, list[float]]:
    """Both figures with their intervals."""
    random = np.random.default_rng(SEED)
    scores = scores + 1e-9 * random.random(len(scores))
    parts = [np.flatnonzero(active == one) for one in (True, False)]
    drawn = []
    for _ in range(200):
        rows = np.concatenate([random.choice(part, len(part)) for part in parts])
        drawn.append(auc_and_enrichment(scores[rows], active[rows]))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    columns = zip(("auc", "ef1"), auc_and_enrichment(scores, active), low, high, strict=True)
    return {name: [round(float(one), 3) for one in numbers] for name, *numbers in columns}


def screens(options: argparse.Namespace) -> dict[str, Any]:
    """Actives of targets with a receptor, ranked for its pocket."""
    from screening import best_of
    from screens import conformers
    from screens import screens as all_screens

    chosen = all_screens(options.dude, None, options.zinc, 8_000)
    every = [one for screen in chosen for one in (*screen.actives, *screen.decoys)]
    made = conformers(every, options.conformers, options.work, 1)
    predictor, solver, report = Predictor.load(options.model), FitSolver(), dict[str, Any]()
    for screen in chosen:
        folder = options.dude / screen.name
        receptor, ligand = next(folder.glob("receptor*.pdb")), next(folder.glob("crystal_ligand.*"))
        pocket = read_pocket(f"{receptor.resolve()}@ligand={ligand.resolve()}")
        there = [one for one in (*screen.actives, *screen.decoys) if one in made]
        active = np.isin(there, screen.actives)
        library = [made[one] for one in there]
        flat = [one for several in library for one in several]
        found = exact_fits(solver, [solver.prepare(pocket)], [solver.prepare(one) for one in flat], threads=2)[0]
        with torch.inference_mode():
            codes = predictor.encode([pocket], "left").codes, predictor.encode(flat, "right").codes
            guessed = predictor.model.head.score_matrix(*codes)[0].double().numpy()
        atoms = np.array([float(len(several[0].elements)) for several in library])
        methods = {"exact": best_of(found, library), "one shot": best_of(guessed, library), "heavy atoms": atoms}
        report[screen.name] = {
            "actives": int(active.sum()),
            "molecules": len(active),
            "conformers": len(flat),
            **{name: figures(scores, active) for name, scores in methods.items()},
        }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("exact", "model", "screens"))
    for name in ("data", "library", "out", "dude", "zinc", "work"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--model", default="pocket-fit")
    parser.add_argument("--conformers", type=int, default=3)
    options = parser.parse_args()
    report = {"exact": exact, "model": model, "screens": screens}[options.what](options)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
