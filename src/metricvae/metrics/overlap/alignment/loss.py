"""The loss of the pose network: the overlap itself as the objective, with the exact search's scan to begin from.

The scan gives for many pairs the overlap as a function of the rotation, with the two best shifts of each rotation
(`metricvae.metrics.overlap.alignment.targets`). A pair teaches three things:

- at every rotation, the network's shifts are the scan's, weighted by the overlap there, in whichever order;
- at every rotation, the curves give the overlap: any rotation that is as good as the best may win, as symmetric shapes
  need;
- at the rotations where the curves are highest, the motions are applied, and the overlap found is to be large: its
  gradient moves the shifts further than the coarse scan can (Jaderberg et al. 2015), and the curves are to equal it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.metrics.overlap.alignment.network import Curves, best_of, best_proposals
from metricvae.metrics.overlap.alignment.warping import Grids, overlaps

APPLIED = 3
"""Motions of a pair that are applied."""

SHARPNESS = 6
"""Power of the overlap, as a share of the pair's best, by which a shift is weighted."""


def alignment_loss(curves: Curves, grids: Grids, first: Tensor, second: Tensor, area: Tensor, shift: Tensor) -> Tensor:
    """The loss above, mean over n pairs, 0-d.

    Args:
        curves: of the pairs, with two shifts at each rotation.
        grids: of their shapes.
        first, second: (n,) int64, rows of `grids`.
        area: (n, rotations, 2) the scan's overlaps as shares of the smaller area.
        shift: (n, rotations, 2, 2) the scan's shifts in pixels.
    """
    area, shift = area.transpose(1, 2), shift.transpose(1, 2)
    weight = (area / area.amax((1, 2), keepdim=True).clamp(min=1e-3)) ** SHARPNESS
    off = functional.smooth_l1_loss(curves.shift / 10, shift / 10, beta=0.5, reduction="none").sum(-1)
    crossed = functional.smooth_l1_loss(curves.shift.flip(1) / 10, shift / 10, beta=0.5, reduction="none").sum(-1)
    exchanged = ((crossed - off) * weight).sum(1, keepdim=True) < 0
    shift_loss = (torch.where(exchanged, crossed, off) * weight).sum() / weight.sum()
    curve_loss = _cross_entropy(torch.where(exchanged, curves.share.flip(1), curves.share), area)
    with torch.no_grad():
        best = best_of(curves.share, APPLIED)
    proposed = curves.shift.flatten(1, 2).gather(1, best[..., None].expand(-1, -1, 2))
    rotations = curves.share.shape[-1]
    least = torch.minimum(grids.size[first], grids.size[second])[:, None]
    share = overlaps(grids, first, second, (best % rotations) * (math.tau / rotations), proposed) / least
    applied_loss = _cross_entropy(curves.share.flatten(1).gather(1, best), share.detach())
    return shift_loss + curve_loss + applied_loss + (1 - share).mean()


def _cross_entropy(predicted: Tensor, share: Tensor) -> Tensor:
    """Mean cross-entropy in nats, above the least that it can be: that of predicting the share itself.

    (Not `binary_cross_entropy`, which does not let NaN through to where it is noticed.)
    """
    share, predicted = share.clamp(1e-5, 1 - 1e-5), predicted.clamp(1e-5, 1 - 1e-5)
    above = share * (share / predicted).log() + (1 - share) * ((1 - share) / (1 - predicted)).log()
    return above.mean()


def mirror_targets(area: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """The targets of pairs with left and right exchanged in both shapes."""
    rotations = area.shape[1]
    back = -torch.arange(rotations, device=area.device) % rotations
    return area[:, back], shift[:, back] * torch.tensor([-1.0, 1.0], device=shift.device)


def reached_overlap(curves: Curves, grids: Grids, first: Tensor, second: Tensor) -> Tensor:
    """(n,) overlaps in pixels at the first proposal of each pair."""
    angle, shift, _ = best_proposals(curves, 1)
    return overlaps(grids, first, second, angle, shift)[:, 0]
