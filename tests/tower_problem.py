"""Towers of one kind of objects with seeded weights, for the tests of encoders and decoders."""

from __future__ import annotations

from metricvae.nn.autoencoder import Tower
from metricvae.nn.coders import DecoderConfig, Encoder, EncoderConfig
from metricvae.nn.heads import Head, InnerProduct
from metricvae.nn.layers import seeded_weights


def seeded_encoder(config: EncoderConfig, latent: int, seed: int = 0) -> Encoder:
    """An encoder with weights from a seed; the global random state is left as it was."""
    with seeded_weights(seed):
        return config.build(latent)


def seeded_tower(
    encoder: EncoderConfig,
    decoder: DecoderConfig,
    latent: int,
    seed: int = 0,
    head: Head | None = None,
    *,
    mirrored: bool = False,
) -> Tower:
    """Encoder, decoder and head; the global random state is left as it was."""
    with seeded_weights(seed):
        return Tower(encoder.build(latent), decoder.build(latent), head or InnerProduct(), mirrored)
