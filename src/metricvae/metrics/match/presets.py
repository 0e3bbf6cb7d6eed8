"""Ready-made models of matching halves, and their trainings."""

from __future__ import annotations

from metricvae.core.metric import Preset
from metricvae.kinds.half.kind import HalfKind
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.encoders.contour import ContourEncoderConfig
from metricvae.metrics.match.metric import MatchMetric
from metricvae.metrics.overlap.presets import INVARIANT
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import CosineDistance


def halves() -> Preset:
    """Which two pieces fit together: edges as they are and as their counterparts have them, told apart by contrast.

    The metric loss, in nats, leads; equation (1) is scaled down to stay beside it.
    """
    tower = TowerConfig(HalfKind(), ContourEncoderConfig(), CanonicalDecoderConfig())
    model = ModelConfig(MatchMetric(), tower, latent=256, head=CosineDistance(swapped=True), mirrored=True)
    changed = {
        "steps": 9_000,
        "batch_pairs": 192,
        "run_length": 64,
        "learning_rate": 2e-3,
        "matrix_learning_rate": 6e-3,
        "metric_loss": "contrastive",
        "weights": {"reconstruction": 2e-5, "latent": 2e-5, "deformation": 0.1, "metric": 1.0},
        "clip_norm": 1.0,
    }
    return Preset(model, INVARIANT | changed)


PRESETS = {"halves": halves}
