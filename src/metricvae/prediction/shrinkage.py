"""A normal distribution of n vectors, its covariance shrunk towards a round one by as much as the data ask for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TINY = 1e-12
"""Variance of what does not vary at all."""


@dataclass(frozen=True)
class ShrunkNormal:
    """Mean and covariance in its principal axes, float64 on the CPU.

    Attributes:
        mean: (p,).
        variances: (p,) along the axes, ascending, shrinkage included.
        axes: (p, p) orthonormal, in columns.
        floor: the variance that shrinkage alone gives every direction.
    """

    mean: Tensor
    variances: Tensor
    axes: Tensor
    floor: float


def fit_shrunk_normal(x: Tensor) -> ShrunkNormal:
    """Fit to (n, p) vectors with the shrinkage of Ledoit & Wolf 2004 (*A well-conditioned estimator for
    large-dimensional covariance matrices*), as scikit-learn has it.
    """
    from sklearn.covariance import LedoitWolf  # here, since it takes a second to load

    fitted = LedoitWolf().fit(x.double().cpu().numpy())
    variances, axes = np.linalg.eigh(fitted.covariance_)
    floor = float(fitted.shrinkage_ * np.trace(fitted.covariance_) / x.shape[1]) + TINY
    return ShrunkNormal(
        torch.from_numpy(fitted.location_),
        torch.from_numpy(variances).clamp(min=floor),
        torch.from_numpy(axes),
        floor,
    )
