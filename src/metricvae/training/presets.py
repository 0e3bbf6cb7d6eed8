"""Ready-made settings. A preset says only what differs from the defaults, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import CosineDistance, CosineTanimoto, InverseCosine
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights

PRESETS = ("paper", "overlap", "overlap-adversarial", "halves", "molecules", "molecules-2d")


@dataclass(frozen=True)
class Preset:
    """What to build and how to train it."""

    model: ModelConfig
    training: TrainingConfig


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InputError: there is none.
    """
    match name:
        case "paper":
            return _paper()
        case "overlap":
            return _overlap()
        case "overlap-adversarial":
            return _overlap_adversarial()
        case "halves":
            return _halves()
        case "molecules":
            return _molecules()
        case "molecules-2d":
            return _molecules_2d()
    raise InputError(f"there is no preset {name!r}: expected one of {', '.join(PRESETS)}")


def _paper() -> Preset:
    """The paper's network and learning rates to the letter.

    Encoder 40000-500-500-500, decoder 500-500, 80 latent dimensions, batches of 24 pairs, two Adams at 1e-8 and 1e-10.
    Assumptions where the paper is silent: the first rate is that of equation (1), as it is named first, the second that
    of equation (2); equation (2) is squared; n in equation (1) is the latent size; the codes that the metric and
    deformation losses compare are draws from q(z | x), as z in equation (1) is; m is in the gauge
    sqrt(area * area) / overlap; equation (1) is taken over the objects that stand first in a pair.
    """
    return Preset(
        model=ModelConfig(encoder="flat", decoder="flat", head=InverseCosine()),
        training=TrainingConfig(
            optimisers="two",
            learning_rate=1e-8,
            metric_learning_rate=1e-10,
            metric_loss="squared",
            metric_on="sample",
            precision="float32",
        ),
    )


def _overlap() -> Preset:
    """The one that works: invariant to motions by construction, decoding a canonical pose.

    Muon on the weighted sum: the metric loss, in units of (5,000 pixels)^2, leads; equation (1), in nats, is scaled
    down to stay beside it, its reconstruction and latent terms in their proportion.
    """
    return Preset(
        model=ModelConfig(
            encoder="polar",
            decoder="canonical",
            encoder_widths=(128, 160, 128),
            decoder_widths=(192, 128, 96, 96),
            latent=128,
        ),
        training=TrainingConfig(
            steps=20_000,
            batch_pairs=448,
            run_length=28,
            anchor_share=0.25,
            optimisers="muon",
            learning_rate=1e-3,
            matrix_learning_rate=3e-3,
            weights=LossWeights(reconstruction=5e-7, latent=5e-7, deformation=0.1, metric=1.0),
            clip_norm=0.05,
            warmup_steps=100,
            schedule="cosine",
            mirror=True,
            copies=1,
            average_decay=0.999,
            evaluate_every=500,
            evaluate_pairs=5_000,
            stored_as="float16",
        ),
    )


def _overlap_adversarial() -> Preset:
    """`overlap` with a discriminator on the codes in place of the divergence of each from the prior."""
    overlap = _overlap()
    weights = replace(overlap.training.weights, latent=1e-5)
    return replace(overlap, training=replace(overlap.training, latent_loss="adversarial", weights=weights))


def _halves() -> Preset:
    """Which two pieces fit together: edges as they are and as their counterparts have them, told apart by contrast.

    The metric loss, in nats, leads; equation (1) is scaled down to stay beside it.
    """
    overlap = _overlap()
    return Preset(
        model=replace(
            overlap.model,
            encoder="contour",
            encoder_widths=(96, 160, 256),
            latent=256,
            head=CosineDistance(swapped=True),
            mirrored=True,
        ),
        training=replace(
            overlap.training,
            steps=9_000,
            batch_pairs=192,
            run_length=64,
            learning_rate=2e-3,
            matrix_learning_rate=6e-3,
            metric_loss="contrastive",
            weights=LossWeights(reconstruction=2e-5, latent=2e-5, deformation=0.1, metric=1.0),
            clip_norm=1.0,
        ),
    )


def _molecules() -> Preset:
    """Shape in space: atoms that attend to one another, and the Tanimoto coefficient as the cosine of two codes.

    The metric loss, of the order of 1e-3, leads; equation (1), in nats, is scaled down to stay beside it.
    """
    return Preset(
        model=ModelConfig(
            encoder="cloud",
            decoder="solid",
            encoder_widths=(160,) * 5,
            decoder_widths=(96, 64, 32, 16),
            latent=256,
            head=CosineTanimoto(),
            mirrored=True,
        ),
        training=TrainingConfig(
            steps=20_000,
            batch_pairs=1_920,
            run_length=120,
            anchor_share=0.25,
            optimisers="muon",
            learning_rate=1e-3,
            matrix_learning_rate=3e-3,
            weights=LossWeights(reconstruction=2e-8, latent=2e-8, deformation=1e-3, metric=1.0),
            clip_norm=0.05,
            warmup_steps=200,
            schedule="cosine",
            mirror=True,
            average_decay=0.999,
            evaluate_every=1_000,
            evaluate_pairs=20_000,
            stored_as="float16",
        ),
    )


def _molecules_2d() -> Preset:
    """`molecules` from atoms and bonds alone, for libraries without conformers."""
    molecules = _molecules()
    return replace(molecules, model=replace(molecules.model, encoder="graph", mirrored=False))
