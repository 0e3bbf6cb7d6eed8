"""A decoder that draws a silhouette in a pose of its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from metricvae.kinds.silhouette.encoders.polar import RINGS, SECTORS, _stages, cell_areas, painted, turned_to
from metricvae.nn.layers import Ring


class CanonicalDecoder(nn.Module):
    """Codes -> logits of a polar picture, (m, 1, RINGS, SECTORS): the object in a pose of its own.

    The encoder backwards: from a coarse circle of sectors to the full one, each sector answering for its RINGS cells.

    Args:
        widths: channels of the stages; the sectors are doubled between stages.
        latent: size d of the code.
        side: longer side of the canvas in pixels.
    """

    weight: Tensor

    def __init__(self, widths: Sequence[int], latent: int, side: int = 200) -> None:
        super().__init__()
        self.sectors = SECTORS >> (len(widths) - 1)
        self.start = nn.Linear(latent, widths[0] * self.sectors)
        self.stages = nn.ModuleList(_stages(widths))
        self.last = Ring(widths[-1], RINGS)
        self.side = side
        self.register_buffer("weight", cell_areas(side), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).unflatten(1, (self.sectors, -1))
        for depth, stage in enumerate(self.stages):
            h = stage(h.repeat_interleave(2, 1) if depth else h)
        logits: Tensor = self.last(functional.silu(h))
        return logits.transpose(1, 2)[:, None]

    def reconstruction(self, logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the polar pictures turned to where the two agree best."""
        return logits, turned_to(features, logits.detach().float().sigmoid(), self.weight)

    def painted(self, logits: Tensor) -> Tensor:
        """The objects on a square canvas, their centroids about its middle, (m, 1, side, side) in [0, 1]."""
        return painted(logits.sigmoid(), self.side)
