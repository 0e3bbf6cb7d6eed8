"""A decoder that draws a silhouette as a polar picture in a canonical pose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor

from metricvae.kinds.pictures.polar import PolarDecoder, cell_areas, check_doublings
from metricvae.kinds.silhouette.encoders.polar_pictures import render_pictures
from metricvae.kinds.silhouette.records import Canvas
from metricvae.nn.coders import DecoderConfig, Picture


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
        check_doublings(self.widths, self.sectors, self.name)

    def resized(self, canvas: Canvas, of: Canvas) -> Self:
        """For the longer side of a canvas."""
        return replace(self, side=max(canvas))

    @property
    def picture(self) -> Picture:
        return "polar", self.rings, self.sectors, self.reach

    def build(self, latent: int) -> CanonicalDecoder:
        return CanonicalDecoder(self, latent)


class CanonicalDecoder(PolarDecoder):
    """Codes -> logits of a polar picture, (m, 1, rings, sectors): the object in a pose of its own.

    The encoder backwards.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: CanonicalDecoderConfig, latent: int) -> None:
        areas = cell_areas(config.rings, config.sectors, config.reach * config.side)
        super().__init__(config.widths, config.rings, config.sectors, areas, latent)
        self.config = config

    def render(self, logits: Tensor) -> Tensor:
        """The objects on a square canvas, their centroids in its middle, (m, 1, side, side) in [0, 1]."""
        return render_pictures(logits.sigmoid(), self.config.reach, self.config.side)
