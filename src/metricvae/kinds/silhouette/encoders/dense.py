"""The paper's encoder: fully connected, 40000-500-500-500 into the code.

Assumptions where the paper is silent: rectified linear units between layers, PyTorch's default initial weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.kinds.silhouette.records import Canvas
from metricvae.nn.coders import EncoderConfig, Picture, UnitRangeEncoder


@dataclass(frozen=True)
class DenseEncoderConfig(EncoderConfig):
    """Hyperparameters of `DenseEncoder`.

    Attributes:
        widths: hidden layers; the paper's three of 500 neurons.
        height, width: canvas in pixels.
    """

    name: ClassVar[str] = "dense"
    aliases: ClassVar[tuple[str, ...]] = ("flat",)

    widths: tuple[int, ...] = (500, 500, 500)
    height: int = 200
    width: int = 200

    def resized(self, canvas: Canvas, of: Canvas) -> Self:
        """For masks of that size; with other weights."""
        return replace(self, height=canvas[0], width=canvas[1])

    @property
    def picture(self) -> Picture:
        return "canvas", self.height, self.width

    def build(self, latent: int) -> DenseEncoder:
        return DenseEncoder(self, latent)


class DenseEncoder(UnitRangeEncoder):
    """(m, 1, H, W) pixels -> mean and log-variance (m, d) through hidden layers.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: DenseEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.layers = perceptron([config.height * config.width, *config.widths, 2 * latent])

    def prepare(self, x: Tensor) -> Tensor:
        """The pixels are the features."""
        return x

    def pictures(self, features: Tensor) -> Tensor:
        """The pixels."""
        return features

    def mirror(self, features: Tensor) -> Tensor:
        """The objects, right and left exchanged."""
        return features.flip(-1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Activations of the last hidden layer."""
        hidden: Tensor = self.layers[:-1](features.flatten(1))
        return hidden

    def rescale(self, features: Tensor, factor: float) -> Tensor:
        """The same objects `factor` times as large about the canvas centre, bilinear."""
        scale = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], device=features.device, dtype=features.dtype)
        grid = functional.affine_grid(scale.expand(len(features), -1, -1), list(features.shape), align_corners=False)
        return functional.grid_sample(features, grid, align_corners=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layers(features.flatten(1)).chunk(2, dim=1)
        return mean, log_variance


def perceptron(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given sizes with rectified linear units between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
