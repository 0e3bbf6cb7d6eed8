"""What views of rows of numbers say of the similarity of two rows before anything is learned.

Many metrics of numbers are, in one view or another, a function of a sum of products or of squared differences:
distances in columns of one unit or each in its own, Mahalanobis distances in whitened columns, cosines and correlations
in rows of length 1, distances of distributions in square roots or in running sums, sums of absolute differences in
thresholds, similarities of spectra in amplitudes of frequencies. A weighted sum of several is one such sum, of the
principal components of all their columns.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.sampling import evenly_spaced
from metricvae.nn.number_views import NumberViews, row_norms
from metricvae.nn.scaling import bounded

MOST_WHITENED = 256
"""Columns of a row that is whitened, at most."""

RIDGE = 1e-3
"""Of the mean variance of the columns, that is added to each before whitening."""

LEARNED_FROM = 1_024
"""Rows from which principal components are learned, at most."""

_TINY = 1e-12


class KnownViews(nn.Module):
    """(m, n) numbers -> (m, d), what is projected of some views of them: nothing before `use`.

    Args:
        inputs: numbers n of an object.
        outputs: numbers d of a code.
        levels: thresholds of each number, between quantiles of its column.
        series: whether the order of the numbers means something.
        bound: standardised numbers beyond this grow as a logarithm.
    """

    whitening: Tensor
    unit: Tensor
    weight: Tensor

    def __init__(self, inputs: int, outputs: int, levels: int, series: bool, bound: float) -> None:
        super().__init__()
        self.frequencies, self.bound = inputs // 2 if series else 0, bound
        whitened = inputs if inputs <= MOST_WHITENED else 0
        sizes = [*(inputs,) * 6, *(inputs * levels,) * 2, whitened, self.frequencies]
        self.sizes = [size for size in sizes if size]
        self.register_buffer("whitening", torch.eye(whitened))
        self.register_buffer("unit", torch.ones(len(self.sizes)))
        self.register_buffer("weight", torch.zeros(outputs, sum(self.sizes)))
        self.factor = nn.Parameter(torch.ones(outputs))

    def fit(self, views: NumberViews, x: Tensor) -> None:
        """Learn the whitening and the units of the views from training rows (m, n), of which `views` have learned."""
        rows = views.standardised(x).double()
        if len(self.whitening):
            spread = rows.T @ rows / len(rows)
            spread.diagonal().add_(RIDGE * spread.diagonal().mean().clamp(min=_TINY))
            size, axes = torch.linalg.eigh(spread)
            self.whitening.copy_(axes * size.rsqrt() @ axes.T)
        self.unit.fill_(1.0)
        squares = [one.double().square().mean() for one in self.groups(views, x)]
        self.unit.copy_(torch.stack(squares).sqrt().clamp(min=_TINY))

    def groups(self, views: NumberViews, x: Tensor) -> list[Tensor]:
        """The views of rows (m, n), each with a mean square of 1 over the training rows."""
        filled, standard, alike = views.filled(x), views.standardised(x), views.alike(x)
        centred = filled - filled.mean(1, keepdim=True)
        thresholds = views.thresholds(x)
        found = [
            standard,
            alike,
            filled / row_norms(filled),
            centred / row_norms(centred),
            bounded(filled / views.unit, self.bound).abs().sqrt() * filled.sign(),
            alike.cumsum(1),
            thresholds,
            thresholds * views.unit.repeat_interleave(views.levels).sqrt(),
            standard[:, : len(self.whitening)] @ self.whitening,
            torch.fft.rfft(alike, norm="ortho").abs()[:, 1 : self.frequencies + 1],
        ]
        return [one / unit for one, unit in zip((one for one in found if one.shape[1]), self.unit, strict=True)]

    def use(self, views: NumberViews, x: Tensor, squares: Tensor) -> None:
        """Project all views together on their principal components over rows (m, n); see `Encoder.use_similarity`."""
        used = (squares.sum(0) > 0).nonzero()[:, 0]
        if not len(used):
            return
        scale = torch.cat(
            [
                torch.full((size,), (share / size) ** 0.5)
                for size, share in zip(self.sizes, squares.sum(1).tolist(), strict=True)
            ]
        )
        rows = x[evenly_spaced(np.arange(len(x)), LEARNED_FROM)]
        seen = (torch.cat(self.groups(views, rows), dim=1) * scale).double()
        axes = _principal_axes(seen, len(used))
        self.weight.zero_()
        self.weight[used[: len(axes)]] = axes.float() * scale

    def forward(self, views: NumberViews, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # what is known is known more exactly than bfloat16 holds
            projected: Tensor = functional.linear(torch.cat(self.groups(views, x.float()), dim=1), self.weight)
            return self.factor * projected


def _principal_axes(rows: Tensor, most: int) -> Tensor:
    """(k, n) orthonormal axes along which the squares of rows (m, n) are largest, about the origin; k is `most`, or as
    many as rows have."""
    few_columns = rows.shape[1] <= len(rows)
    size, vectors = torch.linalg.eigh(rows.T @ rows if few_columns else rows @ rows.T)
    kept = min(most, int((size > 1e-9 * size[-1]).sum()))
    vectors, size = vectors[:, len(size) - kept :], size[len(size) - kept :]
    return vectors.T if few_columns else (vectors * size.rsqrt()).T @ rows


class KnownRows(nn.Module):
    """`KnownViews` of rows of which a network has no `NumberViews` of its own.

    Args:
        inputs, outputs, levels, series, bound: as for `KnownViews`.
    """

    def __init__(self, inputs: int, outputs: int, levels: int, series: bool = False, bound: float = 8.0) -> None:
        super().__init__()
        self.views = NumberViews(inputs, levels, bound)
        self.known = KnownViews(inputs, outputs, levels, series, bound)

    def fit(self, x: Tensor) -> None:
        """Learn the units of the views from training rows (m, n)."""
        self.views.fit(x)
        self.known.fit(self.views, x)

    def groups(self, x: Tensor) -> list[Tensor]:
        """The views of rows (m, n), each with a mean square of 1 over the training rows."""
        return self.known.groups(self.views, x)

    def use(self, x: Tensor, squares: Tensor) -> None:
        """As `KnownViews.use`."""
        self.known.use(self.views, x, squares)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.known(self.views, x)
        return projected
