"""`/search`: what answers best to an object among the items of a library, with thumbnails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from fastapi import Body as Parameter
from pydantic import Field

from metricvae.runtime.command_line import command_of
from metricvae.web.answers import finite, plain
from metricvae.web.bodies import AnyObject, Body, LongText, Name
from metricvae.web.errors import RequestError
from metricvae.web.objects.records import as_kind
from metricvae.web.pairs import named_value
from metricvae.web.routes.solve import pose_document
from metricvae.web.state import ServerState

if TYPE_CHECKING:
    from metricvae.core.kind import Object
    from metricvae.prediction.predictor import Predictor
    from metricvae.search.index import Index
    from metricvae.search.search import Hits


class SearchBody(Body):
    """What is looked for in which library, and what the hits must satisfy."""

    library: Name
    query: AnyObject | None = None
    metric: Name | None = None
    count: Annotated[int, Field(ge=1, le=200)] = 12
    where: LongText = ""
    contains: list[LongText] = Field(default_factory=list, max_length=8)
    lacks: list[LongText] = Field(default_factory=list, max_length=8)
    diverse: Annotated[float, Field(ge=0, le=1)] | None = None
    exact: Annotated[int, Field(ge=1, le=2_000)] | None = None
    by: Name | None = None
    fit: bool = False


EXAMPLES: Any = {
    "filtered": {
        "value": {"library": "drugs", "query": "0" * 32, "count": 20, "where": "mw < 450", "exact": 100},
    },
    "another metric": {
        "summary": "by a property that the model of the library predicts, without a query",
        "value": {"library": "drugs", "metric": "solubility", "where": "mw < 450 and ames < 0.2"},
    },
}


def router(state: ServerState) -> APIRouter:
    """The routes of search."""
    routes = APIRouter(tags=["search"])

    @routes.post("/search")
    async def search(body: Annotated[SearchBody, Parameter(openapi_examples=EXAMPLES)]) -> dict[str, Any]:
        """The items that answer best, best first; each is an object of its own from then on."""
        found: dict[str, Any] = await state.slow.run(search_library, state, body)
        return found

    return routes


def search_library(state: ServerState, body: SearchBody) -> dict[str, Any]:
    """The hits of one search."""
    from metricvae.search.filters import ItemFilter
    from metricvae.search.rerank import rerank_exactly, solver_of
    from metricvae.search.search import search

    start = time.perf_counter()
    index, predictor = state.libraries.get(body.library)
    predictor = predictor if body.metric is None else state.libraries.answering(predictor, body.metric)
    kind = predictor.kind(index.query_side)
    named = None if body.query is None else named_value(state, body.query, kind.name)
    query = None if named is None else as_kind(named.value, named.kind, kind, fit=body.fit)
    if body.exact is not None and body.exact < body.count:
        raise RequestError(422, f"exact is {body.exact}: expected at least count, {body.count}", "exact")
    wanted = ItemFilter(body.where, tuple(body.contains), tuple(body.lacks), body.diverse)
    score_name = "" if body.exact is None else solver_of(predictor.metric, body.by).score_name
    hits = search(index, predictor, query, body.exact or body.count, wanted)
    if body.exact is not None and query is not None and len(hits):
        hits, _ = rerank_exactly(index, predictor, [query], hits, body.by)
    rows = hit_documents(state, index, predictor, hits, body.count, score_name)
    return {
        **{"hits": rows, "unit": predictor.metric.unit, "items": len(index), "score_name": score_name or None},
        "command": _command(body, None if named is None else named.written),
        "milliseconds": round(1_000 * (time.perf_counter() - start), 3),
    }


def hit_documents(
    state: ServerState, index: Index, predictor: Predictor, hits: Hits, count: int, score_name: str
) -> list[dict[str, Any]]:
    """The best hits with their numbers, properties and pictures."""
    import numpy as np

    from metricvae.search.predicted import item_numbers
    from metricvae.search.rerank import item_reader

    if not len(hits):
        return []
    best = hits[np.arange(min(count, len(hits)))]
    read, properties = item_reader(index, best), plain(item_numbers(index, predictor, best.rows))
    found = []
    for place, row in enumerate(best.rows.tolist()):
        answers = best.predictions
        numbers = {"value": answers.value, "low": answers.low, "high": answers.high, "novelty": answers.novelty}
        hit: dict[str, Any] = {name: finite(column[place]) for name, column in {**numbers, **best.answers}.items()}
        if best.exact is not None and best.poses is not None:
            hit |= {score_name: finite(best.exact[place]), "pose": pose_document(best.poses[place])}
        found.append({**_object(state, index, read(row), index.ids[row]), **hit, "properties": properties[place]})
    return found


def _object(state: ServerState, index: Index, value: Object, name: str) -> dict[str, Any]:
    """A hit as an object of its own."""
    about = state.objects.put_value(index.kind, value, name)
    picture = state.objects.picture(about)
    return {"id": about.id, "name": name, "picture": None if picture is None else picture.data_uri}


def _command(body: SearchBody, query: str | None) -> str:
    words = ["search", body.library, *([] if query is None else [query]), "-k", str(body.count)]
    for name in ("metric", "exact", "by", "where", "diverse"):
        value = getattr(body, name)
        words += [f"--{name}", str(value)] if value not in (None, "") else []
    for name, values in (("contains", body.contains), ("lacks", body.lacks)):
        words += [word for value in values for word in (f"--{name}", value)]
    return command_of(*words)
