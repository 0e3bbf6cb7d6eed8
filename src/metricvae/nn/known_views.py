"""What views of rows of numbers say of the similarity of two rows before anything is learned.

Many metrics of numbers are, in one view or another, a function of a sum of products or of squared differences:
distances in columns of one unit or each in its own, Mahalanobis distances in whitened columns, cosines and correlations
in rows of length 1, distances of distributions in square roots or in running sums, sums of absolute differences in
thresholds, similarities of spectra in amplitudes of frequencies, similarities of fingerprints in bits. A weighted sum
of several is one such sum, of the principal components of all their columns.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.sampling import evenly_spaced
from metricvae.nn.coders import Encoder, EncoderConfig
from metricvae.nn.number_views import NumberViews, row_norms
from metricvae.nn.scaling import Standardise, bounded

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
        sizes: columns of each view.
        outputs: numbers d of a code.

    Attributes:
        projects: whether anything is projected.
    """

    unit: Tensor
    weight: Tensor

    def __init__(self, sizes: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.sizes = [size for size in sizes if size]
        self.register_buffer("unit", torch.ones(len(self.sizes)))
        self.register_buffer("weight", torch.zeros(outputs, sum(self.sizes)))
        self.factor = nn.Parameter(torch.ones(outputs))
        self.projects = False
        self.register_load_state_dict_post_hook(_note_projection)

    @abstractmethod
    def fit_columns(self, x: Tensor) -> None:
        """Learn from training rows (m, n) what the views of others depend on."""

    @abstractmethod
    def raw(self, x: Tensor) -> list[Tensor]:
        """The views of rows (m, n); those without columns are left out of all else."""

    def fit(self, x: Tensor) -> None:
        """Learn what views depend on, and their units, from training rows (m, n)."""
        self.fit_columns(x)
        self.unit.fill_(1.0)
        squares = [one.double().square().mean() for one in self.groups(x)]
        size = torch.stack(squares).sqrt()
        self.unit.copy_(torch.where(size > _TINY, size, 1.0))

    def groups(self, x: Tensor) -> list[Tensor]:
        """The views of rows (m, n), each with a mean square of 1 over the training rows."""
        found = (one for one in self.raw(x) if one.shape[1])
        return [one / unit for one, unit in zip(found, self.unit, strict=True)]

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
        _note_projection(self)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = functional.linear(torch.cat(self.groups(x.float()), dim=1), self.weight)
        return self.factor * projected

    def nothing(self) -> Tensor:
        """(d,) zeros, what is projected of any rows before `use`; the factor gets a gradient of zero."""
        return self.factor * 0.0


def _note_projection(views: nn.Module, keys: object = None) -> None:
    """Note whether views have something to project, after their weights are set or loaded."""
    assert isinstance(views, KnownViews)
    views.projects = bool(views.weight.any())


class KnownNumbers(KnownViews):
    """Views of numbers of any sort, the same of each.

    Args:
        inputs: numbers n of an object.
        outputs: numbers d of a code.
        levels: thresholds of each number, between quantiles of its column.
        series: whether the order of the numbers means something.
        bound: standardised numbers beyond this grow as a logarithm.
    """

    whitening: Tensor

    def __init__(self, inputs: int, outputs: int, levels: int, series: bool = False, bound: float = 8.0) -> None:
        whitened, frequencies = inputs if inputs <= MOST_WHITENED else 0, inputs // 2 if series else 0
        super().__init__([*(inputs,) * 6, *(inputs * levels,) * 2, whitened, frequencies], outputs)
        self.views = NumberViews(inputs, levels, bound)
        self.frequencies, self.bound = frequencies, bound
        self.register_buffer("whitening", torch.eye(whitened))

    def fit_columns(self, x: Tensor) -> None:
        """Means, units, quantiles and the whitening."""
        self.views.fit(x)
        rows = self.views.standardised(x).double()
        if len(self.whitening):
            spread = rows.T @ rows / len(rows)
            spread.diagonal().add_(RIDGE * spread.diagonal().mean().clamp(min=_TINY))
            size, axes = torch.linalg.eigh(spread)
            self.whitening.copy_(axes * size.rsqrt() @ axes.T)

    def raw(self, x: Tensor) -> list[Tensor]:
        views = self.views
        filled, standard, alike = views.filled(x), views.standardised(x), views.alike(x)
        centred = filled - filled.mean(1, keepdim=True)
        thresholds = views.thresholds(x)
        return [
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


class KnownCounts(KnownViews):
    """Views of descriptors and of counts of features, as fingerprints have them.

    Each descriptor is a view of its own, standardised; of each block of counts there are four: which features there
    are, the same in rows of length 1, the counts in rows of length 1, and their logarithms.

    Args:
        inputs: numbers n of an object.
        outputs: numbers d of a code.
        counts: columns at which blocks of counts begin, and that at which the last ends; all others are descriptors.
        bound: standardised descriptors beyond this grow as a logarithm.
    """

    described: Tensor

    def __init__(self, inputs: int, outputs: int, counts: Sequence[int], bound: float) -> None:
        blocks = [slice(*ends) for ends in itertools.pairwise(counts)]
        described = columns_beside(inputs, counts)
        sizes = itertools.chain.from_iterable([one.stop - one.start] * 4 for one in blocks)
        super().__init__([*(1,) * len(described), *sizes], outputs)
        self.blocks = blocks
        self.register_buffer("described", described, persistent=False)
        self.scale = Standardise(len(described), bound)

    def fit_columns(self, x: Tensor) -> None:
        """Means and standard deviations of the descriptors."""
        self.scale.fit(x[:, self.described])

    def raw(self, x: Tensor) -> list[Tensor]:
        found = list(self.scale(x[:, self.described]).split(1, dim=1))
        for block in self.blocks:
            counts = x[:, block]
            present = (counts > 0).to(counts)
            found += [present, present / row_norms(present), counts / row_norms(counts), counts.abs().log1p()]
        return found


def columns_beside(inputs: int, counts: Sequence[int]) -> Tensor:
    """(k,) int64, those of so many columns that are in no block of counts: before the first, and behind the last.

    Args:
        inputs: columns of a row.
        counts: columns at which blocks of counts begin, and that at which the last ends.

    Example:
        >>> columns_beside(6, (1, 3, 4)).tolist()
        [0, 4, 5]
    """
    return torch.tensor([*range(counts[0]), *range(counts[-1], inputs)], dtype=torch.int64)


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
        if self.known is None:
            return codes
        if not self.known.projects:
            return codes + self.known.nothing()
        with torch.autocast(codes.device.type, enabled=False):  # it is known more exactly than bfloat16 holds
            known: Tensor = self.known(self.numbers(features))
        return codes + known
