"""Make the `overlap` model that ships: label, train twice, and put it into the package.

    python benchmarks/ship_overlap.py --work FOLDER [--device auto]

The data are 400,000 `mixed` pairs, seed 1. The first training gives equation (1) ten times the weight it has in the
preset, the second starts from there with the preset's own. Labelling takes a quarter of an hour on two free cores, the
first training about an hour on one, the second a quarter of an hour on two. Killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from metricvae.cli import main as metricvae
from metricvae.model.checkpoints import CONFIG, SHIPPED, WEIGHTS, load_model

PAIRS, SEED = 400_000, 1
FIRST = {"weights.reconstruction": 2e-6, "weights.latent": 2e-6, "threads": 1}
SECOND = {"steps": 6_000, "learning_rate": 5e-4, "threads": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    data, first, model = (options.work / name for name in ("mixed", "first", "overlap"))
    run(["label", "overlap", "--objects", "mixed", "--pairs", str(PAIRS), "--seed", str(SEED), "--out", str(data)])
    train = ["train", str(data), "--preset", "overlap", "--device", options.device]
    run([*train, "--out", str(first), *settings(FIRST)])
    run([*train, "--out", str(model), "--start", str(first), *settings(SECOND)])
    target = SHIPPED / "overlap"
    target.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, WEIGHTS, "README.md"):
        shutil.copyfile(model / name, target / name)
    load_model("overlap")


def settings(changes: dict[str, float]) -> list[str]:
    return [word for name, value in changes.items() for word in (f"--training.{name}", str(value))]


def run(arguments: list[str]) -> None:
    if status := metricvae(arguments):
        raise SystemExit(status)


if __name__ == "__main__":
    main()
