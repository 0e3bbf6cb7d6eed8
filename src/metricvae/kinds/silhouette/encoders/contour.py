"""An encoder of silhouettes that reads their contours: what a piece fits into is written along its edge.

A shape is read as points along its outline. At each, the outline to both sides is described in the frame of its
tangent, which no motion changes; circular convolutions along the loops see more of it, and pooling forgets where a loop
begins. What lies across a gap or a hole is on another loop, where no convolution comes: a shape context (Belongie,
Malik & Puzicha 2002) counts the points of all loops about each point, in the same frame. Before the convolutions of
each stage every point also sends a message of a few numbers to the points about it, and sums the messages it receives
by the cells of such a log-polar grid.

The piece that fits into an edge has the same edge, seen from the other side: the complementary contour. In the
tangent's frame that is the same description with its two sides exchanged and all signs reversed, so one network gives
two codes: of the edge as it is, and of its complement. Put one after the other they are the code of the object; two
objects fit where the code of one is that of the other with its halves exchanged
(`metricvae.nn.heads.CosineDistance`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.kinds.pictures.polar import ring_spectrum, ring_weights
from metricvae.kinds.silhouette.encoders.contour_features import (
    Contours,
    ContourSampling,
    Neighbourhoods,
    cell_count,
    complementary_features,
    contour_features,
    contour_points,
)
from metricvae.kinds.silhouette.encoders.polar_pictures import (
    PolarGrid,
    polar_pictures,
    rescale_pictures,
    ring_descriptors,
)
from metricvae.kinds.silhouette.records import Canvas
from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.layers import hidden_layers, scale_initial_weights
from metricvae.runtime.precision import from_bytes, in_bytes


@dataclass(frozen=True)
class ContourEncoderConfig(EncoderConfig):
    """Hyperparameters of `ContourEncoder`.

    Attributes:
        widths: channels of the stages; the nodes are halved before each but the first.
        points: along the outline, at most, a multiple of 2^stages. The network works on every second, the nodes.
        spacing: pixels between points.
        offsets: neighbours to both sides that describe the contour about a node, in points.
        radii: of each stage, outer radii in pixels of the rings of the log-polar grid about each node; the first is
            also that of the shape contexts.
        directions: of each stage, sectors of each ring, an even number.
        convolutions: pairs of convolutions along the loops in each stage.
        message_dim: numbers of the message that a node sends to those about it.
        hidden: neurons of the fully connected layers.
        rings, sectors, reach, oversampling: of the polar picture (see `PolarEncoderConfig`).
        ring_frequencies: amplitudes of each ring that the encoder takes.
    """

    name: ClassVar[str] = "contour"
    prepared_copies: ClassVar[int] = 1

    widths: tuple[int, ...] = (96, 160, 256)
    points: int = 384
    spacing: float = 2.5
    offsets: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 22)
    radii: tuple[tuple[float, ...], ...] = (
        (6.0, 12.0, 20.0, 32.0, 50.0, 80.0),
        (15.0, 27.0, 42.0, 62.0, 90.0),
        (30.0, 54.0, 84.0, 124.0, 180.0),
    )
    directions: tuple[int, ...] = (16, 8, 8)
    convolutions: int = 2
    message_dim: int = 4
    hidden: int = 512
    rings: int = 48
    sectors: int = 96
    reach: float = 0.6
    oversampling: int = 2
    ring_frequencies: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        stages = len(self.widths), len(self.radii), len(self.directions)
        if not self.widths or len(set(stages)) > 1:
            raise InputError(
                f"got widths, radii and directions of {', '.join(map(str, stages))} stages of a contour encoder: "
                "expected the same number of each, one or more"
            )
        if not self.offsets or not all(self.radii) or any(list(r) != sorted(r) for r in self.radii):
            raise InputError(
                f"got offsets {self.offsets} and radii {self.radii} of a contour encoder: expected one offset or more, "
                "and in each stage one radius or more, the smallest first"
            )
        if self.points % self.sampling.multiple or any(number % 2 for number in self.directions):
            raise InputError(
                f"got {self.points} points and {self.directions} directions of a contour encoder: expected a multiple "
                f"of {self.sampling.multiple} points, and even numbers of directions"
            )
        if self.ring_frequencies > (most := self.sectors // 2):
            raise InputError(
                f"got ring_frequencies {self.ring_frequencies} of a contour encoder: expected at most {most}"
            )

    def resized(self, canvas: Canvas, of: Canvas) -> Self:
        """With distances in proportion to the longer side of the canvas."""
        factor = max(canvas) / max(of)
        radii = tuple(tuple(radius * factor for radius in ring) for ring in self.radii)
        return replace(self, spacing=self.spacing * factor, radii=radii)

    @property
    def grid(self) -> PolarGrid:
        return PolarGrid(self.rings, self.sectors, self.reach, self.oversampling)

    @property
    def sampling(self) -> ContourSampling:
        return ContourSampling(self.points, self.spacing, 1 << len(self.widths))

    @property
    def picture(self) -> Picture:
        return "polar", self.rings, self.sectors, self.reach

    def build(self, latent: int) -> ContourEncoder:
        return ContourEncoder(self, latent)


class ContourEncoder(Encoder):
    """Masks -> mean and log-variance of q(z | x): the edge as it is, and its complement, half of z each.

    Beside the outline, the spectrum of the rings of the polar picture tells both how large and of what kind the whole
    is. None of it changes under rigid motions, but for what resampling pixels loses.

    Args:
        config: its hyperparameters.
        latent: size d of the code, even.

    Raises:
        InputError: an odd size of the code.
    """

    weight: Tensor

    def __init__(self, config: ContourEncoderConfig, latent: int) -> None:
        super().__init__()
        if latent % 2:
            raise InputError(f"got {latent} latent dimensions of a contour encoder: expected an even number")
        self.config = config
        widths, hidden = config.widths, config.hidden
        grids = [cell_count(*grid) for grid in zip(config.radii, config.directions, strict=True)]
        self.register_buffer("weight", ring_weights(config.rings), persistent=False)
        self.first = nn.Linear(4 * len(config.offsets), widths[0])
        self.context = nn.Linear(grids[0], widths[0], bias=False)
        self.changes = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.stages = nn.ModuleList(
            ContourStage(width, cells, config.message_dim, config.convolutions)
            for width, cells in zip(widths, grids, strict=True)
        )
        inputs = 2 * widths[-1] + (1 + config.ring_frequencies) * config.rings + 2
        self.head = hidden_layers(inputs, hidden, hidden)
        self.last = nn.Linear(hidden, latent)

    def prepare(self, x: Tensor) -> Tensor:
        """(m, rings * sectors + 4 * points): the polar picture, then the points of the outline."""
        pictures, points = polar_pictures(x, self.config.grid), contour_points(x, self.config.sampling)
        return torch.cat([pictures.flatten(1), points.flatten(1)], dim=1)

    def pack(self, features: Tensor) -> Tensor:
        """Bytes: one for each cell of the picture, two for each number of the points."""
        pictures, points = features.split((self._cells, 4 * self.config.points), dim=1)
        return torch.cat([in_bytes(pictures), points.half().view(torch.uint8)], dim=1)

    def unpack(self, packed: Tensor) -> Tensor:
        pictures, points = packed.split((self._cells, 8 * self.config.points), dim=1)
        return torch.cat([from_bytes(pictures), points.contiguous().view(torch.float16).float()], dim=1)

    def pictures(self, features: Tensor) -> Tensor:
        """The polar pictures, (m, 1, rings, sectors)."""
        return features[:, : self._cells].unflatten(1, (1, self.config.rings, self.config.sectors))

    def points(self, features: Tensor) -> Tensor:
        """(m, points, 4), as `contour_points` gives them."""
        return features[:, self._cells :].unflatten(1, (self.config.points, 4))

    def mirror(self, features: Tensor) -> Tensor:
        """Sectors in reverse order; points with right and left exchanged, and in reverse order along their loops.

        Loops begin where they began, so nodes stay nodes.
        """
        points = self.points(features)
        start, length = points[..., 2], points[..., 3]
        here = torch.arange(self.config.points, device=points.device).expand_as(start)
        rows = torch.where(length > 0, start + (start - here) % length.clamp(min=1), here).long()
        reversed_ = points.gather(1, rows[..., None].expand_as(points)) * points.new_tensor([-1.0, 1.0, 1.0, 1.0])
        return torch.cat([self.pictures(features).flip(-1).flatten(1), reversed_.flatten(1)], dim=1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Direction and length of the rings' spectrum."""
        return ring_descriptors((self.pictures(features) * self.weight).squeeze(1), self.config.ring_frequencies)

    def rescale(self, features: Tensor, factor: float) -> Tensor:
        """Pictures and points of the same shapes `factor` times as large."""
        points = self.points(features) * features.new_tensor([factor, factor, 1.0, 1.0])
        return torch.cat([rescale_pictures(self.pictures(features), factor).flatten(1), points.flatten(1)], dim=1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        config, points = self.config, self.points(features)
        contours = Contours.from_points(points)
        nodes = contours.subsample()
        grids = list(zip(config.radii, config.directions, strict=True))
        described = contour_features(contours, nodes, config.offsets, config.spacing)
        near = Neighbourhoods.find(nodes, config.points // 2, *grids[0])
        context = near.counts().to(described.dtype).sqrt()
        h = self.first(torch.cat([described, complementary_features(described)]))
        h = h + apply_with_complement(self.context, context, context, near)
        for depth, stage in enumerate(self.stages):
            if depth:
                h = self.changes[depth - 1](h.unflatten(0, (-1, 2)).mean(1))
                nodes = nodes.subsample()
                near = Neighbourhoods.find(nodes, config.points // 2 >> depth, *grids[depth])
            h = stage(h, nodes, near)
        pooled = self._pool(functional.silu(h).float(), nodes.slot, 2 * len(points))
        rings = (self.pictures(features) * self.weight).squeeze(1)
        lengths = points[..., 3]
        size = torch.stack([lengths.amax(1) / config.points, (lengths > 0).float().mean(1)], dim=1)
        whole = torch.cat([3 * ring_spectrum(rings, config.ring_frequencies), size], dim=1)
        inputs = torch.cat([*pooled, whole.repeat(2, 1)], dim=1)
        mean, log_variance = self.last(self.head(inputs)).chunk(2, dim=1)
        return torch.cat(mean.chunk(2), dim=1), torch.cat(log_variance.chunk(2), dim=1)

    def _pool(self, h: Tensor, slot: Tensor, outlines: int) -> tuple[Tensor, Tensor]:
        """Mean and maximum over the nodes of each outline; the maximum is at least 0."""
        slots = self.config.points >> len(self.config.widths)
        rows = torch.cat([slot, slot + outlines // 2 * slots])
        full = h.new_zeros(outlines * slots, h.shape[1]).index_copy(0, rows, h).unflatten(0, (outlines, slots))
        count = torch.bincount(rows // slots, minlength=outlines).clamp(min=1)
        return full.sum(1) / count[:, None], full.clamp(min=0.0).amax(1)

    @property
    def _cells(self) -> int:
        return self.config.rings * self.config.sectors


class ContourStage(nn.Module):
    """Message passing between the nodes of all loops, then residual convolutions along each loop.

    Args:
        channels: of every node.
        cells: of a neighbourhood.
        message_dim: numbers of a message.
        convolutions: pairs of convolutions.
    """

    def __init__(self, channels: int, cells: int, message_dim: int, convolutions: int) -> None:
        super().__init__()
        self.across = MessagePassing(channels, cells, message_dim)
        self.along = nn.ModuleList(ContourResidual(channels) for _ in range(convolutions))

    def forward(self, x: Tensor, nodes: Contours, near: Neighbourhoods) -> Tensor:
        """x: (2 n, c), n nodes as they are, then of the complementary contours, whose loops run back."""
        x = self.across(x, near)
        ahead, behind, both = nodes.neighbours(1), nodes.neighbours(-1), len(x) // 2
        onward, back = torch.cat([ahead, behind + both]), torch.cat([behind, ahead + both])
        for layer in self.along:
            x = layer(x, onward, back)
        return x


class MessagePassing(nn.Module):
    """x + f(messages of the neighbours, summed by the cells of a log-polar grid); f starts small.

    Args:
        channels: of x.
        cells: of a neighbourhood.
        message_dim: numbers of a message.
    """

    def __init__(self, channels: int, cells: int, message_dim: int) -> None:
        super().__init__()
        self.say = nn.Linear(channels, message_dim)  # these two names stand in saved models
        self.hear = nn.Linear(cells * message_dim, channels, bias=False)
        scale_initial_weights(self.hear)

    def forward(self, x: Tensor, near: Neighbourhoods) -> Tensor:
        """x: (2 n, c), n nodes as they are, then of the complementary contours."""
        messages = functional.silu(self.say(x)).float()
        own, complementary = (near.aggregate(part).flatten(1) for part in messages.chunk(2))
        return x + apply_with_complement(self.hear, own, complementary, near)


class ContourResidual(nn.Module):
    """x + f(x) with two circular convolutions of three points along the loops; f starts small."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3 * channels, channels), nn.Linear(3 * channels, channels)
        scale_initial_weights(self.second)

    def forward(self, x: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
        """x: (n, c); ahead, behind: (n,) rows of the next and of the last point, inverse to one another."""
        inner = functional.silu(self.first(gather_neighbours(x, ahead, behind)))
        return x + self.second(gather_neighbours(inner, ahead, behind))


def apply_with_complement(layer: nn.Linear, own: Tensor, complementary: Tensor, near: Neighbourhoods) -> Tensor:
    """(2 n, c): a layer without bias on features by cell (n, cells * k) of n nodes, and of the complementary contours.

    The latter are to be rotated (`Neighbourhoods.complement`); rotating the weights instead spares copies of them.
    """
    rotated = near.complement(layer.weight.unflatten(1, (near.cells, -1))).flatten(1)
    return torch.cat([layer(own), functional.linear(complementary, rotated)])


def gather_neighbours(x: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
    """(n, c) -> (n, 3 c): each row, then the rows `ahead` and `behind` of it (permutations, inverse to one another)."""
    found: Tensor = _GatherNeighbours.apply(x, ahead, behind)
    return found


class _GatherNeighbours(torch.autograd.Function):
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
