"""A ready-made model of affinity in one shot, and its training: the product of a pocket's code and a molecule's."""

from __future__ import annotations

from typing import Any

from metricvae.core.metric import Preset
from metricvae.kinds.molecule_descriptors.kind import MoleculeDescriptorsKind
from metricvae.kinds.pocket_lining.kind import PocketLiningKind
from metricvae.metrics.affinity.metric import AffinityMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.descriptors import DescriptorEncoderConfig
from metricvae.nn.heads import InnerProduct
from metricvae.nn.mlp import MlpDecoderConfig

TRAINING: dict[str, Any] = {
    "steps": 800,
    "taught_pairs": 40_000,
    "batch_pairs": 256,
    "anchor_share": 0.1,
    "learning_rate": 2e-3,
    "weights": {"reconstruction": 1e-3, "latent": 1e-3, "deformation": 0.0, "metric": 1.0},
    "warmup_steps": 50,
    "schedule": "cosine",
    "average_decay": 0.99,
    "evaluate_every": 100,
    "evaluate_pairs": 5_000,
    "stored_as": "float16",
}
"""Some twenty passes over fourteen thousand pairs: longer ones learn the training pairs by heart."""

OFFSET, SCALE = 6.7, 4.0
"""pK: about the mean of measured values, and three standard deviations of them."""


def affinity() -> Preset:
    """Two small perceptrons side by side on what lines the pocket, two on descriptors of the molecule."""
    pocket, molecule = (
        TowerConfig(
            kind, DescriptorEncoderConfig(inputs=kind.count, width=96, members=2), MlpDecoderConfig(inputs=kind.count)
        )
        for kind in (PocketLiningKind(), MoleculeDescriptorsKind())
    )
    head = InnerProduct(scale=SCALE, offset=OFFSET)
    return Preset(ModelConfig(AffinityMetric(), pocket, molecule, latent=64, head=head), TRAINING)


PRESETS = {"affinity": affinity}
