"""Bring model folders of format 1 (version 0.1) to the present format, in place: names of files and keys, no numbers.

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
from metricvae.runtime.files import read_json, sha256_of, write_json, write_text
from metricvae.training.checkpoint import CONFIG, WEIGHTS, digest_of, load_model, write_tensors
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights

RENAMED = {"bank": "exemplars", "twins": "near_duplicates"}


def convert(folder: Path) -> None:
    """One folder."""
    document = read_json(folder / CONFIG)
    if "format" in document["model"]:
        return
    config = ModelConfig.from_json(document["model"], document["facts"].get("task"))
    document["model"] = config.to_json()
    with safe_open(folder / WEIGHTS, "pt") as file:
        tensors = {f"towers.left.{name}": file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    write_tensors(folder / WEIGHTS, tensors, {"model": digest_of(document["model"])})
    document["weights"]["sha256"] = sha256_of(folder / WEIGHTS)
    document["calibration"] = _calibration(folder, document["calibration"])
    write_json(folder / CONFIG, document)
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
