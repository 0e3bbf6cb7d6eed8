"""A decoder that draws a silhouette as a polar picture in a canonical pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.encoders.polar_pictures import align_rotation, cell_areas, render_pictures
from metricvae.kinds.silhouette.records import Canvas
from metricvae.nn.coders import Decoder, DecoderConfig, Picture
from metricvae.nn.layers import CircularConv1d, circular_stages


@dataclass(frozen=True)
class CanonicalDecoderConfig(DecoderConfig):
    """Hyperparameters of `CanonicalDecoder`; `rings`, `sectors` and `reach` are those of the encoder's pictures.

    Attributes:
        widths: channels of the stages; the sectors are doubled between stages.
        rings, sectors: resolution of the polar picture; sectors are a multiple of 2^(stages - 1).
        reach: radius of the outermost ring in canvas sides.
        side: longer side of the canvas in pixels.
    """

    name: ClassVar[str] = "canonical"

    widths: tuple[int, ...] = (192, 128, 96, 96)
    rings: int = 48
    sectors: int = 96
    reach: float = 0.6
    side: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or self.sectors % (1 << (len(self.widths) - 1)):
            raise InputError(
                f"got {self.sectors} sectors and {len(self.widths)} stages of a canonical decoder: expected one stage "
                "or more, and sectors that can be halved between them"
            )

    @classmethod
    def for_canvas(cls, canvas: Canvas) -> Self:
        """For the longer side of a canvas."""
        return cls(side=max(canvas))

    @property
    def picture(self) -> Picture:
        return "polar", self.rings, self.sectors, self.reach

    def build(self, latent: int) -> CanonicalDecoder:
        return CanonicalDecoder(self, latent)


class CanonicalDecoder(Decoder):
    """Codes -> logits of a polar picture, (m, 1, rings, sectors): the object in a pose of its own.

    The encoder backwards: from a coarse circle of sectors to the full one, each sector giving its cells of all rings.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight: Tensor

    def __init__(self, config: CanonicalDecoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.sectors = config.sectors >> (len(config.widths) - 1)
        self.start = nn.Linear(latent, config.widths[0] * self.sectors)
        self.stages = nn.ModuleList(circular_stages(config.widths))
        self.last = CircularConv1d(config.widths[-1], config.rings)
        areas = cell_areas(config.rings, config.sectors, config.reach * config.side)
        self.register_buffer("weight", areas, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).unflatten(1, (self.sectors, -1))
        for depth, stage in enumerate(self.stages):
            h = stage(h.repeat_interleave(2, 1) if depth else h)
        logits: Tensor = self.last(functional.silu(h))
        return logits.transpose(1, 2)[:, None]

    def reconstruction(self, logits: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the polar pictures rotated to where the two agree best."""
        return logits, align_rotation(pictures, logits.detach().float().sigmoid(), self.weight)

    def render(self, logits: Tensor) -> Tensor:
        """The objects on a square canvas, their centroids in its middle, (m, 1, side, side) in [0, 1]."""
        return render_pictures(logits.sigmoid(), self.config.reach, self.config.side)
