"""Scaling of the levels of images by what the training images are like."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelScaling(nn.Module):
    """(x - mean) / std of each channel; `fit` learns both from training images.

    Args:
        channels: of the images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((channels, 1, 1), 0.5))
        self.register_buffer("std", torch.full((channels, 1, 1), 0.25))

    def fit(self, x: Tensor) -> None:
        """Learn from (m, C, h, w) images; a channel that hardly varies is not blown up."""
        self.mean.copy_(x.mean((0, 2, 3))[:, None, None])
        self.std.copy_(x.std((0, 2, 3)).clamp(min=0.02)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = (x - self.mean) / self.std
        return scaled
