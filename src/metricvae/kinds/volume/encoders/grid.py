"""An encoder of volumes that are compared as they lie: a small convolutional network on their grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.layers import hidden_layers

LARGEST_READ = 16
"""Points along each edge that the network reads; finer grids are averaged to it."""

DESCRIBED = 6
"""Points along each edge of the grid that novelty is told by."""


@dataclass(frozen=True)
class VolumeGridEncoderConfig(EncoderConfig):
    """Hyperparameters of `VolumeGridEncoder`.

    Attributes:
        side: points along each edge of the volumes.
        widths: channels of the convolutions; the points along each edge are halved after each.
        hidden: width of the layers after them.
        grid_side: points along each edge of the pictures that the decoder draws.
        grid_spacing: between them.
    """

    name: ClassVar[str] = "grid"

    side: int = 32
    widths: tuple[int, ...] = (16, 32, 64)
    hidden: int = 192
    grid_side: int = 16
    grid_spacing: float = 1.875

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or self.read_side >> len(self.widths) < 1:
            raise InputError(f"got {len(self.widths)} widths for volumes of {self.side} points: expected fewer")

    @property
    def read_side(self) -> int:
        """Points along each edge that the network reads."""
        return min(self.side, LARGEST_READ)

    @property
    def picture(self) -> Picture:
        return "density", self.grid_side, self.grid_spacing

    def build(self, latent: int) -> VolumeGridEncoder:
        return VolumeGridEncoder(self, latent)


class VolumeGridEncoder(Encoder):
    """Volumes (m, 1, s, s, s) -> mean and log-variance of q(z | x).

    Features are the volume at the points that the network reads, divided by its root mean square, the logarithm of
    that and the mean, and the picture.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: VolumeGridEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config, side = config, config.read_side
        self.numbers = side**3
        self.register_buffer("mean", torch.zeros(self.numbers + 2))
        self.register_buffer("scale", torch.ones(self.numbers + 2))
        pairs = zip((1, *config.widths), config.widths, strict=False)
        self.stages = nn.ModuleList(nn.Conv3d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        for _ in config.widths:
            side = (side + 1) // 2
        inputs = config.widths[-1] * side**3 + self.numbers + 2
        self.head = hidden_layers(inputs, config.hidden, config.hidden)
        self.last = nn.Linear(config.hidden, 2 * latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, 1, s, s, s) -> (m, f)."""
        maps = x.float()
        size = maps.square().mean((1, 2, 3, 4)).clamp(min=1e-24).sqrt()
        maps = maps / size[:, None, None, None, None]
        read = functional.adaptive_avg_pool3d(maps, self.config.read_side).flatten(1)
        picture = functional.adaptive_avg_pool3d(maps, self.config.grid_side)
        low, high = picture.amin((1, 2, 3, 4), keepdim=True), picture.amax((1, 2, 3, 4), keepdim=True)
        picture = (picture - low.clamp(max=0)) / (high - low.clamp(max=0)).clamp(min=1e-6)
        return torch.cat([read, size.log()[:, None], read.mean(1, keepdim=True), picture.flatten(1)], dim=1)

    def fit_scaling(self, features: Tensor) -> None:
        """One mean and one scale for all points, and those of the two numbers."""
        x = features[:, : self.numbers + 2]
        points, rest = x[:, : self.numbers], x[:, self.numbers :]
        self.mean.copy_(torch.cat([points.mean().expand(self.numbers), rest.mean(0)]))
        spread = torch.cat([points.std().expand(self.numbers), rest.std(0, unbiased=False)])
        self.scale.copy_(spread.clamp(min=1e-3))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = (features[:, : self.numbers + 2] - self.mean) / self.scale
        h = x[:, : self.numbers].unflatten(1, (1, *(self.config.read_side,) * 3))
        for stage in self.stages:
            h = functional.silu(stage(h))
        mean, log_variance = self.last(self.head(torch.cat([h.flatten(1), x], dim=1))).chunk(2, 1)
        return mean, log_variance

    def pictures(self, features: Tensor) -> Tensor:
        """The volumes between their lowest value, or 0, and their highest, (m, 1, side, side, side)."""
        return features[:, self.numbers + 2 :].unflatten(1, (1, *(self.config.grid_side,) * 3)).float()

    def descriptors(self, features: Tensor) -> Tensor:
        """The volume on a coarse grid, and the two numbers."""
        x = (features[:, : self.numbers + 2].float() - self.mean) / self.scale
        cube = x[:, : self.numbers].unflatten(1, (1, *(self.config.read_side,) * 3))
        coarse = functional.adaptive_avg_pool3d(cube, min(DESCRIBED, self.config.read_side)).flatten(1)
        return torch.cat([coarse, x[:, self.numbers :]], dim=1)

    def mirror(self, features: Tensor) -> Tensor:
        """Of the volumes reflected along their first axis."""
        read = features[:, : self.numbers].unflatten(1, (self.config.read_side,) * 3).flip(1).flatten(1)
        picture = self.pictures(features).flip(2).flatten(1).to(features)
        return torch.cat([read, features[:, self.numbers : self.numbers + 2], picture], dim=1)
