"""Novelty: how unlike the training objects an object is, to the encoder.

Codes alone do not tell strange objects from known ones: speckle, grids and parts far apart get codes in the midst of
all others, and answers that are wrong. What the encoder reads before it makes a code does tell them apart. A normal
distribution of that over the training objects gives every object a squared Mahalanobis distance (Lee et al. 2018, *A
Simple Unified Framework for Detecting Out-of-Distribution Samples*); divided by what all but few unseen objects of the
same kind stay below, it is the object's novelty: above 1, the model never saw its like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.prediction.calibration.conformal import Floats, conformal_quantile
from metricvae.prediction.shrinkage import TINY, fit_shrunk_normal
from metricvae.runtime.files import check_sha256, sha256_of
from metricvae.training.checkpoint import read_tensors, write_tensors

NOVELTY_FILE = "novelty.safetensors"

KEY_0_1, FILE_0_1 = "reference", "reference.safetensors"
"""Where models of 0.1 have the detector and the latent prior together."""

FITTED_ON = 6_000
"""Training objects that the detector and the latent prior are fitted to, at most."""

KNOWN_SHARE = 0.995
"""Share of unseen objects of the same kind whose novelty is at most 1."""

_TENSORS = ("mean", "directions", "variances")


@dataclass(frozen=True)
class NoveltyDetector:
    """The normal distribution of what the encoder reads of training objects, and the distance at which novelty begins.

    Attributes:
        mean: (p,) of the readings.
        directions: (k, p) orthonormal, in which readings vary by more than shrinkage alone gives.
        variances: (k,) along them, `floor` included; in all others it counts as `floor`.
        floor: least variance.
        limit: squared distance, divided by p, at which novelty is 1.
    """

    mean: Tensor
    directions: Tensor
    variances: Tensor
    floor: float
    limit: float

    def novelty(self, readings: Tensor) -> Tensor:
        """(m, p) readings of objects -> (m,), above 1 for objects unlike those of the training."""
        return self.distance(readings) / self.limit

    def distance(self, readings: Tensor) -> Tensor:
        """(m, p) readings -> (m,) squared Mahalanobis distances from the mean, divided by p."""
        off = readings.float() - self.mean
        along = off @ self.directions.T
        rest = (off.square().sum(1) - along.square().sum(1)).clamp(min=0.0)
        return ((along.square() / self.variances).sum(1) + rest / self.floor) / readings.shape[1]

    def to(self, device: torch.device) -> NoveltyDetector:
        """The same on another device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})

    def write(self, folder: Path, side: str = "left") -> dict[str, Any]:
        """Put it into a model's folder; returns what the model's `config.json` is to say of it, under its key."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        key, file = part_of(side)
        return {key: write_part(folder / file, tensors, {"scalars": [self.floor, self.limit]})}

    @classmethod
    def read(cls, folder: Path, calibration: Mapping[str, Any], side: str = "left") -> NoveltyDetector | None:
        """That of one side of a model, whose `config.json` says `calibration`; None where it has none.

        Raises:
            InputError: the file is missing, or not the one that was written.
        """
        found = read_part(folder, calibration, *part_of(side), _TENSORS)
        if found is None:
            return None
        (mean, directions, variances), numbers = found
        return cls(mean, directions, variances, *numbers["scalars"])


def part_of(side: str) -> tuple[str, str]:
    """Key in `config.json`, and file, of the detector of a side; of models with one tower, of `left`."""
    return ("novelty", NOVELTY_FILE) if side == "left" else (f"novelty_{side}", f"novelty_{side}.safetensors")


def fit_novelty_detector(readings: Tensor, unseen: Tensor) -> NoveltyDetector:
    """Fit to training objects, and set the limit by others.

    Args:
        readings: (m, p) what the encoder reads of m training objects.
        unseen: (n, p) what it reads of objects of the same kind that it did not learn from.
    """
    normal = fit_shrunk_normal(readings)
    varies = normal.variances > 1.1 * normal.floor
    detector = NoveltyDetector(
        normal.mean.float(),
        normal.axes[:, varies].T.contiguous().float(),
        normal.variances[varies].float(),
        normal.floor,
        1.0,
    )
    distance: Floats = detector.distance(unseen.cpu()).double().numpy()
    return replace(detector, limit=max(conformal_quantile(distance, KNOWN_SHARE), TINY))


def write_part(path: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Write tensors and numbers beside a model; returns what its `config.json` is to say of the file."""
    write_tensors(path, dict(tensors), dict(numbers))
    return {"sha256": sha256_of(path)}


def read_part(
    folder: Path, calibration: Mapping[str, Any], key: str, file: str, names: tuple[str, ...]
) -> tuple[tuple[Tensor, ...], Mapping[str, Any]] | None:
    """The tensors of those names, and the numbers, of what `write_part` wrote; None where the model has no such part.

    Args:
        folder: of the model.
        calibration: what its `config.json` says of its parts.
        key, file: under which this one stands there, and where it lies; models of 0.1 have all parts in `FILE_0_1`.
        names: of the tensors.

    Raises:
        InputError: the file is missing, is not the one that was written, or lacks a tensor.
    """
    if key not in calibration:
        key, file = KEY_0_1, FILE_0_1
    if key not in calibration:
        return None
    check_sha256(folder / file, str(calibration[key].get("sha256")))
    checkpoint = read_tensors(folder / file)
    try:
        return tuple(checkpoint.tensors[name] for name in names), checkpoint.numbers
    except KeyError as error:
        raise InputError(f"{folder / file} lacks {error}: restore it or train the model again") from None
