"""Make the `halves` model that ships: cut shapes, train, and put the model into the package.

    python benchmarks/ship_halves.py --work FOLDER [--device auto]

The data are 400,000 pairs of halves of `mixed` shapes, seed 1, every shape cut four times along lines of all kinds: a
step encodes 192 halves and learns from all their pairs. Killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from metricvae.cli import main as metricvae
from metricvae.inference.reference import FILE as REFERENCE
from metricvae.model.checkpoints import CONFIG, SHIPPED, WEIGHTS, load_model

PAIRS, SEED, TIMES = 400_000, 1, 4
TRAINING = {"threads": 2, "evaluate_every": 1_000}
"""What differs from the preset."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    data, model = options.work / "halves", options.work / "model"
    plan = ["--objects", "mixed", "--pairs", str(PAIRS), "--times", str(TIMES), "--seed", str(SEED)]
    run(["label", "halves", *plan, "--cuts", "straight,zigzag,curved", "--out", str(data)])
    train = ["train", str(data), "--preset", "halves", "--device", options.device, "--out", str(model)]
    run([*train, *(word for name, value in TRAINING.items() for word in (f"--training.{name}", str(value)))])
    target = SHIPPED / "halves"
    target.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, WEIGHTS, REFERENCE, "README.md"):
        shutil.copyfile(model / name, target / name)
    load_model("halves")


def run(arguments: list[str]) -> None:
    if status := metricvae(arguments):
        raise SystemExit(status)


if __name__ == "__main__":
    main()
