"""Networks that cannot see how an object lies: shapes as rings about their centroid.

Read in polar coordinates about its centroid, a shape that is shifted stays the same, and a shape that is turned is the
same picture moved along its rings. Convolutions along the rings are circular and do not care where a turn begins;
pooling over the whole ring forgets it. So the code is independent of rigid motions by construction, up to what
resampling pixels loses, and the deformation loss is left with that remainder.

The decoder paints the same kind of picture in a pose of its own (canonical). For the reconstruction loss the object
is first turned to where the two agree best, which one circular correlation tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.nn.layers import Direct, Residual, Ring, start_small
from metricvae.runtime.precision import PackedInBytes

RINGS, SECTORS = 48, 96
"""Resolution of a polar picture: rings outwards, sectors around."""

REACH = 0.6
"""Radius of the outermost ring in canvas sides; what lies further from the centroid is not seen."""

FINER = 2
"""Samples along each side of a polar cell, averaged."""


def centroids(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean column and row of (m, 1, H, W) masks, (m,) each, in pixels from the canvas centre; 0 for a blank one."""
    height, width = x.shape[-2:]
    columns = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    rows = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
    area = x.sum((1, 2, 3)).clamp(min=1e-6)
    return (x.sum((1, 2)) * columns).sum(-1) / area, (x.sum((1, 3)) * rows).sum(-1) / area


def polar_pictures(x: Tensor) -> Tensor:
    """(m, 1, H, W) masks -> (m, 1, RINGS, SECTORS): coverage of each cell of a polar grid about the centroid.

    Sector k looks in the direction (cos, -sin)(2 pi k / SECTORS) of (right, down): turning the shape
    counter-clockwise moves its picture towards higher sectors.
    """
    height, width = x.shape[-2:]
    x = x.float()
    reach = REACH * max(height, width)
    radius = (torch.arange(RINGS * FINER, device=x.device) + 0.5) * (reach / (RINGS * FINER))
    angle = (torch.arange(SECTORS * FINER, device=x.device) + 0.5 - FINER / 2) * (2 * math.pi / (SECTORS * FINER))
    along, down = radius[:, None] * angle.cos(), -radius[:, None] * angle.sin()
    centre_x, centre_y = centroids(x)
    grid = torch.stack(
        [(along + centre_x[:, None, None]) * (2 / width), (down + centre_y[:, None, None]) * (2 / height)], dim=-1
    )
    fine = functional.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return functional.avg_pool2d(fine, FINER)


def halve(x: Tensor) -> Tensor:
    """(m, sectors, c), neighbouring sectors averaged, so that little depends on which two are neighbours."""
    return x.unflatten(1, (-1, 2)).mean(2)


def around(x: Tensor, margin: int) -> Tensor:
    """`x` with `margin` sectors of the other end before and behind: the last dimension is a circle."""
    return torch.cat([x[..., -margin:], x, x[..., :margin]], dim=-1) if margin else x


def amplitudes(x: Tensor, frequencies: int) -> Tensor:
    """(m, c, sectors) -> (m, c, frequencies): sizes of the first angular frequencies, 1 and up, however x is turned."""
    spectrum = torch.fft.rfft(x.float(), norm="forward")[..., 1 : frequencies + 1]
    return (spectrum.real.square() + spectrum.imag.square() + 1e-6).sqrt()


RING_FREQUENCIES = 8
"""Amplitudes of the rings themselves that the encoder reads."""


def ring_weights() -> Tensor:
    """(RINGS, 1): the square root of each ring's radius, on average 1, so that products of pictures sum like areas."""
    radius = torch.arange(RINGS) + 0.5
    return (radius / radius.mean()).sqrt()[:, None]


def ring_spectrum(rings: Tensor) -> Tensor:
    """(m, RINGS, SECTORS) -> (m, (1 + RING_FREQUENCIES) * RINGS): each ring's mean and first amplitudes."""
    return torch.cat([rings.mean(-1), amplitudes(rings, RING_FREQUENCIES).flatten(1)], dim=1)


def ring_readings(rings: Tensor) -> Tensor:
    """The spectrum of the rings at length 1, and the logarithm of the length that was its own."""
    spectrum = ring_spectrum(rings)
    length = spectrum.norm(dim=1, keepdim=True) + 1e-6
    return torch.cat([spectrum / length, length.log()], dim=1)


MIXTURES = 64
"""Mixtures of the rings that it reads likewise: how rings lie to one another."""

MIXED_FREQUENCIES = 12
"""Amplitudes of each mixture."""

FREQUENCIES = 4
"""Amplitudes of the channels behind the convolutions that it reads."""

HIDDEN = 4
"""Neurons of the fully connected layers for each channel of the last stage."""

MIDDLING = 0.11
"""Share of the disc within reach that a middling silhouette covers (5,000 pixels of a canvas of 200)."""


