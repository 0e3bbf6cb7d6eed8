"""Rigid motions of the plane on batches of masks.

A motion rotates counter-clockwise as seen on screen by `angle_deg` about the canvas centre c = ((W-1)/2, (H-1)/2), then
shifts by `dx` right and `dy` down. With x to the right and y down, a point p of the shape goes to

    c + R (p - c) + (dx, dy),   R = [[cos, sin], [-sin, cos]].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Motion:
    """One rigid motion for each of m objects.

    Attributes:
        angle_deg: (m,) degrees counter-clockwise as seen on screen.
        dx: (m,) pixels to the right, after the rotation.
        dy: (m,) pixels down, after the rotation.
    """

    angle_deg: Tensor
    dx: Tensor
    dy: Tensor


def move(masks: Tensor, motion: Motion) -> Tensor:
    """Masks under a motion: each pixel takes the bilinear value at its preimage, 0 outside the canvas.

    The arithmetic is in float32, or float64 for float64 masks, also for half-precision masks and under autocast: a
    pixel coordinate does not fit into eight bits. (Hence no `affine_grid`, which is a matrix product.)

    Args:
        masks: (m, 1, H, W), or any number of channels; whole numbers and booleans give float32.
        motion: m motions.

    Returns:
        (m, 1, H, W), not thresholded; differentiable in the masks and in the motion.
    """
    height, width = masks.shape[-2:]
    exact = torch.float64 if masks.dtype == torch.float64 else torch.float32
    angle, dx, dy = (part.to(masks.device, exact)[:, None, None] for part in (motion.angle_deg, motion.dx, motion.dy))
    cosine, sine = _cosine_and_sine(angle)
    x = _centred(width, masks.device, exact)[None, None, :] - dx
    y = _centred(height, masks.device, exact)[None, :, None] - dy
    from_x, from_y = cosine * x - sine * y, sine * x + cosine * y
    places = torch.stack([from_x * (2 / width), from_y * (2 / height)], dim=-1)
    moved = functional.grid_sample(masks.to(exact), places, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.to(masks.dtype) if masks.is_floating_point() else moved


def inverse_motion(motion: Motion) -> Motion:
    """The motion that undoes `motion`: p = c + R^T (q - c) - R^T (dx, dy)."""
    cosine, sine = _cosine_and_sine(motion.angle_deg)
    return Motion(-motion.angle_deg, sine * motion.dy - cosine * motion.dx, -sine * motion.dx - cosine * motion.dy)


def random_motions(masks: Tensor, generator: torch.Generator, *, max_shift: float | None = None) -> Motion:
    """A random motion for each mask that leaves no part of the shape outside the canvas.

    The angle is uniform over the circle; given the angle, each shift is uniform over what keeps the rotated shape's
    bounding box inside. A rotated shape wider (taller) than the canvas is centred instead.

    Args:
        masks: (m, 1, H, W); every pixel above 0 counts.
        generator: of the random numbers; a CPU generator gives the same motions whatever device the masks are on.
        max_shift: largest shift each way in pixels; exceeded only where the rotated shape would leave the canvas.

    Returns:
        m motions, float32, on the masks' device.
    """
    uniform = torch.rand((3, len(masks)), generator=generator, device=generator.device)
    return motions_from_uniform(masks, uniform, max_shift=max_shift)


def motions_from_uniform(masks: Tensor, uniform: Tensor, *, max_shift: float | None = None) -> Motion:
    """The motions of `random_motions` for uniform numbers (3, m) from [0, 1), of the angle, dx and dy."""
    uniform = uniform.to(masks.device)
    angle = 360 * uniform[0]
    low_x, high_x, low_y, high_y = _shift_limits(masks, angle)
    limit = float("inf") if max_shift is None else float(max_shift)
    return Motion(
        angle, _shift_between(low_x, high_x, limit, uniform[1]), _shift_between(low_y, high_y, limit, uniform[2])
    )


def _shift_between(low: Tensor, high: Tensor, limit: float, uniform: Tensor) -> Tensor:
    """Uniform over [low, high] within +-limit (its nearest point where they are disjoint); the middle if high < low."""
    middle = (low + high) / 2
    low, high = torch.where(low <= high, low, middle), torch.where(low <= high, high, middle)
    first = torch.minimum(torch.clamp(low, min=-limit), high)
    last = torch.maximum(torch.clamp(high, max=limit), low)
    return first + uniform * (last - first)


def _shift_limits(masks: Tensor, angle: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Least and greatest dx, least and greatest dy, each (m,), that keep the rotated shape on the canvas.

    The ends of each row span the convex hull. A moved pixel spreads its value over |cos| + |sin| to each side of its
    centre, and values nearer than (W+1)/2 to the canvas centre are kept.
    """
    height, width = masks.shape[-2:]
    inside = masks[:, 0] > 0
    columns = torch.arange(width, device=masks.device)
    first = torch.where(inside, columns, width).amin(dim=2)
    last = torch.where(inside, columns, -1).amax(dim=2)
    filled = inside.any(dim=2)
    x = torch.cat([first, last], dim=1).float() - (width - 1) / 2
    y = _centred(height, masks.device, torch.float32).repeat(2).expand_as(x)
    cosine, sine = _cosine_and_sine(angle[:, None])
    reach = (cosine.abs() + sine.abs()).squeeze(1)
    present = torch.cat([filled, filled], dim=1)
    ends = []
    for rotated, side in ((cosine * x + sine * y, width), (cosine * y - sine * x, height)):
        least = torch.where(present, rotated, float("inf")).amin(dim=1)
        most = torch.where(present, rotated, -float("inf")).amax(dim=1)
        blank = ~filled.any(dim=1)
        edge = (side + 1) / 2 - reach
        ends += [-edge - least.masked_fill(blank, 0), edge - most.masked_fill(blank, 0)]
    return ends[0], ends[1], ends[2], ends[3]


def _cosine_and_sine(angle_deg: Tensor) -> tuple[Tensor, Tensor]:
    radians = torch.deg2rad(angle_deg)
    return torch.cos(radians), torch.sin(radians)


def _centred(count: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Pixel centres along one side, measured from the canvas centre."""
    return torch.arange(count, device=device, dtype=dtype) - (count - 1) / 2


def unpack_bits(packed: Tensor, height: int, width: int) -> Tensor:
    """`packing.unpacked_masks` where the bytes are: (m, b) uint8 -> (m, height, width) uint8 of 0 and 1."""
    bits = packed[..., None] >> torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device) & 1
    return bits.flatten(1)[:, : height * width].unflatten(1, (height, width))
