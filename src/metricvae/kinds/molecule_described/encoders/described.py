"""An encoder of described molecules: one of atoms in space, and one of numbers, each with columns of the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.descriptors import NAMES
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoder, PointSetEncoderConfig, directions
from metricvae.kinds.molecule_described.packing import NUMBERS, apart
from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind
from metricvae.nn.coders import Encoder, Picture
from metricvae.nn.descriptors import DescriptorEncoder, DescriptorEncoderConfig

ATOM = 4
"""Numbers of an atom that are kept: its place and radius."""

SHARED = ("width", "members", "dropout", "input_dropout", "bound", "plain", "components", "landmarks")
"""Hyperparameters of the encoder of the numbers."""


@dataclass(frozen=True)
class DescribedEncoderConfig(PointSetEncoderConfig):
    """Hyperparameters of `DescribedEncoder`: those of the atoms' encoder, and of the numbers'.

    Attributes:
        numbers: share of the code, the last, that comes of the numbers.
        width, members, dropout, input_dropout, bound, plain, components, landmarks: as `DescriptorEncoderConfig` has
            them.
    """

    name: ClassVar[str] = "described"

    numbers: float = 0.5
    width: int = 256
    members: int = 4
    dropout: float = 0.3
    input_dropout: float = 0.1
    bound: float = 4.0
    plain: int = 0
    components: int = 0
    landmarks: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chemical:
            raise InputError("got chemical for an encoder that is told the substructures: leave it out")
        _ = self.of_numbers

    @property
    def of_numbers(self) -> DescriptorEncoderConfig:
        """That of the encoder of the numbers."""
        shared = {name: getattr(self, name) for name in SHARED}
        return DescriptorEncoderConfig(inputs=NUMBERS, counts=MoleculeFingerprintKind.counts, **shared)

    @property
    def picture(self) -> Picture:
        return "numbers", NUMBERS

    def build(self, latent: int) -> DescribedEncoder:  # type: ignore[override]
        return DescribedEncoder(self, latent)


class DescribedEncoder(Encoder):
    """(m, NUMBERS + A (6 + A)) -> mean and log-variance of q(z | x), (m, d).

    The first columns of a code are the directions of the codes of a molecule's atoms and of their mirror image, so the
    cosine of two such parts is the mean of two cosines; the last are of the numbers, and the same for all conformers.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: DescribedEncoderConfig, latent: int) -> None:
        super().__init__()
        of_numbers = round(latent * config.numbers)
        if (latent - of_numbers) % 2 or not 0 < of_numbers < latent:
            raise InputError(f"codes of {latent} numbers, {of_numbers} of descriptors: expected an even rest")
        self.split = latent - of_numbers
        self.atoms = PointSetEncoder(config, self.split // 2)
        self.numbers = DescriptorEncoder(config.of_numbers, of_numbers)

    @property
    def pose_free(self) -> tuple[int, int]:
        """The columns of the numbers."""
        return self.split, self.split + self.numbers.width

    def prepare(self, x: Tensor) -> Tensor:
        """(m, NUMBERS + 4 A): the numbers, and the atoms on the molecules' principal axes."""
        numbers, molecules = apart(x)
        axes = self.atoms.prepare(molecules).flatten(1) if molecules.shape[1] else molecules.flatten(1)
        return torch.cat([self.numbers.prepare(numbers), axes], dim=1)

    def fit_scaling(self, features: Tensor) -> None:
        """That of the numbers."""
        self.numbers.fit_scaling(features[:, :NUMBERS])

    def pack(self, features: Tensor) -> Tensor:
        """As they are: half precision is too coarse for coordinates."""
        return features

    def unpack(self, packed: Tensor) -> Tensor:
        return packed

    def pictures(self, features: Tensor) -> Tensor:
        """Those of the numbers, (m, 1, NUMBERS)."""
        return self.numbers.pictures(features[:, :NUMBERS])

    def descriptors(self, features: Tensor) -> Tensor:
        """Distances between the atoms, where any are given, then the descriptors without the substructures."""
        described = self.numbers.descriptors(features[:, :NUMBERS])[:, : len(NAMES)]
        molecules = _atoms(features)
        between = [self.atoms.descriptors(molecules)] if molecules.shape[1] else []
        return torch.cat([*between, described], dim=1)

    def mirror(self, features: Tensor) -> Tensor:
        """Features of the mirror images."""
        return torch.cat([features[:, :NUMBERS], self.atoms.mirror(_atoms(features)).flatten(1)], dim=1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        described, described_spread = self.numbers(features[:, :NUMBERS])
        along, spread = self._of_atoms(_atoms(features))
        return torch.cat([along, described], dim=1), torch.cat([spread, described_spread], dim=1)

    def _of_atoms(self, molecules: Tensor) -> tuple[Tensor, Tensor]:
        """(m, split) of the atoms, zeros where none are given."""
        if not molecules.shape[1]:
            return (molecules.new_zeros(len(molecules), self.split),) * 2
        return directions(self.atoms, molecules)


def _atoms(features: Tensor) -> Tensor:
    """(m, A, 4) of the features."""
    return features[:, NUMBERS:].reshape(len(features), -1, ATOM)
