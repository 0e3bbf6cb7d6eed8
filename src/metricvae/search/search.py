"""What answers best to a query among the items of an index that satisfy a filter.

Every item's code is compared with the query's, by the model's own head: a product of a matrix and a vector. From a
hundred thousand items on, an inverted file finds those worth comparing (`metricvae.search.ann`), among the items that
the filter leaves. What can be told of all items at once is: conditions on columns, and which items can have a pattern
at all. What costs time, matching patterns and comparing hits with one another, is done for the best items alone, more
and more of them until enough satisfy it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded, Predictions
from metricvae.search.ann import query_vector
from metricvae.search.filters import EVERYTHING, DiversePicker, Filter, ItemFilter
from metricvae.search.index import Index
from metricvae.search.store import Rows

Floats = npt.NDArray[np.float64]

SCANNED = 2**16
"""Items whose codes are compared together where all are."""

AT_ONCE = 256
"""Items that are checked together, at least, where checks cost time."""


@dataclass(frozen=True)
class Hits:
    """The best k items for a query, best first.

    Attributes:
        rows: (k,) of the index.
        predictions: the model's answers.
        score: (k,) by which the model orders them, larger for better; see `Metric.retrieval_score`.
        answers: further numbers that follow from the predictions, (k,) each; see `Metric.answers`.
        exact: (k,) scores of the metric's solver; None where it was not asked for.
        poses: k motions that give them, as the solver has them; None where it was not asked for.
    """

    rows: Rows
    predictions: Predictions
    score: Floats
    answers: dict[str, Floats]
    exact: Floats | None = None
    poses: tuple[Any, ...] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: npt.NDArray[Any]) -> Hits:
        """Some of the hits, or all in another order."""
        return Hits(
            self.rows[places],
            self.predictions[places],
            self.score[places],
            {name: column[places] for name, column in self.answers.items()},
            None if self.exact is None else self.exact[places],
            None if self.poses is None else tuple(self.poses[place] for place in places.tolist()),
        )


def search(
    index: Index,
    predictor: Predictor,
    query: Object | None,
    count: int,
    wanted: ItemFilter = EVERYTHING,
    others: Sequence[Object] = (),
) -> Hits:
    """The items that the model predicts to answer best to a query, among those that satisfy a filter.

    So many are found as are asked for, if there are so many that satisfy it. Of items that share an id, which are
    variants of one object (conformers), only the best is a hit.

    Args:
        index: of the library.
        predictor: the model it was made with, answering any of its metrics.
        query: an object as the kind of the other side reads it; None where the metric is of one object, whose values
            then order the items.
        count: how many.
        wanted: the filter.
        others: further queries: scores are the means over all of them, predictions those of the first.

    Raises:
        InputError: `count` is not positive, the filter is not one of this index, or there is no query where there has
            to be one, or one where there cannot.
    """
    if count < 1:
        raise InputError(f"k is {count}: expected at least 1")
    filtered = wanted.of_index(index, predictor)
    asked = _asked(index, predictor, query, others)
    once = OnePerObject(index)
    picker = None if wanted.diverse is None else DiversePicker(index, wanted.diverse)
    at_once = count * index.variants if picker is None and not filtered.checks else max(AT_ONCE, 2 * count)
    found: list[Rows] = []
    for ranked in _ranked(index, predictor, asked, filtered, at_once):
        rows = once.pick(ranked[filtered.satisfied(ranked)])
        found.append(rows if picker is None else picker.pick(rows))
        if sum(map(len, found)) >= count:
            break
    rows = np.concatenate(found)
    return _sorted(_some(index, predictor, asked, rows))[np.arange(min(count, len(rows)))]


def _asked(index: Index, predictor: Predictor, query: Object | None, others: Sequence[Object]) -> Encoded:
    """The queries, encoded; the anchor of a metric of one object."""
    if (predictor.anchor is None) == (query is None):
        value = predictor.metric.description.value
        said = "is of pairs of objects: give a query" if query is None else "is of one object: leave the query out"
        raise InputError(f"{value} {said}")
    return predictor.encode([query, *others], index.query_side) if predictor.anchor is None else predictor.anchor


def _ranked(index: Index, predictor: Predictor, asked: Encoded, filtered: Filter, at_once: int) -> Iterator[Rows]:
    """Rows of items that a filter leaves, best first, more and more at a time; once at least, which may be none."""
    if index.cells is None or not predictor.answers_own:
        rows = np.flatnonzero(filtered.possible)
        parts = [_some(index, predictor, asked, part) for part in np.array_split(rows, len(rows) // SCANNED + 1)]
        rows = rows[np.argsort(-np.concatenate([part.score for part in parts]), kind="stable")]
        for start in range(0, max(1, len(rows)), at_once):
            yield rows[start : start + at_once]
        return
    head, largest = predictor.model.head, predictor.metric.similarity
    vector = np.mean([query_vector(head, code[None], largest=largest) for code in asked.codes], axis=0)
    left = filtered.possible.copy()
    while True:
        rows, _ = index.cells.find(vector, at_once, None if left.all() else left)
        yield _sorted(_some(index, predictor, asked, rows)).rows
        left[rows] = False
        at_once *= 2
        if not len(rows) or not left.any():  # nothing is found for a query or for codes that are no numbers
            return


def _sorted(hits: Hits) -> Hits:
    return hits[np.argsort(-hits.score, kind="stable")]


class OnePerObject:
    """Picks the best item of each object, best first, among items that share an id.

    Args:
        index: of the items.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.seen: set[str] = set()

    def pick(self, rows: Rows) -> Rows:
        """Those of some rows, in their order, whose objects were not picked earlier."""
        if self.index.variants == 1:
            return rows
        good = []
        for place, row in enumerate(rows.tolist()):
            if self.index.ids[row] not in self.seen:
                self.seen.add(self.index.ids[row])
                good.append(place)
        return rows[good]


