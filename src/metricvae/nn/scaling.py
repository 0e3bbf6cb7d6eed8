"""Standardisation of numbers by those of the training objects."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """(m, n) numbers less their means, by their standard deviations over the training; constant columns stay 0.

    Args:
        size: numbers n of a row.
        bound: standardised numbers beyond this grow as a logarithm, so that one outlier does not rule a network.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, size: int, bound: float = 8.0) -> None:
        super().__init__()
        self.bound = bound
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    def fit(self, x: Tensor) -> None:
        """Learn means and standard deviations from training rows (m, n)."""
        rows = x.double()
        mean, spread = rows.mean(0), rows.std(0, correction=0)
        varies = spread > 1e-6 * mean.abs() + 1e-9
        self.mean.copy_(mean)
        self.spread.copy_(torch.where(varies, spread, torch.ones_like(spread)))

    def forward(self, x: Tensor) -> Tensor:
        return bounded((x - self.mean) / self.spread, self.bound)


def bounded(x: Tensor, bound: float) -> Tensor:
    """x up to `bound` on either side of 0; beyond, plus or minus (bound + log(1 + |x| - bound)). Always finite."""
    return x.clamp(-bound, bound) + x.sign() * (x.abs() - bound).clamp(0.0, 1e30).log1p()
