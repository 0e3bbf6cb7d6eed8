"""Principal components of a kernel between rows of numbers, by the Nystrom method.

A linear read-out of them is kernel ridge regression, or a Gaussian process, on as many landmarks: what predicts best
from few measured objects. The kernel is the mean of one of descriptors, exp(-|x - y|^2 / (2 n)) of n standardised ones,
and of the min-max kernel (Tanimoto coefficient of counts) of each block of counts. C. Williams and M. Seeger 2001,
*Using the Nystrom Method to Speed Up Kernel Machines*; B. Schoelkopf et al. 1998, *Nonlinear Component Analysis as a
Kernel Eigenvalue Problem*.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from metricvae.core.sampling import evenly_spaced
from metricvae.nn.nibbles import packed, unpacked

LEVELS = (1, 2, 4, 8)
"""Counts that are told apart: of those between two of them the lower one is taken."""

SMALLEST = 1e-6
"""Eigenvalues below this share of the largest are taken for 0."""


class KernelComponents(nn.Module):
    """(m, n) rows -> (m, k) components, of mean square 1 over the rows of `fit`; zeros before it.

    Args:
        inputs: numbers n of a row.
        counts: columns at which blocks of counts begin, and that at which the last ends; all others are descriptors.
        components: numbers k of a code.
        landmarks: rows that are kept, at most.

    Attributes:
        described: (landmarks, ...) standardised descriptors of the landmarks.
        counted: (landmarks, ...) uint8 levels of their counts, two a byte.
        weight, offset: (k, landmarks) and (k,), from kernels with the landmarks to components.
        reached: (landmarks, counts, levels) which of `LEVELS` their counts reach.
        widths: (levels,) from one level to the next.
        sums: (blocks, landmarks) of their counts.

    Example:
        Rows on a circle, which no line parts from its centre; the first component does:

        >>> angle = torch.linspace(0, 6, 200)
        >>> circle = 2 * torch.stack([angle.cos(), angle.sin()], 1)
        >>> part = KernelComponents(2, (2,), components=4, landmarks=50)
        >>> part.fit(torch.cat([circle, 0.1 * circle]), torch.zeros(400, 0))
        >>> bool((part(0.1 * circle, circle[:, :0]) - part(circle, circle[:, :0])).abs().amax(1).min() > 0.5)
        True
    """

    described: Tensor
    counted: Tensor
    weight: Tensor
    offset: Tensor
    reached: Tensor
    widths: Tensor
    sums: Tensor

    def __init__(self, inputs: int, counts: Sequence[int], components: int, landmarks: int) -> None:
        super().__init__()
        self.blocks = [slice(first - counts[0], end - counts[0]) for first, end in itertools.pairwise(counts)]
        numbers = counts[-1] - counts[0]
        widths = torch.tensor([level - before for before, level in itertools.pairwise((0, *LEVELS))])
        self.register_buffer("described", torch.zeros(landmarks, inputs - numbers))
        self.register_buffer("counted", torch.zeros(landmarks, (numbers + 1) // 2, dtype=torch.uint8))
        self.register_buffer("weight", torch.zeros(components, landmarks))
        self.register_buffer("offset", torch.zeros(components))
        self.register_buffer("widths", widths.float(), persistent=False)
        self.register_buffer("reached", torch.zeros(landmarks, numbers, len(LEVELS)), persistent=False)
        self.register_buffer("sums", torch.zeros(len(self.blocks), landmarks), persistent=False)
        self.register_load_state_dict_post_hook(_unpack)

    def fit(self, described: Tensor, counts: Tensor) -> None:
        """Choose landmarks among training rows, evenly spaced, and the components of these rows.

        Args:
            described: (m, n - c) standardised descriptors.
            counts: (m, c) counts of features.
        """
        rows = torch.from_numpy(evenly_spaced(np.arange(len(described)), len(self.described)))
        for buffer in (self.described, self.counted, self.weight, self.offset):
            buffer.zero_()
        self.described[: len(rows)] = described[rows]
        self.counted[: len(rows)] = packed(_reached(counts[rows]).sum(-1))
        _unpack(self)
        kernels = self._kernels(described, counts).double()[:, : len(rows)]
        size, axes = torch.linalg.eigh(kernels[rows])
        kept = size > SMALLEST * size[-1]
        whitening = axes[:, kept] * size[kept].rsqrt()
        features = kernels @ whitening
        middle = features.mean(0)
        spread = (features - middle).T @ (features - middle) / len(features)
        variance, turn = torch.linalg.eigh(spread)
        found = min(len(self.offset), len(variance))
        turn = turn[:, -found:].flip(1) * (found / variance[-found:].sum().clamp(min=SMALLEST)).sqrt()
        self.weight[:found, : len(rows)] = (whitening @ turn).T
        self.offset[:found] = middle @ turn

    def forward(self, described: Tensor, counts: Tensor) -> Tensor:
        with torch.autocast(described.device.type, enabled=False):  # components are small differences of kernels
            return self._kernels(described.float(), counts) @ self.weight.T - self.offset

    def _kernels(self, described: Tensor, counts: Tensor) -> Tensor:
        """(m, landmarks) kernels of rows with the landmarks."""
        found = []
        if described.shape[1]:
            squares = torch.cdist(described, self.described, compute_mode="use_mm_for_euclid_dist").square()
            found.append(torch.exp(squares / (-2 * described.shape[1])))
        reached = _reached(counts)
        for block, sums in zip(self.blocks, self.sums, strict=True):
            found.append(
                _min_max((reached[:, block] * self.widths).flatten(1), self.reached[:, block].flatten(1), sums)
            )
        return torch.stack(found).mean(0)


def _reached(counts: Tensor) -> Tensor:
    """(m, c, levels) 1 where a count reaches a level, else 0."""
    return (counts[..., None] >= torch.tensor(LEVELS, device=counts.device)).float()


def _min_max(weighted: Tensor, reached: Tensor, sums: Tensor) -> Tensor:
    """(m, k) sums of the smaller over sums of the larger count of each feature; 1 where neither has any.

    Args:
        weighted: (m, n) which levels the counts of rows reach, times their widths.
        reached: (k, n) which of them those of others reach.
        sums: (k,) of the counts of the others.
    """
    both = weighted @ reached.T
    either = weighted.sum(1)[:, None] + sums - both
    return torch.where(either > 0, both / either.clamp(min=1.0), 1.0)


def _unpack(part: nn.Module, keys: object = None) -> None:
    """What the landmarks reach, once they are chosen or loaded."""
    assert isinstance(part, KernelComponents)
    places = torch.arange(1, len(LEVELS) + 1, device=part.counted.device)
    part.reached.copy_(unpacked(part.counted, part.reached.shape[1])[..., None] >= places)
    for block, sums in zip(part.blocks, part.sums, strict=True):
        sums.copy_((part.reached[:, block] * part.widths).sum((1, 2)))
