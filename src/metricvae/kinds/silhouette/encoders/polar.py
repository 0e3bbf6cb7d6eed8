"""An encoder of silhouettes that is invariant to rigid motions: circular convolutions on polar pictures.

Rotating a shape rolls the sectors of its polar picture. Convolutions along the rings are circular and commute with
that; pooling over the whole ring forgets it. So the code is independent of rigid motions by construction, up to what
resampling pixels loses, and the deformation loss is left with that remainder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from metricvae.kinds.pictures.polar import CircleEncoder, check_halvings, ring_spectrum, ring_weights
from metricvae.kinds.silhouette.encoders.polar_pictures import (
    PolarGrid,
    polar_pictures,
    rescale_pictures,
    ring_descriptors,
)
from metricvae.nn.coders import EncoderConfig, Picture
from metricvae.nn.layers import (
    CircularConv1d,
    LinearShortcut,
    circular_stages,
    hidden_layers,
    scale_initial_weights,
)


@dataclass(frozen=True)
class PolarEncoderConfig(EncoderConfig):
    """Hyperparameters of `PolarEncoder`.

    Attributes:
        widths: channels of the stages; the sectors are halved before each.
        rings, sectors: resolution of the polar picture; sectors are a multiple of 2^stages.
        reach: radius of the outermost ring in canvas sides.
        oversampling: samples along each side of a polar cell, averaged.
        ring_frequencies: amplitudes of each ring itself that the encoder takes.
        mixtures: learned mixtures of the rings, which show how rings lie to one another.
        mixture_frequencies: amplitudes taken of each mixture.
        frequencies: amplitudes taken of each channel behind the convolutions.
        hidden_factor: neurons of the fully connected layers for each channel of the last stage.
        typical_coverage: share of the disc within reach that a typical silhouette covers: 0.11 is 5,000 pixels of a
            canvas of 200.
        initial_product: product of two codes at the start of a training, of shapes of typical area, a dimension.
    """

    name: ClassVar[str] = "polar"
    prepared_copies: ClassVar[int] = 1

    widths: tuple[int, ...] = (128, 160, 128)
    rings: int = 48
    sectors: int = 96
    reach: float = 0.6
    oversampling: int = 2
    ring_frequencies: int = 8
    mixtures: int = 64
    mixture_frequencies: int = 12
    frequencies: int = 4
    hidden_factor: int = 4
    typical_coverage: float = 0.11
    initial_product: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        check_halvings(self, "polar")

    @property
    def grid(self) -> PolarGrid:
        return PolarGrid(self.rings, self.sectors, self.reach, self.oversampling)

    @property
    def picture(self) -> Picture:
        return "polar", self.rings, self.sectors, self.reach

    def build(self, latent: int) -> PolarEncoder:
        return PolarEncoder(self, latent)


class PolarEncoder(CircleEncoder):
    """Masks (m, 1, H, W) -> mean and log-variance of q(z | x), the same for every rigid motion of the mask.

    Two sets of rotation-invariant features of the polar picture go into one fully connected network:

    - the mean of each ring and the amplitudes of its first angular frequencies. A cell is weighted by the square root
      of its ring's radius, so products of pictures sum like areas;
    - the mean, the maximum and the amplitudes of what circular convolutions make of the rings, which are their
      channels.

    The area and the rings' means also go to the code by a linear shortcut: the product of two codes starts as
    `initial_product` sqrt(area * area) for any two shapes, and what is left to learn is how they differ from that.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight: Tensor

    def __init__(self, config: PolarEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        rings, last = config.rings, config.widths[-1]
        self.register_buffer("weight", ring_weights(rings), persistent=False)
        self.first = CircularConv1d(rings, config.widths[0])
        self.stages = nn.ModuleList(circular_stages(config.widths))
        self.mixtures = nn.Linear(rings, config.mixtures, bias=False)
        inputs = (1 + config.ring_frequencies) * rings + config.mixture_frequencies * config.mixtures
        inputs += (2 + config.frequencies) * last
        hidden = config.hidden_factor * last
        self.head = hidden_layers(inputs, hidden, hidden)
        self.last = nn.Linear(hidden, 2 * latent)
        self.direct = LinearShortcut(1 + rings, latent, math.sqrt(config.initial_product))
        scale_initial_weights(self.last)

    def prepare(self, x: Tensor) -> Tensor:
        """The polar pictures of the masks, (m, 1, rings, sectors)."""
        return polar_pictures(x, self.config.grid)

    def pictures(self, features: Tensor) -> Tensor:
        """The polar pictures themselves."""
        return features

    def mirror(self, features: Tensor) -> Tensor:
        """The pictures with their sectors in reverse order."""
        return features.flip(-1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Direction and length of the rings' spectrum."""
        return ring_descriptors((features * self.weight).squeeze(1), self.config.ring_frequencies)

    def rescale(self, features: Tensor, factor: float) -> Tensor:
        """The pictures of the same shapes `factor` times as large."""
        return rescale_pictures(features, factor)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        config, rings = self.config, (features * self.weight).squeeze(1)
        invariants = [3 * ring_spectrum(rings, config.ring_frequencies), *self.circle_features(3 * rings, config)]
        size = ((features * self.weight.square()).mean((1, 2, 3)) / config.typical_coverage + 1e-6).sqrt()
        inner = self.head(torch.cat(invariants, dim=1)).float()
        with torch.autocast(features.device.type, enabled=False):  # codes are sums of few, large terms
            mean, log_variance = self.last(inner).chunk(2, dim=-1)
            return mean + self.direct(torch.cat([size[:, None], rings.mean(-1)], dim=1)), log_variance
