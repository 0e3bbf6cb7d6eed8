"""How well a model tells which halves belong together, on shapes it never saw. JSON on stdout.

    python benchmarks/halves.py --work FOLDER [--model halves] [--icons FOLDER] [--leaves FOLDER]

Pairs are cut with a seed that no training used; splits are by group of shapes, the same in every data set. The library
is 500 unseen shapes cut once, 1,000 halves: each is looked for with its partner.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.inference import Predictor, evaluate
from metricvae.objects.halves import Cut
from metricvae.pairs import DataSet, read_dataset
from metricvae.pairs.labelling import HalvesPlan, label

SEED = 314_159
PAIRS = 50_000
"""A tenth of them are test pairs."""

FOREIGN_PAIRS = 2_000
LIBRARY = 1_000
WOUND: tuple[Cut, ...] = ("zigzag", "curved")


def made(work: Path, name: str, plan: HalvesPlan) -> DataSet:
    label(plan, work / name)
    return read_dataset(work / name)


def found(predictor: Predictor, data: DataSet) -> dict[str, float]:
    """Rank of each half's partner among the others of a library of test halves."""
    rows = data.rows("test")
    matches = rows[data.value[rows] == 1][: LIBRARY // 2]
    halves = np.concatenate([data.first[matches], data.second[matches]])
    encoded = predictor.encode(lambda i: data.mask(int(halves[i])), len(halves))
    count = len(halves)
    rank = np.empty(count)
    for place in range(count):
        here = np.full(count, place)
        distance = predictor.scores(encoded, here, np.arange(count))
        distance[place] = np.inf
        rank[place] = (distance < distance[(place + count // 2) % count]).sum()
    return {
        "halves": count,
        "first_percent": 100 * float(np.mean(rank == 0)),
        "in_first_50_percent": 100 * float(np.mean(rank < 50)),
        "median_rank": float(np.median(rank)) + 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="halves")
    parser.add_argument("--icons", type=Path)
    parser.add_argument("--leaves", type=Path)
    options = parser.parse_args()
    predictor = Predictor.load(options.model)
    plans = {
        "paper": HalvesPlan("procedural", PAIRS, SEED, cuts=("straight",), middle=True),
        "mixed wound": HalvesPlan("mixed", PAIRS, SEED, cuts=WOUND),
        "mixed straight": HalvesPlan("mixed", PAIRS, SEED, cuts=("straight",)),
    }
    report: dict[str, Any] = {}
    for name, plan in plans.items():
        data = made(options.work, name.replace(" ", "-"), plan)
        report[name] = dataclasses.asdict(evaluate(predictor, data)) | {"baselines": data.card["baselines"]}
        report[f"{name}, partner in a library"] = found(predictor, data)
    for name in ("icons", "leaves"):
        folder = getattr(options, name)
        if folder is not None:
            data = made(options.work, name, HalvesPlan(str(folder), FOREIGN_PAIRS, SEED, fit=True, cuts=WOUND))
            report[name] = dataclasses.asdict(evaluate(predictor, data, "all"))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
