"""Motions of images, and how pictures are brought to one place and one resolution.

Shifts are circular: what leaves the canvas on one side comes back on the other, so an image on an even background is
shifted as a whole, and nothing of a texture is lost. Rotations are about the centre of the canvas; what comes from
outside it has the background's level, the median of each channel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def background(x: Tensor) -> Tensor:
    """(m, C, 1, 1): the median level of each channel of (m, C, H, W) images, of about a thousand pixels."""
    rows, columns = (max(1, side // 32) for side in x.shape[2:])
    return x[:, :, ::rows, ::columns].flatten(2).median(dim=2).values[..., None, None]


def shift(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """(m, C, H, W) images shifted circularly by (m,) pixels each way, linear between pixels."""
    whole = torch.stack([down, right]).floor()
    places = whole.long().T.tolist()
    moved = torch.stack([torch.roll(one, place, (1, 2)) for one, place in zip(x, places, strict=True)])
    for dim, share in zip((2, 3), torch.stack([down, right]) - whole, strict=True):
        if share.any():
            moved = torch.lerp(moved, moved.roll(1, dim), share.to(x.dtype)[:, None, None, None])
    return moved


def rotate(x: Tensor, radians: Tensor) -> Tensor:
    """(m, C, H, W) images rotated counter-clockwise by (m,) angles about the centre, linear between pixels."""
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
    columns = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    cosine, sine = radians.cos()[:, None, None], radians.sin()[:, None, None]
    down, right = rows[None, :, None], columns[None, None, :]
    places = torch.stack(
        [(cosine * right - sine * down) * (2 / width), (sine * right + cosine * down) * (2 / height)], -1
    )
    return _sample(x, places)


def _sample(x: Tensor, places: Tensor) -> Tensor:
    """Levels of images at places in [-1, 1], linear between pixels, the background's outside."""
    level = background(x)
    return functional.grid_sample(x - level, places, mode="bilinear", padding_mode="zeros", align_corners=False) + level


def random_shifts(x: Tensor, generator: torch.Generator, share: float = 0.25) -> tuple[Tensor, Tensor]:
    """Whole pixels down and right for each of (m, C, H, W) images, (m,) each: uniform, up to a share of the sides."""
    uniform = 2 * torch.rand((2, len(x)), generator=generator, device=generator.device).to(x.device) - 1
    return (uniform[0] * share * x.shape[2]).round(), (uniform[1] * share * x.shape[3]).round()


def random_angles(x: Tensor, generator: torch.Generator) -> Tensor:
    """(m,) angles in radians, uniform over the circle."""
    return 2 * math.pi * torch.rand(len(x), generator=generator, device=generator.device).to(x.device)


def circular_centre(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(m,) row and column about which (m, H, W) weights lie on a canvas whose opposite borders meet.

    They are the phases of the lowest frequencies, so a circular shift moves them by just as much.
    """
    return _circular_mean(weight.sum(2)), _circular_mean(weight.sum(1))


def _circular_mean(weight: Tensor) -> Tensor:
    count = weight.shape[1]
    phase = torch.arange(count, device=weight.device, dtype=weight.dtype) * (2 * math.pi / count)
    return torch.atan2((weight * phase.sin()).sum(1), (weight * phase.cos()).sum(1)) * (count / (2 * math.pi))


def centred(x: Tensor) -> Tensor:
    """(m, C, H, W) images shifted circularly so that their contents lie about the centre: the same for every shift.

    A pixel weighs by its squared distance from the mean level; an even background does not count.
    """
    row, column = circular_centre((x - x.mean((2, 3), keepdim=True)).square().sum(1))
    return shift(x, (x.shape[2] - 1) / 2 - row, (x.shape[3] - 1) / 2 - column)


def mean_centre(x: Tensor, rounds: int = 3) -> tuple[Tensor, Tensor]:
    """(m,) rows and columns from the canvas centre: the mean place of the contents of (m, C, H, W) images in a disc.

    A pixel weighs by its distance from the background. The disc is about that place itself and reaches from one border
    to the other of the shorter side, with a soft edge; what a rotation brings in or loses at the corners hardly counts.
    """
    height, width = x.shape[2:]
    weight = (x - background(x)).abs().sum(1)
    rows = (torch.arange(height, device=weight.device, dtype=weight.dtype) - (height - 1) / 2)[None, :, None]
    columns = (torch.arange(width, device=weight.device, dtype=weight.dtype) - (width - 1) / 2)[None, None, :]
    row, column = weight.new_zeros(len(weight), 1, 1), weight.new_zeros(len(weight), 1, 1)
    reach = min(height, width) / 2
    for _ in range(rounds):
        distance = torch.hypot(rows - row, columns - column)
        inside = weight * (4 * (1 - distance / reach)).clamp(0, 1)
        total = inside.sum((1, 2), keepdim=True).clamp(min=1e-9)
        row, column = (
            (inside * rows).sum((1, 2), keepdim=True) / total,
            (inside * columns).sum((1, 2), keepdim=True) / total,
        )
    return row[:, 0, 0], column[:, 0, 0]


def working_size(height: int, width: int, side: int = 48) -> tuple[int, int]:
    """The size in which networks read images: the same, or with a longest side of `side`."""
    factor = min(1.0, side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """(m, C, H, W) images with fewer pixels, means of areas; as they are where the size is theirs."""
    return x if x.shape[2:] == (height, width) else functional.adaptive_avg_pool2d(x, (height, width))


def polar(x: Tensor, rings: int, sectors: int, reach: float, centre: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """(m, C, H, W) images -> (m, C, rings, sectors): their levels in polar coordinates about a centre.

    Sector k lies in the direction (cos, -sin)(2 pi k / sectors) of (right, down), so a counter-clockwise rotation moves
    a picture towards higher sectors. Each cell is the mean of 2 x 2 places.

    Args:
        x: images.
        rings, sectors: resolution.
        reach: radius of the outermost ring, as a share of the shorter side between the centres of its pixels.
        centre: (m,) rows and columns from the canvas centre; by default the canvas centre.
    """
    height, width = x.shape[2:]
    radius = (torch.arange(2 * rings, device=x.device) + 0.5) * (reach * max(1, min(height, width) - 1) / (2 * rings))
    angle = (torch.arange(2 * sectors, device=x.device) - 0.5) * (math.pi / sectors)
    right, down = radius[:, None] * angle.cos(), -radius[:, None] * angle.sin()
    row, column = (x.new_zeros(len(x)),) * 2 if centre is None else centre
    across = (right + column[:, None, None]) * (2 / width)
    along = (down + row[:, None, None]) * (2 / height)
    return functional.avg_pool2d(_sample(x, torch.stack([across, along], -1)), 2)
