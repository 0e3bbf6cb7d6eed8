"""Pictures of a query with its hits, each where the exact search put it: one function a kind of objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind


@dataclass(frozen=True)
class FoundObject:
    """A hit to be drawn.

    Attributes:
        name: its id.
        value: the object.
        pose: motion that lays it on the query, as the metric's solver has it.
        score_name: what `exact` is.
        exact: score of the exact search.
        predicted: what the model said.
    """

    name: str
    value: Object
    pose: Any
    score_name: str
    exact: float
    predicted: float


Drawer = Callable[[Object, Sequence[FoundObject]], bytes]
"""A query and its hits, best first and at least one, as a PNG."""


def draw_first_mask(query: Object, hits: Sequence[FoundObject]) -> bytes:
    """Two silhouettes or halves, and the first hit laid on the query."""
    from metricvae.plotting.pairs import JoinedPair, draw_joined, superimpose

    first = hits[0]
    together = superimpose(query, first.value, first.pose)
    words = f"first hit, predicted {first.predicted:.4g}"
    return draw_joined([JoinedPair(query, first.value, together, words)], columns=1)


def draw_molecules(query: Object, hits: Sequence[FoundObject]) -> bytes:
    """A query, and every hit flat and laid on it."""
    from metricvae.kinds.molecule.kind import posed
    from metricvae.plotting.molecules import Laid, draw_hits

    words = [f"{hit.name}\n{hit.score_name} {hit.exact:.3f}, predicted {hit.predicted:.3f}" for hit in hits]
    shown = [Laid(posed(hit.value, hit.pose), text) for hit, text in zip(hits, words, strict=True)]
    return draw_hits(posed(query, None), shown)


DRAWERS: dict[str, Drawer] = {
    "silhouette": draw_first_mask,
    "half": draw_first_mask,
    "molecule": draw_molecules,
    "molecule-2d": draw_molecules,
}
"""By the name of the kind; a package adds its own with `DRAWERS[name] = function`."""


def drawer_of(kind: ObjectKind) -> Drawer:
    """What draws hits of a kind.

    Raises:
        InputError: nothing does.
    """
    if kind.name not in DRAWERS:
        raise InputError(f"there is no picture of {kind.title} that were found: leave --picture out")
    return DRAWERS[kind.name]
