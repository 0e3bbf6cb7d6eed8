"""Pictures in polar coordinates: a ring a row, a sector a column, so that a rotation rolls the columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.coders import Decoder, UnitRangeEncoder
from metricvae.nn.layers import CircularConv1d, average_pairs, circular_stages, frequency_amplitudes


def ring_weights(rings: int) -> Tensor:
    """(rings, 1): the square root of each ring's radius, on average 1, so that products of pictures sum like areas."""
    radius = torch.arange(rings) + 0.5
    return (radius / radius.mean()).sqrt()[:, None]


def cell_areas(rings: int, sectors: int, radius: float) -> Tensor:
    """Area of a cell of each ring, (rings, 1), in pixels where the radius of the outermost ring is in pixels."""
    edge = radius / rings
    return (2 * torch.arange(rings) + 1)[:, None] * (math.pi * edge**2 / sectors)


def ring_spectrum(rings: Tensor, frequencies: int) -> Tensor:
    """(m, rings, sectors) -> (m, (1 + frequencies) * rings): each ring's mean and the amplitudes of its frequencies."""
    return torch.cat([rings.mean(-1), frequency_amplitudes(rings, frequencies).flatten(1)], dim=1)


def align_rotation(pictures: Tensor, others: Tensor, weight: Tensor) -> Tensor:
    """Polar pictures (m, 1, rings, sectors), each rotated by the number of sectors that fits its other best.

    sum over cells of  weight * rotated picture * other  is largest, found for all rotations by one correlation.
    """
    sectors = pictures.shape[-1]
    spectra = torch.fft.rfft(pictures.float() * weight), torch.fft.rfft(others.float())
    fit = torch.fft.irfft((spectra[0].conj() * spectra[1]).sum((1, 2)), n=sectors)
    rotation = fit.argmax(-1)
    source = (torch.arange(sectors, device=pictures.device) - rotation[:, None]) % sectors
    return pictures.gather(-1, source[:, None, None, :].expand_as(pictures))


class CircleConfig(Protocol):
    """What the configurations of encoders of polar pictures share."""

    @property
    def widths(self) -> tuple[int, ...]: ...

    @property
    def sectors(self) -> int: ...

    @property
    def ring_frequencies(self) -> int: ...

    @property
    def mixture_frequencies(self) -> int: ...

    @property
    def frequencies(self) -> int: ...


def check_halvings(config: CircleConfig, name: str) -> None:
    """Raise InputError unless the sectors of an encoder of that name can be halved before each stage, and have as many
    frequencies as it takes."""
    widths, sectors = config.widths, config.sectors
    if not widths or sectors % (1 << len(widths)):
        raise InputError(
            f"got {sectors} sectors and {len(widths)} stages of a {name} encoder: expected one stage or more, and "
            "sectors that can be halved before each"
        )
    most = {
        "ring_frequencies": sectors // 2,
        "mixture_frequencies": sectors // 2,
        "frequencies": (sectors >> len(widths)) // 2,
    }
    for field, limit in most.items():
        if getattr(config, field) > limit:
            raise InputError(f"got {field} {getattr(config, field)} of a {name} encoder: expected at most {limit}")


class CircleEncoder(UnitRangeEncoder):
    """What encoders of polar pictures share: circular convolutions whose channels are the rings, and mixtures of rings.

    Attributes:
        first, stages: the convolutions; the sectors are halved before each stage.
        mixtures: from the rings to learned mixtures of them.
    """

    first: CircularConv1d
    stages: nn.ModuleList
    mixtures: nn.Linear

    def circle_features(self, rings: Tensor, config: CircleConfig) -> list[Tensor]:
        """Rings (m, rings, sectors) -> numbers (m, ...) that no roll of the sectors changes: amplitudes of the
        mixtures; mean, maximum and amplitudes of what the convolutions make of the rings."""
        across = rings.transpose(1, 2)
        h = self.first(average_pairs(across))
        for depth, stage in enumerate(self.stages):
            h = stage(average_pairs(h) if depth else h)
        h = functional.silu(h).float().transpose(1, 2)
        mixed = self.mixtures(across).float().transpose(1, 2)
        amplitudes = frequency_amplitudes(mixed, config.mixture_frequencies).flatten(1)
        return [amplitudes, h.mean(-1), h.amax(-1), frequency_amplitudes(h, config.frequencies).flatten(1)]


def check_doublings(widths: Sequence[int], sectors: int, name: str) -> None:
    """Raise InputError unless a decoder of that name can begin with a circle of which `sectors` are doublings."""
    if not widths or sectors % (1 << (len(widths) - 1)):
        raise InputError(
            f"got {sectors} sectors and {len(widths)} stages of a {name} decoder: expected one stage or more, and "
            "sectors that can be halved between them"
        )


class PolarDecoder(Decoder):
    """Codes -> logits of a polar picture, (m, 1, rows, sectors): the object in a rotation of its own.

    From a coarse circle of sectors to the full one, each sector giving its cells of all rows.

    Args:
        widths: channels of the stages; the sectors are doubled between stages.
        rows: rings of the picture, of all its channels.
        sectors: a multiple of 2^(stages - 1).
        areas: (rows, 1) pixels that a cell of each row stands for.
        latent: size d of the code.
    """

    weight: Tensor

    def __init__(self, widths: Sequence[int], rows: int, sectors: int, areas: Tensor, latent: int) -> None:
        super().__init__()
        self.sectors = sectors >> (len(widths) - 1)
        self.start = nn.Linear(latent, widths[0] * self.sectors)
        self.stages = nn.ModuleList(circular_stages(widths))
        self.last = CircularConv1d(widths[-1], rows)
        self.register_buffer("weight", areas, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).unflatten(1, (self.sectors, -1))
        for depth, stage in enumerate(self.stages):
            h = stage(h.repeat_interleave(2, 1) if depth else h)
        logits: Tensor = self.last(functional.silu(h))
        return logits.transpose(1, 2)[:, None]

    def reconstruction(self, logits: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the polar pictures rotated to where the two agree best."""
        return logits, align_rotation(pictures, logits.detach().float().sigmoid(), self.weight)
