"""Whether a metric has the form that a model gives it: what codes could reach at best, and what a pair head adds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from metricvae.core.dataset import PairDataset, Rows
from metricvae.nn.free_codes import fit_free_codes
from metricvae.prediction.pair_head import CodePairs, PairHead, fit_pair_head
from metricvae.prediction.predictor import Predictor

FITTED_ON = 20_000
"""Training pairs that are looked at, at most: the first ones, as data are stored in blocks that share objects."""


def measure_product_form(
    predictor: Predictor, data: PairDataset, seed: int = 0
) -> tuple[dict[str, float | None], PairHead]:
    """What the form of the head costs, measured.

    Args:
        predictor: of a finished model of a regression.
        data: that it was trained on.
        seed: of the fits.

    Returns:
        - `free_codes_r2`: R^2 of free codes on the training pairs they were fitted to: no encoder can do better on
          these with this head and size of code; `free_codes_held_out_r2` on other pairs of the same objects, None where
          an object has fewer pairs than a code has numbers; and `pairs_an_object`.
        - `product_r2`, `pair_head_r2`: R^2 on validation pairs of the product of codes, and with a pair head added.
        - the pair head.
    """
    rows = data.known(data.rows("train"))[:FITTED_ON]
    second = data.second[rows] + (0 if data.shared else len(data.left))
    sizes = tuple(torch.from_numpy(part.astype(np.float32)) for part in data.magnitudes(rows))
    free = fit_free_codes(
        predictor.model.head,
        predictor.loaded.config.latent,
        *(torch.from_numpy(data.first[rows]), torch.from_numpy(second)),
        torch.from_numpy(data.value[rows]).float(),
        (sizes[0], sizes[1]),
        seed=seed,
    )
    validation = code_pairs(predictor, data, data.known(data.rows("validation")))
    head, r2 = fit_pair_head(
        code_pairs(predictor, data, rows), validation, symmetric=data.metric.symmetric and data.shared, seed=seed
    )
    enough = free.pairs_an_object >= predictor.loaded.config.latent and not math.isnan(free.held_out_r2)
    facts: dict[str, float | None] = {
        "free_codes_r2": free.fitted_r2,
        "free_codes_held_out_r2": free.held_out_r2 if enough else None,
        "pairs_an_object": free.pairs_an_object,
        "product_r2": r2["product"],
        "pair_head_r2": r2["pair_head"],
    }
    return facts, head


def code_pairs(predictor: Predictor, data: PairDataset, rows: Rows) -> CodePairs:
    """Codes, predictions and true values of some pairs, on the CPU."""
    left, right, first, second = predictor.encode_pairs(data, rows).arguments
    value = torch.from_numpy(data.value[rows]).float()
    product = torch.from_numpy(predictor.values(left, right, first, second)).float()
    return CodePairs(left.codes.cpu()[first], right.codes.cpu()[second], product, value)


def describe_product_form(facts: dict[str, Any]) -> str:
    """The figures of `measure_product_form` in sentences, for a model card."""
    few, held_out = facts["pairs_an_object"], facts["free_codes_held_out_r2"]
    known = "" if held_out is None else f", {held_out:.3f} on other pairs of the same objects"
    little = "" if held_out is not None else " (so few that this says little)"
    return (
        f"free codes of this size and head reach R^2 {facts['free_codes_r2']:.3f} on the training pairs they are "
        f"fitted to{known}, with {few:.1f} pairs an object{little}; on validation pairs a network of both codes would "
        f"change R^2 from {facts['product_r2']:.3f} to {facts['pair_head_r2']:.3f}"
    )
