"""Make the `overlap` model that ships: label, train with the preset, and put it into the package.

    python benchmarks/ship_overlap.py --work FOLDER [--device auto]

The data are 240,000 `mixed` pairs, seed 1. Labelling takes about a quarter of an hour on two free cores, training
about an hour. Killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from metricvae.cli import main as metricvae
from metricvae.model.checkpoints import CONFIG, SHIPPED, WEIGHTS, load_model

PAIRS, SEED = 240_000, 1
ONE_THREAD = ["--training.threads", "1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    data, model = options.work / "mixed", options.work / "overlap"
    run(["label", "overlap", "--objects", "mixed", "--pairs", str(PAIRS), "--seed", str(SEED), "--out", str(data)])
    run(["train", str(data), "--preset", "overlap", "--out", str(model), "--device", options.device, *ONE_THREAD])
    target = SHIPPED / "overlap"
    target.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, WEIGHTS, "README.md"):
        shutil.copyfile(model / name, target / name)
    load_model("overlap")


def run(arguments: list[str]) -> None:
    if status := metricvae(arguments):
        raise SystemExit(status)


if __name__ == "__main__":
    main()
