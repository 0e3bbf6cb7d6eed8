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
        return self._fading(*_rest_and_distance(head, z, z_other, size, size_other))

    def correction_matrix(self, head: Head, z: Tensor, z_other: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        """The same of all pairs, (n, m), of codes (n, d) and (m, d) and magnitudes (n,) and (m,)."""
        rest = _rest(head, z, size)[:, None] * _rest(head, z_other, size_other)
        distance = torch.cdist(z, z_other, compute_mode="donot_use_mm_for_euclid_dist")  # a product loses small ones
        return self._fading(rest, distance / _unit(z.norm(dim=-1)[:, None], z_other.norm(dim=-1)))

    def _fading(self, rest: Tensor, distance: Tensor) -> Tensor:
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
    rest, distance = _rest_and_distance(head, z, z_other, size, size_other)
    for width in WIDTHS.tolist():
        left = error - NearDuplicateCorrection(width)._fading(rest, distance).double()
        if left.square().sum() > most:
            break
        chosen = width
    return NearDuplicateCorrection(chosen)


def _rest_and_distance(
    head: Head, z: Tensor, z_other: Tensor, size: Tensor, size_other: Tensor
) -> tuple[Tensor, Tensor]:
    """sqrt(rest rest'), and the distance of the codes, (n,) each."""
    rest = _rest(head, z, size) * _rest(head, z_other, size_other)
    return rest, (z - z_other).norm(dim=-1) / _unit(z.norm(dim=-1), z_other.norm(dim=-1))


def _rest(head: Head, z: Tensor, size: Tensor) -> Tensor:
    """(n,) roots of what the magnitudes of objects are above the product of their codes with themselves."""
    return (size - head.value(head.score(z, z), size, size)).clamp(min=0.0).sqrt()


def _unit(length: Tensor, length_other: Tensor) -> Tensor:
    """The unit of the distance of codes of such lengths."""
    return (length * length_other).clamp(min=1e-12).sqrt()
