"""Time and peak memory of `metricvae import` by the number of rows, and what splits keep. JSON on stdout.

    python benchmarks/importing.py --work FOLDER [--rows 10000 100000 300000] [--objects 5000]
    python benchmarks/importing.py --splits

The objects are ellipses as PNG files, the same for every number of rows; pairs are random, and their value is the
absolute difference of the two areas. Each import is a process of its own; its peak is that of `resource.getrusage`.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from metricvae.core.importing.splitting import split_pairs

SIDE = 200


def draw_objects(folder: Path, count: int) -> list[int]:
    """Write ellipses, and return their areas."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.ogrid[-SIDE / 2 : SIDE / 2, -SIDE / 2 : SIDE / 2]
    areas = []
    for number, (a, b) in enumerate(np.random.default_rng(0).uniform(10, 70, (count, 2))):
        mask = (x / a) ** 2 + (y / b) ** 2 <= 1
        areas.append(int(mask.sum()))
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{number:05d}.png")
    return areas


def write_table(path: Path, areas: list[int], rows: int) -> None:
    """A table of random pairs."""
    ends = np.random.default_rng(1).integers(0, len(areas), (rows, 2)).tolist()
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "value"])
        for first, second in ends:
            gap = abs(areas[first] - areas[second])
            writer.writerow([f"objects/{first:05d}.png", f"objects/{second:05d}.png", gap])


def measure(table: Path, rows: int) -> dict[str, Any]:
    """Seconds and megabytes of one import, in a process of its own."""
    out = table.with_suffix("")
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    code = (
        "import resource, sys\n"
        "from metricvae.cli import main\n"
        "status = main(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "import", str(table), "--kind", "silhouette", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    card = json.loads((out / "card.json").read_text())
    return {
        "rows": rows,
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mb": round(int(done.stderr.split()[-1]) / 1024),
        "pairs": card["counts"]["pairs"],
        "dropped_across_splits": card["import"]["dropped_across_splits"],
    }


def kept_by_splits(objects: int, pairs: int = 20_000) -> dict[str, Any]:
    """Shares of random pairs that are kept, and test pairs, of grown splits and of objects drawn 70 : 10 : 10 : 10."""
    random = np.random.default_rng(0)
    first, second = random.integers(0, objects, (2, pairs))
    names = tuple(map(str, range(objects)))
    grown = split_pairs((names, names), first, second, 0)
    drawn = random.choice(4, objects, p=[0.7, 0.1, 0.1, 0.1])
    same = drawn[first] == drawn[second]
    return {
        "objects": objects,
        "grown": [round(len(grown.kept) / pairs, 3), int((grown.split == "test").sum())],
        "drawn": [round(float(same.mean()), 3), int((same & (drawn[first] == 3)).sum())],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("import-work"))
    parser.add_argument("--splits", action="store_true", help="measure splits instead")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--objects", type=int, default=5_000)
    options = parser.parse_args()
    if options.splits:
        print(json.dumps([kept_by_splits(objects) for objects in (10_000, 5_000, 2_000, 1_000)], indent=2))
        return
    areas = draw_objects(options.work / "objects", options.objects)
    results = []
    for rows in options.rows:
        table = options.work / f"pairs-{rows}.csv"
        write_table(table, areas, rows)
        results.append(measure(table, rows))
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
