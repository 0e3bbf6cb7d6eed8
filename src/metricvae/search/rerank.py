"""Hits in the order of their exact answers, found by the solver of the metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from metricvae.core.compatibility import describe
from metricvae.core.dataset_files import CARD
from metricvae.core.dataset_library import DatasetLibrary
from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.libraries import ReadOptions
from metricvae.core.metric import BatchSolver, MeanSolver, Metric, Solution, Solver
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.reading import inside
from metricvae.search.index import Index
from metricvae.search.search import Hits, OnePerObject, with_variants

MAGNITUDE_TOLERANCE = 1e-3
"""Relative difference of the magnitude of an item from what its index has: of float32, on another machine."""

AT_ONCE = 256
"""Items that a solver takes at a time."""


def solver_of(metric: Metric, by: str | None = None) -> Solver:
    """The exact search of a metric.

    Args:
        metric: of the model.
        by: what it maximises, where there is a choice; see `Metric.objectives`.

    Raises:
        InputError: there is none.
    """
    solver = metric.solver_by(by)
    if solver is None:
        raise InputError(f"there is no exact search for {describe(metric)}: leave --exact out")
    return solver


@dataclass(frozen=True)
class ExactSearch:
    """The exact answers of one query.

    Attributes:
        solver: of the metric.
        asked: the query, prepared.
        moves_items: whether items are the right objects of pairs, which poses move.
    """

    solver: Solver
    asked: Any
    moves_items: bool

    def answers(self, items: Sequence[Object]) -> list[Solution]:
        """Of the query with each of some items; all at once where the solver takes many."""
        prepared = [self.solver.prepare(item) for item in items]
        if isinstance(self.solver, BatchSolver):
            ends = np.zeros(len(items), np.int64), np.arange(1, len(items) + 1)
            pairs = np.stack(ends if self.moves_items else ends[::-1], axis=1)
            return self.solver.solve_pairs([self.asked, *prepared], pairs)
        if self.moves_items:
            return [self.solver.solve(self.asked, one) for one in prepared]
        return [self.solver.solve(one, self.asked) for one in prepared]


def exact_search(metric: Metric, index: Index, queries: Sequence[Object], by: str | None = None) -> ExactSearch:
    """The exact answers of a query and items of an index.

    The right object of a pair is the one that poses move: of a symmetric metric always the item.

    Args:
        metric: of the model.
        index: of the items.
        queries: the query; of several, which lie on one another, the mean is asked for.
        by: as for `solver_of`.

    Raises:
        InputError: the metric has no solver, cannot take the query, or takes no mean of several.
    """
    solver = solver_of(metric, by)
    if len(queries) > 1 and not isinstance(solver, MeanSolver):
        raise InputError(f"the exact search of {describe(metric)} takes one query, got {len(queries)}: give one")
    asked = solver.prepare(queries[0]) if len(queries) == 1 else solver.prepare_mean(queries)  # type: ignore[attr-defined]
    return ExactSearch(solver, asked, metric.symmetric or index.side == "right")


def item_reader(index: Index, hits: Hits) -> Callable[[int], Object]:
    """What gives a hit as its kind reads it, by its row: from the index where that keeps objects, else the library.

    Raises:
        InputError: the library is not where it was.
    """
    rows = hits.rows.tolist()
    if index.kind.kept_in_index:
        return dict(zip(rows, index.kind.from_table(index.table(hits.rows)), strict=True)).__getitem__
    numbers = index.libraries[hits.rows]
    read = {
        number: _library_reader(index, number, hits.rows[numbers == number]) for number in np.unique(numbers).tolist()
    }
    return lambda row: read[int(index.libraries[row])](row)


def _library_reader(index: Index, number: int, rows: npt.NDArray[np.int64]) -> Callable[[int], Object]:
    """What gives items of one library by their rows."""
    path, about = index.library(number)
    if (path / CARD).is_file():
        found = DatasetLibrary(path, index.side).named([index.ids[row] for row in rows.tolist()])
        return dict(zip(rows.tolist(), found, strict=True)).__getitem__
    options = ReadOptions(fit=bool(about.get("fit")), invert=bool(about.get("invert")))

    def read(row: int) -> Object:
        file = inside(path, index.ids[row], links=True)
        one = index.kind.read(file, options)
        _check_unchanged(index, row, one, file)
        return one

    return read


def _check_unchanged(index: Index, row: int, one: Object, file: Path) -> None:
    """Raise InputError unless an object is of the magnitude that it had when it was encoded."""
    found, expected = float(index.kind.measure([one])[0]), float(index.magnitudes[row])
    if not np.isclose(found, expected, rtol=MAGNITUDE_TOLERANCE):
        raise InputError(f"{file} is not what the index was made of, or was changed since: make the index again")


def rerank_exactly(
    index: Index,
    predictor: Predictor,
    queries: Sequence[Object],
    hits: Hits,
    by: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Hits, Callable[[int], Object]]:
    """Hits in the order of the exact answers, each object by its best item, and what gives an item by its row.

    Args:
        index: of the items.
        predictor: the model it was made with.
        queries: the query; of several, which lie on one another, the mean is asked for.
        hits: as `metricvae.search.search.search` gives them.
        by: what is maximised; see `Metric.objectives`.
        on_progress: told how many items of how many are done.

    Raises:
        InputError: as `exact_search` and `item_reader`.
    """
    hits = with_variants(index, hits, predictor, queries)
    exact, read = exact_search(predictor.metric, index, queries, by), item_reader(index, hits)
    best = rerank(hits, exact, read, on_progress)
    return best[np.flatnonzero(np.isin(best.rows, OnePerObject(index).pick(best.rows)))], read


def rerank(
    hits: Hits,
    exact: ExactSearch,
    object_of: Callable[[int], Object],
    on_progress: Callable[[int, int], None] | None = None,
) -> Hits:
    """The same hits in the order of their exact answers; for a binary metric, of all that speaks for a match: the
    score of the solver and the logarithm of the model's odds together.

    Args:
        hits: as `search` gives them.
        exact: of the query.
        object_of: an item by its row in the index.
        on_progress: told how many hits of how many are done.
    """
    found: list[Solution] = []
    rows = hits.rows.tolist()
    for start in range(0, len(rows), AT_ONCE):
        found += exact.answers([object_of(row) for row in rows[start : start + AT_ONCE]])
        if on_progress is not None:
            on_progress(len(found), len(hits))
    scores = np.array([solution.score for solution in found], np.float64)
    poses: tuple[Any, ...] = tuple(solution.pose for solution in found)
    order = np.argsort(-(scores + _log_odds(hits)), kind="stable")
    return replace(hits, exact=scores, poses=poses)[order]


def _log_odds(hits: Hits) -> Any:
    if hits.predictions.match is None:
        return 0.0
    return special.logit(np.clip(hits.predictions.value, 1e-9, 1 - 1e-9))
