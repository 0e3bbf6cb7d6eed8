"""The paper's decoder: fully connected, 500-500, back to the pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor

from metricvae.kinds.silhouette.encoders.dense import perceptron
from metricvae.kinds.silhouette.records import Canvas
from metricvae.nn.coders import Decoder, DecoderConfig, Picture


@dataclass(frozen=True)
class DenseDecoderConfig(DecoderConfig):
    """Hyperparameters of `DenseDecoder`.

    Attributes:
        widths: hidden layers; the paper's two of 500 neurons.
        height, width: canvas in pixels.
    """

    name: ClassVar[str] = "dense"
    aliases: ClassVar[tuple[str, ...]] = ("flat",)

    widths: tuple[int, ...] = (500, 500)
    height: int = 200
    width: int = 200

    def resized(self, canvas: Canvas, of: Canvas) -> Self:
        """For masks of that size; with other weights."""
        return replace(self, height=canvas[0], width=canvas[1])

    @property
    def picture(self) -> Picture:
        return "canvas", self.height, self.width

    def build(self, latent: int) -> DenseDecoder:
        return DenseDecoder(self, latent)


class DenseDecoder(Decoder):
    """(m, d) codes -> (m, 1, H, W) logits of the pixels of the objects as they lie.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight = None

    def __init__(self, config: DenseDecoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.layers = perceptron([latent, *config.widths, config.height * config.width])

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.layers(z)
        return logits.unflatten(1, (1, self.config.height, self.config.width))
