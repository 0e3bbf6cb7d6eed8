"""An encoder of molecules as sets of atoms in space, invariant to rigid motions by construction.

Every molecule is rotated to its principal axes about its centre. That leaves nothing of a motion but the directions of
the axes, up to the four rotations that map axes to themselves. All features are the same under these: distances between
atoms, products of two atoms' coordinates along one axis, absolute values of coordinates, and the product of an atom's
three coordinates, which distinguishes a molecule from its mirror image. Elements and formal charges may come to them.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.decoders.density import density_maps
from metricvae.kinds.molecule.encoders.attention import AtomTransformer, check_widths
from metricvae.kinds.molecule.encoders.chemistry import (
    CHARGE_SIGNS,
    ELEMENTS,
    charge_features,
    element_features,
    link_features,
)
from metricvae.kinds.molecule.encoders.convolution import AtomConvolutions
from metricvae.kinds.molecule.encoders.pooling import trim_padding
from metricvae.kinds.molecule.packing import COLUMNS, LINKED
from metricvae.kinds.molecule.transforms import present
from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.principal_axes import gaussian_basis, principal_axes

GROUP_SIZE = 64
"""Molecules of like size that are computed together."""

NEAR_LINKS = LINKED["two bonds"] + 1
"""Links that a pair of atoms is told apart by where bonds are known: those of atoms at most three bonds apart."""

MIXINGS: dict[str, type[AtomTransformer | AtomConvolutions]] = {
    "attention": AtomTransformer,
    "convolution": AtomConvolutions,
}
"""How atoms learn of one another, by name."""


@dataclass(frozen=True)
class MoleculeEncoderConfig(EncoderConfig):
    """Hyperparameters that the encoders of molecules share.

    Attributes:
        widths: of the atoms through each layer, all the same, a multiple of `heads`.
        heads: of the attention.
        mixing: how atoms learn of one another; the convolution costs a tenth of the attention, or less.
        typical_atoms: of a molecule; sums over atoms are divided by it.
        grid_side: grid points along each edge of the density maps that the decoder draws.
        grid_spacing: angstroms between them.
    """

    widths: tuple[int, ...] = (160, 160, 160, 160, 160)
    heads: int = 8
    typical_atoms: float = 30.0
    grid_side: int = 24
    grid_spacing: float = 0.9
    mixing: Literal["attention", "convolution"] = "attention"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_widths(self.widths, self.heads)
        if self.mixing not in MIXINGS:
            raise InputError(f"got the mixing {self.mixing!r}: expected one of {', '.join(MIXINGS)}")

    @property
    def picture(self) -> Picture:
        return "density", self.grid_side, self.grid_spacing

    def network(self, atom_features: int, pair_features: int, latent: int) -> AtomTransformer | AtomConvolutions:
        """The network that `mixing` names, for so many features of an atom and of a pair of atoms."""
        counts = atom_features, pair_features
        return MIXINGS[self.mixing](*counts, self.widths, self.heads, self.typical_atoms, latent)


@dataclass(frozen=True)
class PointSetEncoderConfig(MoleculeEncoderConfig):
    """Hyperparameters of `PointSetEncoder`.

    Attributes:
        distance_features: Gaussian basis functions of a distance between two atoms.
        max_distance: angstroms at the centre of the last of them.
        radial_features: Gaussian basis functions of an atom's distance from the molecule's centre.
        max_radius: angstroms at the centre of the last of them.
        length_scale: angstroms; coordinates are divided by it.
        chemical: whether the elements and the signs of formal charges are told apart, not the radii of atoms alone.
        bonded: whether the bonds between atoms are told apart as well; asks for `chemical`.
    """

    name: ClassVar[str] = "point-set"
    aliases: ClassVar[tuple[str, ...]] = ("cloud",)

    distance_features: int = 24
    max_distance: float = 18.0
    radial_features: int = 16
    max_radius: float = 12.0
    length_scale: float = 5.0
    chemical: bool = False
    bonded: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bonded and not self.chemical:
            raise InputError("got bonded without chemical: bonds are told apart only between known elements")

    def build(self, latent: int) -> PointSetEncoder:
        return PointSetEncoder(self, latent)


class MoleculeEncoder(Encoder):
    """What encoders of molecules share: features are molecules on their principal axes, (m, A, 4 or more).

    Args:
        config: its hyperparameters.
    """

    def __init__(self, config: MoleculeEncoderConfig) -> None:
        super().__init__()
        self._grid = config.grid_side, config.grid_spacing

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Molecules of like size are computed together, so that little of it is for atoms that are not there."""
        order = present(features).sum(1).argsort(stable=True)
        groups = order.tensor_split(-(-len(order) // GROUP_SIZE))
        mean, log_variance = zip(*(self.encode_group(features[rows]) for rows in groups), strict=True)
        back = order.argsort()
        return torch.cat(mean)[back], torch.cat(log_variance)[back]

    @abstractmethod
    def encode_group(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """`forward` of molecules of like size."""

    def pack(self, features: Tensor) -> Tensor:
        """As they are: half precision is too coarse for coordinates."""
        return features

    def unpack(self, packed: Tensor) -> Tensor:
        return packed

    def pictures(self, features: Tensor) -> Tensor:
        """Density maps on the molecules' principal axes, (m, 1, side, side, side)."""
        return density_maps(features, *self._grid)

    def mirror(self, features: Tensor) -> Tensor:
        """The mirror images."""
        return torch.cat([-features[..., :1], features[..., 1:]], dim=-1)

    def rescale(self, features: Tensor, factor: float) -> Tensor:
        """Molecules `factor` times as large, radii too."""
        return torch.cat([features[..., :4] * factor, features[..., 4:]], dim=-1)


class PointSetEncoder(MoleculeEncoder):
    """Molecules in space, (m, A, 4 or more) -> mean and log-variance of q(z | x).

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: PointSetEncoderConfig, latent: int) -> None:
        super().__init__(config)
        self.config = config
        kinds = len(ELEMENTS) + 1 + len(CHARGE_SIGNS) if config.chemical else 0
        links = NEAR_LINKS if config.bonded else 0
        self.columns = COLUMNS if kinds else 4
        counts = 6 + config.radial_features + kinds + links, config.distance_features + 3 + links
        self.pooled = config.network(*counts, latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, A, 4 or more) -> (m, A, 4, or 6 with elements, or 6 + A with bonds): the atoms on the molecules'
        principal axes."""
        return to_principal_axes(x if self.config.bonded else x[..., : self.columns])

    def descriptors(self, features: Tensor) -> Tensor:
        """Distributions of the distances between atoms and from the centre, and sizes.

        (m, distance_features + radial_features + 8).
        """
        config, there = self.config, present(features)
        count = there.sum(1, keepdim=True).clamp(min=1).float()
        pairs = there[:, :, None] & there[:, None]
        places = features[..., :3]
        between = gaussian_basis(distances(places), config.distance_features, config.max_distance) * pairs[..., None]
        outwards = gaussian_basis(places.norm(dim=-1), config.radial_features, config.max_radius) * there[..., None]
        parts = [between.sum((1, 2)) / count.square(), outwards.sum(1) / count]
        parts += [places.square().sum(1).div(count).sqrt() / config.length_scale]
        parts += [places.abs().amax(1) / config.length_scale]
        parts += [features[..., 3].sum(1, keepdim=True) / count, count / config.typical_atoms]
        return torch.cat(parts, dim=1)

    def encode_group(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = trim_padding(features, self.columns)
        atoms, pairs = atom_features(features, self.config), pair_features(features, self.config)
        if self.config.bonded:
            links = link_features(features, NEAR_LINKS)
            atoms, pairs = torch.cat([atoms, links.sum(2)], dim=-1), torch.cat([pairs, links], dim=-1)
        mean, log_variance = self.pooled(atoms, pairs, present(features))
        return mean, log_variance


def directions(encoder: MoleculeEncoder, features: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors along the codes of molecules, then along those of their mirror images, and log-variances of both,
    (m, 2 d) each.

    The cosine of two such rows is the mean of two cosines.
    """
    (mean, spread), (mirrored, _) = encoder(features), encoder(encoder.mirror(features))
    along = [functional.normalize(part, dim=1) for part in (mean, mirrored)]
    return torch.cat(along, dim=1), torch.cat([spread, spread], dim=1)


def to_principal_axes(molecules: Tensor) -> Tensor:
    """Molecules (m, A, 4 or more) about their centres and along their principal axes, the longest first, in float32.

    Atoms weigh as their radius cubed, as volumes do. The directions of the axes are arbitrary, their handedness not.
    """
    mass = molecules[..., 3].float() ** 3
    places = molecules[..., :3].float()
    total = mass.sum(1).clamp(min=1e-6)
    centre = (mass[..., None] * places).sum(1) / total[:, None]
    off = (places - centre[:, None]) * present(molecules)[..., None]
    spread = torch.einsum("ma,mai,maj->mij", mass, off, off) / total[:, None, None]
    return torch.cat([off @ principal_axes(spread).to(off), molecules[..., 3:].float()], dim=-1)


def atom_features(molecules: Tensor, config: PointSetEncoderConfig) -> Tensor:
    """Features of each atom of molecules on their axes, (m, A, 6 + radial_features, and the elements and charges);
    zeros where there is none."""
    scale, radius = config.length_scale, molecules[..., 3:4]
    places = molecules[..., :3] / scale
    handedness = places.prod(-1, keepdim=True)
    handedness = handedness.sign() * handedness.abs().pow(1 / 3)
    radial = gaussian_basis(places.norm(dim=-1) * scale, config.radial_features, config.max_radius)
    found = torch.cat([radius, radius.square(), places.abs(), handedness, radial], dim=-1)
    found = found * present(molecules)[..., None]
    if config.chemical:
        found = torch.cat([found, element_features(molecules, ELEMENTS), charge_features(molecules)], dim=-1)
    return found


def pair_features(molecules: Tensor, config: PointSetEncoderConfig) -> Tensor:
    """Features of each pair of atoms of molecules on their axes, (m, A, A, distance_features + 3)."""
    places = molecules[..., :3]
    products = places[:, :, None] * places[:, None] / config.length_scale**2
    basis = gaussian_basis(distances(places), config.distance_features, config.max_distance)
    return torch.cat([basis, products], dim=-1)


def distances(places: Tensor) -> Tensor:
    """(m, A, 3) -> (m, A, A) angstroms, with finite gradients at 0."""
    return (places[:, :, None] - places[:, None]).square().sum(-1).clamp(min=1e-12).sqrt()
