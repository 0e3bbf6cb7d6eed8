"""Give the `molecules-2d` model that ships its decoder: molecules are written from codes.

    python benchmarks/ship_decoder.py --smiles FILE --work FOLDER

FILE lists SMILES, one a line: the 244,381 of ZINC250k, gzipped, have this SHA-256:
f3f2148e1976ffe079edb3e311f576977c63ae5d6b79eb4401e3cdc71af50936. 160,000 of them, drawn at random, are indexed, and the
decoder learns to write each from its code, in two trainings, the second of which goes on from the first; 10,000 others
stand in `test.smi` of the work folder, for `benchmarks/decoder.py`. On one core that nothing else uses: twelve minutes
for the codes and two hours for the decoder. A killed run resumes.
"""

from __future__ import annotations

import argparse
import gzip
import random
import shutil
from collections.abc import Mapping
from pathlib import Path

from metricvae.cli import main as metricvae
from metricvae.decoding.decoder import FILE
from metricvae.fitting.model_card import CARD
from metricvae.runtime.files import write_text
from metricvae.training.checkpoint import SHIPPED, load_model
from metricvae.training.model_document import CONFIG

NAME = "molecules-2d"
LEARNED, TESTED, SEED = 160_000, 10_000, 0
FIRST = {"steps": 5_500, "batch_texts": 128, "threads": 1}
SECOND = FIRST | {"steps": 3_500, "learning_rate": 1.2e-3, "matrix_learning_rate": 6e-3}
"""What differs from the defaults in both trainings."""


def run(arguments: list[str]) -> None:
    """A command, which has to succeed."""
    if metricvae(arguments):
        raise SystemExit(2)


def train(work: Path, out: str, changes: Mapping[str, float], start: list[str]) -> None:
    """Give a copy of the model that ships a decoder."""
    settings = [word for field, value in changes.items() for word in (f"--decoding.{field}", str(value))]
    run(["train", str(work / "index"), "--decoder", NAME, "--out", out, *start, *settings])


def main() -> None:
    """Make the decoder, and put it into the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smiles", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    with gzip.open(options.smiles, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    random.Random(SEED).shuffle(lines)
    for name, some in (("train", lines[:LEARNED]), ("test", lines[LEARNED : LEARNED + TESTED])):
        write_text(work / f"{name}.smi", "".join(f"{line.split()[0]}\n" for line in some))
    run(["index", NAME, str(work / "train.smi"), "--out", str(work / "index")])
    first, done = str(work / "first"), work / "first.done"
    if not done.exists():
        train(work, first, FIRST, [])
        write_text(done, "")
    train(work, str(work / NAME), SECOND, ["--start", first])
    for part in (FILE, CONFIG, CARD):
        shutil.copyfile(work / NAME / part, SHIPPED / NAME / part)
    load_model(NAME)


if __name__ == "__main__":
    main()
