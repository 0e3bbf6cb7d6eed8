"""The paper's decoder: fully connected, 500-500, back to the pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from metricvae.kinds.silhouette.encoders.dense import perceptron


class FlatDecoder(nn.Module):
    """(m, d) codes -> (m, 1, H, W) logits through hidden layers of `widths`."""

    def __init__(self, shape: tuple[int, int], widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.shape = shape
        self.layers = perceptron([latent, *widths, math.prod(shape)])
        self.weight: Tensor | None = None

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.layers(z)
        return logits.unflatten(1, (1, *self.shape))

    def reconstruction(self, logits: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the reconstruction loss compares: the object as it lies."""
        return logits, x

    def painted(self, logits: Tensor) -> Tensor:
        """The objects as they lie, (m, 1, H, W) in [0, 1]."""
        return logits.sigmoid()
