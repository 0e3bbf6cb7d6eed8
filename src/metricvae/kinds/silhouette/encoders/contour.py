"""A network that looks at outlines: what a piece fits into is written along its edge, wherever that lies.

A shape is read as points along its outline. At each, the outline to both sides is described in the frame of its
tangent, which no motion changes; circular convolutions along the loops see more of it, and pooling forgets where a loop
begins. What lies across a gap or a hole is on another loop, where no convolution comes: a shape context (Belongie,
Malik & Puzicha 2002) counts the points of all loops about each point, in the same frame. Before the convolutions of
each stage every point also says a few numbers, and hears, cell by cell of such a grid, what the others say.

The piece that fits into an edge has the same edge, seen from the other side. In the tangent's frame that is the same
description with its two sides exchanged and all signs turned, so one network gives two codes: of the edge as it is, and
of the edge as its counterpart would have it. Put one after the other they are the code of the object; two objects fit
where the code of one is that of the other with its halves exchanged (`metricvae.nn.heads.CosineDistance`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.encoders.contour_features import (
    OFFSETS,
    POINTS,
    STAGES,
    Outlines,
    Views,
    cells_of,
    outline_points,
    seen_from_outside,
    surroundings,
)
from metricvae.kinds.silhouette.encoders.polar import (
    RING_FREQUENCIES,
    RINGS,
    SECTORS,
    polar_pictures,
    rescaled,
    ring_readings,
    ring_spectrum,
    ring_weights,
)
from metricvae.nn.layers import start_small
from metricvae.runtime.precision import from_bytes, in_bytes

HIDDEN = 512
"""Neurons of the fully connected layers."""

RADII, DIRECTIONS = (6.0, 12.0, 20.0, 32.0, 50.0, 80.0), 16
"""Outer radii in pixels of the rings of a shape context, and sectors of each."""

VIEWS = ((RADII, DIRECTIONS), ((15.0, 27.0, 42.0, 62.0, 90.0), 8), ((30.0, 54.0, 84.0, 124.0, 180.0), 8))
"""Outer radii of the rings that points look through in each stage, and sectors of each; first the shape context's."""

LAYERS = 2
"""Pairs of convolutions along the loops in each stage."""

SPOKEN = 4
"""Numbers that a point says to those that see it."""


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

    Beside the outline, the spectrum of the rings about the centroid (`polar`) tells both how large and
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
        self.context = nn.Linear(cells_of(RADII, DIRECTIONS), widths[0], bias=False)
        self.changes = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.stages = nn.ModuleList(Stage(width, cells_of(*view)) for width, view in zip(widths, VIEWS, strict=True))
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