def with_variants(index: Index, hits: Hits, predictor: Predictor, queries: Sequence[Object]) -> Hits:
    """The hits and all other items of their objects."""
    if index.variants == 1:
        return hits
    rows = np.concatenate([index.rows_of[index.ids[row]] for row in hits.rows.tolist()])
    asked = predictor.encode(queries, index.query_side)
    return _some(index, predictor, asked, rows)


def _some(index: Index, predictor: Predictor, asked: Encoded, rows: Rows) -> Hits:
    """What the model says of encoded queries with some items, in the order of their rows."""
    items = index.encoded(rows, stored=predictor.compares_views)
    return score_items(index, predictor, asked, items, rows)


def score_items(index: Index, predictor: Predictor, asked: Encoded, items: Encoded, rows: Rows) -> Hits:
    """What the model says of encoded queries with encoded items, which stand in these rows; in their order.

    Scores are means over the queries; predictions, and what follows from them, are those of the first.
    """
    scored = [_score_items(index, predictor, asked[[place]], items, rows) for place in range(len(asked.codes))]
    if len(scored) == 1:
        return scored[0]
    return replace(scored[0], score=np.mean([one.score for one in scored], axis=0))


def _score_items(index: Index, predictor: Predictor, asked: Encoded, items: Encoded, rows: Rows) -> Hits:
    there = items.to(asked.codes.device)
    query, others = np.zeros(len(rows), np.int64), np.arange(len(rows))
    asked_left = index.side == "right" and predictor.anchor is None
    pairs = (asked, there, query, others) if asked_left else (there, asked, others, query)
    predictions, magnitudes = predictor.predict(*pairs), predictor.magnitudes(*pairs)
    metric = predictor.metric
    score = metric.retrieval_score(predictions.value, *magnitudes)
    return Hits(rows, predictions, score, metric.answers(predictions.value, *magnitudes))
