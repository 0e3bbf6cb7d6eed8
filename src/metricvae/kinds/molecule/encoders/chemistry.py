"""Features of what molecules are made of: elements, formal charges and bonds, as encoders take them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from metricvae.kinds.molecule.packing import COLUMNS, LINKED
from metricvae.kinds.molecule.transforms import present

ELEMENTS = (6, 7, 8, 9, 15, 16, 17, 35, 53)
"""Atomic numbers that are told apart; all others are one more class."""

CHARGE_SIGNS = (-1.0, 0.0, 1.0)
"""Formal charges are told apart by their sign."""

LINKS = LINKED["no way"]
"""Codes of links, from 1 up."""


def element_features(molecules: Tensor, elements: Sequence[int]) -> Tensor:
    """(m, A, elements + 1) of 0 and 1: which of the elements an atom is, or another one."""
    known = molecules[..., 4, None] == molecules.new_tensor(elements)
    other = ~known.any(-1, keepdim=True) & present(molecules)[..., None]
    return torch.cat([known, other], dim=-1).float()


def charge_features(molecules: Tensor) -> Tensor:
    """(m, A, 3) of 0 and 1: whether an atom's formal charge is negative, zero or positive."""
    sign = molecules[..., 5, None].sign() == molecules.new_tensor(CHARGE_SIGNS)
    return (sign & present(molecules)[..., None]).float()


def link_features(molecules: Tensor, links: int = LINKS) -> Tensor:
    """(m, A, A, links) of 0 and 1: how two atoms are linked, as `metricvae.kinds.molecule.packing.LINKED` says.

    Args:
        molecules: (m, A, 6 + A).
        links: codes that are told apart, the first ones; of any other all are 0.
    """
    return (molecules[..., COLUMNS:, None] == torch.arange(1, links + 1, device=molecules.device)).float()
