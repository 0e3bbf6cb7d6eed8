"""What the scripts that make shipped models have in common: label, train, and put the model into the package."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from metricvae.cli import main as metricvae
from metricvae.inference.align import FILE as ALIGNER
from metricvae.inference.bank import FILE as BANK
from metricvae.inference.reference import FILE as REFERENCE
from metricvae.model.checkpoints import CONFIG, SHIPPED, WEIGHTS, load_model


def ship(
    description: str | None,
    name: str,
    label: Sequence[str],
    training: Mapping[str, int],
    *,
    data: str,
    model: str,
    aligner: Sequence[str] = (),
    source: str | None = None,
) -> None:
    """Make the model `name`, of the preset of that name.

    Args:
        description: of the script.
        name: of the preset and the shipped model.
        label: arguments of `metricvae label`, but for the folder.
        training: what differs from the preset.
        data, model: folders in the work folder.
        aligner: options of `metricvae train --aligner`; none for a model without one.
        source: option that names the file to label, where there is one.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    if source is not None:
        parser.add_argument(source, type=Path, required=True, dest="source")
    options = parser.parse_args()
    objects = [] if source is None else ["--objects", str(options.source)]
    pairs, made = options.work / data, options.work / model
    changes = [word for field, value in training.items() for word in (f"--training.{field}", str(value))]
    _run(["label", *label, *objects, "--out", str(pairs)])
    _run(["train", str(pairs), "--preset", name, "--device", options.device, "--out", str(made), *changes])
    if aligner:
        _run(["train", str(pairs), "--aligner", str(made), "--device", options.device, *aligner])
    target = SHIPPED / name
    target.mkdir(parents=True, exist_ok=True)
    for file in (CONFIG, WEIGHTS, REFERENCE, ALIGNER, BANK, "README.md"):
        if (made / file).exists():
            shutil.copyfile(made / file, target / file)
    load_model(name)


def _run(arguments: list[str]) -> None:
    if status := metricvae(arguments):
        raise SystemExit(status)
