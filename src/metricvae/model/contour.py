"""A network that looks at outlines: what a piece fits into is written along its edge, wherever that lies.

A shape is read as points along its outline. At each, the outline to both sides is described in the frame of its
tangent, which no motion changes; circular convolutions along the loops see more of it, and pooling forgets where a loop
begins. What lies across a gap or a hole is on another loop, where no convolution comes: a shape context (Belongie,
Malik & Puzicha 2002) counts the points of all loops about each point, in the same frame. Before the convolutions of
each stage every point also says a few numbers, and hears, cell by cell of such a grid, what the others say.

The piece that fits into an edge has the same edge, seen from the other side. In the tangent's frame that is the same
description with its two sides exchanged and all signs turned, so one network gives two codes: of the edge as it is, and
of the edge as its counterpart would have it. Put one after the other they are the code of the object; two objects fit
where the code of one is that of the other with its halves exchanged (`metricvae.model.metrics.CosineDistance`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.errors import InputError
from metricvae.model.polar import (
    RING_FREQUENCIES,
    RINGS,
    SECTORS,
    polar_pictures,
    rescaled,
    ring_readings,
    ring_spectrum,
    ring_weights,
    start_small,
)
from metricvae.model.precision import from_bytes, in_bytes
from metricvae.overlap.outlines import spaced_outlines

POINTS, SPACING = 384, 2.5
"""Points along the outline, at most, and pixels between them. The network works on every second of them, the nodes."""

STAGES = 3
"""The nodes are halved between two stages, so loops have a multiple of 8 points."""

HIDDEN = 512
"""Neurons of the fully connected layers."""

OUTLINES_A_THREAD = 16
"""Outlines that are worth a thread."""

OFFSETS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 22)
"""Neighbours to both sides that describe a node's surroundings, in points."""

RADII, DIRECTIONS = (6.0, 12.0, 20.0, 32.0, 50.0, 80.0), 16
"""Outer radii in pixels of the rings of a shape context, and sectors of each."""

VIEWS = ((RADII, DIRECTIONS), ((15.0, 27.0, 42.0, 62.0, 90.0), 8), ((30.0, 54.0, 84.0, 124.0, 180.0), 8))
"""Outer radii of the rings that points look through in each stage, and sectors of each; first the shape context's."""

LAYERS = 2
"""Pairs of convolutions along the loops in each stage."""

SPOKEN = 4
"""Numbers that a point says to those that see it."""


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
    return spaced_outlines(masks, SPACING, 1 << STAGES, POINTS)


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
        return _cells(self.rings, self.sectors)

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


def _cells(rings: Sequence[float], sectors: int) -> int:
    return 2 * len(rings) * sectors


def _from_to(place: Tensor, centre: Tensor, other: Tensor) -> Tensor:
    return place.index_select(0, other) - place.index_select(0, centre)


