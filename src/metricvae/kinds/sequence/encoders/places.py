"""Places in sequences: how near each letter is to some of them, and the letters of each part."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def place_weights(there: Tensor, parts: int, spacing: float) -> Tensor:
    """(m, L) bool, where letters are -> (m, L, 3 parts + 1) weights, zero behind the end.

    `parts` tents from the start on, `spacing` letters apart, as many from the end, as many over the whole length, and
    one weight that is the same for all letters. Tents of one family add up to 1 for every letter; the last one holds
    all that is farther.
    """
    lengths = there.sum(1, keepdim=True).float()
    place = torch.arange(there.shape[1], device=there.device, dtype=torch.float32)[None]
    from_end = (lengths - 1.0 - place).clamp(min=0.0)
    share = place / (lengths - 1.0).clamp(min=1.0) * (parts - 1)
    nodes = torch.arange(parts, device=there.device, dtype=torch.float32)
    families = [
        (1.0 - (scaled.clamp(max=parts - 1.0)[..., None] - nodes).abs()).clamp(min=0.0)
        for scaled in ((place / spacing).expand_as(from_end), from_end / spacing, share)
    ]
    everywhere = torch.ones_like(families[0][..., :1])
    return torch.cat([*families, everywhere], dim=2) * there[..., None]


class LetterPlaces(nn.Module):
    """(m, L) letters 1 to `letters` (0 behind the end) -> (m, size) counts of each letter near each place.

    Squared distances of these are what an edit distance counts where letters keep their places, nearly.

    Args:
        letters: that are told apart.
        parts, spacing: of the finer of two scales, as for `place_weights`; the other has half as many, twice as far
            apart.
    """

    def __init__(self, letters: int, parts: int, spacing: float) -> None:
        super().__init__()
        self.letters = letters
        self.scales = ((parts, spacing), (max(parts // 2, 2), 2.0 * spacing))
        self.size = letters * sum(3 * count + 1 for count, _ in self.scales)

    def forward(self, letters: Tensor) -> Tensor:
        there = letters > 0
        which = functional.one_hot(letters, self.letters + 1)[..., 1:].float().transpose(1, 2)
        counts = [(which @ place_weights(there, parts, spacing)).flatten(1) for parts, spacing in self.scales]
        return torch.cat(counts, dim=1)


def letter_pictures(letters: Tensor, parts: int, count: int) -> Tensor:
    """(m, L) letters 1 to `count` -> (m, parts, count) share of each letter in each part of the sequence.

    A sequence of no more than `parts` letters has one in each of the first parts; a longer one is cut into `parts`.
    """
    there = letters > 0
    lengths = there.sum(1, keepdim=True)
    place = torch.arange(letters.shape[1], device=letters.device)[None]
    part = torch.where(lengths > parts, place * parts // lengths.clamp(min=1), place).clamp(max=parts - 1)
    known = there & (letters <= count)
    cell = part * count + (letters - 1).clamp(0, count - 1)
    flat = torch.zeros(len(letters), parts * count, device=letters.device)
    counts = flat.scatter_add_(1, cell, known.float()).unflatten(1, (parts, count))
    size = torch.zeros(len(letters), parts, device=letters.device).scatter_add_(1, part, there.float())
    return counts / size.clamp(min=1.0)[..., None]
