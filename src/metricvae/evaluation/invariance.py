"""Invariance of a model: what a random motion of objects changes of their codes and of the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from metricvae.core.kind import Object
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded

Floats = npt.NDArray[np.float64]

MOVED_AT_ONCE = 128


@dataclass(frozen=True)
class MotionChange:
    """How invariant a model is: relative changes under a random motion of every object.

    Attributes:
        codes: (m,) |z - z_moved| / |z| of each object.
        predictions: (n,) |predicted after / predicted before - 1| of each pair.
    """

    codes: Floats
    predictions: Floats


def motion_change(predictor: Predictor, objects: Sequence[Object], pairs: int, seed: int) -> MotionChange:
    """Move every object at random, as its kind does, and encode it again.

    Args:
        predictor: of a model with one tower.
        objects: m of them.
        pairs: pairs of them to predict before and after, drawn at random.
        seed: of motions and pairs.
    """
    generator, kind = torch.Generator().manual_seed(seed), predictor.kind()
    here, moved = predictor.encode(objects), list[Encoded]()
    for start in range(0, len(objects), MOVED_AT_ONCE):
        x = kind.collate(objects[start : start + MOVED_AT_ONCE])
        moved.append(predictor.encode_tensor(kind.move(x, generator)))
    there = concatenate(moved)
    change = (here.codes - there.codes).norm(dim=1) / here.codes.norm(dim=1)
    first, second = np.random.default_rng(seed).integers(0, len(objects), (2, pairs))
    first, second = first[first != second], second[first != second]
    before, after = (predictor.values(encoded, encoded, first, second) for encoded in (here, there))
    some = before > 0
    return MotionChange(change.cpu().double().numpy(), np.abs(after[some] / before[some] - 1))


def concatenate(parts: Sequence[Encoded]) -> Encoded:
    """Several sets of encoded objects as one."""
    return Encoded(*(torch.cat([getattr(part, name) for part in parts]) for name in ("codes", "magnitudes", "novelty")))
