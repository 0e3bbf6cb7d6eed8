"""The network of a joint training: one encoder, and what each metric reads of its codes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from metricvae.nn.coders import Encoder


class JointNetwork(nn.Module):
    """An encoder, an anchor for each metric of one object, and a view for each metric of pairs.

    Args:
        encoder: of the objects.
        latent: numbers d of a code.
        anchored: columns that each metric of one object reads.
        paired: columns that each metric of pairs reads.
        width: of a view.
    """

    seen: Tensor

    def __init__(
        self,
        encoder: Encoder,
        latent: int,
        anchored: Sequence[tuple[int, int]],
        paired: Sequence[tuple[int, int]],
        width: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.anchors = nn.Parameter(torch.randn(len(anchored), latent) / math.sqrt(latent))
        self.matrices = nn.ParameterList(torch.randn(end - at, width) / math.sqrt(end - at) for at, end in paired)
        self.columns = paired
        place = torch.arange(latent)
        seen = [(start <= place) & (place < end) for start, end in anchored]
        self.register_buffer("seen", torch.stack(seen).float() if seen else torch.zeros(0, latent))

    def scores(self, z: Tensor) -> Tensor:
        """(m, anchored) products of codes (m, d) with the anchors: `InnerProduct.score` of `anchor_codes`."""
        return z @ (self.anchors * self.seen).T

    @property
    def anchor_codes(self) -> Tensor:
        """(anchored, d), zero outside of the columns that a metric reads."""
        return self.anchors.detach() * self.seen * self.seen.sum(1, keepdim=True)

    def view(self, number: int, z: Tensor) -> Tensor:
        """What a metric of pairs sees of codes (m, d), (m, width)."""
        return z[:, slice(*self.columns[number])] @ self.matrices[number]
