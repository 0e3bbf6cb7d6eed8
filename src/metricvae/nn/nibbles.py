"""Numbers from 0 to 15, two in a byte."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

VALUES = 16
"""Values of half a byte."""


def packed(numbers: Tensor) -> Tensor:
    """(m, (n + 1) // 2) uint8 of (m, n) whole numbers from 0 to 15.

    Example:
        >>> packed(torch.tensor([[1, 2, 3]])).tolist()
        [[18, 48]]
    """
    even = functional.pad(numbers.to(torch.uint8), (0, numbers.shape[1] % 2))
    return VALUES * even[:, ::2] + even[:, 1::2]


def unpacked(pairs: Tensor, count: int) -> Tensor:
    """(m, count) uint8, the inverse of `packed`.

    Example:
        >>> unpacked(torch.tensor([[18, 48]], dtype=torch.uint8), 3).tolist()
        [[1, 2, 3]]
    """
    return torch.stack([pairs // VALUES, pairs % VALUES], -1).flatten(1)[:, :count]
