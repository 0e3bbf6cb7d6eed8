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

import numpy as np
import torch
from torch import Tensor

from metricvae.nn.principal_axes import AXIS_FLIPS_BY_DIMENSION, gaussian_basis

PAIRS_AT_ONCE = 2**22
"""Pairs of points that are looked at together."""

TINY = 1e-12


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
    ordered = sorted_last(values)
    place = torch.linspace(0.0, 1.0, levels, device=values.device) * (count[:, None] - 1).clamp(min=0)
    place = place.reshape(len(count), *(1,) * (values.ndim - 2), levels).expand(*values.shape[:-1], levels)
    low = place.floor().long()
    high = torch.minimum(low + 1, place.ceil().long())
    below, above = ordered.gather(-1, low), ordered.gather(-1, high)
    found = below + (place - low) * (above - below)
    return torch.where(count.reshape(-1, *(1,) * (values.ndim - 1)) > 0, found, 0.0).nan_to_num(0.0, 0.0, 0.0)


def pair_measures(
    places: Tensor, there: Tensor, marks: Tensor, size: Tensor, sizes: tuple[int, int, int], shells: int
) -> tuple[Tensor, Tensor]:
    """Numbers from the distances between the points of each cloud.

    Args:
        places: (m, P, k) coordinates; marks: (m, P, c) further numbers of points, of mean 0; there: (m, P) bool.
        size: (m,) lengths that are 1 for the products of marks.
        sizes: quantiles of all distances, of the mean distance of a point, and of that to its nearest neighbour.
        shells: of distance, over which products of marks are averaged.

    Returns:
        quantiles, (m, sum of `sizes`) lengths, and mean products of the marks of two points, (m, c shells).
    """
    at_once = max(1, PAIRS_AT_ONCE // places.shape[1] ** 2)
    parts = [
        _pair_measures(*chunk, sizes, shells)
        for chunk in zip(*(part.split(at_once) for part in (places, there, marks, size)), strict=True)
    ]
    lengths, products = zip(*parts, strict=True)
    return torch.cat(lengths), torch.cat(products)


def _pair_measures(
    places: Tensor, there: Tensor, marks: Tensor, size: Tensor, sizes: tuple[int, int, int], shells: int
) -> tuple[Tensor, Tensor]:
    count = there.sum(1)
    away = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    both = there[:, :, None] & there[:, None]
    first, second = torch.triu_indices(away.shape[1], away.shape[1], 1, device=away.device)
    among = away.masked_fill(~both, math.inf)
    every = quantiles(among[:, first, second], count * (count - 1) // 2, sizes[0])
    mean = (away * both).sum(2) / (count[:, None] - 1).clamp(min=1)
    means = quantiles(mean.masked_fill(~there, math.inf), count, sizes[1])
    nearest = among + torch.diag(away.new_full((away.shape[1],), math.inf))
    few = count * (count > 1)
    nearest = quantiles(nearest.amin(2), few, sizes[2])
    products = marks.new_zeros(len(marks), 0)
    if marks.shape[2]:
        basis = gaussian_basis(away / size[:, None, None], shells, 2.5) * both[..., None]
        products = torch.einsum("mic,mijk,mjc->mck", marks, basis, marks) / count[:, None, None].square()
    return torch.cat([every, means, nearest], dim=1), products.flatten(1)


def frame_measures(
    places: Tensor, there: Tensor, marks: Tensor, size: Tensor, levels: int, waves: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Numbers from the projections of points onto the `directions`, halved into those that keep their value where a
    direction is reversed (even) and those that change their sign (odd).

    Args:
        places: (m, P, k) coordinates in the frame; marks: (m, P, c) further numbers; there: (m, P) bool.
        size: (m,) lengths by which coordinates are divided in phases.
        levels: quantiles of the projections, an even number.
        waves: wave numbers of the characteristic function: 1 to `waves`.

    Returns:
        of the v directions: quantiles, lengths, even and odd, (m, v, levels / 2) each, and the characteristic function
        of the points and that weighted by each mark, even and odd, (m, v, (1 + c) waves) each.
    """
    count = there.sum(1)
    projected = places @ directions(places.shape[2]).to(places).T  # (m, P, v)
    found = quantiles(projected.masked_fill(~there[..., None], math.inf).mT.contiguous(), count, levels)
    low, high = found[..., : levels // 2], found.flip(-1)[..., : levels // 2]
    phase = projected / size[:, None, None]
    weights = torch.cat([there[..., None].to(places), marks], dim=-1) / count[:, None, None]
    even, odd = [], []
    for wave in range(1, waves + 1):
        even.append((phase * wave).cos().mT @ weights)
        odd.append((phase * wave).sin().mT @ weights)
    return (high - low) / 2, (high + low) / 2, torch.cat(even, dim=-1), torch.cat(odd, dim=-1)
