"""Make the `overlap` model that ships: label, train in stages, and put the last one into the package.

    python benchmarks/ship_overlap.py --work FOLDER [--device auto]

The data are 400,000 `mixed` pairs, seed 1. Each stage starts from the weights of the one before and gives the
reconstruction and latent losses a tenth of the weight they had there. Labelling takes a quarter of an hour on two free
cores, the first stage about an hour on one, the others twenty minutes on two. Killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from metricvae.cli import main as metricvae
from metricvae.model.checkpoints import CONFIG, SHIPPED, WEIGHTS, load_model

PAIRS, SEED = 400_000, 1
STAGES = {
    "first": {"weights.reconstruction": 2e-6, "weights.latent": 2e-6, "threads": 1},
    "second": {"steps": 6_000, "learning_rate": 5e-4, "threads": 2},
    "overlap": {
        "weights.reconstruction": 2e-8,
        "weights.latent": 2e-8,
        "steps": 2_500,
        "learning_rate": 3e-4,
        "seed": 1,
        "threads": 2,
    },
}
"""Name of a stage -> what differs from the preset."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    data, model = options.work / "mixed", None
    run(["label", "overlap", "--objects", "mixed", "--pairs", str(PAIRS), "--seed", str(SEED), "--out", str(data)])
    for name, changes in STAGES.items():
        start = [] if model is None else ["--start", str(model)]
        model = options.work / name
        train = ["train", str(data), "--preset", "overlap", "--device", options.device, "--out", str(model)]
        run([*train, *start, *settings(changes)])
    assert model is not None
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
