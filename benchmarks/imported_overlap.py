"""The same pairs of silhouettes learned as labelled, and imported from a table as values of an unknown metric.

    python benchmarks/imported_overlap.py --work FOLDER [--pairs 20000] [--minutes 10] [--seeds 1]

Pairs are labelled by `metricvae label overlap`, and then written as PNG files and a CSV file with the same splits,
which is imported without a word of what the values are. `metricvae.fit` trains on each with nothing set but the seed,
the time, and random weights at the start: the model that ships has learned the same metric. JSON on stdout: R^2, mean
absolute error and coverage of the 90 % intervals on the same test pairs.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import metricvae as mv
from metricvae.cli import main as command
from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.evaluation.evaluate import Evaluation, evaluate
from metricvae.kinds.silhouette.io import encode_png
from metricvae.training.presets import NONE


def write_table(data: PairDataset, folder: Path) -> Path:
    """Each object as a PNG file, and the pairs with their splits as a table."""
    (folder / "objects").mkdir(parents=True, exist_ok=True)
    for row in range(len(data.left)):
        (folder / "objects" / f"{row:05d}.png").write_bytes(encode_png(data.left.object(row)))
    table = folder / "pairs.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "value", "split"])
        for a, b, value, split in zip(data.first, data.second, data.value, data.split, strict=True):
            writer.writerow([f"objects/{a:05d}.png", f"objects/{b:05d}.png", float(value), split])
    return table


def measure(data: PairDataset, folder: Path, seed: int, minutes: float) -> dict[str, Any]:
    """Train on a data set, and measure on its test pairs."""
    model = mv.fit(data, folder, start=NONE, seed=seed, max_minutes=minutes, threads=1, show_progress=False)
    found = evaluate(model.predictor, data)
    assert isinstance(found, Evaluation)
    return {"r2": found.r2, "mae": found.mae, "coverage": found.interval_coverage, "pairs": found.n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    labelled, imported = options.work / "labelled", options.work / "imported"
    if not labelled.exists():
        command(["label", "overlap", "--objects", "mixed", "--pairs", str(options.pairs), "--out", str(labelled)])
    if not imported.exists():
        table = write_table(read_dataset(labelled), options.work / "table")
        words = ["--kind", "silhouette", "--split", "split", "--unit", "px", "--out", str(imported)]
        command(["import", str(table), *words])
    found = [
        {"seed": seed, "data": folder.name}
        | measure(read_dataset(folder), options.work / f"model-{folder.name}-{seed}", seed, options.minutes)
        for seed in range(options.seeds)
        for folder in (labelled, imported)
    ]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
