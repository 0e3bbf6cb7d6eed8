"""What codes predict, where that is linear in them, and the least change of a code to a given prediction.

The predicted metric with a required object is linear in the code, and the magnitude nearly so. Of all codes whose
predictions are t, with rows C, the one nearest to z, measured by the covariance S of the training codes, is

    z + S C^T (C S C^T)^-1 (t - C z).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.core.generation import Bounds
from metricvae.generation.exemplars import Exemplars
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.latent_prior import LatentPrior
from metricvae.prediction.predictor import Predictor

DRAWN_FOR_MAGNITUDE = 512
RIDGE = 1e-3


@dataclass(frozen=True)
class LinearPredictor:
    """value_j = rows_j . z + offset_j.

    Attributes:
        rows: (k, d).
        offsets: (k,).
        gain: (d, k) by which a code moves for each unit that a prediction lacks.
        precision: (k, k), inverse covariance of the values over training codes.
    """

    rows: Tensor
    offsets: Tensor
    gain: Tensor
    precision: Tensor

    def predict(self, codes: Tensor) -> Tensor:
        """(m, d) codes -> (m, k)."""
        return codes @ self.rows.T + self.offsets

    def move(self, codes: Tensor, change: Tensor) -> Tensor:
        """Codes (m, d) whose predictions differ by `change` (m, k), by the least change of the codes."""
        return codes + change @ self.gain.T

    def cost(self, change: Tensor) -> Tensor:
        """(m,) lengths of those changes, in standard deviations."""
        return ((change @ self.precision) * change).sum(1).clamp(min=0).sqrt()


def linear_predictor(prior: LatentPrior, rows: Tensor, offsets: Tensor) -> LinearPredictor:
    """The predictor of k rows (k, d) over codes of a prior."""
    spread = rows @ prior.code_root
    covariance = spread @ spread.T
    precision = torch.linalg.inv(covariance + 1e-4 * torch.diag(covariance.diagonal() + 1e-12))
    return LinearPredictor(rows, offsets, prior.code_root @ spread.T @ precision, precision)


def require_linear(predictor: Predictor) -> LatentPrior:
    """The distribution of the codes of a model that predicts linearly.

    Raises:
        InputError: no prediction is linear in the code, there is no such distribution, or the model is on a GPU.
    """
    head = predictor.model.head
    if not isinstance(head, InnerProduct):
        raise InputError(f"a model with the head {head.name} cannot generate: give one of overlap, with inner_product")
    if predictor.device.type != "cpu":
        raise InputError(f"the model is on {predictor.device}: objects are generated on the CPU, load it there")
    if predictor.latent_prior is None:
        raise InputError("the model has no latent prior, so it draws no codes: train it again")
    return predictor.latent_prior


def fit_predictor(
    predictor: Predictor, exemplars: Exemplars | None, bounds: Bounds, generator: torch.Generator
) -> LinearPredictor:
    """Of the required objects in their order, and of the magnitude if it was asked for."""
    prior = require_linear(predictor)
    rows, offsets = torch.empty(0, len(prior.code_mean)), torch.empty(0)
    if bounds.required:
        codes = predictor.encode([one.object for one in bounds.required], "right").codes
        rows, offsets = value_rows(predictor, codes)
    if bounds.asked:
        weights, offset = magnitude_weights(predictor, exemplars, prior, generator)
        rows, offsets = torch.cat([rows, weights[None]]), torch.cat([offsets, offset[None]])
    return linear_predictor(prior, rows, offsets)


def value_rows(predictor: Predictor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (k, d) and offsets (k,) that predict the values with the objects of codes (k, d)."""
    head = predictor.model.head
    assert isinstance(head, InnerProduct)
    return codes * head.scale / codes.shape[1], torch.full((len(codes),), head.offset)


def magnitude_weights(
    predictor: Predictor, exemplars: Exemplars | None, prior: LatentPrior, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Weights (d,) and an offset by which a code predicts the magnitude, by ridge regression."""
    if exemplars is not None:
        codes, magnitudes = exemplars.codes, exemplars.magnitudes
    else:
        codes = prior.draw(DRAWN_FOR_MAGNITUDE, generator)
        magnitudes = predictor.kind().magnitudes((predictor.tower().picture(codes) >= 0.5).float())
    off, mean = codes - codes.mean(0), magnitudes.mean()
    square = off.T @ off
    weights = torch.linalg.solve(
        square + RIDGE * square.diagonal().mean() * torch.eye(len(square)), off.T @ (magnitudes - mean)
    )
    return weights, mean - codes.mean(0) @ weights
