"""Rigid motions as fields of places to look at, and the overlap they give: differentiable, for training.

A motion about the centroids lays the second shape on the first: rotate it counter-clockwise as seen on screen, then put
its centroid `shift` pixels right and down of the first's. Its field says for each point p of the first shape, measured
from the first centroid, where in the second that is looked up (Jaderberg et al. 2015, *Spatial Transformer Networks*):

    c' + R^T (p - shift),   R = [[cos, sin], [-sin, cos]].

All places are in pixels from the canvas centre, or from a centroid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.kinds.silhouette.encoders.polar_pictures import centroids

POINTS = 44
"""Points along each side of the square in which a shape is looked at."""

PITCH = 4.5
"""Pixels between them."""


@dataclass(frozen=True)
class Grids:
    """m shapes, sampled once to be overlaid many times.

    Attributes:
        samples: (m, P) coverage at the points of a square grid about the centroid.
        images: (m, 1, h, w) the shapes at half their resolution.
        centre: (m, 2) centroids, right and down, in pixels from the canvas centre.
        size: (m,) areas in pixels.
        height, width: canvas in pixels.
    """

    samples: Tensor
    images: Tensor
    centre: Tensor
    size: Tensor
    height: int
    width: int

    @classmethod
    def of(cls, x: Tensor) -> Grids:
        """Of masks (m, 1, H, W) with even sides."""
        height, width = x.shape[-2:]
        centre = torch.stack(centroids(x), dim=-1)
        images = functional.avg_pool2d(x, 2)
        blurred = functional.avg_pool2d(images, 2, 1)
        scale = torch.tensor([2 / (width - 2), 2 / (height - 2)], device=x.device)
        places = (points(x.device) + centre[:, None]) * scale
        samples = functional.grid_sample(blurred, places[:, :, None], align_corners=False)[:, 0, :, 0]
        return cls(samples, images, centre, x.sum((1, 2, 3)), height, width)


def points(device: torch.device) -> Tensor:
    """(P, 2) the points of the grid, right and down of a centroid."""
    offset = (torch.arange(POINTS, device=device) - (POINTS - 1) / 2) * PITCH
    return torch.stack(torch.meshgrid(offset, offset, indexing="xy"), dim=-1).reshape(-1, 2)


def field(angle: Tensor, shift: Tensor, centre: Tensor) -> Tensor:
    """Where the points of the grid are looked up in second shapes, (n, q, P, 2), right and down of the canvas centre.

    Args:
        angle: (n, q) radians.
        shift: (n, q, 2) pixels.
        centre: (n, 2) centroids of the second shapes.
    """
    right, down = (points(shift.device) - shift[..., None, :]).unbind(-1)
    cosine, sine = angle.cos()[..., None], angle.sin()[..., None]
    places = torch.stack([cosine * right - sine * down, sine * right + cosine * down], dim=-1)
    return places + centre[:, None, None]


def overlaps(grids: Grids, first: Tensor, second: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
    """Overlap areas in pixels, (n, q), of pairs of shapes under q motions each: the field, applied.

    Args:
        grids: of the shapes.
        first, second: (n,) int64, the pairs.
        angle, shift: (n, q) radians and (n, q, 2) pixels, the motions of the second shapes.
    """
    places = field(angle, shift, grids.centre[second])
    scale = torch.tensor([2 / grids.width, 2 / grids.height], device=places.device)
    found = functional.grid_sample(grids.images[second], places * scale, align_corners=False)[:, 0]
    return (grids.samples[first][:, None] * found).sum(-1) * PITCH**2


def about_centroids(pose: Tensor, centre: Tensor, centre_other: Tensor) -> tuple[Tensor, Tensor]:
    """Motions about the canvas centre as motions about the centroids: angles (n,) in radians and shifts (n, 2).

    Args:
        pose: (n, 3) degrees and pixels, `angle_deg`, `dx`, `dy` of the second shape.
        centre, centre_other: (n, 2).
    """
    angle = torch.deg2rad(pose[:, 0])
    cosine, sine = angle.cos(), angle.sin()
    right, down = centre_other.unbind(-1)
    moved = torch.stack([cosine * right + sine * down, cosine * down - sine * right], dim=-1)
    return angle, pose[:, 1:] + moved - centre
