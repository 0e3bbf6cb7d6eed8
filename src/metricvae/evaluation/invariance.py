"""What a model makes of shapes beside their metric: invariance to motions, reconstructions and decoded samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.half.cutting import largest_component_share
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.search import PreparedMask, move_mask, solve
from metricvae.nn.heads import CosineDistance
from metricvae.prediction.predictor import Predictor
from metricvae.training.features import move_randomly

Floats = npt.NDArray[np.float64]

MOVED_AT_ONCE = 128


@dataclass(frozen=True)
class MotionChange:
    """How invariant a model is: relative changes under a random motion of every shape.

    Attributes:
        codes: (m,) |z - z_moved| / |z| of each shape.
        predictions: (n,) |predicted after / predicted before - 1| of each pair.
    """

    codes: Floats
    predictions: Floats


def motion_change(predictor: Predictor, masks: Sequence[Mask], pairs: int, seed: int) -> MotionChange:
    """Move every shape at random inside its canvas, threshold it at 0.5, and encode it again.

    Args:
        predictor: the model.
        masks: m shapes.
        pairs: pairs of them to predict before and after, drawn at random.
        seed: of motions and pairs.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(np.stack(masks))[:, None]
    moved = torch.cat([move_randomly(part.float(), generator) for part in x.split(MOVED_AT_ONCE)])
    shown = moved[:, 0].numpy().astype(np.uint8)
    here, there = (predictor.encode(shapes.__getitem__, len(shapes)) for shapes in (masks, shown))
    change = (here.codes - there.codes).norm(dim=1) / here.codes.norm(dim=1)
    first, second = np.random.default_rng(seed).integers(0, len(masks), (2, pairs))
    first, second = first[first != second], second[first != second]
    before, after = (predictor.values(encoded, first, second) for encoded in (here, there))
    some = before > 0
    return MotionChange(change.cpu().double().numpy(), np.abs(after[some] / before[some] - 1))


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
    pictures = _binary(predictor, predictor.means(masks.__getitem__, len(masks)))
    return [_aligned(mask, picture) for mask, picture in zip(masks, pictures, strict=True)]


@dataclass(frozen=True)
class Completion:
    """A partner decoded for a half.

    Attributes:
        mask: (H, W), in the pose in which the decoder shows it.
        probability: of a match with the half, by the model; 0 where the picture is blank.
        iou: intersection over union with the true partner, at the pose of maximum overlap.
    """

    mask: Mask
    probability: float
    iou: float


def complete(predictor: Predictor, halves: Sequence[Mask], partners: Sequence[Mask]) -> list[Completion]:
    """Decode a partner for each half: the code at a distance of 0 from its own.

    Args:
        predictor: of a binary metric.
        halves: m masks.
        partners: the true ones, only to compare with.

    Raises:
        InputError: the model has no partners, as its metric is no distance.
    """
    head = predictor.model.head
    if not isinstance(head, CosineDistance):
        raise InputError(f"a model with the head {head.name} has no partners: give one of a binary metric")
    made = _binary(predictor, head.partner(predictor.means(halves.__getitem__, len(halves))))
    there = np.flatnonzero(made.any(axis=(1, 2)))
    probability = np.zeros(len(halves))
    if len(there):
        probability[there] = predictor.predict_masks([(halves[i], made[i]) for i in there.tolist()]).value
    return [
        Completion(mask, float(probability[place]), _aligned(partners[place], mask).iou)
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
    pictures = predictor.model.picture(codes.to(predictor.device))[:, 0].cpu().double().numpy()
    cut = (pictures >= 0.5).astype(np.uint8)
    inked, black = (np.maximum((pictures > level).sum((1, 2)), least) for level, least in ((0.1, 1), (0.9, 0)))
    encoded = predictor.encode(cut.__getitem__, len(cut))
    return Samples(
        pictures, black / inked, np.array(list(map(largest_component_share, cut))), encoded.novelty.cpu().numpy()
    )


def _binary(predictor: Predictor, codes: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Decoded codes (m, d), thresholded at 0.5, (m, H, W)."""
    found: npt.NDArray[np.uint8] = (predictor.model.picture(codes)[:, 0] >= 0.5).cpu().numpy().astype(np.uint8)
    return found


def _aligned(mask: Mask, picture: Mask) -> Reconstruction:
    if not picture.any():
        return Reconstruction(picture.astype(np.float64), 0.0)
    found = solve(PreparedMask(mask), PreparedMask(picture))
    union = found.area_a + found.area_b - found.area
    return Reconstruction(np.clip(move_mask(picture, found.pose), 0, 1), found.area / union)
