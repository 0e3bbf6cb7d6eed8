"""Ready-made models of the correlation of density maps, and their trainings."""

from __future__ import annotations

from typing import Any

from metricvae.core.metric import Preset
from metricvae.kinds.volume.encoders.principal import PrincipalEncoderConfig
from metricvae.kinds.volume.kind import VolumeKind
from metricvae.metrics.correlation.metric import CorrelationMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import CosineTanimoto

TRAINING: dict[str, Any] = {
    "steps": 5_000,
    "batch_pairs": 1_920,
    "run_length": 120,
    "anchor_share": 0.05,
    "optimisers": "muon",
    "learning_rate": 1e-3,
    "matrix_learning_rate": 3e-3,
    "weights": {"reconstruction": 2e-8, "latent": 2e-8, "deformation": 1e-3, "metric": 1.0},
    "clip_norm": 0.05,
    "warmup_steps": 200,
    "schedule": "cosine",
    "mirror": True,
    "copies": 1,
    "average_decay": 0.999,
    "evaluate_every": 500,
    "evaluate_pairs": 20_000,
    "stored_as": "float16",
}
"""The metric loss, of the order of 1e-3, leads; equation (1), in nats, is scaled down to stay beside it."""


def maps() -> Preset:
    """Maps of molecules: the Tanimoto coefficient of maps of unit norm as the cosine of two codes."""
    kind = VolumeKind()
    encoder = PrincipalEncoderConfig(degree=16, reach=0.42, width=320, blocks=3, grid_spacing=kind.edge / 16)
    tower = TowerConfig(kind, encoder, kind.default_decoder())
    return Preset(ModelConfig(CorrelationMetric(), tower, latent=256, head=CosineTanimoto(), mirrored=True), TRAINING)


PRESETS = {"maps": maps}
