"""An encoder of molecules as graphs of atoms and bonds, for molecules whose shape in space is not known.

The link of two atoms takes the place of the distance that an encoder of atoms in space has
(`metricvae.kinds.molecule.encoders.point_set`): one bond of some order, or the number of bonds on the shortest path.
What counts of substructures and of pairs of atoms say of similarity may be known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from metricvae.kinds.molecule.encoders.graph_counts import COUNTS, graph_counts
from metricvae.kinds.molecule.encoders.point_set import MoleculeEncoder, MoleculeEncoderConfig, to_principal_axes
from metricvae.kinds.molecule.encoders.pooling import trim_padding
from metricvae.kinds.molecule.packing import COLUMNS
from metricvae.kinds.molecule.transforms import present
from metricvae.nn.known_views import KnowingEncoder, KnowingEncoderConfig, KnownCounts

BOUND = 4.0
"""Standardised descriptors beyond this grow as a logarithm."""


@dataclass(frozen=True)
class GraphEncoderConfig(KnowingEncoderConfig, MoleculeEncoderConfig):
    """Hyperparameters of `GraphEncoder`.

    Attributes:
        elements: atomic numbers that are told apart; all others are one more class.
    """

    name: ClassVar[str] = "graph"

    elements: tuple[int, ...] = ELEMENTS

    def build(self, latent: int) -> GraphEncoder:
        return GraphEncoder(self, latent)


class GraphEncoder(KnowingEncoder, MoleculeEncoder):
    """Molecules as atoms and bonds, wherever they lie in space -> mean and log-variance of q(z | x).

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    config: GraphEncoderConfig

    def __init__(self, config: GraphEncoderConfig, latent: int) -> None:
        super().__init__(config)
        self.config = config
        counts = len(config.elements) + 1 + len(CHARGE_SIGNS) + LINKS, LINKS
        self.pooled = config.network(*counts, latent)
        self.known = KnownCounts(COUNTS[-1], latent, COUNTS, BOUND) if config.known else None

    def prepare(self, x: Tensor) -> Tensor:
        """(m, A, 6 + A), the atoms on the molecules' principal axes, which only the pictures depend on."""
        return to_principal_axes(x)

    @property
    def learns_scaling(self) -> bool:
        """Only where something is known beforehand."""
        return self.known is not None

    def fit_scaling(self, features: Tensor) -> None:
        """That of the descriptors of graphs."""
        self.fit_known(features)

    def numbers(self, features: Tensor) -> Tensor:
        return graph_counts(features)

    def learned(self) -> Iterable[Tensor]:
        """The part of the last layer that gives means."""
        return [weight.chunk(2)[0] for weight in self.pooled.last.parameters()]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = super().forward(features)
        return self.with_known(mean, features), log_variance

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
