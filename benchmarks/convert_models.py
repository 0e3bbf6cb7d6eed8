"""Bring model folders of format 1 (version 0.1) to the present format, in place: names of files and keys, no numbers.
`config.json` gets the checksum that covers it.

    python benchmarks/convert_models.py src/metricvae/pretrained/*

Weights keep their precision; predictions are the same bits. Models of format 1 are read as they are, so this is for the
models that ship.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from safetensors import safe_open

from metricvae.fitting.model_card import model_card
from metricvae.nn.autoencoder import ModelConfig
from metricvae.prediction.calibration.binary import BinaryCalibration
from metricvae.prediction.latent_prior import LatentPrior
from metricvae.prediction.novelty import FILE_0_1, NoveltyDetector
from metricvae.runtime.files import sha256_of, write_text
from metricvae.training.checkpoint import METRIC, WEIGHTS, load_model, write_tensors
from metricvae.training.config import TrainingConfig
from metricvae.training.model_document import (
    CONFIG,
    FILES,
    digest_of,
    digests_of,
    read_model_document,
    write_document,
)
from metricvae.training.optimisers import LossWeights

RENAMED = {"bank": "exemplars", "twins": "near_duplicates"}


def convert(folder: Path) -> None:
    """One folder."""
    document = read_model_document(folder)
    if "model" in document and "format" not in document["model"]:
        _to_format_2(folder, document)
    elif METRIC in document and FILES not in document:
        others = tuple(sorted(path.name for path in folder.iterdir() if path.name not in (CONFIG, "README.md")))
        write_document(folder, document | digests_of(folder, others))
    else:
        write_document(folder, document)


def _to_format_2(folder: Path, document: dict[str, Any]) -> None:
    config = ModelConfig.from_json(document["model"], document["facts"].get("task"))
    document["model"] = config.to_json()
    with safe_open(folder / WEIGHTS, "pt") as file:
        tensors = {f"towers.left.{name}": file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    write_tensors(folder / WEIGHTS, tensors, {"model": digest_of(document["model"])})
    document["weights"]["sha256"] = sha256_of(folder / WEIGHTS)
    document["calibration"] = _calibration(folder, document["calibration"])
    write_document(folder, document)
    training = dict(document["training"])
    training["weights"] = LossWeights(**training["weights"])
    write_text(folder / "README.md", model_card(load_model(folder), TrainingConfig(**training)))


def _calibration(folder: Path, calibration: dict[str, Any]) -> dict[str, Any]:
    found = {RENAMED.get(name, name): value for name, value in calibration.items()}
    detector, prior = NoveltyDetector.read(folder, calibration), LatentPrior.read(folder, calibration)
    if detector is not None and prior is not None:
        found |= {**detector.write(folder), "latent_prior": prior.write(folder)}
        found.pop("reference", None)
        (folder / FILE_0_1).unlink()
    if "matching" in found:
        found["binary"] = BinaryCalibration.read(calibration).to_json()
        del found["matching"]
    return found


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        convert(Path(argument))
