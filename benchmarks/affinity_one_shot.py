"""Affinity in one shot, by the product of a pocket's code and a molecule's, of rows that are left out. JSON.

    python benchmarks/affinity_one_shot.py --affinity AFFINITY --work FOLDER [--shippable] [--parts 5] [--seed 0]

AFFINITY as for `ship_affinity.py`. A table of all rows is written to FOLDER and imported as a user's would be, then the
preset `affinity` is trained once for each part that is left out: five parts by clusters of proteins (`proteins`), five
by ligands (`ligands`). Reported are Pearson R with its 90 % interval (bootstrap over clusters) and RMSE, of rows with a
pose (`posed`, no congeners of Uni-FEP among them) and of crystal complexes (`crystal`), beside the heavy atoms alone
and, with `--trees`, boosted trees on the same numbers of both objects.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from affinity import agreement
from rdkit import Chem
from sklearn.ensemble import HistGradientBoostingRegressor

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.importing.request import Columns, ImportRequest
from metricvae.core.importing.run import import_table
from metricvae.core.kind import kind_from_json
from metricvae.kinds.molecule.descriptors import NAMES
from metricvae.metrics.affinity.metric import AffinityMetric
from metricvae.reproduction.affinity.complexes import SHIPPABLE, Computed, computed, entries
from metricvae.reproduction.affinity.training_rows import congeners, protein_clusters
from metricvae.runtime.files import write_bytes
from metricvae.runtime.process_pool import worker_pool
from metricvae.training.checkpoint import load_model
from metricvae.training.loop import train
from metricvae.training.presets import preset
from metricvae.training.teacher import with_taught

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TABLE, DATA = "pairs.csv", "data"
COLUMNS = ("a", "b", "value", "weight", "split", "set", "cluster", "posed", "crystal")

VALIDATION, CALIBRATION = 0.06, 0.14
"""Shares of the clusters of proteins."""

PARTS = 5


def write_pairs(folder: Path, data: Computed, sets: tuple[str, ...] | None, path: Path, seed: int = 0) -> None:
    """The table of pockets, ligands and values that is imported: exact values, of sets that may be used.

    A pocket is that around the first ligand of its structure. A row counts by the inverse square root of how many its
    series has. Splits are by clusters of proteins.
    """
    clusters = protein_clusters(data)
    kept = [
        row
        for row, entry in enumerate(data.entries)
        if not (entry.relative or entry.bound) and (sets is None or entry.set in sets)
    ]
    held = {(data.entries[row].inchikey[:14], int(clusters[row])) for row in kept}
    more = congeners(folder, data, clusters, held) if sets is None or "unifep" in sets else []
    first: dict[str, str] = {}
    for entry in data.entries:
        first.setdefault(entry.protein, entry.ligand)
    named = {protein: f"{folder / protein}@ligand={folder / ligand}" for protein, ligand in first.items()}
    size = Counter([data.entries[row].system for row in kept] + [one.system for one in more])
    split = dict(zip(np.unique(clusters).tolist(), _splits(len(np.unique(clusters)), seed), strict=True))
    rows: list[tuple[Any, ...]] = []
    for row in kept:
        one, cluster = data.entries[row], int(clusters[row])
        about = size[one.system] ** -0.5, split[cluster], one.set, cluster, 1, int(one.crystal)
        rows.append((named[one.protein], data.smiles[row], one.pk, *about))
    for mate in more:
        one, cluster = data.entries[mate.row], int(clusters[mate.row])
        about = 0.5 * size[mate.system] ** -0.5, split[cluster], "unifep", cluster, 0, 0
        rows.append((named[one.protein], Chem.MolToSmiles(mate.mol), mate.pk, *about))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_bytes(path, text.getvalue().encode())


def _splits(count: int, seed: int) -> list[str]:
    """The split of each of so many clusters."""
    ranks = np.random.default_rng(seed).permutation(count) / count
    return np.select(
        [ranks < VALIDATION, ranks < VALIDATION + CALIBRATION], ["validation", "calibration"], "train"
    ).tolist()


def imported(folder: Path, work: Path, sets: tuple[str, ...] | None, workers: int) -> Path:
    """The data set of the table, made unless it is there."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / DATA).exists():
        with worker_pool(workers) as pool:
            data = computed(folder, entries(folder), work.parent / "features", pool)
        write_pairs(folder, data, sets, work / TABLE)
        kinds = kind_from_json("pocket-lining"), kind_from_json("molecule-descriptors")
        columns = Columns(split="split", weight="weight", group="cluster")
        import_table(work / TABLE, ImportRequest(AffinityMetric(), kinds, columns, workers=workers), work / DATA)
    return work / DATA


def parts_of(groups: Ints, seed: int) -> Ints:
    """(n,) which of `PARTS` parts a row is in; the rows of a group are in one."""
    names, number = np.unique(groups, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % PARTS)[number]


