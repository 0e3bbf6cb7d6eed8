"""Make the `overlap` model that ships: label, train, and put it into the package.

    python benchmarks/ship_overlap.py --work FOLDER [--device auto]

The data are 1,500,000 `mixed` pairs, seed 1, in blocks of 16 shapes that all meet one another: a step encodes 96 shapes
and learns from 720 pairs. Labelling takes 45 minutes and training 70, on two free cores.
Killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import shutil
from pathlib import Path

from metricvae.cli import main as metricvae
from metricvae.inference.reference import FILE as REFERENCE
from metricvae.model.checkpoints import CONFIG, SHIPPED, WEIGHTS, load_model

PAIRS, SEED, PARTNERS = 1_500_000, 1, 15
BLOCK = math.comb(PARTNERS + 1, 2)
TRAINING = {"steps": 26_000, "batch_pairs": 6 * BLOCK, "run_length": BLOCK, "evaluate_every": 1_000, "threads": 2}
"""What differs from the preset."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    data, model = options.work / "mixed", options.work / "overlap"
    plan = ["--objects", "mixed", "--pairs", str(PAIRS), "--partners", str(PARTNERS), "--seed", str(SEED)]
    run(["label", "overlap", *plan, "--out", str(data)])
    train = ["train", str(data), "--preset", "overlap", "--device", options.device, "--out", str(model)]
    run([*train, *settings(TRAINING)])
    target = SHIPPED / "overlap"
    target.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, WEIGHTS, REFERENCE, "README.md"):
        shutil.copyfile(model / name, target / name)
    load_model("overlap")


def settings(changes: dict[str, int]) -> list[str]:
    return [word for name, value in changes.items() for word in (f"--training.{name}", str(value))]


def run(arguments: list[str]) -> None:
    if status := metricvae(arguments):
        raise SystemExit(status)


if __name__ == "__main__":
    main()
