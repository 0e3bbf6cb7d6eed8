"""Objects to begin with, and not to copy: those of an index that satisfy what can be filtered by, the nearest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metricvae.core.editing import ObjectEditor
from metricvae.core.kind import Object
from metricvae.core.requirements import Requirement
from metricvae.generation.screening import query_for
from metricvae.prediction.predictor import Predictor
from metricvae.search.filters import EVERYTHING, ItemFilter
from metricvae.search.index import Index
from metricvae.search.search import search

RETRIEVED = 160
"""Items of an index to begin with."""


@dataclass(frozen=True)
class KnownObjects:
    """Objects that are known.

    Attributes:
        keys: of all of them.
        starts: the best to begin with.
    """

    keys: frozenset[str] = frozenset()
    starts: Sequence[Object] = field(default=(), repr=False)


def retrieve(
    index: Index,
    predictor: Predictor,
    requirements: Sequence[Requirement],
    editor: ObjectEditor,
    seed: int,
    count: int = RETRIEVED,
) -> KnownObjects:
    """The items of an index, and those of them that come next to what is required.

    Without an object to be near, or where no item passes the filter, others are drawn at random.

    Args:
        index: made with the model.
        predictor: the model.
        requirements: on the answers.
        editor: of the kind.
        seed: of what is drawn.
        count: items to begin with, at most.
    """
    keys = frozenset(filter(None, index.whole([editor.key_column])[editor.key_column].to_pylist()))
    where = " and ".join(one.where for one in requirements if one.where)
    contains = tuple(pattern for one in requirements for pattern in one.contains)
    lacks = tuple(pattern for one in requirements for pattern in one.lacks)
    wanted = ItemFilter(where, contains, lacks)
    asked = [query_for(one, predictor) for one in requirements]
    queries = [one for one in asked if one is not None]
    rows = _found(index, predictor, queries, wanted, seed, count)
    if not len(rows):
        rows = _found(index, predictor, queries, EVERYTHING, seed, count)
    return KnownObjects(keys, index.kind.from_table(index.table(rows)))


def _found(
    index: Index, predictor: Predictor, queries: Sequence[Object], wanted: ItemFilter, seed: int, count: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if queries:
        return search(index, predictor, queries[0], count, wanted, queries[1:]).rows
    filtered = wanted.of_index(index, predictor)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(filtered.possible))[: 20 * count]
    return rows[filtered.satisfied(rows)][:count]
