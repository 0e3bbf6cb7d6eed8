"""What lies about the points of outlines, without weights: along their own loops, and across gaps and holes.

All of it is in the frame of a point's tangent, which no motion changes, and all of it can be had as the counterpart of
the edge would have it. The network over it is in `metricvae.kinds.silhouette.encoders.contour`.
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

POINTS, SPACING = 384, 2.5
"""Points along the outline, at most, and pixels between them. The network works on every second of them, the nodes."""

STAGES = 3
"""The nodes are halved between two stages, so loops have a multiple of 8 points."""

OUTLINES_A_THREAD = 16
"""Outlines that are worth a thread."""

OFFSETS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 22)
"""Neighbours to both sides that describe a node's surroundings, in points."""


def outline_points(x: Tensor) -> Tensor:
    """(m, 1, H, W) masks -> (m, POINTS, 4): x, y in pixels from the canvas centre, first row and size of its loop.

    Outlines are walked by the processor, on as many threads as PyTorch has.
    """
    masks = (x[:, 0] > 0.5).to(torch.uint8).cpu().numpy()
    parts = np.array_split(masks, min(torch.get_num_threads(), max(1, len(masks) // OUTLINES_A_THREAD)))
    if len(parts) == 1:
        return torch.from_numpy(_spaced(masks)).to(x.device)
    with ThreadPoolExecutor(len(parts)) as pool:
        return torch.from_numpy(np.concatenate(list(pool.map(_spaced, parts)))).to(x.device)


def _spaced(masks: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return resample_outlines(masks, SPACING, 1 << STAGES, POINTS)


@dataclass(frozen=True)
class Outlines:
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
    def of(cls, points: Tensor) -> Outlines:
        """(m, p, 4) points as `outline_points` gives them."""
        flat = points.flatten(0, 1)
        slot = flat[:, 3].nonzero().squeeze(1)
        start, length = flat[slot, 2].long(), flat[slot, 3].long()
        here = torch.arange(len(slot), device=slot.device)
        return cls(flat[slot, :2], here - slot % points.shape[1] + start, length, slot)

    def neighbours(self, step: int) -> Tensor:
        """(n,) row of the point `step` further along each point's loop."""
        here = torch.arange(len(self.start), device=self.start.device)
        return self.start + (here - self.start + step) % self.length

    def tangent(self) -> Tensor:
        """(n, 2) unit vectors along each point's loop."""
        ahead, behind = (self.place.index_select(0, self.neighbours(step)) for step in (1, -1))
        return functional.normalize(ahead - behind, dim=-1, eps=1e-6)

    def halved(self) -> Outlines:
        """Every second point."""
        return Outlines(self.place[::2], self.start[::2] // 2, self.length[::2] // 2, self.slot[::2] // 2)


def surroundings(outlines: Outlines, nodes: Outlines) -> Tensor:
    """(n, 4 * offsets): neighbours ahead and behind in each node's frame, near ones as large as far.

    Frame: along the tangent, and across it. Ordered (offset, side, axis), the side ahead first.

    Args:
        outlines: all points.
        nodes: every second of them, n.
    """
    tangent, found = nodes.tangent(), []
    for offset in OFFSETS:
        for step in (offset, -offset):
            there = outlines.place.index_select(0, outlines.neighbours(step)[::2])
            away = (there - nodes.place) / (offset * SPACING)
            along = (away * tangent).sum(-1)
            aside = away[:, 1] * tangent[:, 0] - away[:, 0] * tangent[:, 1]
            found += [along, aside]
    return torch.stack(found, dim=-1)


def seen_from_outside(described: Tensor) -> Tensor:
    """The surroundings as a counterpart has them: (n, 4 * offsets) with sides exchanged and signs turned."""
    return -described.unflatten(-1, (-1, 2, 2)).flip(-2).flatten(-3)


@dataclass(frozen=True)
class Views:
    """What each of n points sees of its object: a log-polar grid in the point's frame, its first sector ahead.

    Cells are ordered (against or along, ring, sector): points whose loop runs against the tangent of the one in the
    middle come first. Views hold no gradients.

    Attributes:
        rings: outer radii in pixels.
        sectors: of each ring, an even number.
        points: n.
        centre, other: (k,) rows of the two points of each view.
        cell: (k,) the cell of the one in the middle that the other lies in.
    """

    rings: tuple[float, ...]
    sectors: int
    points: int
    centre: Tensor
    other: Tensor
    cell: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, outlines: Outlines, room: int, rings: tuple[float, ...], sectors: int) -> Views:
        """Args: n points of all objects, and the rows that each object has among their slots."""
        x, y = outlines.place.T.contiguous()
        here = torch.arange(len(x), device=x.device)
        of_object = outlines.slot // room
        count = torch.bincount(of_object)
        own = count[of_object]
        first = (count.cumsum(0) - count)[of_object] - (own.cumsum(0) - own)
        centre = torch.repeat_interleave(here, own)
        other = torch.arange(len(centre), device=x.device) + torch.repeat_interleave(first, own)
        right, down = _from_to(x, centre, other), _from_to(y, centre, other)
        ring = torch.bucketize(right * right + down * down, x.new_tensor(rings).square())
        near = ((ring < len(rings)) & (centre != other)).nonzero().squeeze(1)
        centre, other, right, down, ring = (part.index_select(0, near) for part in (centre, other, right, down, ring))
        ahead, across = outlines.tangent().T.contiguous()
        ahead_here, across_here = ahead.index_select(0, centre), across.index_select(0, centre)
        along, aside = right * ahead_here + down * across_here, down * ahead_here - right * across_here
        sector = (torch.atan2(aside, along) * (sectors / (2 * torch.pi)) + 0.5).floor().long() % sectors
        likewise = ahead.index_select(0, other) * ahead_here + across.index_select(0, other) * across_here > 0
        return cls(rings, sectors, len(x), centre, other, (likewise.long() * len(rings) + ring) * sectors + sector)

    @property
    def cells(self) -> int:
        return cells_of(self.rings, self.sectors)

    def counted(self) -> Tensor:
        """(n, cells): how many points lie in each cell of each."""
        return torch.bincount(self._place, minlength=self.points * self.cells).view(self.points, self.cells)

    def summed(self, said: Tensor) -> Tensor:
        """(n, c) what each point says -> (n, cells, c): sums of it over the points in each cell."""
        total = said.new_zeros(self.points * self.cells, said.shape[1])
        return total.index_add(0, self._place, said.index_select(0, self.other)).unflatten(0, (self.points, self.cells))

    def turned(self, found: Tensor) -> Tensor:
        """(n, cells, ...) as a counterpart finds it: its loops run the other way, so grids are turned by half."""
        return found.unflatten(1, (-1, self.sectors)).roll(self.sectors // 2, 2).flatten(1, 2)

    @functools.cached_property
    def _place(self) -> Tensor:
        return self.centre * self.cells + self.cell


def cells_of(rings: Sequence[float], sectors: int) -> int:
    return 2 * len(rings) * sectors


def _from_to(place: Tensor, centre: Tensor, other: Tensor) -> Tensor:
    return place.index_select(0, other) - place.index_select(0, centre)