def train_part(data: PairDataset, test: npt.NDArray[np.bool_], groups: Ints, work: Path, seed: int) -> Floats:
    """(k,) answers for the rows of a part that is left out, of a model that was trained on the others."""
    rest = np.flatnonzero(~test)
    names = np.unique(groups[rest])
    held = np.random.default_rng(seed).choice(names, max(1, round(VALIDATION * len(names))), replace=False)
    stopping = np.isin(groups[rest], held)
    chosen = preset("affinity")
    training = dataclasses.replace(chosen.training, seed=seed, threads=1)
    learned = with_taught(_rows_of(data, rest[~stopping], "train"), training.taught_pairs, seed)
    parts = learned, _rows_of(data, rest[stopping], "validation")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        train(training, chosen.model, *parts, Path(folder) / "model")
        model = load_model(Path(folder) / "model").model
    rows = np.flatnonzero(test)
    with torch.no_grad():
        codes = [
            tower.encoder(tower.encoder.prepare(table.tensor(np.arange(len(table)))))[0]
            for tower, table in ((model.tower("left"), data.left), (model.tower("right"), data.right))
        ]
        score = model.head.score(codes[0][data.first[rows]], codes[1][data.second[rows]])
        ones = torch.ones(len(rows))
        return model.head.value(score, ones, ones).double().numpy()


def _rows_of(data: PairDataset, rows: Ints, split: str) -> PairDataset:
    """Some rows of the data, all of one split."""
    columns = {name: column[rows] for name, column in data.columns.items()}
    few = dataclasses.replace(data, first=data.first[rows], second=data.second[rows], value=data.value[rows])
    return dataclasses.replace(few, columns=columns, split=np.full(len(rows), split))


def trees_of_part(numbers: Floats, data: PairDataset, test: npt.NDArray[np.bool_], seed: int) -> Floats:
    """The same of boosted trees on the numbers of both objects side by side."""
    trees = HistGradientBoostingRegressor(max_iter=250, learning_rate=0.06, max_features=0.2, random_state=seed)
    trees.fit(numbers[~test], data.value[~test], data.columns["weight"][~test])
    return trees.predict(numbers[test])


def measured(data: PairDataset, table: list[dict[str, str]], options: argparse.Namespace) -> dict[str, Any]:
    """All numbers, by what is left out and by which rows are looked at."""
    clusters = np.array([int(row["cluster"]) for row in table])
    ligands = data.second
    heavy = data.right.tensor(np.arange(len(data.right)))[:, NAMES.index("ligand.heavy")].numpy()[data.second]
    numbers = np.hstack(
        [
            side.tensor(np.arange(len(side))).numpy()[ends]
            for side, ends in ((data.left, data.first), (data.right, data.second))
        ]
    )
    looked = {name: np.array([row[name] == "1" for row in table]) for name in ("posed", "crystal")}
    document: dict[str, Any] = {}
    for name, groups in (("proteins", clusters), ("ligands", ligands)):
        names = np.unique(groups)
        part = dict(
            zip(names.tolist(), np.random.default_rng(options.seed).permutation(len(names)) % PARTS, strict=True)
        )
        parts = np.array([part[one] for one in groups.tolist()])
        said = {
            "one shot": np.full(len(data), np.nan),
            "trees": np.full(len(data), np.nan),
            "heavy atoms": np.full(len(data), np.nan),
        }
        for number in range(min(options.parts, PARTS)):
            test = parts == number
            said["one shot"][test] = train_part(data, test, clusters, options.work, options.seed)
            line = np.polyfit(np.log(heavy[~test]), data.value[~test], 1, w=data.columns["weight"][~test] ** 0.5)
            said["heavy atoms"][test] = np.polyval(line, np.log(heavy[test]))
            if options.trees:
                said["trees"][test] = trees_of_part(numbers, data, test, options.seed)
            print(f"{name}: part {number + 1} of {options.parts}", file=sys.stderr, flush=True)
        done = np.isfinite(said["one shot"])
        document[name] = {
            rows: {
                model: agreement(found[some], data.value[some], clusters[some], options.seed)
                for model, found in said.items()
                if np.isfinite(found[(some := mask & done)]).all()
            }
            for rows, mask in looked.items()
        }
    return document


def main() -> None:
    """Import, train, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shippable", action="store_true", help="the sets that a model may ship from alone")
    parser.add_argument("--parts", type=int, default=PARTS, help="parts that are left out in turn, of five")
    parser.add_argument("--trees", action="store_true", help="boosted trees on the same numbers too")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work = options.work / ("shippable" if options.shippable else "all")
    folder = imported(options.affinity, options.work, SHIPPABLE if options.shippable else None, options.workers)
    data = read_dataset(folder, 1, preset("affinity").model.kinds)
    with open(options.work / TABLE, newline="") as file:
        rows = list(csv.DictReader(file))
    print(json.dumps(measured(data, [rows[row - 1] for row in data.columns["row"].tolist()], options), indent=1))


if __name__ == "__main__":
    main()
