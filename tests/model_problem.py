"""A small problem for the model's tests: centred rectangles on a 24x24 canvas, whose overlap as they lie is known."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metricvae.model.autoencoder import ModelConfig
from metricvae.model.batches import PairData
from metricvae.model.metrics import Head, InnerProduct
from metricvae.model.optimisers import LossWeights
from metricvae.model.training import TrainingConfig, TrainResult, train

SIDE = 24


def rectangles(objects: int, pairs: int, seed: int) -> PairData:
    """Random axis-parallel rectangles; the value of a pair is the number of pixels they share."""
    random = np.random.default_rng(seed)
    middle = np.abs(np.arange(SIDE) - (SIDE - 1) / 2)
    half = random.uniform(2, 11, (2, objects, 1))
    masks = ((middle < half[0])[:, None, :] & (middle < half[1])[:, :, None]).astype(np.uint8)
    first, second = random.integers(0, objects, (2, pairs))
    return PairData.from_masks(masks, first, second, (masks[first] & masks[second]).sum((1, 2)))


def nudge(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A small motion: every object shifted by at most a pixel each way."""
    return torch.roll(x, torch.randint(-1, 2, (2,), generator=generator).tolist(), (2, 3))


def model_config(head: Head | None = None) -> ModelConfig:
    return ModelConfig(
        encoder_widths=(32,), decoder_widths=(16,), latent=8, head=head or InnerProduct(100.0), height=SIDE, width=SIDE
    )


def training_config(**changes: Any) -> TrainingConfig:
    config = TrainingConfig(
        steps=60,
        evaluate_every=20,
        batch_pairs=16,
        weights=LossWeights(reconstruction=0.001, latent=0.001, deformation=0.1),
        precision="float32",
        threads=1,
        average_decay=0.9,
        schedule="cosine",
    )
    return dataclasses.replace(config, **changes)


def train_small(folder: Path, **changes: Any) -> TrainResult:
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    return train(training_config(**changes), model_config(), *data, folder, move=nudge)


if __name__ == "__main__":
    train_small(Path(sys.argv[1]), steps=int(sys.argv[2]), evaluate_every=5, optimisers="two")
