"""An encoder of images as they lie, or centred first: convolutions from fine to coarse."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.image.encoders.scaling import ChannelScaling
from metricvae.kinds.image.layers import Convolution, ConvolutionResidual, halve
from metricvae.kinds.image.transforms import centred, resized, working_size
from metricvae.nn.coders import Picture, UnitRangeEncoder
from metricvae.nn.known_views import KnowingEncoder, KnowingEncoderConfig, KnownNumbers
from metricvae.nn.layers import LinearShortcut, hidden_layers, scale_initial_weights

FEW = 1_000
"""Images; networks are smaller for fewer."""

WIDTHS = (32,), (24, 64), (24, 32, 64), (24, 32, 64, 96)
"""Channels of the stages of one to four of them, as many as bring a picture down to four cells a side or fewer."""


@dataclass(frozen=True)
class GridEncoderConfig(KnowingEncoderConfig):
    """Hyperparameters of `GridEncoder`.

    Attributes:
        widths: channels of the stages; height and width are halved between stages.
        channels, height, width: of the picture that the network reads; larger images are reduced to it.
        patch: pixels along a side that the first layer joins.
        centred: images are shifted circularly to the centre first, so codes are the same for every such shift.
        spectrum: lowest frequencies each way whose amplitudes, the same for every shift, the network reads; 0 none.
        coarse: longest side of the reduced picture that goes to the code by a linear shortcut.
        hidden: neurons of the fully connected layers.
        levels: thresholds of each pixel of the reduced picture, of which views are known.
    """

    name: ClassVar[str] = "grid"
    prepared_copies: ClassVar[int] = 1

    widths: tuple[int, ...] = (24, 32, 64)
    channels: int = 1
    height: int = 28
    width: int = 28
    patch: int = 2
    centred: bool = False
    spectrum: int = 0
    coarse: int = 14
    hidden: int = 256
    levels: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths:
            raise InputError("got no widths of a grid encoder: expected one stage or more")

    @classmethod
    def for_images(cls, shape: tuple[int, int, int], objects: int | None, *, centred: bool) -> Self:
        """For images of a height, width and number of channels, and so many of them to learn from."""
        height, width = working_size(*shape[:2])
        patch = 2 if max(height, width) > 12 and min(height, width) > 3 else 1
        config = cls(channels=shape[2], height=height, width=width, patch=patch, centred=centred, known=True)
        stages = 1 + (max(config.grids[0]) > 4) + (max(config.grids[0]) > 8) + (max(config.grids[0]) > 16)
        factor = 2 if objects is not None and objects < FEW else 1
        widths = tuple(width // factor for width in WIDTHS[stages - 1])
        spectrum = min(4, (min(height, width) + 1) // 2) if centred else 0
        return replace(config, widths=widths, hidden=config.hidden // factor, spectrum=spectrum)

    @property
    def picture(self) -> Picture:
        return "image", self.channels, self.height, self.width

    @property
    def grids(self) -> list[tuple[int, int]]:
        """Height and width of what each stage works on."""
        sides = self.height, self.width
        found = [sides if self.patch == 1 else ((sides[0] - 2) // self.patch + 1, (sides[1] - 2) // self.patch + 1)]
        for _ in self.widths[1:]:
            found.append(((found[-1][0] + 1) // 2, (found[-1][1] + 1) // 2))
        return found

    def build(self, latent: int) -> GridEncoder:
        return GridEncoder(self, latent)


class GridEncoder(KnowingEncoder, UnitRangeEncoder):
    """Images (m, C, H, W) -> mean and log-variance of q(z | x).

    The network reads what lies where (the last stage, place by place), what there is anywhere (mean and standard
    deviation of every channel of the picture and of every stage), and the reduced picture itself, which also goes to
    the code by a linear shortcut: distances between pictures start as distances between codes.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    config: GridEncoderConfig

    def __init__(self, config: GridEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        widths, grids = config.widths, config.grids
        self.scaling = ChannelScaling(config.channels)
        size = 3 if config.patch == 1 else 2 * config.patch
        self.first = Convolution(config.channels, widths[0], size, config.patch)
        self.changes = nn.ModuleList(Convolution(a, b, 1) for a, b in itertools.pairwise(widths))
        self.stages = nn.ModuleList(ConvolutionResidual(width) for width in widths[1:])
        self.coarse = working_size(config.height, config.width, config.coarse)
        reduced = config.channels * self.coarse[0] * self.coarse[1]
        inputs = widths[-1] * grids[-1][0] * grids[-1][1] + 2 * sum(widths) + 2 * config.channels + reduced
        inputs += config.channels * config.spectrum * (2 * config.spectrum + 1)
        self.head = hidden_layers(inputs, config.hidden, config.hidden)
        self.last = nn.Linear(config.hidden, 2 * latent)
        self.direct = LinearShortcut(reduced, latent, 0.0, 0.5 * reduced**-0.5)
        scale_initial_weights(self.last)
        self.known = KnownNumbers(reduced, latent, config.levels) if config.known else None

    def prepare(self, x: Tensor) -> Tensor:
        """The images, centred if the configuration says so, in the resolution of the network: (m, C, height, width)."""
        return resized(centred(x) if self.config.centred else x, self.config.height, self.config.width).clamp(0, 1)

    def fit_scaling(self, features: Tensor) -> None:
        self.scaling.fit(features)
        self.fit_known(features)

    def numbers(self, features: Tensor) -> Tensor:
        """The pixels of the reduced pictures."""
        return functional.adaptive_avg_pool2d(features, self.coarse).flatten(1)

    def learned(self) -> Iterable[Tensor]:
        return *self.direct.parameters(), *self.last.parameters()

    def pictures(self, features: Tensor) -> Tensor:
        """The channels below one another, (m, 1, C * height, width)."""
        return features.flatten(1, 2)[:, None]

    def mirror(self, features: Tensor) -> Tensor:
        """The images with right and left exchanged."""
        return features.flip(-1)

    def descriptors(self, features: Tensor) -> Tensor:
        """The picture reduced to at most 6 x 6, and the spread of each channel in quarters."""
        x = self.scaling(features)
        few = functional.adaptive_avg_pool2d(x, (min(6, x.shape[2]), min(6, x.shape[3])))
        spread = functional.adaptive_avg_pool2d(x.square(), 2).sqrt()
        return torch.cat([few.flatten(1), spread.flatten(1)], dim=1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.scaling(features)
        reduced = functional.adaptive_avg_pool2d(x, self.coarse).flatten(1)
        h = self.first(x.contiguous(memory_format=torch.channels_last))
        seen = [reduced, *moments(x), *moments(h)]
        for change, stage in zip(self.changes, self.stages, strict=True):
            h = stage(change(halve(h)))
            seen += moments(h)
        seen.append(functional.silu(h).float().flatten(1))
        if self.config.spectrum:
            seen.append(amplitudes(x, self.config.spectrum))
        inner = self.head(torch.cat(seen, dim=1)).float()
        with torch.autocast(features.device.type, enabled=False):  # codes are sums of few, large terms
            mean, log_variance = self.last(inner).chunk(2, dim=-1)
            return self.with_known(mean + self.direct(reduced), features), log_variance


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of (m, c, ...) over its places, (m, c) each."""
    variance, mean = torch.var_mean(x.float().flatten(2), dim=2, correction=0)
    return mean, (variance + 1e-4).sqrt()


def amplitudes(x: Tensor, frequencies: int) -> Tensor:
    """(m, C, h, w) -> (m, C * f * (2 f + 1)): roots of the amplitudes of the lowest frequencies, the same for every
    circular shift."""
    spectrum = torch.fft.fft2(x.float(), norm="forward").abs()
    rows = torch.arange(-frequencies, frequencies + 1, device=x.device) % x.shape[2]
    columns = torch.arange(frequencies, device=x.device) % x.shape[3]
    return (spectrum[:, :, rows][..., columns] + 1e-4).sqrt().flatten(1)
