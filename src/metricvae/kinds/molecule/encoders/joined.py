"""Several encoders of sets of atoms side by side, each of which says its part of a similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.encoders.point_set import (
    MoleculeEncoder,
    PointSetEncoder,
    PointSetEncoderConfig,
    directions,
)
from metricvae.nn.coders import EncoderConfig, Picture


@dataclass(frozen=True)
class JoinedEncoderConfig(EncoderConfig):
    """Hyperparameters of `JoinedEncoder`.

    Attributes:
        parts: of each encoder; the first draws the pictures.
        shares: of the cosine of two codes, that each encoder says; their sum is 1.
    """

    name: ClassVar[str] = "joined"

    parts: tuple[PointSetEncoderConfig, ...] = (PointSetEncoderConfig(), PointSetEncoderConfig(chemical=True))
    shares: tuple[float, ...] = (0.5, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.parts) != len(self.shares) or abs(sum(self.shares) - 1.0) > 1e-6:
            raise InputError(
                f"got shares {list(self.shares)} of {len(self.parts)} parts: expected one for each, with a sum of 1"
            )

    @property
    def picture(self) -> Picture:
        return self.parts[0].picture

    def build(self, latent: int) -> JoinedEncoder:
        return JoinedEncoder(self, latent)


class JoinedEncoder(MoleculeEncoder):
    """Molecules in space, (m, A, 4 or more) -> mean and log-variance of q(z | x), (m, d).

    Each encoder has as many columns of a code, one after the other: the unit vectors along its codes of molecules and
    of their mirror images, times the square root of half its share. A code has norm 1, and the cosine of two is the
    weighted mean of those that the encoders say by themselves.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: JoinedEncoderConfig, latent: int) -> None:
        super().__init__(config.parts[0])
        if latent % (2 * len(config.parts)):
            raise InputError(f"codes of {latent} numbers: expected a multiple of {2 * len(config.parts)}")
        self.shares = config.shares
        self.encoders = nn.ModuleList(part.build(latent // (2 * len(config.parts))) for part in config.parts)

    @property
    def parts(self) -> list[PointSetEncoder]:
        """The encoders."""
        return [part for part in self.encoders if isinstance(part, PointSetEncoder)]

    def prepare(self, x: Tensor) -> Tensor:
        """As the encoder that reads most of an atom takes them: on the molecules' principal axes."""
        return max(self.parts, key=lambda part: (part.config.bonded, part.config.chemical)).prepare(x)

    def descriptors(self, features: Tensor) -> Tensor:
        """Those of the first encoder."""
        return self.parts[0].descriptors(features)

    def encode_group(self, features: Tensor) -> tuple[Tensor, Tensor]:
        found = [directions(part, features) for part in self.parts]
        along = [(share / 2) ** 0.5 * one for share, (one, _) in zip(self.shares, found, strict=True)]
        return torch.cat(along, dim=1), torch.cat([spread for _, spread in found], dim=1)
