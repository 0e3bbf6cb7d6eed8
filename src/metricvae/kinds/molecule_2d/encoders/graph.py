"""An encoder of molecules as graphs of atoms and bonds, for molecules whose shape in space is not known.

The link of two atoms takes the place of the distance that an encoder of atoms in space has
(`metricvae.kinds.molecule.encoders.point_set`): one bond of some order, or the number of bonds on the shortest path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from metricvae.kinds.molecule.encoders.chemistry import (
    CHARGE_SIGNS,
    ELEMENTS,
    LINKS,
    charge_features,
    element_features,
    link_features,
)
from metricvae.kinds.molecule.encoders.point_set import MoleculeEncoder, MoleculeEncoderConfig, to_principal_axes
from metricvae.kinds.molecule.encoders.pooling import trim_padding
from metricvae.kinds.molecule.packing import COLUMNS
from metricvae.kinds.molecule.transforms import present


@dataclass(frozen=True)
class GraphEncoderConfig(MoleculeEncoderConfig):
    """Hyperparameters of `GraphEncoder`.

    Attributes:
        elements: atomic numbers that are told apart; all others are one more class.
    """

    name: ClassVar[str] = "graph"

    elements: tuple[int, ...] = ELEMENTS

    def build(self, latent: int) -> GraphEncoder:
        return GraphEncoder(self, latent)


class GraphEncoder(MoleculeEncoder):
    """Molecules as atoms and bonds, wherever they lie in space -> mean and log-variance of q(z | x).

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: GraphEncoderConfig, latent: int) -> None:
        super().__init__(config)
        self.config = config
        counts = len(config.elements) + 1 + len(CHARGE_SIGNS) + LINKS, LINKS
        self.pooled = config.network(*counts, latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, A, 6 + A), the atoms on the molecules' principal axes, which only the pictures depend on."""
        return to_principal_axes(x)

    def descriptors(self, features: Tensor) -> Tensor:
        """(m, links + elements + 2): shares of pairs by link and of atoms by element, and the number of atoms."""
        there = present(features)
        count = there.sum(1, keepdim=True).clamp(min=1).float()
        linked = link_features(features).sum((1, 2)) / count.square()
        elements = element_features(features, self.config.elements).sum(1) / count
        return torch.cat([linked, elements, count / self.config.typical_atoms], dim=1)

    def encode_group(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = trim_padding(features, COLUMNS)
        linked = link_features(features)
        degrees = linked.sum(2) / self.config.typical_atoms**0.5
        elements, charges = element_features(features, self.config.elements), charge_features(features)
        mean, log_variance = self.pooled(torch.cat([elements, charges, degrees], dim=-1), linked, present(features))
        return mean, log_variance
