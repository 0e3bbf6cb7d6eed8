"""Hits in the order of their exact answers, found by the solver of the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
from metricvae.core.metric import Metric, Solution, Solver
from metricvae.search.index import Index
from metricvae.search.search import Hits

Exact = Callable[[Object], Solution]
"""The exact answer of a query and an item."""


def solver_of(metric: Metric) -> Solver:
    """The exact search of a metric.

    Raises:
        InputError: there is none.
    """
    solver = metric.solver
    if solver is None:
        raise InputError(f"there is no exact search for {describe(metric)}: leave --exact out")
    return solver


def exact_search(metric: Metric, index: Index, query: Object) -> Exact:
    """The exact answers of a query and items of an index.

    The right object of a pair is the one that poses move: of a symmetric metric always the item.

    Raises:
        InputError: the metric has no solver, or cannot take the query.
    """
    solver = solver_of(metric)
    asked = solver.prepare(query)
    if metric.symmetric or index.side == "right":
        return lambda item: solver.solve(asked, solver.prepare(item))
    return lambda item: solver.solve(solver.prepare(item), asked)


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
    options = ReadOptions(fit=bool(about.get("fit")))
    return lambda row: index.kind.read(path / index.ids[row], options)


def rerank(
    hits: Hits,
    exact: Exact,
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
    for row in hits.rows.tolist():
        found.append(exact(object_of(row)))
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
