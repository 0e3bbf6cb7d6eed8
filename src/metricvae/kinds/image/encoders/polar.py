"""An encoder of images that is invariant to rotations: circular convolutions on pictures in polar coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.image.encoders.grid import FEW
from metricvae.kinds.image.encoders.scaling import ChannelScaling
from metricvae.kinds.image.transforms import centred, mean_centre, polar, resized, working_size
from metricvae.kinds.pictures.polar import ring_spectrum, ring_weights
from metricvae.nn.coders import EncoderConfig, Picture, UnitRangeEncoder
from metricvae.nn.layers import (
    CircularConv1d,
    LinearShortcut,
    average_pairs,
    circular_stages,
    frequency_amplitudes,
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
        ring_frequencies: amplitudes of each ring that the network reads.
        mixtures: learned mixtures of the rings, which show how rings lie to one another.
        mixture_frequencies: amplitudes of each mixture.
        frequencies: amplitudes of each channel behind the convolutions.
        hidden: neurons of the fully connected layers.
    """

    name: ClassVar[str] = "rotation"

    widths: tuple[int, ...] = (96, 128)
    channels: int = 1
    height: int = 28
    width: int = 28
    rings: int = 14
    sectors: int = 64
    reach: float = 0.5
    centred: bool = False
    ring_frequencies: int = 8
    mixtures: int = 48
    mixture_frequencies: int = 8
    frequencies: int = 4
    hidden: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or self.sectors % (1 << len(self.widths)):
            raise InputError(
                f"got {self.sectors} sectors and {len(self.widths)} stages of a rotation encoder: expected one stage "
                "or more, and sectors that can be halved before each"
            )
        most = (self.sectors // 2, self.sectors // 2, (self.sectors >> len(self.widths)) // 2)
        for name, limit in zip(("ring_frequencies", "mixture_frequencies", "frequencies"), most, strict=True):
            if getattr(self, name) > limit:
                raise InputError(f"got {name} {getattr(self, name)} of a rotation encoder: expected at most {limit}")

    @classmethod
    def for_images(cls, shape: tuple[int, int, int], objects: int | None, *, centred: bool) -> Self:
        """For images of a height, width and number of channels, and so many of them to learn from."""
        height, width = working_size(*shape[:2])
        side = min(height, width)
        rings, sectors = max(3, min(24, (side + 1) // 2)), 64 if side >= 16 else 32
        few = objects is not None and objects < FEW
        widths, hidden = ((48, 64), 128) if few else (cls.widths, cls.hidden)
        sizes = {"channels": shape[2], "height": height, "width": width, "rings": rings, "sectors": sectors}
        return cls(widths=widths, centred=centred, hidden=hidden, **sizes)

    @property
    def picture(self) -> Picture:
        return "polar-image", self.channels, self.rings, self.sectors

    def build(self, latent: int) -> RotationEncoder:
        return RotationEncoder(self, latent)


class RotationEncoder(UnitRangeEncoder):
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
        self.scaling = ChannelScaling(config.channels)
        rings, last = config.channels * config.rings, config.widths[-1]
        self.register_buffer("weight", ring_weights(config.rings), persistent=False)
        self.first = CircularConv1d(rings, config.widths[0])
        self.stages = nn.ModuleList(circular_stages(config.widths))
        self.mixtures = nn.Linear(rings, config.mixtures, bias=False)
        inputs = (1 + config.ring_frequencies) * rings + config.mixture_frequencies * config.mixtures
        inputs += (2 + config.frequencies) * last
        self.head = hidden_layers(inputs, config.hidden, config.hidden)
        self.last = nn.Linear(config.hidden, 2 * latent)
        described = (1 + config.ring_frequencies) * rings
        self.direct = LinearShortcut(described, latent, 0.0, 0.5 * described**-0.5)
        scale_initial_weights(self.last)

    def prepare(self, x: Tensor) -> Tensor:
        """The pictures in polar coordinates, (m, C, rings, sectors)."""
        config = self.config
        x = resized(centred(x) if config.centred else x, config.height, config.width)
        centre = mean_centre(x) if config.centred else None
        return polar(x, config.rings, config.sectors, config.reach, centre).clamp(0, 1)

    def fit_scaling(self, features: Tensor) -> None:
        self.scaling.fit(features)

    def pictures(self, features: Tensor) -> Tensor:
        """The rings of all channels below one another, (m, 1, C * rings, sectors)."""
        return features.flatten(1, 2)[:, None]

    def mirror(self, features: Tensor) -> Tensor:
        """The pictures with their sectors in reverse order."""
        return features.roll(-1, -1).flip(-1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Means of the rings, and their amplitudes over all frequencies."""
        return ring_spectrum(self._rings(features), 2)

    def _rings(self, features: Tensor) -> Tensor:
        """(m, C * rings, sectors), scaled; a cell weighs by the root of its area."""
        return (self.scaling(features) * self.weight).flatten(1, 2)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        config, rings = self.config, self._rings(features)
        h = self.first(average_pairs(rings.transpose(1, 2)))
        for depth, stage in enumerate(self.stages):
            h = stage(average_pairs(h) if depth else h)
        h = functional.silu(h).float().transpose(1, 2)
        mixed = self.mixtures(rings.transpose(1, 2)).float().transpose(1, 2)
        spectrum = ring_spectrum(rings, config.ring_frequencies)
        invariants = [
            spectrum,
            frequency_amplitudes(mixed, config.mixture_frequencies).flatten(1),
            *(h.mean(-1), h.amax(-1), frequency_amplitudes(h, config.frequencies).flatten(1)),
        ]
        inner = self.head(torch.cat(invariants, dim=1)).float()
        with torch.autocast(features.device.type, enabled=False):
            mean, log_variance = self.last(inner).chunk(2, dim=-1)
            return mean + self.direct(spectrum), log_variance