class PolarEncoder(PackedInBytes, nn.Module):
    """Masks -> mean and log-variance of q(z | x), the same for every rigid motion of the mask.

    Two readings of the picture, neither of which knows where a turn begins, go into one fully connected network:

    - the mean of each ring and the amplitudes of its first angular frequencies. A cell is weighted by the square root
      of its ring's radius, so products of pictures sum like areas;
    - the mean, the maximum and the amplitudes of what circular convolutions make of the rings, which are their
      channels.

    The area and the rings' means also go to the code directly: the product of two codes starts as 0.7 sqrt(area * area)
    for any two shapes, and what is left to learn is how they differ from that.

    Args:
        widths: channels of the stages; the sectors are halved before each.
        latent: size d of the code.
    """

    weight: Tensor

    def __init__(self, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.register_buffer("weight", ring_weights(), persistent=False)
        self.first = Ring(RINGS, widths[0])
        self.stages = nn.ModuleList(_stages(widths))
        self.mixtures = nn.Linear(RINGS, MIXTURES, bias=False)
        read = (1 + RING_FREQUENCIES) * RINGS + MIXED_FREQUENCIES * MIXTURES + (2 + FREQUENCIES) * widths[-1]
        hidden = HIDDEN * widths[-1]
        self.head = nn.Sequential(
            *(nn.Linear(read, hidden), nn.LayerNorm(hidden), nn.SiLU()),
            *(nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.SiLU()),
        )
        self.last = nn.Linear(hidden, 2 * latent)
        self.direct = Direct(1 + RINGS, latent)
        start_small(self.last)

    def prepare(self, x: Tensor) -> Tensor:
        """The polar pictures of the masks."""
        return polar_pictures(x)

    def pictures(self, features: Tensor) -> Tensor:
        """The polar pictures themselves."""
        return features

    def mirrored(self, features: Tensor) -> Tensor:
        """The pictures with their sectors the other way round."""
        return features.flip(-1)

    def read(self, features: Tensor) -> Tensor:
        """Direction and length of the rings' spectrum."""
        return ring_readings((features * self.weight).squeeze(1))

    def rescaled(self, features: Tensor, factor: float) -> Tensor:
        """The pictures of the same shapes `factor` times as large."""
        return rescaled(features, factor)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        rings = (features * self.weight).squeeze(1)
        h = self.first(halve(3 * rings.transpose(1, 2)))
        for depth, stage in enumerate(self.stages):
            h = stage(halve(h) if depth else h)
        h = functional.silu(h).float().transpose(1, 2)
        read = [3 * ring_spectrum(rings)]
        mixed = self.mixtures(3 * rings.transpose(1, 2)).float().transpose(1, 2)
        read += [amplitudes(mixed, MIXED_FREQUENCIES).flatten(1)]
        read += [h.mean(-1), h.amax(-1), amplitudes(h, FREQUENCIES).flatten(1)]
        size = ((features * self.weight.square()).mean((1, 2, 3)) / MIDDLING + 1e-6).sqrt()
        inner = self.head(torch.cat(read, dim=1)).float()
        with torch.autocast(features.device.type, enabled=False):  # codes are sums of few, large terms
            mean, log_variance = self.last(inner).chunk(2, dim=-1)
            return mean + self.direct(torch.cat([size[:, None], rings.mean(-1)], dim=1)), log_variance


def _stages(widths: Sequence[int]) -> list[nn.Sequential]:
    """One residual block each, after a change of channels where the width changes."""
    before = [widths[0], *widths]
    return [
        nn.Sequential(*([] if a == b else [Ring(a, b, 1)]), Residual(b)) for a, b in zip(before, widths, strict=False)
    ]


def cell_areas(side: int = 200) -> Tensor:
    """Area of the cells of each ring in pixels of a canvas of `side` pixels, (RINGS, 1)."""
    edge = REACH * side / RINGS
    return (2 * torch.arange(RINGS) + 1)[:, None] * (math.pi * edge**2 / SECTORS)


def turned_to(pictures: Tensor, others: Tensor, weight: Tensor) -> Tensor:
    """Polar pictures (m, 1, RINGS, SECTORS), each turned by the number of sectors that fits its other best.

    sum over cells of  weight * turned picture * other  is largest, found for all turns by one correlation.
    """
    spectra = torch.fft.rfft(pictures.float() * weight), torch.fft.rfft(others.float())
    fit = torch.fft.irfft((spectra[0].conj() * spectra[1]).sum((1, 2)), n=SECTORS)
    turn = fit.argmax(-1)
    sectors = (torch.arange(SECTORS, device=pictures.device) - turn[:, None]) % SECTORS
    return pictures.gather(-1, sectors[:, None, None, :].expand_as(pictures))


def rescaled(pictures: Tensor, factor: float) -> Tensor:
    """Polar pictures (m, 1, RINGS, SECTORS) of the same shapes `factor` times as large, linear between rings."""
    ring = (torch.arange(RINGS, device=pictures.device) + 0.5) / factor - 0.5
    below = ring.floor()
    share = (ring - below)[:, None]
    bordered = functional.pad(pictures, (0, 0, 1, 1))
    row = (below.long() + 1).clamp(0, RINGS + 1)
    return bordered[:, :, row] * (1 - share) + bordered[:, :, (row + 1).clamp(max=RINGS + 1)] * share


def painted(pictures: Tensor, side: int = 200) -> Tensor:
    """Polar pictures (m, 1, RINGS, SECTORS) on a square canvas, centroid in the middle: (m, 1, side, side)."""
    offset = torch.arange(side, device=pictures.device) - (side - 1) / 2
    radius = torch.hypot(offset[None, :], offset[:, None]) * (RINGS / (REACH * side))
    sector = torch.atan2(-offset[:, None], offset[None, :]) * (SECTORS / (2 * math.pi))
    across = (2 * (sector % SECTORS) + 3) / (SECTORS + 2) - 1
    grid = torch.stack([across, radius * (2 / RINGS) - 1], dim=-1).expand(len(pictures), -1, -1, -1)
    inside = (radius < RINGS).to(pictures.dtype)
    return (
        functional.grid_sample(around(pictures, 1), grid, mode="bilinear", padding_mode="border", align_corners=False)
        * inside
    )
