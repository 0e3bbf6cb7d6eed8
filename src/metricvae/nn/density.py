"""A decoder of densities on their principal axes.

A picture is a cubic grid (m, 1, s, s, s) along x, y, z with values in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.coders import Decoder, DecoderConfig, Picture
from metricvae.nn.principal_axes import best_flips


@dataclass(frozen=True)
class DensityDecoderConfig(DecoderConfig):
    """Hyperparameters of `DensityDecoder`; `grid_side` and `grid_spacing` are those of the encoder's pictures.

    Attributes:
        widths: channels of the stages; the points along each edge are doubled between two.
        grid_side: grid points along each edge of a map, a multiple of 2^(stages - 1).
        grid_spacing: between them, in angstroms or the unit of the objects.
        flips: whether a picture may lie along its axes in any of the `AXIS_FLIPS`, and is compared in the best.
    """

    name: ClassVar[str] = "density"
    aliases: ClassVar[tuple[str, ...]] = ("solid",)

    widths: tuple[int, ...] = (96, 64, 32, 16)
    grid_side: int = 24
    grid_spacing: float = 0.9
    flips: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or self.grid_side % (1 << (len(self.widths) - 1)):
            raise InputError(
                f"got a grid of {self.grid_side} points and {len(self.widths)} widths of a density decoder: expected "
                "one width or more, and points that can be halved between them"
            )

    @property
    def picture(self) -> Picture:
        return "density", self.grid_side, self.grid_spacing

    def build(self, latent: int) -> DensityDecoder:
        return DensityDecoder(self, latent)


class DensityDecoder(Decoder):
    """Codes -> logits of a density map, (m, 1, side, side, side): the object on its principal axes.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight = None

    def __init__(self, config: DensityDecoderConfig, latent: int) -> None:
        super().__init__()
        self.config, widths = config, config.widths
        self.edge = config.grid_side >> (len(widths) - 1)
        self.start = nn.Linear(latent, widths[0] * self.edge**3)
        pairs = zip(widths, [*widths[1:], 1], strict=True)
        self.stages = nn.ModuleList(nn.Conv3d(a, b, 3, padding=1) for a, b in pairs)

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).unflatten(1, (-1, self.edge, self.edge, self.edge))
        for depth, stage in enumerate(self.stages):
            if depth:
                h = functional.interpolate(h, scale_factor=2, mode="nearest")
            h = stage(functional.silu(h))
        return h

    def reconstruction(self, logits: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the maps with their axes flipped to where the two agree best."""
        if not self.config.flips:
            return logits, pictures.float()
        return logits, best_flips(logits, pictures)
