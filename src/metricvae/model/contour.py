"""A network that looks at outlines: what a piece fits into is written along its edge, wherever that lies.

A shape is read as points along its outline. At each, the outline to both sides is described in the frame of its
tangent, which no motion changes; circular convolutions along the loops see more of it, and pooling forgets where a loop
begins.

The piece that fits into an edge has the same edge, seen from the other side. In the tangent's frame that is the same
description with its two sides exchanged and all signs turned, so one network gives two codes: of the edge as it is, and
of the edge as its counterpart would have it. Put one after the other they are the code of the object; two objects fit
where the code of one is that of the other with its halves exchanged (`metricvae.model.metrics.CosineDistance`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
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
from metricvae.overlap.outlines import spaced, trace

POINTS, SPACING = 192, 5.0
"""Points along the outline, at most, and pixels between them."""

STAGES = 3
"""The points are halved between two stages, so loops have a multiple of 4."""

HIDDEN = 512
"""Neurons of the fully connected layers."""

OFFSETS = (1, 2, 3, 4, 6, 8, 11)
"""Neighbours to both sides that describe a point's surroundings, in points."""


def outline_points(x: Tensor) -> Tensor:
    """(m, 1, H, W) masks -> (m, POINTS, 4): x, y in pixels from the canvas centre, first row and size of its loop."""
    height, width = x.shape[-2:]
    masks = (x[:, 0] > 0.5).to(torch.uint8).cpu().numpy()
    middle = (width - 1) / 2, (height - 1) / 2
    found = [spaced(*trace(mask, *middle), SPACING, 1 << (STAGES - 1), POINTS) for mask in masks]
    return torch.from_numpy(np.stack(found)).to(x.device)


def neighbours(start: Tensor, length: Tensor, step: int) -> Tensor:
    """(m, p) row of the point `step` further along each point's loop, (m, p); its own where there is no point."""
    here = torch.arange(start.shape[1], device=start.device).expand_as(start)
    return torch.where(length > 0, start + (here - start + step) % length.clamp(min=1), here)


def surroundings(points: Tensor) -> Tensor:
    """(m, p, 4) -> (m, p, 4 * offsets): neighbours ahead and behind in each point's frame, near ones as large as far.

    Frame: along the tangent, and across it. Ordered (offset, side, axis), the side ahead first.
    """
    place, start, length = points[..., :2], points[..., 2].long(), points[..., 3].long()

    def at(step: int) -> Tensor:
        return place.gather(1, neighbours(start, length, step)[..., None].expand(-1, -1, 2))

    tangent = functional.normalize(at(1) - at(-1), dim=-1, eps=1e-6)
    found = []
    for offset in OFFSETS:
        for step in (offset, -offset):
            away = (at(step) - place) / (offset * SPACING)
            along = (away * tangent).sum(-1)
            aside = away[..., 1] * tangent[..., 0] - away[..., 0] * tangent[..., 1]
            found += [along, aside]
    return torch.stack(found, dim=-1)


def seen_from_outside(described: Tensor) -> Tensor:
    """The surroundings as a counterpart has them: (m, p, 4 * offsets) with sides exchanged and signs turned."""
    return -described.unflatten(-1, (-1, 2, 2)).flip(-2).flatten(-3)


class Along(nn.Module):
    """x + f(x) with two circular convolutions of three points along the loops; f starts small."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3 * channels, channels), nn.Linear(3 * channels, channels)
        start_small(self.second)

    def forward(self, x: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
        """x: (m, p, c); ahead, behind: (m, p) rows of the next and of the last point."""
        inner = functional.silu(self.first(_with(x, ahead, behind)))
        return x + self.second(_with(inner, ahead, behind))


def _with(x: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
    sides = [x.gather(1, rows[..., None].expand(-1, -1, x.shape[-1])) for rows in (ahead, behind)]
    return torch.cat([x, *sides], dim=-1)


class ContourEncoder(nn.Module):
    """Masks -> mean and log-variance of q(z | x): the edge as it is, and as its counterpart has it, half of z each.

    Beside the outline, the spectrum of the rings about the centroid (`metricvae.model.polar`) tells both how large and
    of what kind the whole is. None of it changes under rigid motions, but for what resampling pixels loses.

    Args:
        widths: channels of the `STAGES` stages; the points are halved before each but the first.
        latent: size d of the code, even.
    """

    weight: Tensor
    kept_as = torch.float16

    def __init__(self, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        if len(widths) != STAGES or latent % 2:
            raise InputError(
                f"got {len(widths)} widths and {latent} latent dimensions: expected {STAGES} and an even number"
            )
        self.register_buffer("weight", ring_weights(), persistent=False)
        self.first = nn.Linear(4 * len(OFFSETS), widths[0])
        self.changes = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.stages = nn.ModuleList(Along(width) for width in widths)
        read = 2 * widths[-1] + (1 + RING_FREQUENCIES) * RINGS + 2
        self.head = nn.Sequential(
            *(nn.Linear(read, HIDDEN), nn.LayerNorm(HIDDEN), nn.SiLU()),
            *(nn.Linear(HIDDEN, HIDDEN), nn.LayerNorm(HIDDEN), nn.SiLU()),
        )
        self.last = nn.Linear(HIDDEN, latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, RINGS * SECTORS + 4 * POINTS): the polar picture, then the points of the outline."""
        return torch.cat([polar_pictures(x).flatten(1), outline_points(x).flatten(1)], dim=1)

    def pictures(self, features: Tensor) -> Tensor:
        """The polar pictures."""
        return features[:, : RINGS * SECTORS].unflatten(1, (1, RINGS, SECTORS))

    def points(self, features: Tensor) -> Tensor:
        """(m, POINTS, 4), as `outline_points` gives them."""
        return features[:, RINGS * SECTORS :].unflatten(1, (POINTS, 4))

    def mirrored(self, features: Tensor) -> Tensor:
        """Sectors the other way round; points with right and left exchanged, and run the other way round."""
        points = self.points(features)
        start, length = points[..., 2], points[..., 3]
        here = torch.arange(POINTS, device=points.device).expand_as(start)
        rows = torch.where(length > 0, 2 * start + length - 1 - here, here).long()
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
        described = surroundings(points)
        h = self.first(torch.cat([described, seen_from_outside(described)]))
        start, length = points[..., 2].long(), points[..., 3].long()
        for depth, stage in enumerate(self.stages):
            if depth:
                h = self.changes[depth - 1](h.unflatten(1, (-1, 2)).mean(2))
                start, length = start[:, ::2] // 2, length[:, ::2] // 2
            ahead, behind = neighbours(start, length, 1), neighbours(start, length, -1)
            h = stage(h, torch.cat([ahead, behind]), torch.cat([behind, ahead]))  # the counterpart runs backwards
        h = functional.silu(h).float()
        there = (length > 0).repeat(2, 1)[..., None]
        pooled = [(h * there).sum(1) / there.sum(1).clamp(min=1), h.masked_fill(~there, 0.0).amax(1)]
        spectrum = 3 * ring_spectrum((self.pictures(features) * self.weight).squeeze(1))
        size = torch.stack([points[..., 3].amax(1) / POINTS, (points[..., 3] > 0).float().mean(1)], dim=1)
        read = torch.cat([*pooled, torch.cat([spectrum, size], dim=1).repeat(2, 1)], dim=1)
        mean, log_variance = self.last(self.head(read)).chunk(2, dim=1)
        return torch.cat(mean.chunk(2), dim=1), torch.cat(log_variance.chunk(2), dim=1)
