"""Views of rows of numbers: the same numbers on several scales, each column standardised by the training rows.

Metrics of vectors are simple in one view or another: inner products, cosines and correlations in numbers divided by a
norm, differences over many orders of magnitude in logarithms, sums of absolute differences in piecewise linear
encodings (Gorishniy et al. 2022, *On Embeddings for Numerical Features in Tabular Deep Learning*).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metricvae.nn.scaling import Standardise, bounded

SUMMARIES = 5
"""Numbers of a row as a whole: see `summaries`."""

_TINY = 1e-12


class NumberViews(nn.Module):
    """(m, n) numbers -> (m, `width`) standardised numbers.

    The views of each number: standardised; the inverse hyperbolic sine of the number over the lower decile of its
    column's absolute values (a logarithm that takes all signs); divided by the norm of its row, with and without the
    mean of the row; and `levels` numbers in [0, 1], each saying how far it is on the way from one quantile of its
    column to the next. Standardised numbers beyond `bound` grow as a logarithm, so one outlier does not rule a network.
    Constant columns stay 0, and a missing number (NaN) counts as the mean of its column.

    The first `smooth` numbers are all but the piecewise linear encoding.

    Args:
        inputs: numbers n of an object.
        levels: of the piecewise linear encoding, at least 1.
        bound: standardised numbers up to this are kept as they are.
    """

    mean: Tensor
    unit: Tensor
    softness: Tensor
    quantiles: Tensor

    def __init__(self, inputs: int, levels: int, bound: float) -> None:
        super().__init__()
        self.inputs, self.levels, self.bound = inputs, levels, bound
        self.smooth = inputs * 4 + SUMMARIES
        self.width = self.smooth + inputs * levels
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("unit", torch.ones(inputs))
        self.register_buffer("softness", torch.ones(inputs))
        steps = torch.linspace(-2.0, 2.0, levels + 1)
        self.register_buffer("quantiles", steps.expand(inputs, -1).clone())
        self.scale = Standardise(self.width, bound)

    def fit(self, x: Tensor) -> None:
        """Learn means, units and quantiles from training rows (m, n)."""
        rows = x.double()
        self.mean.copy_(rows.nanmean(0).nan_to_num())
        rows = torch.where(rows.isnan(), self.mean.double(), rows)
        unit = rows.std(0, correction=0)
        varies = unit > 1e-6 * self.mean.abs() + _TINY
        self.unit.copy_(torch.where(varies, unit, torch.ones_like(unit)))
        sizes = rows.abs()
        sizes = torch.where(sizes > 0, sizes, torch.full_like(sizes, torch.nan))
        self.softness.copy_(torch.nanquantile(sizes, 0.1, 0).nan_to_num(1.0).clamp(min=_TINY))
        marks = torch.linspace(0.0, 1.0, self.levels + 1, dtype=rows.dtype)
        self.quantiles.copy_(torch.quantile(rows, marks, 0).T)
        self.scale.fit(self._views(self.filled(x)))

    def filled(self, x: Tensor) -> Tensor:
        """The numbers (m, n), with the mean of its column in place of each that is missing."""
        return torch.where(x.isnan(), self.mean, x)

    def standardised(self, x: Tensor) -> Tensor:
        """(m, n) numbers less the mean of their column, by its standard deviation; outliers as logarithms."""
        return bounded((self.filled(x) - self.mean) / self.unit, self.bound)

    def alike(self, x: Tensor) -> Tensor:
        """(m, n) numbers less the mean of all columns together, by their common standard deviation."""
        mean, spread = self.mean.double(), self.unit.double()  # their squares may be too large for single precision
        unit = (spread.square() + (mean - mean.mean()).square()).mean().sqrt()
        return bounded((self.filled(x) - mean.mean().float()) / unit.float(), self.bound)

    def thresholds(self, x: Tensor) -> Tensor:
        """(m, n * levels) numbers in [0, root of the width], each saying how far a number is on the way from one
        quantile of its column to the next, so that squared differences add up to about absolute ones, each in the unit
        of its column."""
        widths = (self.quantiles[:, 1:] - self.quantiles[:, :-1]) / self.unit[:, None]
        return (self._way(self.filled(x)) * widths.sqrt()).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale(self._views(self.filled(x)))

    def _views(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        parts = [
            (x - self.mean) / self.unit,
            (x / self.softness).asinh(),
            x / row_norms(x),
            centred / row_norms(centred),
            summaries(x),
            self._way(x).flatten(1),
        ]
        return torch.cat(parts, dim=1)

    def _way(self, x: Tensor) -> Tensor:
        """(m, n, levels) how far numbers are on the way from one quantile of their column to the next, in [0, 1]."""
        low, high = self.quantiles[:, :-1], self.quantiles[:, 1:]
        return ((x[..., None] - low) / (high - low).clamp(min=_TINY)).clamp(0.0, 1.0)


def summaries(x: Tensor) -> Tensor:
    """(m, n) -> (m, 5): logarithms of the norms of a row with and without its mean, its mean by the latter norm, the
    logarithm of its sum of absolute values, and the entropy of its absolute values as shares of that."""
    centred = x - x.mean(1, keepdim=True)
    total = x.abs().sum(1, keepdim=True).clamp(min=_TINY)
    share = x.abs() / total
    entropy = -torch.special.xlogy(share, share).sum(1, keepdim=True)
    mean = x.mean(1, keepdim=True) / row_norms(centred)
    return torch.cat([row_norms(x).log(), row_norms(centred).log(), mean.asinh(), total.log(), entropy], dim=1)


def row_norms(x: Tensor) -> Tensor:
    """Norms of rows, (m, 1), above 0; scaled, so that squares do not overflow."""
    largest = x.abs().amax(1, keepdim=True).clamp(min=_TINY)
    return largest * torch.linalg.vector_norm(x / largest, dim=1, keepdim=True).clamp(min=_TINY)
