"""A data set at the paper's scale: time, memory, the error of its labels, and 25 of its pairs. JSON on stdout.

    python benchmarks/dataset.py --work FOLDER [--pairs 100000] [--check 500] [--plot docs/pictures/pairs.png]

The same as `metricvae label overlap --objects mixed --pairs 100000 --check 500 --out FOLDER`, measured. The data set
stays in the folder; with a finished one there, only what can still be measured is.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.labelling.run import label
from metricvae.labelling.steps import LabelProgress
from metricvae.metrics.overlap.drawing import ExamplePair, draw_pairs
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.reproduction.table_1_run import labelled_example
from metricvae.runtime.files import write_bytes

SEED = 2017


class Clock:
    """When each stage began and ended, and how much was done in between."""

    def __init__(self) -> None:
        self.marks: dict[str, list[tuple[float, int]]] = {}

    def __call__(self, progress: LabelProgress) -> None:
        self.marks.setdefault(progress.stage, []).append((time.monotonic(), progress.done))
        print(f"{progress.stage}: {progress.done} of {progress.total}", file=sys.stderr, end="\r")

    def report(self) -> dict[str, Any]:
        found = {}
        for stage, marks in self.marks.items():
            seconds, done = marks[-1][0] - marks[0][0], marks[-1][1] - marks[0][1]
            found[stage] = {"seconds": round(seconds, 1), "a_second": round(done / max(seconds, 1e-9), 1)}
        return found


def examples(data: PairDataset, count: int) -> list[ExamplePair]:
    """Random pairs at their optimal poses."""
    rows = np.random.default_rng(SEED).choice(len(data.value), count, replace=False)
    return [labelled_example(data, row) for row in rows.tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--check", type=int, default=500)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    clock, start = Clock(), time.monotonic()
    plan = OverlapPlan("mixed", options.pairs, SEED, check=options.check)
    card = label(plan, options.work, workers=options.workers, on_progress=clock)
    wall = time.monotonic() - start
    # The largest of the processes that ended: kilobytes on Linux.
    peaks = {
        name: round(resource.getrusage(who).ru_maxrss / 1024)
        for name, who in (("parent", resource.RUSAGE_SELF), ("worker", resource.RUSAGE_CHILDREN))
    }
    report = {
        "pairs": options.pairs,
        "seconds": round(wall, 1),
        "stages": clock.report(),
        "peak_megabytes": peaks,
        "distributions": card["distributions"],
        "label_error": card["label_error"],
    }
    print(json.dumps(report, indent=2))
    if options.plot is not None:
        write_bytes(options.plot, draw_pairs(examples(read_dataset(options.work), 25), columns=5))


if __name__ == "__main__":
    main()
