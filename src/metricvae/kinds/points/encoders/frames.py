"""An encoder of point clouds that sees neither the order of the points nor, where that is asked for, their motion.

Every cloud is put about its centroid and, where rotations are not to count, on its principal axes. These are known up
to the rotations that map axes to themselves (two in the plane, four in space), so the network reads the cloud in each
of them, and the results are pooled (frame averaging, O. Puny et al. 2022). As principal axes jump where a cloud is
nearly symmetric, numbers that need no axes stand beside: see `metricvae.kinds.points.encoders.measures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.points.decoders.occupancy import occupancy_maps
from metricvae.kinds.points.encoders.harmonics import power_spectrum
from metricvae.kinds.points.encoders.measures import (
    TINY,
    directions,
    flip_tables,
    frame_measures,
    framed,
    pair_measures,
    quantiles,
)
from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.layers import hidden_layers, scale_initial_weights
from metricvae.nn.principal_axes import AXIS_FLIPS_BY_DIMENSION, gaussian_basis

FURTHEST = 8.0
"""Standard deviations from the mean beyond which a number of a cloud counts as that far."""

LEAST_SPREAD = 1e-6
"""Standard deviation below which a number counts as the same for all clouds."""

FURTHEST_SHELL = 2.0
"""Radii of gyration at the centre of the last shell about the centroid."""

LENGTHS = ("lengths", "centroid", "quantiles")
"""Parts of the features that grow with the size of a cloud."""

Numbers = list[tuple[Tensor, float]]
"""Numbers that the network reads, (..., groups, n), with their weights."""


@dataclass(frozen=True)
class CloudEncoderConfig(EncoderConfig):
    """Hyperparameters of `CloudEncoder`.

    Attributes:
        dimension: of space, 2 or 3.
        channels: numbers of each point beside its coordinates.
        invariance: `rigid`, `rotation`, `shift` or `none`, as of the kind.
        widths: hidden layers: of the frames, then of the whole cloud.
        distances, means, nearest: quantiles of the distances between points, of a point's mean distance from the
            others, and of that to its nearest neighbour.
        radii: quantiles of the distances from the centroid.
        projections: quantiles of the projections onto each direction, an even number.
        frequencies: of the characteristic function.
        shells: about the centroid, of the power spectrum.
        degree: largest degree of the angular functions.
        detail: weight of numbers that do not grow with the cloud, where those that do have the weight 1.
        pair_points: points whose distances from one another are looked at, at most.
        grid_side: grid points along each edge of the maps that the decoder draws.
    """

    name: ClassVar[str] = "cloud-frames"
    prepared_copies: ClassVar[int] = 1

    dimension: int = 3
    channels: int = 0
    invariance: str = "rigid"
    widths: tuple[int, ...] = (160, 160)
    distances: int = 24
    means: int = 8
    nearest: int = 8
    radii: int = 16
    projections: int = 16
    frequencies: int = 4
    shells: int = 6
    degree: int = 6
    detail: float = 0.5
    pair_points: int = 256
    grid_side: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimension not in AXIS_FLIPS_BY_DIMENSION or len(self.widths) != 2 or self.projections % 2:
            raise InputError(
                f"got dimension {self.dimension}, widths {self.widths} and {self.projections} projections: expected 2 "
                "or 3, two widths, and an even number"
            )

    @property
    def picture(self) -> Picture:
        return "occupancy", self.dimension, self.grid_side

    @property
    def blocks(self) -> dict[str, int]:
        """Names and sizes of the parts of the features, in their order."""
        space, v = self.dimension, len(directions(self.dimension))
        of_shells = self.shells * (self.shells + 1) // 2 if space == 3 else self.shells**2
        return {
            "lengths": 1 + space + self.radii + self.distances + self.means + self.nearest,
            "count": 1,
            "spectrum": (self.degree + 1) * of_shells,
            "marks": self.channels,
            "mark_shells": self.channels * 2 * self.shells,
            "centroid": space,
            "quantiles": v * self.projections,
            "frequencies": v * 2 * self.frequencies * (1 + self.channels),
            "picture": self.grid_side**space,
        }

    @property
    def aligned(self) -> bool:
        """Whether clouds are read on their principal axes."""
        return self.invariance in ("rigid", "rotation")

    @property
    def placed(self) -> bool:
        """Whether codes depend on where the centroid lies."""
        return self.invariance in ("rotation", "none")

    def build(self, latent: int) -> CloudEncoder:
        return CloudEncoder(self, latent)


class CloudEncoder(Encoder):
    """Clouds (m, P, 1 + dimension + channels) -> mean and log-variance of q(z | x).

    Args:
        config: its hyperparameters.
        latent: size d of the code.

    Attributes:
        length: typical size of a training cloud, by which lengths are divided.
        centre, spread, frame_centre, frame_spread: of the numbers that are read of a cloud, and of a frame.
        places, signs: where each direction goes in each frame, see `flip_tables`; flips: signs of the axes, (f, k).
    """

    length: Tensor
    centre: Tensor
    spread: Tensor
    frame_centre: Tensor
    frame_spread: Tensor
    places: Tensor
    signs: Tensor
    flips: Tensor

    def __init__(self, config: CloudEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config, blocks = config, config.blocks
        read = 2 * blocks["lengths"] + blocks["count"] + blocks["spectrum"] + blocks["marks"] + blocks["mark_shells"]
        read += config.placed * (1 if config.aligned else config.dimension)
        framed = blocks["centroid"] * config.placed + blocks["quantiles"] + blocks["frequencies"]
        places, signs = flip_tables(config.dimension)
        frames = len(places) if config.aligned else 1
        flips = torch.tensor(AXIS_FLIPS_BY_DIMENSION[config.dimension], dtype=torch.float32)
        for name, tensor in {"places": places, "signs": signs, "flips": flips}.items():
            self.register_buffer(name, tensor[:frames], persistent=False)
        self.register_buffer("length", torch.ones(()))
        for name, size in {"": read, "frame_": framed}.items():
            self.register_buffer(f"{name}centre", torch.zeros(size))
            self.register_buffer(f"{name}spread", torch.ones(size))
        width, last = config.widths
        self.of_cloud, self.of_frame = nn.Linear(read, width), nn.Linear(framed, width, bias=False)
        self.norm, self.second = nn.LayerNorm(width), nn.Linear(width, width)
        self.hidden = hidden_layers(read + 2 * width, last, last)
        self.last = nn.Linear(last, 2 * latent)
        self.shortcut = nn.Linear(read, latent)
        scale_initial_weights(self.shortcut)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, P, 1 + dimension + channels) -> (m, sum of `CloudEncoderConfig.blocks`)."""
        with torch.autocast(x.device.type, enabled=False):  # lengths need more than bfloat16
            return cloud_features(x, self.config)

    def fit_scaling(self, features: Tensor) -> None:
        """Learn the typical size of a cloud, and the means and scales of the numbers that the network reads.

        Numbers of one group, as all quantiles of one distribution, are divided by one number, the root of their mean
        variance: what hardly differs between clouds is mostly noise of their points, and stays small.
        """
        self.length.fill_(features[:, 0].median().clamp(min=TINY))
        for name, parts in zip(("", "frame_"), self._numbers(features), strict=True):
            means, scales = [], []
            for numbers, weight in parts:
                dims = tuple(range(numbers.ndim - 2))
                scale = numbers.var(dims, correction=0).mean(-1, keepdim=True).sqrt()
                scale = torch.where(scale > LEAST_SPREAD, scale / weight, 1.0)
                means.append(numbers.mean(dims).flatten())
                scales.append(scale.expand(numbers.shape[-2:]).flatten())
            getattr(self, f"{name}centre").copy_(torch.cat(means))
            getattr(self, f"{name}spread").copy_(torch.cat(scales))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        cloud, frames = self._scaled(features)
        h = functional.silu(self.norm(self.of_cloud(cloud)[:, None] + self.of_frame(frames)))
        h = h + functional.silu(self.second(h))
        pooled = torch.cat([cloud, h.mean(1), h.amax(1)], dim=1)
        mean, log_variance = self.last(self.hidden(pooled)).chunk(2, 1)
        return mean + self.shortcut(cloud), log_variance

    def _scaled(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the network reads: of the cloud (m, p), and of each of its frames (m, f, q)."""
        cloud, frames = (torch.cat([part.flatten(-2) for part, _ in parts], -1) for parts in self._numbers(features))
        cloud = ((cloud - self.centre) / self.spread).clamp(-FURTHEST, FURTHEST)
        return cloud, ((frames - self.frame_centre) / self.frame_spread).clamp(-FURTHEST, FURTHEST)

    def _numbers(self, features: Tensor) -> tuple[Numbers, Numbers]:
        """The same, not yet scaled, in parts with their weights: (m, groups, n), and (m, f, groups, n)."""
        config, parts = self.config, self._split(features)
        lengths, detail = parts["lengths"][:, None], config.detail
        size = lengths[..., :1].clamp(min=TINY)
        cloud = [(lengths / self.length, 1.0), ((size / self.length).log(), 1.0), (lengths[..., 1:] / size, detail)]
        cloud += [(parts["count"][:, None], detail), (parts["spectrum"][:, None], detail)]
        quantile = parts["quantiles"].unflatten(1, (1, self.places.shape[1], -1))
        wave = parts["frequencies"].unflatten(1, (1 + config.channels, self.places.shape[1], -1))
        frames = [(self._flipped(quantile / self.length), 1.0), (self._flipped(wave), detail)]
        if config.channels:
            cloud += [(parts["marks"][..., None], 1.0), (parts["mark_shells"].unflatten(1, (config.channels, -1)), 1.0)]
        if config.placed:
            centroid = parts["centroid"][:, None] / self.length
            cloud.append((centroid.norm(dim=2, keepdim=True) if config.aligned else centroid, 1.0))
            frames.append(((centroid * self.flips)[:, :, None], 1.0))
        return cloud, frames

    def _flipped(self, numbers: Tensor) -> Tensor:
        """Numbers of the directions (m, g, v, even and odd ones) -> in each frame, (m, f, g, v times as many)."""
        even, odd = numbers.chunk(2, dim=3)
        both = torch.cat([even[:, :, self.places], odd[:, :, self.places] * self.signs[..., None]], dim=4)
        return both.flatten(3).transpose(1, 2)

    def _split(self, features: Tensor) -> dict[str, Tensor]:
        blocks = self.config.blocks
        return dict(zip(blocks, features.split(list(blocks.values()), dim=1), strict=True))

    def pack(self, features: Tensor) -> Tensor:
        """As they are: half precision is too coarse for lengths."""
        return features

    def unpack(self, packed: Tensor) -> Tensor:
        return packed

    def pictures(self, features: Tensor) -> Tensor:
        """Occupancy maps in the clouds' frames, (m, 1, side, side) or (m, 1, side, side, side)."""
        config = self.config
        return self._split(features)["picture"].unflatten(1, (1, *(config.grid_side,) * config.dimension))

    def descriptors(self, features: Tensor) -> Tensor:
        """Lengths, absolute and as shares of the size, and power spectra, scaled as in the training, (m, p)."""
        return self._scaled(features)[0]

    def rescale(self, features: Tensor, factor: float) -> Tensor:
        """Clouds `factor` times as large, about the origin."""
        parts = self._split(features)
        scaled = [part * factor if name in LENGTHS else part for name, part in parts.items()]
        return torch.cat(scaled, dim=1)


def cloud_features(x: Tensor, config: CloudEncoderConfig) -> Tensor:
    """Clouds (m, P, 1 + dimension + channels) -> (m, sum of `CloudEncoderConfig.blocks`)."""
    clouds, centroid, mean = framed(x, config.dimension, aligned=config.aligned)
    places, there, unit = clouds.places, clouds.there, clouds.size[:, None]
    count, radius = clouds.count[:, None], places.norm(dim=-1)
    variances = places.square().sum(1) / count
    sizes = config.distances, config.means, config.nearest
    between, products = pair_measures(clouds.thinned(config.pair_points), sizes, config.shells)
    radii = quantiles(radius.masked_fill(~there, torch.inf), clouds.count, config.radii)
    shells = gaussian_basis(radius / unit, config.shells, FURTHEST_SHELL) * (there / count)[..., None]
    of_marks = torch.cat([clouds.marks.mT @ shells, products], dim=2)
    parts = [variances.sum(1).sqrt(), variances.sqrt(), radii, between]
    parts += [count.log(), power_spectrum(places, shells, config.degree), mean, of_marks, centroid]
    parts += [*frame_measures(clouds, config.projections, config.frequencies)]
    parts += [occupancy_maps(places / unit[..., None], there, config.grid_side)]
    return torch.cat([part.reshape(len(x), -1) for part in parts], dim=1)
