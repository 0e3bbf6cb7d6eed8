"""An encoder of images that is invariant to rotations: circular convolutions on pictures in polar coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from metricvae.kinds.image.encoders.grid import FEW, moments
from metricvae.kinds.image.encoders.scaling import ChannelScaling
from metricvae.kinds.image.transforms import band_amplitudes, centred, mean_centre, polar, resized, working_size
from metricvae.kinds.pictures.polar import CircleEncoder, check_halvings, ring_spectrum, ring_weights
from metricvae.nn.coders import EncoderConfig, Picture
from metricvae.nn.layers import (
    CircularConv1d,
    LinearShortcut,
    circular_stages,
    hidden_layers,
    scale_initial_weights,
)


@dataclass(frozen=True)
class RotationEncoderConfig(EncoderConfig):
    """Hyperparameters of `RotationEncoder`.

    Attributes:
        widths: channels of the stages; the sectors are halved before each.
        channels: of the images.
        height, width: to which larger images are reduced first.
        rings, sectors: resolution of the polar picture; sectors are a multiple of 2^stages.
        reach: radius of the outermost ring, as a share of the shorter side.
        centred: the picture is about the middle of the contents instead of the canvas, so codes do not change under
            shifts either.
        bands: octaves of the spectrum of the whole image whose power the network reads as well, the same for shifts
            and rotations: for images without a middle, as textures; 0 none.
        ring_frequencies: amplitudes of each ring that the network reads.
        mixtures: learned mixtures of the rings, which show how rings lie to one another.
        mixture_frequencies: amplitudes of each mixture.
        frequencies: amplitudes of each channel behind the convolutions.
        hidden: neurons of the fully connected layers.
    """

    name: ClassVar[str] = "rotation"
    prepared_copies: ClassVar[int] = 1

    widths: tuple[int, ...] = (96, 128)
    channels: int = 1
    height: int = 28
    width: int = 28
    rings: int = 14
    sectors: int = 64
    reach: float = 0.5
    centred: bool = False
    bands: int = 0
    ring_frequencies: int = 8
    mixtures: int = 48
    mixture_frequencies: int = 8
    frequencies: int = 4
    hidden: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        check_halvings(self, "rotation")

    @classmethod
    def for_images(cls, shape: tuple[int, int, int], objects: int | None, *, centred: bool) -> Self:
        """For images of a height, width and number of channels, and so many of them to learn from."""
        height, width = working_size(*shape[:2])
        side = min(height, width)
        rings, sectors = max(3, min(24, (side + 1) // 2)), 64 if side >= 16 else 32
        few = objects is not None and objects < FEW
        widths, hidden = ((48, 64), 128) if few else (cls.widths, cls.hidden)
        sizes = {"channels": shape[2], "height": height, "width": width, "rings": rings, "sectors": sectors}
        return cls(widths=widths, centred=centred, bands=5 if centred else 0, hidden=hidden, **sizes)

    @property
    def picture(self) -> Picture:
        return "polar-image", self.channels, self.rings, self.sectors

    def build(self, latent: int) -> RotationEncoder:
        return RotationEncoder(self, latent)


class RotationEncoder(CircleEncoder):
    """Images (m, C, H, W) -> mean and log-variance of q(z | x), the same for every rotation of the image.

    A rotation rolls the sectors of the polar picture. Circular convolutions along them, whose channels are the rings of
    all channels, commute with that; means, maxima and amplitudes over the circle forget it.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight: Tensor

    def __init__(self, config: RotationEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.scaling, self.band_scaling = (
            ChannelScaling(config.channels),
            ChannelScaling(config.channels * config.bands),
        )
        rings, last = config.channels * config.rings, config.widths[-1]
        self.register_buffer("weight", ring_weights(config.rings), persistent=False)
        self.first = CircularConv1d(rings, config.widths[0])
        self.stages = nn.ModuleList(circular_stages(config.widths))
        self.mixtures = nn.Linear(rings, config.mixtures, bias=False)
        inputs = (2 + config.ring_frequencies) * rings + config.mixture_frequencies * config.mixtures
        inputs += (2 + config.frequencies) * last + config.channels * config.bands
        self.head = hidden_layers(inputs, config.hidden, config.hidden)
        self.last = nn.Linear(config.hidden, 2 * latent)
        described = (1 + config.ring_frequencies) * rings
        self.direct = LinearShortcut(described, latent, 0.0, 0.5 * described**-0.5)
        scale_initial_weights(self.last)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, n): the pictures in polar coordinates, then the roots of the amplitudes of the bands."""
        config = self.config
        x = resized(centred(x) if config.centred else x, config.height, config.width)
        centre = mean_centre(x) if config.centred else None
        picture = polar(x, config.rings, config.sectors, config.reach, centre).clamp(0, 1).flatten(1)
        return (
            torch.cat([picture, band_amplitudes(x, config.bands).sqrt().flatten(1)], dim=1) if config.bands else picture
        )

    def fit_scaling(self, features: Tensor) -> None:
        picture, bands = self._parts(features)
        self.scaling.fit(picture)
        if self.config.bands:
            self.band_scaling.fit(bands)

    def _parts(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The polar pictures (m, C, rings, sectors), and the bands (m, C * bands, 1, 1)."""
        shape = self.config.channels, self.config.rings, self.config.sectors
        return features[:, : math.prod(shape)].unflatten(1, shape), features[:, math.prod(shape) :, None, None]

    def pictures(self, features: Tensor) -> Tensor:
        """The rings of all channels below one another, (m, 1, C * rings, sectors)."""
        return self._parts(features)[0].flatten(1, 2)[:, None]

    def mirror(self, features: Tensor) -> Tensor:
        """The pictures with their sectors in reverse order."""
        picture, bands = self._parts(features)
        return torch.cat([picture.roll(-1, -1).flip(-1).flatten(1), bands.flatten(1)], dim=1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Means of the rings, and their amplitudes of the two lowest frequencies."""
        return ring_spectrum(self._rings(self._parts(features)[0]), 2)

    def _rings(self, picture: Tensor) -> Tensor:
        """(m, C * rings, sectors), scaled; a cell weighs by the root of its area."""
        return (self.scaling(picture) * self.weight).flatten(1, 2)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        config, (picture, bands) = self.config, self._parts(features)
        rings = self._rings(picture)
        spectrum = ring_spectrum(rings, config.ring_frequencies)
        invariants = [
            spectrum,
            moments(rings)[1],
            self.band_scaling(bands).flatten(1),
            *self.circle_features(rings, config),
        ]
        inner = self.head(torch.cat(invariants, dim=1)).float()
        with torch.autocast(features.device.type, enabled=False):  # codes are sums of few, large terms
            mean, log_variance = self.last(inner).chunk(2, dim=-1)
            return mean + self.direct(spectrum), log_variance
