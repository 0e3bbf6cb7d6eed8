"""Described molecules as tensors: rows of numbers and arrays of atoms, in one."""

from __future__ import annotations

import torch
from torch import Tensor

from metricvae.kinds.molecule.packing import COLUMNS
from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind

NUMBERS = MoleculeFingerprintKind.count
"""Numbers of a molecule before its atoms."""


def apart(x: Tensor) -> tuple[Tensor, Tensor]:
    """(m, NUMBERS + A (6 + A)) -> (m, NUMBERS), and (m, A, 6 + A) as `metricvae.kinds.molecule.packing` has it; A is 0
    where no atoms are given."""
    numbers, atoms = x[:, :NUMBERS], x[:, NUMBERS:]
    count = round((COLUMNS**2 / 4 + atoms.shape[1]) ** 0.5 - COLUMNS / 2)
    return numbers, atoms.reshape(len(x), count, COLUMNS + count)


def together(numbers: Tensor, molecules: Tensor) -> Tensor:
    """The inverse of `apart`."""
    return torch.cat([numbers, molecules.flatten(1)], dim=1)
