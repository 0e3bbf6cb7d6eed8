"""Batches of molecules with rows that are no atom: trimmed, and pooled over the atoms."""

from __future__ import annotations

import torch
from torch import Tensor

from metricvae.kinds.molecule.transforms import present

MASKED = -1e4
"""Attention bias, and value before the maximum, of rows that are no atom."""


def pooled(h: Tensor, there: Tensor, typical_atoms: float) -> Tensor:
    """(m, A, w) values of atoms -> (m, 3 w) float32: their means, maxima, and sums over a typical number of atoms.

    Args:
        h: values.
        there: (m, A) whether there is an atom.
        typical_atoms: sums are divided by it.
    """
    h = h.float() * there[..., None]
    total = h.sum(1)
    highest = h.masked_fill(~there[..., None], MASKED).amax(1)
    count = there.sum(1, keepdim=True).clamp(min=1)
    return torch.cat([total / count, highest, total / typical_atoms], dim=1)


def trim_padding(features: Tensor, columns: int) -> Tensor:
    """Molecules (m, A, columns + A) without the rows, and the columns of links, that are no atom in any of them."""
    most = max(1, int(present(features).sum(1).amax()))
    return features[:, :most, : columns + most]
