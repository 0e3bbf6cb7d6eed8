"""The ready-made model of the similarity of pockets, and its training."""

from __future__ import annotations

from metricvae.core.metric import Preset
from metricvae.kinds.pocket.kind import PocketKind
from metricvae.metrics.pocket_fit.presets import TRAINING, decoder, encoder
from metricvae.metrics.pocket_similarity.metric import PocketSimilarity
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import CosineSimilarity


def pocket_similarity() -> Preset:
    """Convolutions between the pseudo-atoms of an image, and the similarity of two as the cosine of their codes."""
    tower = TowerConfig(PocketKind(), encoder(bonded=False), decoder())
    model = ModelConfig(PocketSimilarity(), tower, latent=192, head=CosineSimilarity(), mirrored=True)
    return Preset(model, TRAINING | {"batch_pairs": 1_920, "run_length": 120})


PRESETS = {"pocket-similarity": pocket_similarity}
