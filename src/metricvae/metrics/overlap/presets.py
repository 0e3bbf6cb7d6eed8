"""Ready-made models of the overlap, and their trainings. A preset says what differs from the defaults, and why."""

from __future__ import annotations

from typing import Any

from metricvae.core.metric import Preset
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import InverseCosine

INVARIANT: dict[str, Any] = {
    "steps": 20_000,
    "batch_pairs": 448,
    "run_length": 28,
    "anchor_share": 0.25,
    "optimisers": "muon",
    "learning_rate": 1e-3,
    "matrix_learning_rate": 3e-3,
    "weights": {"reconstruction": 5e-7, "latent": 5e-7, "deformation": 0.1, "metric": 1.0},
    "clip_norm": 0.05,
    "warmup_steps": 100,
    "schedule": "cosine",
    "mirror": True,
    "copies": 1,
    "average_decay": 0.999,
    "evaluate_every": 500,
    "evaluate_pairs": 5_000,
    "stored_as": "float16",
}
"""A training of encoders that are invariant to motions by construction.

Muon on the weighted sum: the metric loss, in units of (5,000 pixels)^2, leads; equation (1), in nats, is scaled down to
stay beside it, its reconstruction and latent terms in their proportion.
"""


def overlap() -> Preset:
    """Invariant to motions by construction, decoding a canonical pose."""
    tower = TowerConfig(SilhouetteKind(), PolarEncoderConfig(), CanonicalDecoderConfig())
    return Preset(ModelConfig(OverlapMetric(), tower, latent=128), INVARIANT)


def overlap_adversarial() -> Preset:
    """`overlap` with a discriminator on the codes in place of the divergence of each from the prior."""
    changed = {"latent_loss": "adversarial", "weights": INVARIANT["weights"] | {"latent": 1e-5}}
    return Preset(overlap().model, INVARIANT | changed)


def paper() -> Preset:
    """The paper's network and learning rates to the letter.

    Encoder 40000-500-500-500, decoder 500-500, 80 latent dimensions, batches of 24 pairs, two Adams at 1e-8 and 1e-10.
    Assumptions where the paper is silent: the first rate is that of equation (1), as it is named first, the second that
    of equation (2); equation (2) is squared; n in equation (1) is the latent size; the codes that the metric and
    deformation losses compare are draws from q(z | x), as z in equation (1) is; the link function is
    m = sqrt(area * area) / overlap; equation (1) is taken over the objects that stand first in a pair.
    """
    tower = TowerConfig(SilhouetteKind(), DenseEncoderConfig(), DenseDecoderConfig())
    return Preset(
        ModelConfig(OverlapMetric(), tower, head=InverseCosine()),
        {
            "optimisers": "two",
            "learning_rate": 1e-8,
            "metric_learning_rate": 1e-10,
            "metric_loss": "squared",
            "metric_on": "sample",
            "precision": "float32",
        },
    )


PRESETS = {"overlap": overlap, "overlap-adversarial": overlap_adversarial, "paper": paper}
