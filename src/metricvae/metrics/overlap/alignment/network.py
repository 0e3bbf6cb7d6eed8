"""A network that proposes how to lay one shape on another: a spatial transformer over rotation-equivariant codes.

The code of a shape is a stack of circular channels about its centroid; rotating the shape rolls its code. One circular
correlation of two codes therefore covers all rotations at once (the idea of Cohen et al. 2018, *Spherical CNNs*, on a
circle). Correlations of two channels give numbers for each rotation and, weighted by the direction of each entry,
arrows. A small network reads the numbers of a rotation and decides how its arrows add up to a shift. So the proposed
shifts rotate with the first shape, and rotating the second moves the proposals along the circle.

For each rotation the network gives a few shifts, and for each the share of the smaller area it expects to overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.pictures.polar import ring_weights
from metricvae.nn.layers import CircularConv1d, CircularResidual, average_pairs, scale_initial_weights

SHIFTS = 2
"""Shifts at each rotation: as many as the exact search's scan, which the network learns from, gives."""


@dataclass(frozen=True)
class PoseNetworkConfig:
    """Hyperparameters of a `PoseNetwork`.

    Attributes:
        width: channels of the convolutions along the rings.
        depth: residual blocks of them.
        numbers: channels that are correlated to numbers.
        arrows: channels that are correlated to arrows.
        hidden: neurons of the layers that combine them at each rotation.
        rings, sectors: resolution of the polar pictures, those of the model's encoder; sectors are even.
        rotations: that it answers for, evenly spaced over the circle; at least half the sectors.
        shift_scale: pixels that an arrow of length 1 stands for.
    """

    width: int = 96
    depth: int = 4
    numbers: int = 64
    arrows: int = 24
    hidden: int = 96
    rings: int = 48
    sectors: int = 96
    rotations: int = 72
    shift_scale: float = 20.0

    def __post_init__(self) -> None:
        if self.rings < 1 or self.sectors < 2 or self.sectors % 2 or self.rotations < self.directions:
            raise InputError(
                f"got {self.rings} rings, {self.sectors} sectors and {self.rotations} rotations of a pose network: "
                "expected an even number of sectors, and rotations for at least half of them"
            )

    @property
    def directions(self) -> int:
        """Directions in which a code keeps numbers: one for two sectors."""
        return self.sectors // 2


@dataclass(frozen=True)
class Curves:
    """Expected overlaps of n pairs at every rotation.

    Attributes:
        share: (n, SHIFTS, rotations) expected overlap as a share of the smaller area.
        shift: (n, SHIFTS, rotations, 2) where the second centroid goes from the first, right and down, in pixels.
    """

    share: Tensor
    shift: Tensor


