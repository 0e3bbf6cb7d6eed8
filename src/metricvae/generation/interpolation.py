"""What lies between two shapes, and around one: what is decoded along a line and in a plane of codes.

The prediction is linear in the code, so along the line from one code to the other the predicted overlaps with both
shapes run straight from one end to the other; what the decoder makes of it is measured exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from metricvae.core.errors import InputError
from metricvae.generation.pixel_refinement import cut_out, logits_of
from metricvae.generation.targets import Floats, require_generator
from metricvae.generation.verification import closeness
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.records import Overlap, Pose
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Predictor

REACH = 2.0
"""Standard deviations from the middle of a plane to its edges."""


@dataclass(frozen=True)
class Between:
    """A shape on the way from one shape to another.

    Attributes:
        share: of the way.
        mask: (200, 200), the largest piece of what was decoded; blank where that is blank.
        predicted: overlaps with both shapes as the code promises them.
        verified: exact ones.
        poses: motions that lay both shapes on it.
    """

    share: float
    mask: Mask
    predicted: tuple[float, float]
    verified: tuple[float, float]
    poses: tuple[Pose, Pose]


def between(predictor: Predictor, first: Mask, second: Mask, n: int) -> list[Between]:
    """`n` shapes at equal steps from the code of one shape to that of another, both ends included.

    Raises:
        InputError: fewer than two steps, or a model that cannot generate.
    """
    if n < 2:
        raise InputError(f"n is {n}: expected at least 2, both ends are among them")
    require_generator(predictor)
    ends = [first, second]
    codes = predictor.encode(ends.__getitem__, 2).codes
    shares = torch.linspace(0, 1, n, device=codes.device)
    line = codes[0] + shares[:, None] * (codes[1] - codes[0])
    head, one = predictor.model.head, torch.ones(1, device=codes.device)
    promised = torch.stack([head.value(head.score(line, code.expand_as(line)), one, one) for code in codes], dim=1)
    pictures, shapes = _pictures(predictor, line), [PreparedMask(mask) for mask in ends]
    steps = []
    for share, picture, said in zip(shares.tolist(), pictures, promised.clamp(min=0).tolist(), strict=True):
        mask = cut_out(logits_of(picture))
        found = [_solved(mask, shape) for shape in shapes]
        verified, poses = (found[0].area, found[1].area), (found[0].pose, found[1].pose)
        steps.append(Between(share, mask, (said[0], said[1]), verified, poses))
    return steps


@dataclass(frozen=True)
class Around:
    """A plane of codes about that of a shape.

    Attributes:
        pictures: (k, k, H, W) in [0, 1], what is decoded: rows down, columns across.
        offsets: (k,) from the middle, in standard deviations of the training codes.
        closeness: (k, k) of what is decoded to the shape, exactly; 0 where it is blank.
    """

    pictures: Floats
    offsets: Floats
    closeness: Floats


def around(predictor: Predictor, mask: Mask, k: int = 7) -> Around:
    """What is decoded about a shape, in the two directions in which training codes vary most.

    Args:
        predictor: of a model of overlap.
        mask: the shape.
        k: points along each side; the shape's own code is the middle one of an odd number.

    Raises:
        InputError: fewer than two points, or a model that cannot generate.
    """
    if k < 2:
        raise InputError(f"the plane has {k} points a side: expected at least 2")
    root = require_generator(predictor).code_root
    strongest = root.norm(dim=0).argsort(descending=True)[:2]
    offsets = REACH * torch.arange(1 - k, k, 2) / (k - 1)
    across, down = offsets[None, :, None] * root[:, strongest[0]], offsets[:, None, None] * root[:, strongest[1]]
    code = predictor.encode(lambda _: mask, 1).codes[0]
    pictures = _pictures(predictor, (code + across + down).flatten(0, 1))
    shape = PreparedMask(mask)
    close = [closeness(_solved(cut_out(logits_of(picture)), shape)) for picture in pictures]
    grid = pictures.reshape(k, k, *pictures.shape[1:])
    return Around(grid, offsets.cpu().double().numpy(), np.array(close).reshape(k, k))


def _pictures(predictor: Predictor, codes: torch.Tensor) -> Floats:
    pictures: Floats = predictor.model.picture(codes)[:, 0].cpu().double().numpy()
    return pictures


def _solved(mask: Mask, shape: PreparedMask) -> Overlap:
    """The exact answer, which is none of a blank mask."""
    if not mask.any():
        return Overlap(0.0, Pose(0.0, 0.0, 0.0), 0, shape.area)
    return solve(PreparedMask(mask), shape)
