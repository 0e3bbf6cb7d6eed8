"""How well one code answers many metrics, against a random forest for each, on molecules of unseen scaffolds.

    python benchmarks/many_metrics.py --table FILE --work FOLDER [--model molecules-many] [--forests] --out FILE.json

Data and splits are those of `ship_molecules_many.py` (give the same FOLDER, and molecules are described once). Of each
metric: Pearson correlation, or area under the ROC curve of a binary one, on the test split, with a 90 % bootstrap
interval of 500 draws of molecules, and how many true values its 90 % intervals hold.

With `--forests` the same of a random forest for each measured property, on Morgan fingerprints (2,048 counts, radius 2)
and the descriptors of `metricvae.kinds.molecule`, trained on the same training split: 100 trees, a tenth of the numbers
at each split of a regression, their root of a classification. Finished forests are kept in FOLDER. The properties in
`FURTHER` are added to a copy of the model, with its weights as they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from many_metrics_data import (
    COMPUTED,
    DESCRIBED_KIND,
    FURTHER,
    MEASURED,
    Described,
    described,
    object_table,
    property_metric,
    similarity_metric,
)
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import roc_auc_score

from metricvae.core.dataset_files import read_dataset
from metricvae.fitting.add_metric import add_metric
from metricvae.kinds.molecule.descriptors import NAMES
from metricvae.prediction.added_metrics import added_names
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import write_json
from metricvae.training.joint_values import JointMetric

Floats = npt.NDArray[np.float64]
DRAWS = 500


def measure(value: Floats, predicted: Floats, binary: bool) -> dict[str, Any]:
    """The agreement, and its interval by the bootstrap."""
    agreement: Callable[[Floats, Floats], float] = roc_auc_score if binary else _pearson
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        rows = random.integers(0, len(value), len(value))
        if len(np.unique(value[rows])) > 1:
            drawn.append(float(agreement(value[rows], predicted[rows])))
    low, high = np.quantile(drawn, [0.05, 0.95])
    return {"agreement": float(agreement(value, predicted)), "low": float(low), "high": float(high)}


def _pearson(value: Floats, predicted: Floats) -> float:
    return float(np.corrcoef(value, predicted)[0, 1])


def ours(predictor: Predictor, metric: JointMetric) -> dict[str, Any]:
    """The model's answers on the test split."""
    rows, binary = metric.data.rows("test"), metric.data.metric.task == "binary"
    found, value = predictor.predict_rows(metric.data, rows), metric.data.value[rows]
    held = (found.low <= value) & (value <= found.high)
    facts = {"task": metric.data.metric.task, "train": int((metric.data.split == "train").sum()), "test": len(rows)}
    return facts | measure(value, found.value, binary) | {"coverage": float(held.mean())}


def forest(data: Described, metric: JointMetric, numbers: npt.NDArray[np.float32]) -> dict[str, Any]:
    """The random forest's answers on the test split."""
    binary = metric.data.metric.task == "binary"
    train, test = (metric.data.rows(split) for split in ("train", "test"))
    settings = {"n_estimators": 100, "n_jobs": 1, "random_state": 0}
    model: Any = (
        RandomForestClassifier(max_features="sqrt", **settings)
        if binary
        else RandomForestRegressor(max_features=0.1, **settings)
    )
    model.fit(numbers[metric.data.first[train]], metric.data.value[train])
    seen = numbers[metric.data.first[test]]
    predicted = model.predict_proba(seen)[:, 1] if binary else model.predict(seen)
    return measure(metric.data.value[test], predicted, binary)


def forests(data: Described, metrics: list[JointMetric], work: Path) -> dict[str, Any]:
    """The forests of some metrics, the smallest data first; finished ones are kept."""
    path = work / "forests.json"
    done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    numbers = np.hstack([data.numbers[:, : len(NAMES)], np.minimum(data.bits, 10)]).astype(np.float32)
    for metric in sorted(metrics, key=lambda one: len(one.data)):
        if metric.name not in done:
            done[metric.name] = forest(data, metric, numbers)
            write_json(path, done)
            print(metric.name, done[metric.name], flush=True)
    return done


def shape(predictor: Predictor, work: Path) -> dict[str, Any]:
    """Overlaps, and shape Tanimoto coefficients, of the test pairs on which shape was not calibrated."""
    data = read_dataset(work / "shape", None, (DESCRIBED_KIND,))
    rows = data.rows("test")
    pairs = predictor.encode_pairs(data, rows)
    found, sizes = predictor.predict(*pairs.arguments), predictor.magnitudes(*pairs.arguments)
    value = data.value[rows]
    tanimoto = predictor.metric.answers(found.value, *sizes)["tanimoto"]
    held = (found.low <= value) & (value <= found.high)
    facts = {
        "task": "regression",
        "train": 0,
        "test": len(rows),
        "tanimoto": _pearson(data.columns["tanimoto"][rows], tanimoto),
    }
    return facts | measure(value, found.value, False) | {"coverage": float(held.mean())}


def main() -> None:
    """Measure, print a line a metric, and write all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("table", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--model", default="molecules-many")
    parser.add_argument("--forests", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = described(options.table, options.work)
    table = object_table(data, DESCRIBED_KIND)
    metrics = [property_metric(data, table, name) for name in (*MEASURED, *COMPUTED)]
    further = [property_metric(data, table, name) for name in FURTHER]
    copy = options.work / "further"
    for one in further:
        if one.name not in added_names(copy):
            add_metric(copy if copy.exists() else options.model, one.data, copy, one.name)
    predictor = Predictor.load(copy)
    found = {"shape": shape(predictor, options.work)}
    for one in (similarity_metric(data, table), *metrics, *further):
        found[one.name] = ours(predictor.answering(one.name), one)
    measured = [one for one in (*metrics, *further) if one.name not in COMPUTED]
    kept = forests(data, measured, options.work) if options.forests else {}
    for name, row in found.items():
        row["forest"] = kept.get(name)
        print(name, row, flush=True)
    write_json(options.out, found)


if __name__ == "__main__":
    main()
