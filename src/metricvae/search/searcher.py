"""A library that was encoded once, to search in from Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from metricvae.core.display import facts_html
from metricvae.core.kind import Object
from metricvae.core.libraries import ReadOptions
from metricvae.prediction.predictor import Predictor
from metricvae.search.filters import ItemFilter
from metricvae.search.hit_list import HitList
from metricvae.search.index import Index, read_index
from metricvae.search.rerank import item_reader, rerank_exactly, solver_of
from metricvae.search.search import Hits, search
from metricvae.search.update import Appended, Deleted, append_to_index, delete_items


class SearchIndex:
    """A library that was encoded once.

    Args:
        predictor: the model that encoded it.
        index: its codes.
    """

    def __init__(self, predictor: Predictor, index: Index) -> None:
        self.predictor, self.index = predictor, index

    def __len__(self) -> int:
        return len(self.index)

    def search(
        self,
        query: Object = None,
        k: int = 10,
        *,
        metric: str | None = None,
        where: str = "",
        contains: str | Sequence[str] = (),
        lacks: str | Sequence[str] = (),
        diverse: float | None = None,
        exact: int | None = None,
        by: str | None = None,
        fit: bool = False,
    ) -> HitList:
        """The k items that answer best to an object, best first, among those that satisfy what is asked.

        Fewer come back only where fewer satisfy it.

        Args:
            query: a path, an array, or what the kind converts; None with a metric of one object.
            k: how many.
            metric: name of the one of the model's metrics that orders the items; by default that of the model.
            where: a condition on the columns of the index and on what the model predicts of single items, as
                `mw < 450 and ames < 0.2`.
            contains, lacks: patterns that an item must contain, or must not: SMARTS of molecules.
            diverse: no two hits are more alike than that; see `metricvae.search.filters.ItemFilter`.
            exact: order the best so many by the exact search, and give k of them.
            by: with `exact`, what is maximised: `shape`, `colour`, `combo` of molecules; see `Metric.objectives`.
            fit: scale and centre images of other sizes.

        Raises:
            InputError: an object that is none, a condition or a pattern that cannot be read, or a property that there
                is not.

        Returns:
            a list, of each item: `id`, `path`, the predicted `value` with its interval `low` to `high`, and what
            follows from it (`tanimoto` of a shape); with `exact` also its `score` and `pose`.
        """
        predictor = self.predictor if metric is None else self.predictor.answering(metric)
        options = ReadOptions(fit=fit)
        asked = None if query is None else predictor.kind(self.index.query_side).convert(query, options)
        wanted = ItemFilter(where, _texts(contains), _texts(lacks), diverse)
        if exact is None:
            hits = search(self.index, predictor, asked, k, wanted)
        else:
            solver_of(predictor.metric, by)
            hits = search(self.index, predictor, asked, max(k, exact), wanted)
            hits, _ = rerank_exactly(self.index, predictor, [asked], hits, by) if len(hits) else (hits, None)
        return HitList([self._row(hits, place) for place in range(min(k, len(hits)))], self._thumbnails(hits))

    def _thumbnails(self, hits: Hits) -> Callable[[int], str | None]:
        """What draws the hit in a place, its object read when the first is drawn."""
        read: list[Callable[[int], Object]] = []

        def thumbnail(place: int) -> str | None:
            if not read:
                read.append(item_reader(self.index, hits))
            return self.index.kind.thumbnail(read[0](int(hits.rows[place])))

        return thumbnail

    def _repr_html_(self) -> str:
        facts = {"items": len(self), "kind": self.index.kind.title, "folder": str(self.index.folder)}
        return facts_html("index", facts | {"metric": self.predictor.metric.description.predicts})

    def append(self, library: str | Path, *, fit: bool = False) -> Appended:
        """Add the objects of another library, but those whose ids are there already."""
        options = ReadOptions(fit=fit)
        done = append_to_index(self.index.folder, Path(library), self.predictor, options=options)
        self.index = read_index(self.index.folder)
        return done

    def delete(self, ids: Sequence[str] = (), *, where: str = "", compact: bool = False) -> Deleted:
        """Delete the items of some ids, and those that satisfy a condition; see
        `metricvae.search.update.delete_items`."""
        done = delete_items(self.index.folder, ids, where, compact=compact)
        self.index = read_index(self.index.folder)
        return done

    def _row(self, hits: Hits, place: int) -> dict[str, Any]:
        row, found = int(hits.rows[place]), hits.predictions
        numbers = {"value": found.value, "low": found.low, "high": found.high} | hits.answers
        named = {"id": self.index.ids[row], "path": self.index.paths[row]}
        row_of = named | {name: float(column[place]) for name, column in numbers.items()}
        if hits.exact is not None and hits.poses is not None:
            row_of |= {"score": float(hits.exact[place]), "pose": hits.poses[place]}
        return row_of


def _texts(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
