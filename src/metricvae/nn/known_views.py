"""What views of rows of numbers say of the similarity of two rows before anything is learned.

Many metrics of numbers are, in one view or another, a function of a sum of products or of squared differences:
distances in columns of one unit or each in its own, Mahalanobis distances in whitened columns, cosines and correlations
in rows of length 1, distances of distributions in square roots or in running sums, sums of absolute differences in
thresholds, similarities of spectra in amplitudes of frequencies. A weighted sum of several is one such sum, of the
principal components of all their columns.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.sampling import evenly_spaced
from metricvae.nn.coders import Encoder, EncoderConfig
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

    def __init__(self, inputs: int, outputs: int, levels: int, series: bool = False, bound: float = 8.0) -> None:
        super().__init__()
        self.views = NumberViews(inputs, levels, bound)
        self.frequencies, self.bound = inputs // 2 if series else 0, bound
        whitened = inputs if inputs <= MOST_WHITENED else 0
        sizes = [*(inputs,) * 6, *(inputs * levels,) * 2, whitened, self.frequencies]
        self.sizes = [size for size in sizes if size]
        self.register_buffer("whitening", torch.eye(whitened))
        self.register_buffer("unit", torch.ones(len(self.sizes)))
        self.register_buffer("weight", torch.zeros(outputs, sum(self.sizes)))
        self.factor = nn.Parameter(torch.ones(outputs))

    def fit(self, x: Tensor) -> None:
        """Learn the whitening and the units of the views from training rows (m, n)."""
        self.views.fit(x)
        rows = self.views.standardised(x).double()
        if len(self.whitening):
            spread = rows.T @ rows / len(rows)
            spread.diagonal().add_(RIDGE * spread.diagonal().mean().clamp(min=_TINY))
            size, axes = torch.linalg.eigh(spread)
            self.whitening.copy_(axes * size.rsqrt() @ axes.T)
        self.unit.fill_(1.0)
        squares = [one.double().square().mean() for one in self.groups(x)]
        self.unit.copy_(torch.stack(squares).sqrt().clamp(min=_TINY))

    def groups(self, x: Tensor) -> list[Tensor]:
        """The views of rows (m, n), each with a mean square of 1 over the training rows."""
        views = self.views
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

    def use(self, x: Tensor, squares: Tensor) -> None:
        """Project all views together on their principal components over rows (m, n); see `Encoder.use_similarity`."""
        used = (squares.sum(0) > 0).nonzero()[:, 0]
        if not len(used):
            return
        sizes = torch.tensor(self.sizes)
        scale = (squares.sum(1) / sizes).sqrt().repeat_interleave(sizes)
        rows = x[evenly_spaced(np.arange(len(x)), LEARNED_FROM)]
        seen = (torch.cat(self.groups(rows), dim=1) * scale).double()
        axes = _principal_axes(seen, len(used))
        self.weight.zero_()
        self.weight[used[: len(axes)]] = axes.float() * scale

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # what is known is known more exactly than bfloat16 holds
            projected: Tensor = functional.linear(torch.cat(self.groups(x.float()), dim=1), self.weight)
            return self.factor * projected


def _principal_axes(rows: Tensor, most: int) -> Tensor:
    """(k, n) orthonormal axes along which the squares of rows (m, n) are largest, about the origin; k is `most`, or as
    many as rows have."""
    few_columns = rows.shape[1] <= len(rows)
    size, vectors = torch.linalg.eigh(rows.T @ rows if few_columns else rows @ rows.T)
    kept = min(most, int((size > 1e-9 * size[-1]).sum()))
    vectors, size = vectors[:, len(size) - kept :], size[len(size) - kept :]
    return vectors.T if few_columns else (vectors * size.rsqrt()).T @ rows


@dataclass(frozen=True, kw_only=True)
class KnowingEncoderConfig(EncoderConfig):
    """Hyperparameters of a `KnowingEncoder`.

    Attributes:
        known: whether codes may hold what is known of similarities beforehand, see `KnownViews`.
        beside: factor of all that is learned where they do, at the start.
    """

    known: bool = False
    beside: float = 0.1

    @property
    def knows_similarity(self) -> bool:
        return self.known

    def without_knowledge(self) -> Self | None:
        return replace(self, known=False) if self.known else None


class KnowingEncoder(Encoder):
    """An encoder to whose codes is added what is known of views of some numbers of an object.

    Attributes:
        config: its hyperparameters.
        known: the views; None where `config.known` says so.
    """

    config: KnowingEncoderConfig
    known: KnownViews | None

    @abstractmethod
    def numbers(self, features: Tensor) -> Tensor:
        """(m, n) numbers of objects, of which views are known."""

    @abstractmethod
    def learned(self) -> Iterable[Tensor]:
        """The weights to which all that is learned is proportional."""

    def fit_known(self, features: Tensor) -> None:
        """The part of `fit_scaling` that concerns the views."""
        if self.known is not None:
            self.known.fit(self.numbers(features))

    def projected(self, features: Tensor) -> list[Tensor]:
        """Views of the numbers."""
        return [] if self.known is None else self.known.groups(self.numbers(features))

    def use_similarity(self, features: Tensor, squares: Tensor) -> None:
        """Project views together on their principal components, and let all that is learned begin small."""
        assert self.known is not None
        with torch.no_grad():
            self.known.use(self.numbers(features), squares)
            for one in self.learned():
                one.mul_(self.config.beside)

    def with_known(self, codes: Tensor, features: Tensor) -> Tensor:
        """(m, d) learned codes, with what is known of the objects added."""
        return codes if self.known is None else codes + self.known(self.numbers(features))
