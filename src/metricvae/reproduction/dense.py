"""Trainings of the paper's fully connected autoencoder on small pictures, for Figures 1.1 and 1.4."""

from __future__ import annotations

from pathlib import Path

from metricvae.core.dataset import PairDataset
from metricvae.kinds.silhouette.canvas import resized
from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.nn.autoencoder import ModelConfig, Tower, TowerConfig
from metricvae.nn.heads import CosineDistance
from metricvae.reproduction.inputs import OnStep
from metricvae.training.checkpoint import load_model
from metricvae.training.config import TrainingConfig
from metricvae.training.loop import train
from metricvae.training.optimisers import LossWeights


def dense_training(steps: int, weights: LossWeights, seed: int, batch_pairs: int = 64) -> TrainingConfig:
    """A training of a fully connected network with these weights of the losses."""
    return TrainingConfig(
        steps=steps,
        batch_pairs=batch_pairs,
        weights=weights,
        schedule="cosine",
        clip_norm=1_000.0,
        evaluate_every=steps,
        precision="float32",
        seed=seed,
    )


def train_dense(
    folder: Path,
    latent: int,
    training: TrainingConfig,
    parts: tuple[PairDataset, PairDataset],
    name: str,
    step: OnStep,
) -> Tower:
    """The trained tower of a network with the paper's layers.

    Args:
        folder: of the network; a training that is there is continued.
        latent: size of the code.
        training: how it is trained.
        parts: pairs of silhouettes to learn from, and others to validate with; of a binary metric.
        name: of the training, in what `step` is told.
        step: told what of how much is done.
    """
    kind = parts[0].left.kind
    assert isinstance(kind, SilhouetteKind)
    encoder, decoder = resized(DenseEncoderConfig(), kind.canvas), resized(DenseDecoderConfig(), kind.canvas)
    tower = TowerConfig(kind, encoder, decoder)
    model = ModelConfig(parts[0].metric, tower, latent=latent, head=CosineDistance())
    train(training, model, *parts, folder, on_progress=lambda now: step(name, now.step, now.steps))
    return load_model(folder).model.left
