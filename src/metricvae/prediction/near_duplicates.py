"""The near-duplicate correction: what is added to a product of codes for objects that are nearly the same.

A product of d numbers answers for pairs of objects that have little to do with one another. Of the overlap of a shape
with itself, which is its whole area, it finds about two thirds: the rest is what the shape shares with no other, and
there is no room for that in d dimensions. It is known all the same, since the magnitude (the area) is, and fades as
codes move apart:

    value = product + sqrt(rest rest') exp(-distance^2 / (2 width^2)),  rest = magnitude - product with itself

with the distance |z - z'| in units of sqrt(|z| |z'|). Random pairs are too far from one another for it to count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.nn.heads import Head

WIDTHS = np.geomspace(0.01, 0.3, 35)
"""Among these the width is chosen."""

HARM = 1e-3
"""Share by which the squared error of ordinary pairs may rise."""


@dataclass(frozen=True)
class NearDuplicateCorrection:
    """The added term.

    Attributes:
        width: distance between codes at which it has fallen to 0.6 of what an object has for itself.
    """

    width: float

    def correction(self, head: Head, z: Tensor, z_other: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        """What is added to the values of n pairs, (n,); codes (n, d), magnitudes (n,)."""
        rest, distance = _rest_and_distance(head, z, z_other, size, size_other)
        return rest * (-0.5 * (distance / self.width).square()).exp()

    def to_json(self) -> dict[str, Any]:
        """A document of plain numbers."""
        return {"width": self.width}

    @classmethod
    def read(cls, calibration: Mapping[str, Any]) -> NearDuplicateCorrection | None:
        """That of a model whose `config.json` says `calibration`, where 0.1 called it `twins`; None where it has none.

        Raises:
            InputError: the document is damaged.
        """
        document = calibration.get("near_duplicates", calibration.get("twins"))
        return None if document is None else cls.from_json(document)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> NearDuplicateCorrection:
        """The inverse of `to_json`.

        Raises:
            InputError: the document is damaged.
        """
        try:
            width = float(document["width"])
        except (KeyError, TypeError, ValueError):
            width = 0.0
        if not 0 < width < float("inf"):
            raise InputError("the model's calibration is damaged: restore its config.json or train it again")
        return cls(width)


def fit_near_duplicates(
    head: Head, z: Tensor, z_other: Tensor, size: Tensor, size_other: Tensor, value: Tensor
) -> NearDuplicateCorrection:
    """The largest of `WIDTHS` that leaves the squared error on n ordinary pairs as it is, but for `HARM`.

    The wider the term, the more near duplicates it answers for; too wide, it is added to pairs that are merely alike.

    Args:
        head: of the model.
        z, z_other: (n, d) codes of pairs that the model did not learn from.
        size, size_other: (n,) magnitudes (areas).
        value: (n,) true values.
    """
    error = (value - head.value(head.score(z, z_other), size, size_other)).double()
    most = error.square().sum() * (1 + HARM)
    chosen = float(WIDTHS[0])
    for width in WIDTHS.tolist():
        left = error - NearDuplicateCorrection(width).correction(head, z, z_other, size, size_other).double()
        if left.square().sum() > most:
            break
        chosen = width
    return NearDuplicateCorrection(chosen)


def _rest_and_distance(
    head: Head, z: Tensor, z_other: Tensor, size: Tensor, size_other: Tensor
) -> tuple[Tensor, Tensor]:
    """sqrt(rest rest'), and the distance of the codes, (n,) each."""
    rest = torch.ones_like(size)
    for code, area in ((z, size), (z_other, size_other)):
        rest = rest * (area - head.value(head.score(code, code), area, area)).clamp(min=0.0).sqrt()
    lengths = (z.norm(dim=-1) * z_other.norm(dim=-1)).clamp(min=1e-12)
    return rest, (z - z_other).norm(dim=-1) / lengths.sqrt()
