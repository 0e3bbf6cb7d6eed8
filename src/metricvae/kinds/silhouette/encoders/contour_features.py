"""Features of the points of outlines, without weights: of their own loops, and of other loops across gaps and holes.

All features are in the frame of a point's tangent, which no motion changes, and each has a complement: what it is on
the edge of a piece that fits into this one. The network over them is in
`metricvae.kinds.silhouette.encoders.contour`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from metricvae.kinds.silhouette.outlines import resample_outlines

OUTLINES_PER_THREAD = 16
"""Outlines that are worth a thread."""


@dataclass(frozen=True)
class ContourSampling:
    """How outlines are sampled.

    Attributes:
        points: of all loops of an outline together, at most.
        spacing: pixels between neighbours.
        multiple: each loop has a multiple of so many points.
    """

    points: int
    spacing: float
    multiple: int


def contour_points(x: Tensor, sampling: ContourSampling) -> Tensor:
    """(m, 1, H, W) masks -> (m, points, 4): x, y in pixels from the canvas centre, first row and size of its loop.

    Outlines are traced on the processor, on as many threads as PyTorch has. Rows without a point are zero.
    """
    masks = (x[:, 0] > 0.5).to(torch.uint8).cpu().numpy()
    trace = functools.partial(_trace, sampling)
    parts = np.array_split(masks, min(torch.get_num_threads(), max(1, len(masks) // OUTLINES_PER_THREAD)))
    if len(parts) == 1:
        return torch.from_numpy(trace(masks)).to(x.device)
    with ThreadPoolExecutor(len(parts)) as pool:
        return torch.from_numpy(np.concatenate(list(pool.map(trace, parts)))).to(x.device)


def _trace(sampling: ContourSampling, masks: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return resample_outlines(masks, sampling.spacing, sampling.multiple, sampling.points)


@dataclass(frozen=True)
class Contours:
    """The points of m outlines, one after the other, without the empty rows.

    Attributes:
        place: (n, 2) x, y in pixels.
        start, length: (n,) row at which the point's loop starts, points of that loop.
        slot: (n,) row among the m * p that the outlines came from, empty ones counted.
    """

    place: Tensor
    start: Tensor
    length: Tensor
    slot: Tensor

    @classmethod
    def from_points(cls, points: Tensor) -> Contours:
        """From (m, p, 4) points as `contour_points` gives them."""
        flat = points.flatten(0, 1)
        slot = flat[:, 3].nonzero().squeeze(1)
        start, length = flat[slot, 2].long(), flat[slot, 3].long()
        here = torch.arange(len(slot), device=slot.device)
        return cls(flat[slot, :2], here - slot % points.shape[1] + start, length, slot)

    def neighbours(self, step: int) -> Tensor:
        """(n,) row of the point `step` further along each point's loop."""
        here = torch.arange(len(self.start), device=self.start.device)
        return self.start + (here - self.start + step) % self.length

    def tangents(self) -> Tensor:
        """(n, 2) unit vectors along each point's loop."""
        ahead, behind = (self.place.index_select(0, self.neighbours(step)) for step in (1, -1))
        return functional.normalize(ahead - behind, dim=-1, eps=1e-6)

    def subsample(self) -> Contours:
        """Every second point."""
        return Contours(self.place[::2], self.start[::2] // 2, self.length[::2] // 2, self.slot[::2] // 2)


def contour_features(contours: Contours, nodes: Contours, offsets: Sequence[int], spacing: float) -> Tensor:
    """(n, 4 * offsets): relative positions of neighbours ahead and behind in each node's frame, scaled to like size.

    Frame: along the tangent, and across it. Ordered (offset, side, axis), the side ahead first.

    Args:
        contours: all points.
        nodes: every second of them, n.
        offsets: which neighbours to both sides, in points.
        spacing: pixels between points.
    """
    tangents, found = nodes.tangents(), []
    for offset in offsets:
        for step in (offset, -offset):
            neighbour = contours.place.index_select(0, contours.neighbours(step)[::2])
            relative = (neighbour - nodes.place) / (offset * spacing)
            along = (relative * tangents).sum(-1)
            across = relative[:, 1] * tangents[:, 0] - relative[:, 0] * tangents[:, 1]
            found += [along, across]
    return torch.stack(found, dim=-1)


def complementary_features(features: Tensor) -> Tensor:
    """Contour features (n, 4 * offsets) of the complementary edge: sides exchanged, signs reversed."""
    return -features.unflatten(-1, (-1, 2, 2)).flip(-2).flatten(-3)


@dataclass(frozen=True)
class Neighbourhoods:
    """The points of its object about each of n points, in a log-polar grid in its frame, the first sector ahead.

    A shape context (Belongie, Malik & Puzicha 2002) counts them. Cells are ordered (direction, ring, sector), those of
    neighbours whose loop runs against the tangent of the centre first. Neighbourhoods hold no gradients.

    Attributes:
        radii: outer radii of the rings in pixels.
        sectors: of each ring, an even number.
        points: n.
        centre, neighbour: (k,) rows of the two points of each pair.
        cell: (k,) the cell about the centre that the neighbour lies in.
    """

    radii: tuple[float, ...]
    sectors: int
    points: int
    centre: Tensor
    neighbour: Tensor
    cell: Tensor

    @classmethod
    @torch.no_grad()
    def find(cls, contours: Contours, slots: int, radii: tuple[float, ...], sectors: int) -> Neighbourhoods:
        """Neighbourhoods of the points of all objects.

        Args:
            contours: n points.
            slots: rows that each object has among the slots of the contours.
            radii, sectors: of the grid.
        """
        x, y = contours.place.T.contiguous()
        here = torch.arange(len(x), device=x.device)
        of_object = contours.slot // slots
        count = torch.bincount(of_object)
        own = count[of_object]
        first = (count.cumsum(0) - count)[of_object] - (own.cumsum(0) - own)
        centre = torch.repeat_interleave(here, own)
        other = torch.arange(len(centre), device=x.device) + torch.repeat_interleave(first, own)
        right, down = _differences(x, centre, other), _differences(y, centre, other)
        ring = torch.bucketize(right * right + down * down, x.new_tensor(radii).square())
        near = ((ring < len(radii)) & (centre != other)).nonzero().squeeze(1)
        centre, other, right, down, ring = (part.index_select(0, near) for part in (centre, other, right, down, ring))
        ahead, across = contours.tangents().T.contiguous()
        ahead_here, across_here = ahead.index_select(0, centre), across.index_select(0, centre)
        along, aside = right * ahead_here + down * across_here, down * ahead_here - right * across_here
        sector = (torch.atan2(aside, along) * (sectors / (2 * torch.pi)) + 0.5).floor().long() % sectors
        parallel = ahead.index_select(0, other) * ahead_here + across.index_select(0, other) * across_here > 0
        return cls(radii, sectors, len(x), centre, other, (parallel.long() * len(radii) + ring) * sectors + sector)

    @property
    def cells(self) -> int:
        return cell_count(self.radii, self.sectors)

    def counts(self) -> Tensor:
        """(n, cells): the shape contexts, how many points lie in each cell of each."""
        return torch.bincount(self._place, minlength=self.points * self.cells).view(self.points, self.cells)

    def aggregate(self, messages: Tensor) -> Tensor:
        """(n, c) message of each point -> (n, cells, c): sums of them over the points in each cell."""
        total = messages.new_zeros(self.points * self.cells, messages.shape[1])
        sent = messages.index_select(0, self.neighbour)
        return total.index_add(0, self._place, sent).unflatten(0, (self.points, self.cells))

    def complement(self, found: Tensor) -> Tensor:
        """(n, cells, ...) as the complementary edge has it: loops run the other way, so grids are rotated by half."""
        return found.unflatten(1, (-1, self.sectors)).roll(self.sectors // 2, 2).flatten(1, 2)

    @functools.cached_property
    def _place(self) -> Tensor:
        return self.centre * self.cells + self.cell


def cell_count(radii: Sequence[float], sectors: int) -> int:
    """Cells of a grid: a ring and sector, for loops that run one way and the other."""
    return 2 * len(radii) * sectors


def _differences(place: Tensor, centre: Tensor, other: Tensor) -> Tensor:
    return place.index_select(0, other) - place.index_select(0, centre)