class Along(nn.Module):
    """x + f(x) with two circular convolutions of three points along the loops; f starts small."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3 * channels, channels), nn.Linear(3 * channels, channels)
        start_small(self.second)

    def forward(self, x: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
        """x: (n, c); ahead, behind: (n,) rows of the next and of the last point, inverse to one another."""
        inner = functional.silu(self.first(_Beside.apply(x, ahead, behind)))
        return x + self.second(beside(inner, ahead, behind))


def beside(x: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
    """(n, c) -> (n, 3 c): each row, then the rows `ahead` and `behind` of it (permutations, one undoing the other)."""
    found: Tensor = _Beside.apply(x, ahead, behind)
    return found


class _Beside(torch.autograd.Function):
    """Every row is ahead of one and behind one, so gradients are gathered like values, and nothing is scattered."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
        ctx.save_for_backward(ahead, behind)
        return torch.cat([x, x.index_select(0, ahead), x.index_select(0, behind)], dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        ahead, behind = ctx.saved_tensors
        own, of_ahead, of_behind = gradients[0].chunk(3, dim=1)
        return own + of_ahead.index_select(0, behind) + of_behind.index_select(0, ahead), None, None


def read_views(layer: nn.Linear, own: Tensor, of_counterpart: Tensor, views: Views) -> Tensor:
    """(2 n, c): a layer without bias, on what is in view of n points (n, cells * k), and of their counterparts.

    Counterparts find it `turned`; turning the weights instead spares copies of all views.
    """
    turned = views.turned(layer.weight.unflatten(1, (views.cells, -1))).flatten(1)
    return torch.cat([layer(own), functional.linear(of_counterpart, turned)])


class Across(nn.Module):
    """x + f(what the points in view say), for points of all loops; f starts small.

    Args:
        channels: of x.
        cells: of a view.
    """

    def __init__(self, channels: int, cells: int) -> None:
        super().__init__()
        self.say, self.hear = nn.Linear(channels, SPOKEN), nn.Linear(cells * SPOKEN, channels, bias=False)
        start_small(self.hear)

    def forward(self, x: Tensor, views: Views) -> Tensor:
        """x: (2 n, c), n points as they are, then as their counterparts have them."""
        said = functional.silu(self.say(x)).float()
        own, of_counterpart = (views.summed(part).flatten(1) for part in said.chunk(2))
        return x + read_views(self.hear, own, of_counterpart, views)


class Stage(nn.Module):
    """Points hear what lies about them on all loops, then look along their own, `LAYERS` times.

    Args:
        channels: of every point.
        cells: of a view.
    """

    def __init__(self, channels: int, cells: int) -> None:
        super().__init__()
        self.across = Across(channels, cells)
        self.along = nn.ModuleList(Along(channels) for _ in range(LAYERS))

    def forward(self, x: Tensor, nodes: Outlines, views: Views) -> Tensor:
        """x: (2 n, c), n points as they are, then as their counterparts have them, whose loops run back."""
        x = self.across(x, views)
        ahead, behind, both = nodes.neighbours(1), nodes.neighbours(-1), len(x) // 2
        onward, back = torch.cat([ahead, behind + both]), torch.cat([behind, ahead + both])
        for layer in self.along:
            x = layer(x, onward, back)
        return x


class ContourEncoder(nn.Module):
    """Masks -> mean and log-variance of q(z | x): the edge as it is, and as its counterpart has it, half of z each.

    Beside the outline, the spectrum of the rings about the centroid (`metricvae.model.polar`) tells both how large and
    of what kind the whole is. None of it changes under rigid motions, but for what resampling pixels loses.

    Args:
        widths: channels of the `STAGES` stages; the points are halved before each but the first.
        latent: size d of the code, even.
    """

    weight: Tensor

    def __init__(self, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        if len(widths) != STAGES or latent % 2:
            raise InputError(
                f"got {len(widths)} widths and {latent} latent dimensions: expected {STAGES} and an even number"
            )
        self.register_buffer("weight", ring_weights(), persistent=False)
        self.first = nn.Linear(4 * len(OFFSETS), widths[0])
        self.context = nn.Linear(_cells(RADII, DIRECTIONS), widths[0], bias=False)
        self.changes = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.stages = nn.ModuleList(Stage(width, _cells(*view)) for width, view in zip(widths, VIEWS, strict=True))
        read = 2 * widths[-1] + (1 + RING_FREQUENCIES) * RINGS + 2
        self.head = nn.Sequential(
            *(nn.Linear(read, HIDDEN), nn.LayerNorm(HIDDEN), nn.SiLU()),
            *(nn.Linear(HIDDEN, HIDDEN), nn.LayerNorm(HIDDEN), nn.SiLU()),
        )
        self.last = nn.Linear(HIDDEN, latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, RINGS * SECTORS + 4 * POINTS): the polar picture, then the points of the outline."""
        return torch.cat([polar_pictures(x).flatten(1), outline_points(x).flatten(1)], dim=1)

    def packed(self, features: Tensor) -> Tensor:
        """Bytes: one for each cell of the picture, two for each number of the points."""
        pictures, points = features.split((RINGS * SECTORS, 4 * POINTS), dim=1)
        return torch.cat([in_bytes(pictures), points.half().view(torch.uint8)], dim=1)

    def unpacked(self, kept: Tensor) -> Tensor:
        """The inverse of `packed`."""
        pictures, points = kept.split((RINGS * SECTORS, 8 * POINTS), dim=1)
        return torch.cat([from_bytes(pictures), points.contiguous().view(torch.float16).float()], dim=1)

    def pictures(self, features: Tensor) -> Tensor:
        """The polar pictures."""
        return features[:, : RINGS * SECTORS].unflatten(1, (1, RINGS, SECTORS))

    def points(self, features: Tensor) -> Tensor:
        """(m, POINTS, 4), as `outline_points` gives them."""
        return features[:, RINGS * SECTORS :].unflatten(1, (POINTS, 4))

    def mirrored(self, features: Tensor) -> Tensor:
        """Sectors the other way round; points with right and left exchanged, and run the other way round.

        Loops begin where they began, so nodes stay nodes.
        """
        points = self.points(features)
        start, length = points[..., 2], points[..., 3]
        here = torch.arange(POINTS, device=points.device).expand_as(start)
        rows = torch.where(length > 0, start + (start - here) % length.clamp(min=1), here).long()
        turned = points.gather(1, rows[..., None].expand_as(points)) * points.new_tensor([-1.0, 1.0, 1.0, 1.0])
        return torch.cat([self.pictures(features).flip(-1).flatten(1), turned.flatten(1)], dim=1)

    def read(self, features: Tensor) -> Tensor:
        """Direction and length of the rings' spectrum."""
        return ring_readings((self.pictures(features) * self.weight).squeeze(1))

    def rescaled(self, features: Tensor, factor: float) -> Tensor:
        """Pictures and points of the same shapes `factor` times as large."""
        points = self.points(features) * features.new_tensor([factor, factor, 1.0, 1.0])
        return torch.cat([rescaled(self.pictures(features), factor).flatten(1), points.flatten(1)], dim=1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        points = self.points(features)
        outlines = Outlines.of(points)
        nodes = outlines.halved()
        described, views = surroundings(outlines, nodes), Views.of(nodes, POINTS // 2, RADII, DIRECTIONS)
        context = views.counted().to(described.dtype).sqrt()
        h = self.first(torch.cat([described, seen_from_outside(described)]))
        h = h + read_views(self.context, context, context, views)
        for depth, stage in enumerate(self.stages):
            if depth:
                h = self.changes[depth - 1](h.unflatten(0, (-1, 2)).mean(1))
                nodes = nodes.halved()
                views = Views.of(nodes, POINTS // 2 >> depth, *VIEWS[depth])
            h = stage(h, nodes, views)
        pooled = self._pooled(functional.silu(h).float(), nodes.slot, 2 * len(points))
        spectrum = 3 * ring_spectrum((self.pictures(features) * self.weight).squeeze(1))
        size = torch.stack([points[..., 3].amax(1) / POINTS, (points[..., 3] > 0).float().mean(1)], dim=1)
        read = torch.cat([*pooled, torch.cat([spectrum, size], dim=1).repeat(2, 1)], dim=1)
        mean, log_variance = self.last(self.head(read)).chunk(2, dim=1)
        return torch.cat(mean.chunk(2), dim=1), torch.cat(log_variance.chunk(2), dim=1)

    def _pooled(self, h: Tensor, slot: Tensor, outlines: int) -> tuple[Tensor, Tensor]:
        """Mean and maximum over the nodes of each outline; the maximum is at least 0."""
        room = POINTS >> STAGES
        slots = torch.cat([slot, slot + outlines // 2 * room])
        full = h.new_zeros(outlines * room, h.shape[1]).index_copy(0, slots, h).unflatten(0, (outlines, room))
        count = torch.bincount(slots // room, minlength=outlines).clamp(min=1)
        return full.sum(1) / count[:, None], full.clamp(min=0.0).amax(1)
