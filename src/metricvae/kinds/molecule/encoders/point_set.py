"""A network that looks at atoms in space: invariant to rigid motions by construction, and blind to none of the shape.

Every molecule is put on its own principal axes about its own centre. Nothing but the directions of these axes is then
left to chance, up to the four proper ways of turning two of them round. Whatever is read stays the same under these:
distances between atoms, products of two atoms' coordinates along one axis, sizes of coordinates, and the product of an
atom's three coordinates, which tells a molecule from its mirror image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from metricvae.kinds.molecule.decoders.density import density_maps
from metricvae.kinds.molecule.encoders.attention import MANY, Pooled, trimmed
from metricvae.kinds.molecule.transforms import present

DISTANCES, FURTHEST = 24, 18.0
"""Bumps that read a distance, and the angstroms at the last of them."""

SCALE = 5.0
"""Angstroms that count as one."""

TOGETHER = 64
"""Molecules of like size that are worth a computation of their own."""

OFF_AXIS, OUTERMOST = 16, 12.0
"""Bumps that read how far an atom lies from the centre, and the angstroms at the last of them."""


def on_axes(molecules: Tensor) -> Tensor:
    """Molecules (m, A, 4 or more) about their centres and along their principal axes, the longest first, in float32.

    Atoms weigh as their radius cubed, as volumes do. The directions of the axes are arbitrary, their handedness not.
    """
    mass = molecules[..., 3].float() ** 3
    places = molecules[..., :3].float()
    total = mass.sum(1).clamp(min=1e-6)
    centre = (mass[..., None] * places).sum(1) / total[:, None]
    off = (places - centre[:, None]) * present(molecules)[..., None]
    spread = torch.einsum("ma,mai,maj->mij", mass, off, off) / total[:, None, None]
    axes = torch.linalg.eigh(spread.cpu().double())[1].flip(-1)
    axes = axes * torch.where(torch.linalg.det(axes) < 0, -1.0, 1.0)[:, None, None]
    return torch.cat([off @ axes.to(off), molecules[..., 3:].float()], dim=-1)


def bumps(x: Tensor, count: int, furthest: float) -> Tensor:
    """(...) -> (..., count): Gaussian bumps evenly spaced from 0 to `furthest`, as wide as their spacing."""
    centres = torch.linspace(0.0, furthest, count, device=x.device)
    return torch.exp(-0.5 * ((x[..., None] - centres) * ((count - 1) / furthest)).square())


def atom_readings(molecules: Tensor) -> Tensor:
    """What is read of each atom of molecules on their axes, (m, A, 6 + OFF_AXIS); zeros where there is none."""
    places, radius = molecules[..., :3] / SCALE, molecules[..., 3:4]
    handed = places.prod(-1, keepdim=True)
    handed = handed.sign() * handed.abs().pow(1 / 3)
    away = bumps(places.norm(dim=-1) * SCALE, OFF_AXIS, OUTERMOST)
    read = torch.cat([radius, radius.square(), places.abs(), handed, away], dim=-1)
    return read * present(molecules)[..., None]


def pair_readings(molecules: Tensor) -> Tensor:
    """What is read of each two atoms of molecules on their axes, (m, A, A, DISTANCES + 3)."""
    places = molecules[..., :3]
    along = places[:, :, None] * places[:, None] / SCALE**2
    return torch.cat([bumps(distances(places), DISTANCES, FURTHEST), along], dim=-1)


def distances(places: Tensor) -> Tensor:
    """(m, A, 3) -> (m, A, A) angstroms, with finite gradients at 0."""
    return (places[:, :, None] - places[:, None]).square().sum(-1).clamp(min=1e-12).sqrt()


class MoleculeEncoder(nn.Module):
    """What is the same whether a network reads where atoms lie or how they are linked: features are molecules on axes
    of their own, (m, A, 4 or more)."""

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Molecules of like size are computed together, so that little of it is for atoms that are not there."""
        order = (features[..., 3] > 0).sum(1).argsort(stable=True)
        parts = order.tensor_split(-(-len(order) // TOGETHER))
        mean, log_variance = zip(*(self.encoded(features[rows]) for rows in parts), strict=True)
        back = order.argsort()
        return torch.cat(mean)[back], torch.cat(log_variance)[back]

    @abstractmethod
    def encoded(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """`forward` of molecules of like size."""

    def packed(self, features: Tensor) -> Tensor:
        """As they are."""
        return features

    def unpacked(self, kept: Tensor) -> Tensor:
        """As they are."""
        return kept

    def pictures(self, features: Tensor) -> Tensor:
        """Density maps on the molecules' own axes, (m, 1, SIDE, SIDE, SIDE)."""
        return density_maps(features)

    def mirrored(self, features: Tensor) -> Tensor:
        """The mirror images."""
        return torch.cat([-features[..., :1], features[..., 1:]], dim=-1)

    def rescaled(self, features: Tensor, factor: float) -> Tensor:
        """Molecules `factor` times as large, radii too."""
        return torch.cat([features[..., :4] * factor, features[..., 4:]], dim=-1)


class CloudEncoder(MoleculeEncoder):
    """Molecules in space -> mean and log-variance of q(z | x).

    Args:
        widths: of the atoms through each layer, all the same, a multiple of 8.
        latent: size d of the code.
    """

    def __init__(self, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.pooled = Pooled(6 + OFF_AXIS, DISTANCES + 3, widths, latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, A, 4 or more) -> (m, A, 4): the atoms on axes of their own."""
        return on_axes(x[..., :4])

    def read(self, features: Tensor) -> Tensor:
        """(m, DISTANCES + OFF_AXIS + 8): how distances between atoms and from the centre are spread, and sizes."""
        there = present(features)
        count = there.sum(1, keepdim=True).clamp(min=1).float()
        pairs = there[:, :, None] & there[:, None]
        places = features[..., :3]
        between = (bumps(distances(places), DISTANCES, FURTHEST) * pairs[..., None]).sum((1, 2)) / count.square()
        outwards = (bumps(places.norm(dim=-1), OFF_AXIS, OUTERMOST) * there[..., None]).sum(1) / count
        spread, most = places.square().sum(1).div(count).sqrt() / SCALE, places.abs().amax(1) / SCALE
        radius = features[..., 3].sum(1, keepdim=True) / count
        return torch.cat([between, outwards, spread, most, radius, count / MANY], dim=1)

    def encoded(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = trimmed(features, 4)[..., :4]
        mean, log_variance = self.pooled(atom_readings(features), pair_readings(features), present(features))
        return mean, log_variance
