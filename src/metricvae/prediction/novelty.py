"""The training shapes as the encoder sees them: what is unlike all of them, and where their codes lie.

Codes alone do not tell strange shapes from known ones: speckle, grids and parts far apart get codes in the midst of
all others, and answers that are wrong. What the encoder reads before it makes a code does tell them apart. A normal
distribution of that over the training shapes, shrunk towards a round one, gives every shape a squared Mahalanobis
distance (Lee et al. 2018, *A Simple Unified Framework for Detecting Out-of-Distribution Samples*); divided by what
all but few unseen shapes of the same kind stay below, it is the shape's novelty: above 1, the model never saw its like.

A second normal distribution, of the codes themselves, is what one draws from to decode shapes that are like the
training shapes (Ghosh et al. 2020, *From Variational to Deterministic Autoencoders*): the losses of the metric decide
where codes lie, so the prior N(0, I) is far from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.prediction.calibration.conformal import Floats, conformal_quantile
from metricvae.runtime.files import check_sha256, sha256_of
from metricvae.training.checkpoint import read_tensors, write_tensors

FILE = "reference.safetensors"

SHAPES = 6_000
"""Training shapes it is measured on, at most."""

ORDINARY = 0.995
"""Share of unseen shapes of the same kind whose novelty is at most 1."""

SHRUNK = 0.01
"""Variance added in every direction, as a share of the mean variance."""


@dataclass(frozen=True)
class Reference:
    """Two normal distributions, and the distance at which novelty begins.

    Attributes:
        mean: (p,) of what the encoder reads of a shape.
        directions: (k, p) orthonormal, in which it varies by more than a tenth of `floor`.
        variances: (k,) along them, `floor` included; in all others it counts as `floor`.
        floor: least variance.
        limit: squared distance, divided by p, at which novelty is 1.
        code_mean: (d,) of the codes.
        code_root: (d, d), times standard normal draws: deviations from it.
    """

    mean: Tensor
    directions: Tensor
    variances: Tensor
    floor: float
    limit: float
    code_mean: Tensor
    code_root: Tensor

    def novelty(self, read: Tensor) -> Tensor:
        """(m, p) readings of shapes -> (m,), above 1 for shapes unlike those of the training."""
        return self._distance(read) / self.limit

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` codes like those of the training shapes, (count, d); the generator is on the CPU."""
        drawn = torch.randn(count, len(self.code_mean), generator=generator)
        return self.code_mean + drawn.to(self.code_root.device) @ self.code_root.T

    def _distance(self, read: Tensor) -> Tensor:
        off = read.float() - self.mean
        along = off @ self.directions.T
        rest = (off.square().sum(1) - along.square().sum(1)).clamp(min=0.0)
        return ((along.square() / self.variances).sum(1) + rest / self.floor) / read.shape[1]

    def to(self, device: torch.device) -> Reference:
        """The same on another device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})

    def write(self, folder: Path) -> dict[str, Any]:
        """Put it into a model's folder; returns what the model's `config.json` is to say of it."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        write_tensors(folder / FILE, tensors, {"scalars": [self.floor, self.limit]})
        return {"sha256": sha256_of(folder / FILE)}

    @classmethod
    def read(cls, folder: Path, document: dict[str, Any]) -> Reference:
        """The inverse of `write`.

        Raises:
            InputError: the file is missing, or not the one that was written.
        """
        check_sha256(folder / FILE, str(document.get("sha256")))
        checkpoint = read_tensors(folder / FILE)
        try:
            tensors = {name: checkpoint.tensors[name] for name in _TENSORS}
            floor, limit = checkpoint.numbers["scalars"]
            return cls(**tensors, floor=floor, limit=limit)
        except KeyError as error:
            raise InputError(f"{folder / FILE} lacks {error}: restore it or train the model again") from None


_TENSORS = ("mean", "directions", "variances", "code_mean", "code_root")


def fit_reference(read: Tensor, codes: Tensor, unseen: Tensor) -> Reference:
    """Measure both distributions.

    Args:
        read: (m, p) what the encoder reads of m training shapes.
        codes: (m, d) their codes.
        unseen: (n, p) what it reads of shapes of the same kind that it did not learn from.
    """
    mean, variances, directions = _normal(read)
    floor = SHRUNK * float(variances.clamp(min=0.0).mean()) + 1e-12
    kept = variances > 0.1 * floor
    code_mean, code_variances, code_directions = _normal(codes)
    reference = Reference(
        *(mean.float(), directions[:, kept].T.contiguous().float(), (variances[kept] + floor).float(), floor, 1.0),
        code_mean.float(),
        (code_directions * code_variances.clamp(min=0.0).sqrt()).float().contiguous(),
    )
    distance: Floats = reference._distance(unseen.cpu()).double().numpy()
    limit = max(conformal_quantile(distance, ORDINARY), 1e-12)
    return replace(reference, limit=limit)


def _normal(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (p,), variances (p,) and directions (p, p) in columns of (m, p) numbers, in float64 on the CPU."""
    x = x.double().cpu()
    mean = x.mean(0)
    off = x - mean
    variances, directions = torch.linalg.eigh(off.T @ off / max(1, len(x) - 1))
    return mean, variances, directions
