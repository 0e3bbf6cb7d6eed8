"""A decoder that draws the polar picture of an image, in a rotation of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.image.encoders.polar import RotationEncoderConfig
from metricvae.kinds.silhouette.encoders.polar_pictures import align_rotation, cell_areas
from metricvae.nn.coders import Decoder, DecoderConfig, Picture
from metricvae.nn.layers import CircularConv1d, circular_stages


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
        if not self.widths or self.sectors % (1 << (len(self.widths) - 1)):
            raise InputError(
                f"got {self.sectors} sectors and {len(self.widths)} stages of a rotation decoder: expected one stage "
                "or more, and sectors that can be halved between them"
            )

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


class RotationDecoder(Decoder):
    """Codes (m, d) -> logits of the polar picture, rings of all channels below one another: (m, 1, C * rings, sectors).

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight: Tensor

    def __init__(self, config: RotationDecoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.sectors = config.sectors >> (len(config.widths) - 1)
        self.start = nn.Linear(latent, config.widths[0] * self.sectors)
        self.stages = nn.ModuleList(circular_stages(config.widths))
        self.last = CircularConv1d(config.widths[-1], config.channels * config.rings)
        areas = cell_areas(config.rings, config.sectors, config.radius).repeat(config.channels, 1)
        self.register_buffer("weight", areas, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).unflatten(1, (self.sectors, -1))
        for depth, stage in enumerate(self.stages):
            h = stage(h.repeat_interleave(2, 1) if depth else h)
        logits: Tensor = self.last(functional.silu(h))
        return logits.transpose(1, 2)[:, None]

    def reconstruction(self, logits: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the pictures rotated to where the two agree best."""
        return logits, align_rotation(pictures, logits.detach().float().sigmoid(), self.weight)
