"""Layers that several networks share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Ring(nn.Module):
    """A circular convolution of `width` sectors, as one matrix: (m, sectors, c) -> (m, sectors, c')."""

    def __init__(self, channels: int, out: int, width: int = 3) -> None:
        super().__init__()
        self.margin = width // 2
        self.layer = nn.Linear(channels * width, out)

    def forward(self, x: Tensor) -> Tensor:
        neighbours = [x.roll(-k, 1) if k else x for k in range(-self.margin, self.margin + 1)]
        convolved: Tensor = self.layer(torch.cat(neighbours, dim=-1) if self.margin else x)
        return convolved


class Residual(nn.Module):
    """x + f(x) with two circular convolutions; f starts small, so no norm is needed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = Ring(channels, channels), Ring(channels, channels)
        start_small(self.second.layer)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(x)))


def start_small(layer: nn.Linear) -> None:
    """Weights a tenth of what they were, biases zero: what is added to something else begins as little."""
    with torch.no_grad():
        layer.weight.mul_(0.1)
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)


class Direct(nn.Linear):
    """The area's root and the rings' means straight to the code: any two codes begin with the product 0.7 sqrt(area *
    area). It is a start made by hand, with one strong direction; Muon, which makes all alike, leaves it to Adam."""

    def __init__(self, inputs: int, latent: int) -> None:
        super().__init__(inputs, latent)
        with torch.no_grad():
            self.weight.normal_(std=0.01)
            self.weight[:, 0] = math.sqrt(0.7)
            self.bias.zero_()
