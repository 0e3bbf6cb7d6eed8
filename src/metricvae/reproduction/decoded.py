"""Silhouettes that a model decodes: reconstructions, missing halves and samples, and signs of how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from metricvae.core.dataset import ObjectTable
from metricvae.core.errors import InputError
from metricvae.kinds.half.cutting import largest_component_share
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.search import PreparedMask, move_mask, solve
from metricvae.nn.heads import CosineDistance
from metricvae.prediction.predictor import Predictor

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reconstruction:
    """A shape decoded from its code.

    Attributes:
        picture: (H, W) coverage in [0, 1], at the pose of maximum overlap with the shape.
        iou: intersection over union there; 0 where the picture is blank.
    """

    picture: Floats
    iou: float


def reconstruct(predictor: Predictor, masks: Sequence[Mask]) -> list[Reconstruction]:
    """Encode shapes, decode their codes, threshold at 0.5, and align each with its shape by the exact search."""
    pictures = _binary(predictor, _means(predictor, masks))
    return [_align(mask, picture) for mask, picture in zip(masks, pictures, strict=True)]


@dataclass(frozen=True)
class Completion:
    """A counterpart decoded for a half.

    Attributes:
        mask: (H, W), in the pose in which the decoder shows it.
        probability: of a match with the half, by the model; 0 where the picture is blank.
        iou: intersection over union with the true counterpart, at the pose of maximum overlap.
    """

    mask: Mask
    probability: float
    iou: float


def complete(predictor: Predictor, halves: Sequence[Mask], counterparts: Sequence[Mask]) -> list[Completion]:
    """Decode a counterpart for each half: the code at a distance of 0 from its own.

    Args:
        predictor: of a binary metric.
        halves: m masks.
        counterparts: the true ones, only to compare with.

    Raises:
        InputError: the model has no counterparts, as its metric is no distance.
    """
    head = predictor.model.head
    if not isinstance(head, CosineDistance):
        raise InputError(f"a model with the head {head.name} has no partners: give one of a binary metric")
    made = _binary(predictor, head.counterpart(_means(predictor, halves)))
    there = np.flatnonzero(made.any(axis=(1, 2)))
    probability = np.zeros(len(halves))
    if len(there):
        probability[there] = predictor.predict_objects([(halves[i], made[i]) for i in there.tolist()]).value
    return [
        Completion(mask, float(probability[place]), _align(counterparts[place], mask).iou)
        for place, mask in enumerate(made)
    ]


@dataclass(frozen=True)
class Samples:
    """Shapes decoded from codes that belong to no object, and signs of whether they could be shapes.

    Attributes:
        pictures: (m, H, W) coverage in [0, 1].
        sharp: (m,) share of what is not white that is nearly black (at least 0.9); 0 for a blank picture.
        whole: (m,) share of the area, thresholded at 0.5, in the largest connected piece; 0 for a blank picture.
        novelty: (m,) of the thresholded pictures, as `metricvae.prediction.novelty` has it.
    """

    pictures: Floats
    sharp: Floats
    whole: Floats
    novelty: Floats


def decode_samples(predictor: Predictor, codes: torch.Tensor) -> Samples:
    """Decode codes (m, d)."""
    pictures = predictor.tower().picture(codes.to(predictor.device))[:, 0].cpu().double().numpy()
    masks = (pictures >= 0.5).astype(np.uint8)
    inked, black = (np.maximum((pictures > level).sum((1, 2)), least) for level, least in ((0.1, 1), (0.9, 0)))
    whole = np.array(list(map(largest_component_share, masks)))
    return Samples(pictures, black / inked, whole, predictor.encode(list(masks)).novelty.cpu().numpy())


def _means(predictor: Predictor, masks: Sequence[Mask]) -> torch.Tensor:
    table = ObjectTable.from_objects(predictor.kind(), masks)
    return predictor.means(table, np.arange(len(table)))


def _binary(predictor: Predictor, codes: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Decoded codes (m, d), thresholded at 0.5, (m, H, W)."""
    found: npt.NDArray[np.uint8] = (predictor.tower().picture(codes)[:, 0] >= 0.5).cpu().numpy().astype(np.uint8)
    return found


def _align(mask: Mask, picture: Mask) -> Reconstruction:
    if not picture.any():
        return Reconstruction(picture.astype(np.float64), 0.0)
    found = solve(PreparedMask(mask), PreparedMask(picture))
    union = found.area_a + found.area_b - found.area
    return Reconstruction(np.clip(move_mask(picture, found.pose), 0, 1), found.area / union)
