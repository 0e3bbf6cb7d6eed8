"""An encoder of maps that is invariant to rigid motions by construction.

Every map is rotated to its principal axes about its centre, and expanded in the functions of the harmonic oscillator.
That leaves nothing of a motion but the directions of the axes, up to the four rotations that map axes to themselves.
These change the signs of coefficients in four sets, so one linear layer for each set gives all four views of a map;
a network reads each, looking at the mean of the four too, and their mean and maximum are pooled. Beside them it gets
the power spectra of the coefficients, sum_m c_nlm c_n'lm, which do not depend on the axes at all and speak for maps
whose axes are not distinct (M. Kazhdan, T. Funkhouser and S. Rusinkiewicz, *Rotation invariant spherical harmonic
representation of 3D shape descriptors*, 2003; A. Bartok, R. Kondor and G. Csanyi, Phys. Rev. B 87 (2013) 184115).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.volume.encoders.oscillator import (
    degrees,
    flip_classes,
    hermite_functions,
    to_spherical,
)
from metricvae.kinds.volume.transforms import blur, to_principal_axes
from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.layers import hidden_layers, scale_initial_weights
from metricvae.nn.principal_axes import AXIS_FLIPS

LEAST_SCALES = 0.3, 0.05
"""Least scale of the logarithms of a map's root mean square and of its sharpness."""


@dataclass(frozen=True)
class PrincipalEncoderConfig(EncoderConfig):
    """Hyperparameters of `PrincipalEncoder`.

    Attributes:
        degree: highest degree of the oscillator functions.
        reach: radius that they cover, as a share of the cube's edge.
        blur: standard deviation of the Gaussian that maps are convolved with first, in grid steps: what a grid of
            other steps does to the highest frequencies is then not seen.
        power_degree: highest degree of those whose power spectra are taken, at most `degree`.
        width: of the network.
        blocks: residual blocks of it.
        grid_side: grid points along each edge of the pictures that the decoder draws; the cube's are averaged to them.
        grid_spacing: between them.
    """

    name: ClassVar[str] = "principal"
    prepared_copies: ClassVar[int] = 1

    degree: int = 12
    reach: float = 0.45
    blur: float = 0.8
    power_degree: int = 10
    width: int = 192
    blocks: int = 2
    grid_side: int = 16
    grid_spacing: float = 1.875

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.power_degree <= self.degree <= 30:
            raise InputError(
                f"got power_degree {self.power_degree} and degree {self.degree}: expected at least 2, no more than the "
                "other, and 30"
            )

    @property
    def picture(self) -> Picture:
        return "density", self.grid_side, self.grid_spacing

    def build(self, latent: int) -> PrincipalEncoder:
        return PrincipalEncoder(self, latent)


class PrincipalEncoder(Encoder):
    """Maps (m, 1, s, s, s) -> mean and log-variance of q(z | x).

    Features are the coefficients of the four sets, the powers, the logarithms of the map's root mean square and of the
    share of it that the blur leaves, and the picture.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: PrincipalEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.sets = [torch.from_numpy(rows) for rows in flip_classes(config.degree)]
        self.sizes = [len(rows) for rows in self.sets]
        self.spectra = PowerSpectra(config.power_degree)
        self.invariants = self.spectra.count + len(LEAST_SCALES)
        self.numbers = sum(self.sizes) + self.invariants
        self.register_buffer("mean", torch.zeros(self.numbers))
        self.register_buffer("scale", torch.ones(self.numbers))
        self.even = nn.Linear(self.sizes[0] + self.invariants, width)
        self.odd = nn.ModuleList(nn.Linear(size, width, bias=False) for size in self.sizes[1:])
        self.blocks = nn.ModuleList(ViewBlock(width) for _ in range(config.blocks))
        self.head = hidden_layers(2 * width, 2 * width)
        self.last = nn.Linear(2 * width, 2 * latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, 1, s, s, s) -> (m, f)."""
        config, size = self.config, root_mean_square(x)
        maps = blur(x.float() / size[:, None, None, None, None], config.blur)
        sharpness = root_mean_square(maps)
        maps = to_principal_axes(maps)
        found = expand(maps, config.degree, config.reach)
        ordered = torch.cat([found[:, rows.to(x.device)] for rows in self.sets], dim=1)
        picture = functional.adaptive_avg_pool3d(maps, config.grid_side)
        picture = (picture / picture.amax((1, 2, 3, 4), keepdim=True).clamp(min=1e-6)).clamp(0, 1)
        logs = torch.stack([size.log(), sharpness.log()], dim=1)
        return torch.cat([ordered, self.spectra(found), logs, picture.flatten(1)], dim=1)

    def fit_scaling(self, features: Tensor) -> None:
        """A mean of every number that does not change sign with the axes, and a scale: one for all coefficients, one
        for all powers, so that those which are small, and say little, stay small; and those of the two logarithms."""
        x = features[:, : self.numbers]
        free = torch.zeros(self.numbers, dtype=torch.bool)
        free[: self.sizes[0]] = free[sum(self.sizes) :] = True
        self.mean.copy_(torch.where(free.to(x.device), x.mean(0), 0.0))
        spread = (x - self.mean).square().mean(0)
        coefficients, powers, logs = spread.split([sum(self.sizes), self.spectra.count, len(LEAST_SCALES)])
        for part in (coefficients, powers):
            part.fill_(max(float(part.mean()), 1e-12))
        least = torch.tensor(LEAST_SCALES, device=x.device)
        self.scale.copy_(torch.cat([coefficients.sqrt(), powers.sqrt(), torch.maximum(logs.sqrt(), least)]))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = (features[:, : self.numbers] - self.mean) / self.scale
        even, *odd, invariant = x.split([*self.sizes, self.invariants], dim=1)
        base = self.even(torch.cat([even, invariant], dim=1))
        parts = torch.stack([layer(part) for layer, part in zip(self.odd, odd, strict=True)], dim=1)
        signs = torch.tensor(AXIS_FLIPS, dtype=parts.dtype, device=parts.device)
        h = base[:, None] + torch.einsum("vs,msw->mvw", signs, parts)
        for block in self.blocks:
            h = block(h)
        mean, log_variance = self.last(self.head(torch.cat([h.mean(1), h.amax(1)], dim=1))).chunk(2, 1)
        return mean, log_variance

    def pictures(self, features: Tensor) -> Tensor:
        """The maps on their principal axes, as shares of the highest density, (m, 1, side, side, side)."""
        return features[:, self.numbers :].unflatten(1, (1, *(self.config.grid_side,) * 3)).float()

    def descriptors(self, features: Tensor) -> Tensor:
        """The power spectra, and the two logarithms."""
        return ((features[:, : self.numbers] - self.mean) / self.scale)[:, sum(self.sizes) :]

    def mirror(self, features: Tensor) -> Tensor:
        """Of the maps reflected in the plane across their first axis."""
        odd = torch.from_numpy(degrees(self.config.degree)[:, 0] % 2 == 1)
        signs = torch.cat([torch.where(odd[rows], -1.0, 1.0) for rows in self.sets]).to(features)
        picture = self.pictures(features).flip(2).flatten(1).to(features)
        middle = features[:, len(signs) : self.numbers]
        return torch.cat([features[:, : len(signs)] * signs, middle, picture], dim=1)


