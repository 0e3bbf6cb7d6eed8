"""What lies between two objects, and around one: what is decoded along a line and in a plane of codes.

The prediction is linear in the code, so along the line from one code to the other the predicted values with both
objects run straight from one end to the other; what the decoder makes of it is measured exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.core.generation import Floats
from metricvae.core.kind import Object
from metricvae.core.metric import Solution
from metricvae.generation.bounds import require_object_generator
from metricvae.generation.candidates import decode
from metricvae.generation.linear_predictor import require_linear
from metricvae.generation.verification import ClosenessMeasure, magnitude_of
from metricvae.prediction.predictor import Predictor

REACH = 2.0
"""Standard deviations from the middle of a plane to its edges."""


@dataclass(frozen=True)
class Between:
    """An object on the way from one object to another.

    Attributes:
        share: of the way.
        object: that was decoded; empty where the picture is.
        predicted: values with both objects as the code predicts them.
        verified: exact ones.
        poses: motions that lay both objects on it; None of an empty one.
    """

    share: float
    object: Object
    predicted: tuple[float, float]
    verified: tuple[float, float]
    poses: tuple[Any, Any]


def between(predictor: Predictor, first: Object, second: Object, n: int) -> list[Between]:
    """`n` objects at equal steps from the code of one object to that of another, both ends included.

    Raises:
        InputError: fewer than two steps, or a model that cannot generate.
    """
    if n < 2:
        raise InputError(f"n is {n}: expected at least 2, both ends are among them")
    require_linear(predictor)
    objects, solver = require_object_generator(predictor.metric)
    codes = predictor.encode([first, second]).codes
    shares = torch.linspace(0, 1, n, device=codes.device)
    line = codes[0] + shares[:, None] * (codes[1] - codes[0])
    head, one = predictor.model.head, torch.ones(1, device=codes.device)
    values = torch.stack([head.value(head.score(line, code.expand_as(line)), one, one) for code in codes], dim=1)
    pictures, ends = decode(predictor, line), [solver.prepare(end) for end in (first, second)]
    steps = []
    for share, picture, predicted in zip(shares.tolist(), pictures, values.clamp(min=0).tolist(), strict=True):
        made = objects.realise(picture)
        empty = not magnitude_of(predictor.kind(), made)
        here, there = (Solution(0.0, 0.0) if empty else solver.solve(solver.prepare(made), end) for end in ends)
        verified, poses = (here.value, there.value), (here.pose, there.pose)
        steps.append(Between(share, made, (predicted[0], predicted[1]), verified, poses))
    return steps


@dataclass(frozen=True)
class Around:
    """A plane of codes about that of an object.

    Attributes:
        pictures: (k, k, ...) in [0, 1], what is decoded: rows down, columns across.
        offsets: (k,) from the middle, in standard deviations of the training codes.
        closeness: (k, k) of what is decoded to the object, exactly; 0 where it is empty.
    """

    pictures: Floats
    offsets: Floats
    closeness: Floats


def around(predictor: Predictor, value: Object, k: int = 7) -> Around:
    """What is decoded about an object, in the two directions in which training codes vary most.

    Args:
        predictor: of a model that generates.
        value: the object.
        k: points along each side; the object's own code is the middle one of an odd number.

    Raises:
        InputError: fewer than two points, or a model that cannot generate.
    """
    if k < 2:
        raise InputError(f"the plane has {k} points a side: expected at least 2")
    first, second = plane_directions(predictor)
    objects, solver = require_object_generator(predictor.metric)
    offsets = REACH * torch.arange(1 - k, k, 2) / (k - 1)
    across, down = offsets[None, :, None] * first, offsets[:, None, None] * second
    pictures = decode(predictor, (predictor.encode([value]).codes[0] + across + down).flatten(0, 1))
    measure = ClosenessMeasure(predictor.kind(), solver)
    middle = measure.prepare(value)
    close = [measure.between(measure.prepare(objects.realise(picture)), middle) for picture in pictures]
    grid = pictures.reshape(k, k, *pictures.shape[1:])
    return Around(grid, offsets.cpu().double().numpy(), np.array(close).reshape(k, k))


def plane_directions(predictor: Predictor) -> tuple[Tensor, Tensor]:
    """The two directions in which training codes vary most, (d,) each, one standard deviation long.

    Raises:
        InputError: a model that cannot generate.
    """
    root = require_linear(predictor).code_root
    strongest = root.norm(dim=0).argsort(descending=True)[:2]
    return root[:, strongest[0]], root[:, strongest[1]]


def point_in_plane(predictor: Predictor, codes: Sequence[Tensor], x: float, y: float) -> Floats:
    """What is decoded at a point of the plane about the mean of some codes.

    Args:
        predictor: of a model that generates.
        codes: (d,) each.
        x, y: standard deviations from the middle, in the directions of `plane_directions`.

    Returns:
        a picture in [0, 1].

    Raises:
        InputError: a model that cannot generate.
    """
    first, second = plane_directions(predictor)
    picture: Floats = decode(predictor, (torch.stack(list(codes)).mean(0) + x * first + y * second)[None])[0]
    return picture
