"""Two small problems for the model's tests, both of rectangles, whose overlap is known without a solver.

`dense`: centred on a 24x24 canvas; the value of a pair is what they share as they lie. `polar`: anywhere and any way
round on a 64x64 canvas; the value is what they share with their middles and their long sides laid together.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.nn.autoencoder import MagicAutoencoder, ModelConfig, TowerConfig, build
from metricvae.nn.heads import Head, InnerProduct
from metricvae.training.config import TrainingConfig
from metricvae.training.features import LiveFeatures
from metricvae.training.loop import TrainResult, train
from metricvae.training.optimisers import LossWeights, Optimisers
from metricvae.training.state import TrainingState
from metricvae.training.step import TrainingData, training_step

SIDE = 24
POLAR_SIDE = 64
CPU = torch.device("cpu")


def pairs_of_masks(masks: Any, first: Any, second: Any, values: Any) -> PairDataset:
    """Pairs of masks (N, H, W) of 0 and 1 with their overlaps."""
    table = ObjectTable.from_objects(SilhouetteKind(*masks.shape[1:]), masks)
    return PairDataset.from_objects(OverlapMetric(), table, first, second, values)


def rectangles(objects: int, pairs: int, seed: int) -> PairDataset:
    """Random axis-parallel rectangles; the value of a pair is the number of pixels they share."""
    random = np.random.default_rng(seed)
    middle = np.abs(np.arange(SIDE) - (SIDE - 1) / 2)
    half = random.uniform(2, 11, (2, objects, 1))
    masks = ((middle < half[0])[:, None, :] & (middle < half[1])[:, :, None]).astype(np.uint8)
    first, second = random.integers(0, objects, (2, pairs))
    return pairs_of_masks(masks, first, second, (masks[first] & masks[second]).sum((1, 2)))


def turned_rectangles(objects: int, blocks: int, seed: int) -> PairDataset:
    """Rectangles, each in a random pose, in blocks of 8 that all meet one another.

    The value of a pair is the lesser width times the lesser length.
    """
    random = np.random.default_rng(seed)
    half = np.sort(random.uniform(4, 20, (objects, 2)))
    middle = np.abs(np.arange(POLAR_SIDE) - (POLAR_SIDE - 1) / 2)
    lying = torch.from_numpy((middle[:, None] < half[:, 0, None, None]) & (middle < half[:, 1, None, None]))
    kind = SilhouetteKind(POLAR_SIDE, POLAR_SIDE)
    masks = kind.move(lying[:, None].float(), torch.Generator().manual_seed(seed))[:, 0].numpy().astype(np.uint8)
    met = [itertools.combinations(random.permutation(objects)[:8].tolist(), 2) for _ in range(blocks)]
    first, second = np.array(list(itertools.chain.from_iterable(met))).T
    return pairs_of_masks(masks, first, second, 4 * np.minimum(half[first], half[second]).prod(axis=1))


def nudge(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A small motion: every object shifted by at most a pixel each way."""
    return torch.roll(x, torch.randint(-1, 2, (2,), generator=generator).tolist(), (2, 3))


def model_config(head: Head | None = None) -> ModelConfig:
    encoder, decoder = DenseEncoderConfig((32,), SIDE, SIDE), DenseDecoderConfig((16,), SIDE, SIDE)
    tower = TowerConfig(SilhouetteKind(SIDE, SIDE), encoder, decoder)
    return ModelConfig(OverlapMetric(), tower, latent=8, head=head or InnerProduct(100.0))


def polar_config() -> ModelConfig:
    encoder, decoder = PolarEncoderConfig((8, 8)), CanonicalDecoderConfig((8, 8), side=POLAR_SIDE)
    tower = TowerConfig(SilhouetteKind(POLAR_SIDE, POLAR_SIDE), encoder, decoder)
    return ModelConfig(OverlapMetric(), tower, latent=8, head=InnerProduct(500.0))


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


def polar_training(**changes: Any) -> TrainingConfig:
    config = training_config(
        batch_pairs=28,
        run_length=28,
        anchor_share=0.5,
        learning_rate=3e-3,
        weights=LossWeights(reconstruction=2e-6, latent=2e-6, deformation=0.1),
        clip_norm=1.0,
        mirror=True,
        scales=(0.8, 1.2),
        copies=2,
    )
    return dataclasses.replace(config, **changes)


def train_small(folder: Path, *, device: str = "cpu", on_progress: Any = None, **changes: Any) -> TrainResult:
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    config = training_config(**changes)
    return train(config, model_config(), *data, folder, device=device, on_progress=on_progress, move=nudge)


def train_polar(folder: Path, *, device: str = "cpu", on_progress: Any = None, **changes: Any) -> TrainResult:
    """With all that the `overlap` preset uses (kept copies, reflections, clipping), and several sizes."""
    data = turned_rectangles(30, 20, seed=1), turned_rectangles(16, 4, seed=2)
    return train(polar_training(**changes), polar_config(), *data, folder, device=device, on_progress=on_progress)


def state_of(model: MagicAutoencoder, kind: Any = "one", *rates: float, weights: LossWeights | None = None) -> Any:
    """A training of `model` that has not begun."""
    optimisers = Optimisers(model, kind, weights or LossWeights(), *(rates or (1e-3, 1e-3)))
    return TrainingState(model, optimisers, average=False)


def live(data: PairDataset, config: TrainingConfig, model: MagicAutoencoder | None = None) -> TrainingData:
    """Nudged objects as the model (the small dense one by default) is fed them."""
    encoder = (model or build(model_config())).left.encoder
    return TrainingData.of(data, {"left": LiveFeatures(data.left, encoder.prepare, nudge, CPU)}, config)


def step_once(
    state: TrainingState, data: PairDataset, config: TrainingConfig, model: MagicAutoencoder | None = None
) -> list[float]:
    """One step on live features."""
    return training_step(state, live(data, config, model), config)


if __name__ == "__main__":
    trainings = {"dense": train_small, "polar": train_polar}
    trainings[sys.argv[1]](Path(sys.argv[2]), steps=int(sys.argv[3]), evaluate_every=5, optimisers="two")
