"""Time and peak memory of `metricvae import` by the number of rows. JSON on stdout.

    python benchmarks/importing.py --work FOLDER [--rows 10000 100000 300000] [--objects 5000]

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
            writer.writerow(
                [f"objects/{first:05d}.png", f"objects/{second:05d}.png", abs(areas[first] - areas[second])]
            )


def measure(table: Path, rows: int) -> dict[str, Any]:
    """Seconds and megabytes of one import, in a process of its own."""
    out = table.with_suffix("")
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    command = ["-m", "metricvae", "import", str(table), "--kind", "silhouette", "--unit", "pixels", "--out", str(out)]
    code = (
        "import resource, runpy, sys; sys.argv = ['metricvae', *sys.argv[1:]]\n"
        "from metricvae.cli import main\n"
        "status = main(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command[2:]], capture_output=True, text=True, check=True)
    card = json.loads((out / "card.json").read_text())
    return {
        "rows": rows,
        "seconds": round(time.perf_counter() - start, 1),
        "peak_mb": round(int(done.stderr.split()[-1]) / 1024),
        "pairs": card["counts"]["pairs"],
        "dropped_across_splits": card["import"]["dropped_across_splits"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--objects", type=int, default=5_000)
    options = parser.parse_args()
    areas = draw_objects(options.work / "objects", options.objects)
    results = []
    for rows in options.rows:
        table = options.work / f"pairs-{rows}.csv"
        write_table(table, areas, rows)
        results.append(measure(table, rows))
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
