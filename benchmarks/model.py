"""How good a model is on shapes it never saw. JSON on stdout.

    python benchmarks/model.py [--model overlap] [--icons FOLDER_OF_PNGS] [--work FOLDER]

Unseen `mixed` shapes: the test split of pairs labelled with a seed that no training used (splits are by group of
shapes, the same in every data set). Icons: all pairs of a data set made of the folder. Labelled pairs are kept in the
work folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metricvae.inference import Predictor
from metricvae.inference.evaluate import answer, measure
from metricvae.model.training import move_randomly
from metricvae.pairs import DataSet, LabelPlan, label, read_dataset

SEED = 314_159
MIXED_PAIRS = 20_000
"""A tenth of them are test pairs."""


def labelled(work: Path, name: str, plan: LabelPlan) -> DataSet:
    label(plan, work / name)
    return read_dataset(work / name)


def with_size_classes(predictor: Predictor, data: DataSet, split: str) -> dict[str, Any]:
    said = answer(predictor, data, split)
    inside = (said.predictions.low <= said.value) & (said.value <= said.predictions.high)
    edges = np.quantile(said.value, [0.25, 0.5, 0.75])
    classes = np.searchsorted(edges, said.value)
    figures = dataclasses.asdict(measure(data, said, split))
    figures["mse_percent_of_naive"] = 100 * figures["mse"] / figures["naive_mse"]
    figures["coverage_by_quarter_of_true_value"] = [round(float(inside[classes == k].mean()), 3) for k in range(4)]
    return figures


def invariance(predictor: Predictor, data: DataSet, count: int = 2000) -> dict[str, float]:
    """Relative change |z - z_moved| / |z| under random motions that stay on the canvas, moved shapes cut at half."""
    rows = data.rows("test")
    objects = np.unique([data.first[rows], data.second[rows]])[:count]
    generator = torch.Generator().manual_seed(SEED)
    changes = []
    for start in range(0, len(objects), 128):
        x = torch.from_numpy(np.stack([data.mask(int(i)) for i in objects[start : start + 128]])).float()[:, None]
        z, moved = predictor.model.code(x), predictor.model.code(move_randomly(x, generator))
        changes.append((z - moved).norm(dim=1) / z.norm(dim=1))
    change = torch.cat(changes)
    median, p95 = change.quantile(torch.tensor([0.5, 0.95])).tolist()
    return {"shapes": len(change), "median_percent": 100 * median, "p95_percent": 100 * p95}


def encoding_speed(predictor: Predictor, data: DataSet) -> float:
    start = time.perf_counter()
    predictor.encode(data.mask, 1024)
    return 1024 / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="overlap")
    parser.add_argument("--icons", type=Path)
    parser.add_argument("--icon-pairs", type=int, default=1000)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    predictor = Predictor.load(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        mixed = labelled(work, "mixed", LabelPlan("mixed", MIXED_PAIRS, SEED))
        report: dict[str, Any] = {
            "model": options.model,
            "unseen mixed": with_size_classes(predictor, mixed, "test"),
            "invariance": invariance(predictor, mixed),
            "shapes_encoded_per_second": round(encoding_speed(predictor, mixed)),
        }
        if options.icons is not None:
            icons = labelled(work, "icons", LabelPlan(str(options.icons), options.icon_pairs, SEED, partners=3))
            report["icons (areas regression and naive guess fitted on these pairs)"] = with_size_classes(
                predictor, icons, "all"
            )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
