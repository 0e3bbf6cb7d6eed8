"""Networks for rows of numbers: a residual perceptron on several views of them, convolutions over neighbours, and a
decoder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.nn.coders import Decoder, DecoderConfig, Picture
from metricvae.nn.known_views import KnowingEncoder, KnowingEncoderConfig, KnownNumbers
from metricvae.nn.layers import ResidualBlock, WideLinear, hidden_layers, neighbours
from metricvae.nn.number_views import NumberViews

MOST_KNOWN = 2_048
"""Numbers of an object of which views are known beforehand, at most: they take eight times as much memory or more."""


@dataclass(frozen=True)
class MlpEncoderConfig(KnowingEncoderConfig):
    """Hyperparameters of `MlpEncoder`.

    Attributes:
        inputs: numbers of an object.
        width: of the hidden layers.
        blocks: residual blocks.
        levels: of the piecewise linear encoding of each number.
        bound: standardised numbers beyond this grow as a logarithm.
        gate: initial share of the perceptron in codes, beside the linear function.
        channels: of the convolutions over neighbouring numbers (series, spectra); 0 for none.
        taps: places that a convolution sees.
        stride: numbers from one place of the first convolution to the next; it sees `taps * stride / 2` numbers.
        shortest: convolutions halve a row until fewer numbers than twice this are left.
    """

    name: ClassVar[str] = "mlp"
    inputs: int = 1
    width: int = 256
    blocks: int = 2
    levels: int = 8
    bound: float = 8.0
    gate: float = 0.3
    channels: int = 0
    taps: int = 5
    stride: int = 2
    shortest: int = 8

    @classmethod
    def for_shape(cls, shape: tuple[int, ...], objects: int | None = None) -> MlpEncoderConfig:
        """The encoder of arrays of a shape.

        Args:
            shape: of every array; one axis of at least 24 numbers is read as a series too.
            objects: how many there are to learn from; None stands for very many.
        """
        inputs = math.prod(shape)
        series = len(shape) == 1 and inputs >= 24
        return cls(
            inputs=inputs,
            width=128 if objects is not None and objects < 300 else 256,
            levels=max(1, min(8, 2_048 // inputs)),
            channels=48 if series else 0,
            stride=max(2, inputs // 128),
            known=inputs <= MOST_KNOWN,
        )

    @property
    def picture(self) -> Picture:
        return "numbers", self.inputs

    def build(self, latent: int) -> MlpEncoder:
        return MlpEncoder(self, latent)


class MlpEncoder(KnowingEncoder):
    """(m, ...) numbers -> mean and log-variance (m, d).

    The mean is a linear function of the views of the numbers, which has inner products, cosines and the like at once,
    plus that of a residual perceptron, and of convolutions where there are any.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    config: MlpEncoderConfig

    def __init__(self, config: MlpEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.views = NumberViews(config.inputs, config.levels, config.bound)
        self.series = SeriesNet(config) if config.channels else None
        self.first = WideLinear(self.views.width, config.width)
        self.blocks = nn.Sequential(*(ResidualBlock(config.width) for _ in range(config.blocks)))
        self.norm = nn.LayerNorm(config.width)
        self.last = nn.Linear(config.width, 2 * latent)
        self.shortcut = WideLinear(self.views.smooth, latent)
        self.gate = nn.Parameter(torch.full((latent,), config.gate))
        sizes = config.inputs, latent, config.levels
        self.known = KnownNumbers(*sizes, series=config.channels > 0, bound=config.bound) if config.known else None

    def prepare(self, x: Tensor) -> Tensor:
        """The numbers of each object in one row, (m, inputs)."""
        return x.flatten(1)

    def fit_scaling(self, features: Tensor) -> None:
        """Means, units and quantiles of the columns."""
        self.views.fit(features)
        self.fit_known(features)

    def numbers(self, features: Tensor) -> Tensor:
        return features

    def learned(self) -> Iterable[Tensor]:
        return *self.shortcut.parameters(), self.gate

    def pack(self, features: Tensor) -> Tensor:
        """As they are: nothing is known of their range."""
        return features

    def pictures(self, features: Tensor) -> Tensor:
        """Standardised and squashed into [0, 1], (m, 1, inputs)."""
        return self.views.standardised(features).sigmoid()[:, None]

    def descriptors(self, features: Tensor) -> Tensor:
        """Activations of the last hidden layer."""
        return self._hidden(features, self.views(features))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        views = self.views(features)
        mean, log_variance = self.last(self._hidden(features, views)).chunk(2, dim=1)
        learned = self.gate * mean + self.shortcut(views[:, : self.views.smooth])
        return self.with_known(learned, features), log_variance

    def _hidden(self, features: Tensor, views: Tensor) -> Tensor:
        hidden: Tensor = self.first(views)
        if self.series is not None:
            hidden = hidden + self.series(self.views.alike(features))
        return functional.silu(self.norm(self.blocks(hidden)))


class SeriesNet(nn.Module):
    """Convolutions over numbers whose order means something, (m, n) -> (m, width).

    Each row is read in the unit of the training rows all together, and less its own mean by its own norm. Every stage
    halves it. What is left counts by place, and as the mean and the maximum over all places.

    Args:
        config: of the encoder it is part of.
    """

    def __init__(self, config: MlpEncoderConfig) -> None:
        super().__init__()
        self.taps, self.strides = config.taps, [config.stride]
        places, sizes = -(-config.inputs // config.stride), [2, config.channels]
        while places >= 2 * config.shortest:
            places, sizes, self.strides = -(-places // 2), [*sizes, config.channels], [*self.strides, 2]
        self.stages = nn.ModuleList(
            nn.Linear(self._width(stride) * before, after)
            for stride, (before, after) in zip(self.strides, itertools.pairwise(sizes), strict=True)
        )
        self.last = nn.Linear((places + 2) * sizes[-1], config.width)

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        own = centred / centred.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
        h = torch.stack([x, own], dim=2)
        for stride, stage in zip(self.strides, self.stages, strict=True):
            h = functional.silu(stage(neighbours(h, self._width(stride), stride)))
        pooled = [h.flatten(1), h.mean(1), h.amax(1)]
        joined: Tensor = self.last(torch.cat(pooled, dim=1))
        return joined

    def _width(self, stride: int) -> int:
        """Places that a convolution of that stride sees."""
        return self.taps * stride // 2


@dataclass(frozen=True)
class MlpDecoderConfig(DecoderConfig):
    """Hyperparameters of a `PerceptronDecoder` of numbers.

    Attributes:
        inputs: numbers of an object.
        widths: hidden layers.
    """

    name: ClassVar[str] = "mlp"
    inputs: int = 1
    widths: tuple[int, ...] = (128,)

    @property
    def picture(self) -> Picture:
        return "numbers", self.inputs

    def build(self, latent: int) -> PerceptronDecoder:
        """(m, d) codes -> (m, 1, inputs): the standardised numbers, as logits."""
        return PerceptronDecoder(latent, self.widths, (self.inputs,))


class PerceptronDecoder(Decoder):
    """(m, d) codes -> (m, 1, *shape) logits, through hidden layers with layer normalisation.

    Args:
        latent: size d of the code.
        widths: hidden layers.
        shape: of a picture.
    """

    weight = None

    def __init__(self, latent: int, widths: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.hidden = hidden_layers(latent, *widths)
        self.last = nn.Linear((latent, *widths)[-1], math.prod(shape))

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.last(self.hidden(z))
        return logits.unflatten(1, (1, *self.shape))
