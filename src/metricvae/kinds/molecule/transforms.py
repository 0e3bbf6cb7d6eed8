"""Rigid motions of batches of molecules (`metricvae.kinds.molecule.packing`): x -> R x + t, angstroms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metricvae.nn.rotations import random_rotations

LARGEST_TRANSLATION = 10.0
"""Angstroms along each axis, of a random rigid motion."""


def present(molecules: Tensor) -> Tensor:
    """(m, A) whether a row of (m, A, 4 or more) is an atom."""
    return molecules[..., 3] > 0


@dataclass(frozen=True)
class RigidMotion:
    """One rigid motion for each of m molecules.

    Attributes:
        rotation: (m, 3, 3), proper.
        translation: (m, 3) angstroms.
    """

    rotation: Tensor
    translation: Tensor


def move(molecules: Tensor, motion: RigidMotion) -> Tensor:
    """Molecules (m, A, 4 or more) after a motion, differentiable in both; rows that are no atom stay zero."""
    moved = molecules[..., :3] @ motion.rotation.to(molecules).mT + motion.translation.to(molecules)[:, None]
    return torch.cat([moved * present(molecules)[..., None], molecules[..., 3:]], dim=-1)


def random_motions(count: int, generator: torch.Generator) -> RigidMotion:
    """Uniformly random rotations and translations.

    Args:
        count: how many.
        generator: of the random numbers; translations are at most `LARGEST_TRANSLATION` along each axis.
    """
    rotations = random_rotations(count, 3, generator)
    translations = LARGEST_TRANSLATION * (2 * torch.rand(count, 3, generator=generator) - 1)
    return RigidMotion(rotations, translations)
