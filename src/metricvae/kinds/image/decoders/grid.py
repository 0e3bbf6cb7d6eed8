"""A decoder that draws the picture that the encoder reads, by convolutions on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn
from torch.nn import functional

from metricvae.kinds.image.encoders.grid import GridEncoderConfig
from metricvae.kinds.image.layers import Convolution
from metricvae.nn.coders import Decoder, DecoderConfig, Picture


@dataclass(frozen=True)
class GridDecoderConfig(DecoderConfig):
    """Hyperparameters of `GridDecoder`; the sizes are those of the encoder's picture.

    Attributes:
        widths: channels of the layers, on a grid whose cells are `cell` pixels wide.
        cell: in pixels.
        channels, height, width: of the picture.
    """

    name: ClassVar[str] = "grid"

    widths: tuple[int, ...] = (48, 32)
    cell: int = 4
    channels: int = 1
    height: int = 28
    width: int = 28

    @classmethod
    def of_encoder(cls, encoder: GridEncoderConfig) -> Self:
        """That draws the picture of an encoder."""
        return cls(channels=encoder.channels, height=encoder.height, width=encoder.width)

    @property
    def picture(self) -> Picture:
        return "image", self.channels, self.height, self.width

    def build(self, latent: int) -> GridDecoder:
        return GridDecoder(self, latent)


class GridDecoder(Decoder):
    """Codes (m, d) -> logits of the picture, its channels below one another: (m, 1, C * height, width).

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight = None

    def __init__(self, config: GridDecoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.grid = -(-config.height // config.cell), -(-config.width // config.cell)
        self.start = nn.Linear(latent, config.widths[0] * self.grid[0] * self.grid[1])
        after = (*config.widths[1:], config.channels * config.cell**2)
        self.layers = nn.ModuleList(Convolution(a, b) for a, b in zip(config.widths, after, strict=True))

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).unflatten(1, (-1, *self.grid))
        for layer in self.layers:
            h = layer(functional.silu(h))
        drawn = functional.pixel_shuffle(h, self.config.cell)
        logits: Tensor = drawn[..., : self.config.height, : self.config.width]
        return logits.flatten(1, 2)[:, None]