def root_mean_square(maps: Tensor) -> Tensor:
    """(m,) of maps (m, 1, s, s, s), above 0."""
    return maps.float().square().mean((1, 2, 3, 4)).clamp(min=1e-24).sqrt()


class ViewBlock(nn.Module):
    """h + f(h, mean of h over the views): (m, views, width); f starts small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.own, self.shared = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width)
        scale_initial_weights(self.second)

    def forward(self, h: Tensor) -> Tensor:
        x = functional.silu(self.before(h))
        mixed = self.own(x) + self.shared(x.mean(1, keepdim=True))
        return h + self.second(functional.silu(mixed))


class PowerSpectra(nn.Module):
    """Coefficients (m, k) -> sums over m of c_nlm c_n'lm for all l and n <= n' up to a degree, (m, count).

    Args:
        degree: the highest n.
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        matrices = to_spherical(degree)
        self.shells = [len(shells) for shells in matrices]
        self.count = sum(n * (n + 1) // 2 for n in self.shells)
        self.used = len(degrees(degree))
        flat = np.concatenate([shell for shells in matrices for shell in shells])
        self.register_buffer("to_spherical", torch.from_numpy(flat.astype(np.float32)), persistent=False)

    def forward(self, coefficients: Tensor) -> Tensor:
        spherical = coefficients[:, : self.used] @ self.get_buffer("to_spherical").T
        found, start = [], 0
        for angular, shells in enumerate(self.shells):
            rows = shells * (2 * angular + 1)
            block = spherical[:, start : start + rows].unflatten(1, (shells, -1))
            products = block @ block.mT
            first, second = torch.triu_indices(shells, shells, device=products.device)
            found.append(products[:, first, second] / math.sqrt(2 * angular + 1))
            start += rows
        return torch.cat(found, dim=1)


def expand(maps: Tensor, degree: int, reach: float) -> Tensor:
    """Maps (m, 1, s, s, s) -> (m, k) coefficients of `degrees(degree)`, of unit norm where these hold a whole map.

    Args:
        maps: on a cube.
        degree: the highest.
        reach: radius that the functions cover, as a share of the cube's edge.
    """
    side = maps.shape[-1]
    width = reach / math.sqrt(2 * degree + 3)
    at = ((np.arange(side) + 0.5) / side - 0.5) / width
    functions = hermite_functions(degree, at) / math.sqrt(width * side)
    basis = torch.from_numpy(functions.astype(np.float32)).to(maps.device)
    values = maps[:, 0].float()
    unit = values / values.square().sum((1, 2, 3), keepdim=True).clamp(min=1e-12).sqrt()
    found = torch.einsum("mxyz,ix->miyz", unit, basis)
    found = torch.einsum("miyz,jy->mijz", found, basis)
    found = torch.einsum("mijz,kz->mijk", found, basis)
    i, j, k = torch.from_numpy(degrees(degree)).to(maps.device).T
    return found[:, i, j, k]
