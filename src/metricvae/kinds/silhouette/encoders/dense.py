"""The paper's networks: fully connected, 40000-500-500-500 into the code and 500-500 back.

Assumptions where the paper is silent: rectified linear units between layers, PyTorch's default initial weights.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metricvae.runtime.precision import PackedInBytes


def perceptron(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given sizes with rectified linear units between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class FlatEncoder(PackedInBytes, nn.Module):
    """(m, 1, H, W) pixels -> mean and log-variance (m, d) through hidden layers of `widths`."""

    def __init__(self, shape: tuple[int, int], widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.layers = perceptron([math.prod(shape), *widths, 2 * latent])

    def prepare(self, x: Tensor) -> Tensor:
        """Nothing to prepare: the pixels are the features."""
        return x

    def pictures(self, features: Tensor) -> Tensor:
        """The pixels."""
        return features

    def mirrored(self, features: Tensor) -> Tensor:
        """The objects, right and left exchanged."""
        return features.flip(-1)

    def read(self, features: Tensor) -> Tensor:
        """What the last hidden layer makes of the objects."""
        hidden: Tensor = self.layers[:-1](features.flatten(1))
        return hidden

    def rescaled(self, features: Tensor, factor: float) -> Tensor:
        """The same objects `factor` times as large about the canvas centre, bilinear."""
        scale = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], device=features.device, dtype=features.dtype)
        grid = F.affine_grid(scale.expand(len(features), -1, -1), list(features.shape), align_corners=False)
        return F.grid_sample(features, grid, align_corners=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layers(features.flatten(1)).chunk(2, dim=1)
        return mean, log_variance
