"""Codes of objects: the parameters of q(z | x) and a draw from it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Codes:
    """What the encoder says about m objects: a normal distribution over d latent dimensions each, and a draw from it.

    Attributes:
        mean: (m, d).
        log_variance: (m, d).
        sample: (m, d), mean + exp(log_variance / 2) * noise.
    """

    mean: Tensor
    log_variance: Tensor
    sample: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Codes:
        return Codes(self.mean[rows], self.log_variance[rows], self.sample[rows])
