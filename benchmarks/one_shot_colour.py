"""What a model of shape and colour finds in one shot, against the exact overlay. JSON on stdout.

    python benchmarks/one_shot_colour.py --data DATA [--model molecules-colour] [--queries 20] [--dude FOLDER]

DATA is a data set of `label molecules-colour`; its test molecules, whose scaffolds no training saw, are the library,
and queries are drawn from them. Reported: Pearson correlation of the prediction with the exact answer on the data set's
test pairs and on pairs of queries with the library; share of the exact best 1 % of the library among the first 5 % by
the model, mean over queries with its standard deviation; the same of the model `molecules`, which knows shape alone.

With a FOLDER of DUD-E (`crystal_ligand.mol2`, `actives_final.mol2.gz`, `decoys_final.mol2.gz`), whose conformers are as
given, also: what the models say of its molecules with the ligand of the crystal as the query, against the exact answer
and as a ranking of actives; and with ten of the molecules as queries.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from dude import figures, read_target

from metricvae.core.dataset_files import OBJECTS, read_dataset
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.table import read_molecules
from metricvae.metrics.shape.solver.coloured import coloured, overlay_coloured
from metricvae.prediction.predictor import Predictor

SEED, BEST, FIRST = 2026, 0.01, 0.05
Floats = npt.NDArray[np.float64]


def predicted(predictor: Predictor, queries: list[Molecule], library: list[Molecule]) -> Floats:
    """(q, n) scores of the model."""
    codes = [predictor.encode(objects).codes for objects in (queries, library)]
    found: Floats = predictor.model.head.score_matrix(*codes).double().numpy()
    return found


def found_early(scores: Floats, exact: Floats) -> Floats:
    """(q,) shares of the exact best that are among the first by score; the query itself is left out."""
    best, first = (max(1, round(share * exact.shape[1])) for share in (BEST, FIRST))
    shares = []
    for one, true in zip(scores, exact, strict=True):
        others = np.flatnonzero(true < 1 - 1e-9)
        wanted = others[np.argsort(-true[others])[:best]]
        shares.append(np.isin(wanted, others[np.argsort(-one[others])[:first]]).mean())
    return np.array(shares)


def screen(folder: Path, models: dict[str, Predictor]) -> dict[str, object]:
    """A target of DUD-E in one shot, by each model."""
    molecules, active = read_target(folder)
    queries = np.concatenate([[0], np.random.default_rng(SEED).choice(len(molecules) - 1, 10, replace=False) + 1])
    pairs = np.array([(query, item) for query in queries for item in range(len(molecules))])
    exact = overlay_coloured([coloured(one) for one in molecules], pairs).scores().reshape(len(queries), -1)
    report: dict[str, object] = {
        "actives": int(active.sum()),
        "decoys": int((~active).sum()),
        "exact": figures(exact[0, 1:], exact[0, 1:], active),
    }
    for name, model in models.items():
        scores = predicted(model, [molecules[row] for row in queries], molecules)
        others = [
            np.corrcoef(np.delete(scores[at], queries[at]), np.delete(exact[at], queries[at]))[0, 1]
            for at in range(1, len(queries))
        ]
        report[name] = {
            **figures(scores[0, 1:], exact[0, 1:], active),
            "correlation_of_ten_queries": float(np.mean(others)),
            "best_1_percent_in_first_5": float(found_early(scores[1:], exact[1:]).mean()),
        }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="molecules-colour")
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--dude", type=Path)
    options = parser.parse_args()
    data, predictor = read_dataset(options.data), Predictor.load(options.model)
    rows = data.rows("test")
    value = predictor.predict_rows(data, rows).value
    table = pq.read_table(options.data / OBJECTS)
    library = list(read_molecules(table.filter(np.array(table["split"]) == "test")))
    chosen = np.random.default_rng(SEED).choice(len(library), options.queries, replace=False)
    ready = [coloured(one) for one in library]
    pairs = np.array([(query, item) for query in chosen for item in range(len(library))])
    exact = overlay_coloured(ready, pairs).scores().reshape(len(chosen), -1)
    queries = [library[row] for row in chosen]
    report: dict[str, object] = {
        "test_pairs": len(rows),
        "library": len(library),
        "pearson_test_pairs": float(np.corrcoef(value, data.value[rows])[0, 1]),
    }
    models = {options.model: predictor, "molecules": Predictor.load("molecules")}
    for name, model in models.items():
        scores = predicted(model, queries, library)
        shares = found_early(scores, exact)
        report[name] = {
            "pearson": float(np.corrcoef(scores.ravel(), exact.ravel())[0, 1]),
            "best_1_percent_in_first_5": [float(shares.mean()), float(shares.std(ddof=1) / len(shares) ** 0.5)],
        }
    if options.dude is not None:
        report[options.dude.name] = screen(options.dude, models)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
