"""A decoder that draws the polar picture of an image, in a rotation of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from metricvae.kinds.image.encoders.polar import RotationEncoderConfig
from metricvae.kinds.pictures.polar import PolarDecoder, cell_areas, check_doublings
from metricvae.nn.coders import DecoderConfig, Picture


@dataclass(frozen=True)
class RotationDecoderConfig(DecoderConfig):
    """Hyperparameters of `RotationDecoder`; the sizes are those of the encoder's picture.

    Attributes:
        widths: channels of the stages; the sectors are doubled between stages.
        channels, rings, sectors: of the polar picture; sectors are a multiple of 2^(stages - 1).
        radius: of the outermost ring in pixels.
    """

    name: ClassVar[str] = "rotation"

    widths: tuple[int, ...] = (64, 48)
    channels: int = 1
    rings: int = 14
    sectors: int = 64
    radius: float = 14.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_doublings(self.widths, self.sectors, self.name)

    @classmethod
    def of_encoder(cls, encoder: RotationEncoderConfig) -> Self:
        """That draws the picture of an encoder."""
        radius = encoder.reach * min(encoder.height, encoder.width)
        return cls(channels=encoder.channels, rings=encoder.rings, sectors=encoder.sectors, radius=radius)

    @property
    def picture(self) -> Picture:
        return "polar-image", self.channels, self.rings, self.sectors

    def build(self, latent: int) -> RotationDecoder:
        return RotationDecoder(self, latent)


class RotationDecoder(PolarDecoder):
    """Codes (m, d) -> logits of the polar picture, rings of all channels below one another: (m, 1, C * rings, sectors).

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: RotationDecoderConfig, latent: int) -> None:
        areas = cell_areas(config.rings, config.sectors, config.radius).repeat(config.channels, 1)
        super().__init__(config.widths, config.channels * config.rings, config.sectors, areas, latent)
        self.config = config