class PoseNetwork(nn.Module):
    """Polar pictures -> rotation-equivariant codes; pairs of codes -> `Curves`."""

    weight: Tensor

    def __init__(self, config: PoseNetworkConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.numbers + 2 * config.arrows
        self.register_buffer("weight", ring_weights(config.rings), persistent=False)
        self.first = CircularConv1d(config.rings, config.width)
        self.blocks = nn.ModuleList(CircularResidual(config.width) for _ in range(config.depth))
        self.whole = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.depth))
        self.last = nn.Linear(config.width, channels)
        self.rings = nn.Linear(config.rings, channels, bias=False)
        with torch.no_grad():
            same = min(config.numbers, config.rings)
            self.rings.weight[:same] = torch.eye(config.rings)[:same]
        inputs = config.numbers + config.arrows + 1
        self.reader = nn.Sequential(
            *(nn.Linear(inputs, config.hidden), nn.LayerNorm(config.hidden), nn.SiLU()),
            *(nn.Linear(config.hidden, config.hidden), nn.SiLU()),
        )
        self.share = nn.Linear(config.hidden, SHIFTS)
        self.mixer = nn.Linear(config.hidden, SHIFTS * config.arrows * 2)
        for layer in (self.mixer, *self.whole):
            scale_initial_weights(layer)

    def forward(self, pictures: Tensor, first: Tensor, second: Tensor, size: Tensor) -> Curves:
        """Pairs `first`, `second` (n,) of m pictures with areas (m,)."""
        spectra = self.spectra(self.encode(pictures))
        return self.compare(spectra[first], spectra[second], size[first], size[second])

    def encode(self, pictures: Tensor) -> Tensor:
        """(m, 1, rings, sectors) pictures -> (m, channels, directions) codes.

        Raises:
            InputError: pictures of another resolution.
        """
        expected, found = (self.config.rings, self.config.sectors), tuple(pictures.shape[-2:])
        if found != expected:
            raise InputError(f"got polar pictures of {found} cells, expected {expected}: train the aligner anew")
        rings = 3 * average_pairs((pictures.float() * self.weight).squeeze(1).transpose(1, 2))
        h = self.first(rings)
        for block, whole in zip(self.blocks, self.whole, strict=True):
            h = block(h + whole(functional.silu(h.mean(1, keepdim=True))))
        code: Tensor = self.last(functional.silu(h)) + self.rings(rings)
        return code.float().transpose(1, 2)

    def spectra(self, code: Tensor) -> Tensor:
        """(m, channels, directions) complex: the spectra of codes that `compare` takes."""
        return torch.fft.fft(code, norm="ortho")

    def compare(self, spectrum: Tensor, other: Tensor, size: Tensor, size_other: Tensor) -> Curves:
        """Spectra (n, channels, directions) and areas in pixels (n,) of the shapes that stay and of those that move."""
        numbers, arrows = self.config.numbers, self.config.arrows
        plain = self._correlations(spectrum[:, :numbers] * other[:, :numbers].conj()).real
        (f, g), (f_other, g_other) = (part[:, numbers:].split(arrows, dim=1) for part in (spectrum, other))
        arrow = self._correlations(f.roll(1, -1) * g_other.conj() - g.roll(1, -1) * f_other.conj())
        length = (arrow.real.square() + arrow.imag.square() + 1e-6).sqrt()
        ratio = (size.log() - size_other.log()).abs()[:, None, None].expand(-1, 1, self.config.rotations)
        h = self.reader(torch.cat([plain, length, ratio], dim=1).transpose(1, 2))
        mix = self.mixer(h).float().unflatten(-1, (SHIFTS, self.config.arrows, 2))
        mixed = (torch.view_as_complex(mix) @ arrow.transpose(1, 2)[..., None]).squeeze(-1).conj()
        shift = torch.view_as_real((self.config.shift_scale * mixed).resolve_conj())
        return Curves(self.share(h).float().sigmoid().transpose(1, 2), shift.transpose(1, 2))

    def _correlations(self, product: Tensor) -> Tensor:
        """Spectra (n, c, directions) of correlations -> their values at all rotations, (n, c, rotations) complex."""
        directions, rotations = self.config.directions, self.config.rotations
        half = directions // 2
        gap = product.new_zeros(*product.shape[:-1], rotations - directions)
        wide = torch.cat([product[..., :half], gap, product[..., half:]], dim=-1)
        return torch.fft.ifft(wide) * (rotations / math.sqrt(directions))


def best_of(share: Tensor, count: int) -> Tensor:
    """(n, count) places in the flat curves (n, SHIFTS, rotations): local maxima first, from high to low."""
    local = (share >= share.roll(1, -1)) & (share >= share.roll(-1, -1))
    return torch.where(local, share, share - 1).flatten(1).topk(count, 1).indices


def best_proposals(curves: Curves, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The motions of highest expected overlap: angles (n, count) in radians, shifts (n, count, 2), and that overlap.

    Angles lie at the vertex of a parabola through three neighbours, shifts are interpolated linearly.
    """
    place = best_of(curves.share, count)
    rotations = curves.share.shape[-1]
    row, rotation = place // rotations * rotations, place % rotations
    flat = curves.share.flatten(1)
    before, here, after = (flat.gather(1, row + (rotation + step) % rotations) for step in (-1, 0, 1))
    off = (0.5 * (before - after) / (before - 2 * here + after).clamp(max=-1e-6)).clamp(-0.5, 0.5)
    beside = row + (rotation + torch.where(off > 0, 1, -1)) % rotations
    shift, other = (curves.shift.flatten(1, 2).gather(1, at[..., None].expand(-1, -1, 2)) for at in (place, beside))
    return (rotation + off) * (math.tau / rotations), shift + (other - shift) * off.abs()[..., None], here
