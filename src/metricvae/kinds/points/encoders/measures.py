"""What an encoder reads of a point cloud: numbers without weights that depend neither on the order of the points nor on
padding.

Distributions are given by their quantiles, so that clouds of any number of points have as many numbers: of the
distances between points, from the centroid, to the nearest neighbour, and of the mean distance to all others (the
distributions behind lower bounds of the Gromov-Wasserstein distance, F. Memoli 2011); of projections onto fixed
directions of the cloud's frame, as in the sliced Wasserstein distance. Power spectra of angular functions on shells
about the centroid (as in A. Bartok et al. 2013) and the characteristic function of the frame's coordinates stand
beside them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metricvae.nn.principal_axes import AXIS_FLIPS_BY_DIMENSION, gaussian_basis, principal_axes

PAIRS_AT_ONCE = 2**22
"""Pairs of points that are looked at together."""

TINY = 1e-12
"""Least length that is divided by."""

FURTHEST_PAIR = 2.5
"""Radii of gyration at the centre of the last shell of distances."""


def directions(dimension: int) -> Tensor:
    """(v, dimension) unit vectors, one of each two opposite ones, that flips of the axes map to one another or to their
    opposites: 12 in the plane; the edges, faces and corners of a cube in space, 13."""
    if dimension == 2:
        angles = torch.arange(12) * (math.pi / 12)
        return torch.stack([angles.cos(), angles.sin()], dim=1)
    signs = [one for one in itertools.product((-1, 0, 1), repeat=3) if one > (0, 0, 0)]
    return torch.nn.functional.normalize(torch.tensor(signs, dtype=torch.float32), dim=1)


def flip_tables(dimension: int) -> tuple[Tensor, Tensor]:
    """Where each direction goes under each flip of the axes: places (f, v) int64 and signs (f, v)."""
    vectors = directions(dimension)
    flipped = vectors * torch.tensor(AXIS_FLIPS_BY_DIMENSION[dimension], dtype=torch.float32)[:, None]
    cosines = flipped @ vectors.T
    places = cosines.abs().argmax(-1)
    return places, cosines.gather(-1, places[..., None])[..., 0].sign()


def sorted_last(x: Tensor) -> Tensor:
    """`x` sorted along its last dimension; NumPy is many times as fast as PyTorch on a CPU."""
    if x.device.type != "cpu":
        return x.sort(dim=-1).values
    return torch.from_numpy(np.sort(x.detach().numpy(), axis=-1))


def quantiles(values: Tensor, count: Tensor, levels: int) -> Tensor:
    """Evenly spaced quantiles, the least and the greatest among them, by linear interpolation.

    Args:
        values: (m, ..., N), of which `count` are finite and the others infinite.
        count: (m,) how many; of none, the quantiles are 0.
        levels: how many quantiles, (m, ..., levels).
    """
    if not values.shape[-1]:  # of clouds of one point there are no pairs
        return values.new_zeros(*values.shape[:-1], levels)
    ordered = sorted_last(values)
    place = torch.linspace(0.0, 1.0, levels, device=values.device) * (count[:, None] - 1).clamp(min=0)
    place = place.reshape(len(count), *(1,) * (values.ndim - 2), levels).expand(*values.shape[:-1], levels)
    low = place.floor().long()
    high = torch.minimum(low + 1, place.ceil().long())
    below, above = ordered.gather(-1, low), ordered.gather(-1, high)
    found = below + (place - low) * (above - below)
    return torch.where(count.reshape(-1, *(1,) * (values.ndim - 1)) > 0, found, 0.0).nan_to_num(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class FramedClouds:
    """m clouds about their centroids, on the axes of their frames, padded to P points.

    Attributes:
        places: (m, P, k) coordinates, zero for padding.
        there: (m, P) whether there is a point.
        marks: (m, P, c) further numbers of the points, of mean 0 in each cloud.
        size: (m,) radii of gyration, above 0.
    """

    places: Tensor
    there: Tensor
    marks: Tensor
    size: Tensor

    @property
    def count(self) -> Tensor:
        """(m,) numbers of points, at least 1."""
        return self.there.sum(1).clamp(min=1)

    def thinned(self, most: int) -> FramedClouds:
        """At most `most` points of each, evenly spaced in their order, in which padding comes last."""
        wide, count = self.there.shape[1], self.count[:, None]
        if wide <= most:
            return self
        spaced = torch.linspace(0.0, 1.0, most, device=count.device) * (count - 1)
        rows = torch.where(count > most, spaced.round().long(), torch.arange(most, device=count.device))
        places, there, marks = (rows_of(part, rows) for part in (self.places, self.there, self.marks))
        return FramedClouds(places, there, marks, self.size)

    def split(self, at_once: int) -> Iterator[FramedClouds]:
        """Parts of `at_once` clouds."""
        parts = (part.split(at_once) for part in (self.places, self.there, self.marks, self.size))
        return (FramedClouds(*part) for part in zip(*parts, strict=True))


def rows_of(x: Tensor, rows: Tensor) -> Tensor:
    """The given rows (m, n) of each of (m, P, ...) objects."""
    return x[torch.arange(len(x), device=x.device)[:, None], rows]


def framed(x: Tensor, space: int, *, aligned: bool) -> tuple[FramedClouds, Tensor, Tensor]:
    """Clouds about their centroids, from the innermost point to the outermost, padding last.

    Args:
        x: (m, P, 1 + space + c) as `PointsKind.unpack` gives them.
        space: 2 or 3 dimensions.
        aligned: whether they are put on their principal axes.

    Returns:
        the clouds, their centroids on the axes of their frames (m, space), and the means of their marks (m, c).
    """
    there, marks, absolute = x[..., 0] > 0, x[..., 1 + space :], x[..., 1 : 1 + space].double()
    count = there.sum(1).clamp(min=1)[:, None]
    centroid = (absolute * there[..., None]).sum(1) / count
    places = (absolute - centroid[:, None]) * there[..., None]
    mean = marks.sum(1) / count
    marks = (marks - mean[:, None]) * there[..., None]
    order = places.norm(dim=-1).masked_fill(~there, math.inf).argsort(dim=1, stable=True)[:, : int(count.amax())]
    places, there, marks = (rows_of(part, order) for part in (places, there, marks))
    if aligned:
        axes = principal_axes(places.mT @ places / count[..., None]).to(places)
        places, centroid = places @ axes, (centroid[:, None] @ axes)[:, 0]
    size = (places.square().sum((1, 2)) / count[:, 0]).sqrt().clamp(min=TINY)
    return FramedClouds(places.float(), there, marks, size.float()), centroid.float(), mean


def pair_measures(clouds: FramedClouds, sizes: tuple[int, int, int], shells: int) -> tuple[Tensor, Tensor]:
    """Numbers from the distances between the points of each cloud.

    Args:
        clouds: m of them.
        sizes: quantiles of all distances, of the mean distance of a point, and of that to its nearest neighbour.
        shells: of distance, over which products of marks are averaged.

    Returns:
        quantiles, (m, sum of `sizes`) lengths, and mean products of the marks of two points, (m, c, shells).
    """
    at_once = max(1, PAIRS_AT_ONCE // clouds.there.shape[1] ** 2)
    lengths, products = zip(*(_pair_measures(part, sizes, shells) for part in clouds.split(at_once)), strict=True)
    return torch.cat(lengths), torch.cat(products)


def _pair_measures(clouds: FramedClouds, sizes: tuple[int, int, int], shells: int) -> tuple[Tensor, Tensor]:
    there, marks, count = clouds.there, clouds.marks, clouds.count
    away = torch.cdist(clouds.places, clouds.places, compute_mode="donot_use_mm_for_euclid_dist")
    both = there[:, :, None] & there[:, None]
    among = away.masked_fill(~both, math.inf)
    first, second = torch.triu_indices(away.shape[1], away.shape[1], 1, device=away.device)
    every = quantiles(among[:, first, second], count * (count - 1) // 2, sizes[0])
    mean = (away * both).sum(2) / (count[:, None] - 1).clamp(min=1)
    means = quantiles(mean.masked_fill(~there, math.inf), count, sizes[1])
    others = among + torch.diag(away.new_full((away.shape[1],), math.inf))
    nearest = quantiles(others.amin(2), count * (count > 1), sizes[2])
    products = marks.new_zeros(*marks.shape[::2], shells)
    if marks.shape[2]:
        basis = gaussian_basis(away / clouds.size[:, None, None], shells, FURTHEST_PAIR) * both[..., None]
        products = torch.einsum("mic,mijk,mjc->mck", marks, basis, marks) / count[:, None, None].square()
    return torch.cat([every, means, nearest], dim=1), products


def frame_measures(clouds: FramedClouds, levels: int, frequencies: int) -> tuple[Tensor, Tensor]:
    """Numbers from the projections of points onto the v `directions`: first those that keep their value where a
    direction is reversed (even), then those that change their sign (odd).

    Args:
        clouds: m of them.
        levels: quantiles of the projections, an even number.
        frequencies: frequencies of the characteristic function: 1 to `frequencies`, per radius of gyration.

    Returns:
        quantiles, (m, v, levels) lengths, and the characteristic function of the points and that weighted by each mark,
        (m, 1 + c, v, 2 frequencies).
    """
    places, there, count = clouds.places, clouds.there, clouds.count
    projected = places @ directions(places.shape[2]).to(places).T  # (m, P, v)
    found = quantiles(projected.masked_fill(~there[..., None], math.inf).mT.contiguous(), count, levels)
    low, high = found[..., : levels // 2], found.flip(-1)[..., : levels // 2]
    weights = torch.cat([there[..., None].to(places), clouds.marks], dim=-1) / count[:, None, None]
    phases = [projected * frequency / clouds.size[:, None, None] for frequency in range(1, frequencies + 1)]
    waved = torch.stack([phase.cos() for phase in phases] + [phase.sin() for phase in phases], dim=-1)
    sums = torch.einsum("mpc,mpvw->mcvw", weights, waved)
    return torch.cat([(high - low) / 2, (high + low) / 2], dim=-1), sums
