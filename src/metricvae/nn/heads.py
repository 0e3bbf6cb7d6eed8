"""All metric heads by name, and how they are written to `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metricvae.core.errors import InputError
from metricvae.core.registry import record_from_json, record_to_json
from metricvae.nn.angular_heads import (
    CosineDistance,
    CosineSimilarity,
    CosineTanimoto,
    InverseCosine,
    LinearCosine,
    SignedInverseCosine,
)
from metricvae.nn.distance_heads import EuclideanDistance
from metricvae.nn.head import Head
from metricvae.nn.product_heads import InnerProduct, LogisticProduct, ProductAndDistance

HEADS: dict[str, type[Head]] = {
    head.name: head
    for head in (
        InnerProduct,
        LogisticProduct,
        InverseCosine,
        SignedInverseCosine,
        CosineTanimoto,
        CosineSimilarity,
        LinearCosine,
        CosineDistance,
        ProductAndDistance,
        EuclideanDistance,
    )
}
"""All heads by name; a package adds its own with `HEADS[name] = Class`."""


def head_to_json(head: Head) -> dict[str, Any]:
    """{"name": ..., and the head's own numbers}."""
    return record_to_json(head)


def head_from_json(document: Mapping[str, Any]) -> Head:
    """The inverse of `head_to_json`.

    Raises:
        InputError: no such head, or not its numbers.
    """
    return record_from_json(document, _head_named, "metric head")


def _head_named(name: str) -> type[Head]:
    if name not in HEADS:
        raise InputError(f"there is no metric head {name!r}: expected one of {', '.join(HEADS)}")
    return HEADS[name]


__all__ = [
    "HEADS",
    "CosineDistance",
    "CosineSimilarity",
    "CosineTanimoto",
    "EuclideanDistance",
    "Head",
    "InnerProduct",
    "InverseCosine",
    "LinearCosine",
    "LogisticProduct",
    "ProductAndDistance",
    "SignedInverseCosine",
    "head_from_json",
    "head_to_json",
]
