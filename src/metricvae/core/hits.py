"""Objects that were found for a query, as they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from metricvae.core.kind import Object


@dataclass(frozen=True)
class FoundObject:
    """A hit to be drawn.

    Attributes:
        name: its id.
        value: the object.
        pose: motion that lays it on the query, as the metric's solver has it.
        score_name: what `exact` is.
        exact: score of the exact search.
        predicted: the model's prediction.
    """

    name: str
    value: Object
    pose: Any
    score_name: str
    exact: float
    predicted: float


HitDrawer = Callable[[Object, Sequence[FoundObject]], bytes]
"""A query and its hits, best first and at least one, as a PNG."""
