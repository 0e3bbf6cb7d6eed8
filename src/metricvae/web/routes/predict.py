"""`/predict` and `/encode`: answers in one shot."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import Field

from metricvae.runtime.command_line import command_of
from metricvae.web.answers import finite, plain
from metricvae.web.bodies import AnyObject, Name
from metricvae.web.bodies import Body as RequestBody
from metricvae.web.pairs import FIRST_ROW, NamedValue, encode_named, named_value
from metricvae.web.state import ServerState


class PredictBody(RequestBody):
    """A pair, and the model that is to answer for it."""

    model: Name
    first: AnyObject
    second: AnyObject
    fit: bool = False


class EncodeBody(RequestBody):
    """Objects, and the model that is to encode them."""

    model: Name
    objects: Annotated[list[AnyObject], Field(min_length=1, max_length=1_000)]
    side: Annotated[str, Field(pattern="^(left|right)$")] = "left"
    fit: bool = False


EXAMPLES = {
    "drawn": {
        "summary": "two shapes as rows of pixels",
        "value": {"model": "overlap", "first": {"rows": ["0110", "0110"]}, "second": {"rows": ["0010", "0111"]}},
    },
    "sent": {
        "summary": "two objects that were sent before",
        "value": {"model": "overlap", "first": "0" * 32, "second": "1" * 32},
    },
    "molecules": {
        "summary": "two SMILES",
        "value": {
            "model": "molecules-2d",
            "first": {"kind": "molecule-2d", "smiles": "CC(=O)Oc1ccccc1C(=O)O"},
            "second": {"kind": "molecule-2d", "smiles": "CC(=O)Nc1ccc(O)cc1"},
        },
    },
}


def router(state: ServerState) -> APIRouter:
    """The routes of prediction."""
    routes = APIRouter(tags=["predict"])

    @routes.post("/predict")
    async def predict(body: Annotated[PredictBody, Body(openapi_examples=EXAMPLES)]) -> dict[str, Any]:  # type: ignore[arg-type]
        """The predicted metric of a pair, with its interval, and whether it is outside of what the model knows."""
        found: dict[str, Any] = await state.compute.run(predict_pair, state, body)
        return found

    @routes.post("/encode")
    async def encode(body: EncodeBody) -> dict[str, Any]:
        """Codes of objects: rows of numbers whose product, in the model's own head, is the metric."""
        found: dict[str, Any] = await state.compute.run(encode_objects, state, body)
        return found

    return routes


def predict_pair(state: ServerState, body: PredictBody) -> dict[str, Any]:
    """The answer for one pair."""
    start = time.perf_counter()
    predictor = state.models.get(body.model)
    first, second = pair_of(state, body)
    left = encode_named(state, body.model, "left", [first], fit=body.fit)
    right = encode_named(state, body.model, "right", [second], fit=body.fit)
    found = predictor.predict(left, right, FIRST_ROW, FIRST_ROW)
    further = predictor.metric.answers(found.value, *predictor.magnitudes(left, right, FIRST_ROW, FIRST_ROW))
    command = command_of("predict", body.model, first.written, second.written, *["--fit"] * body.fit)
    return {
        **{"value": finite(found.value[0]), "low": finite(found.low[0]), "high": finite(found.high[0])},
        **{name: finite(column[0]) for name, column in further.items()},
        **({} if found.match is None else {"match": bool(found.match[0])}),
        **{"unit": predictor.metric.unit, "title": predictor.metric.description.value, "level": found.level},
        **{"novelty": finite(found.novelty[0]), "outside": bool(found.novel[0]), "command": command},
        "milliseconds": round(1_000 * (time.perf_counter() - start), 3),
    }


def pair_of(state: ServerState, body: PredictBody) -> tuple[NamedValue, NamedValue]:
    """The two objects of a request."""
    predictor = state.models.get(body.model)
    ends = zip((body.first, body.second), ("left", "right"), strict=True)
    first, second = (named_value(state, given, predictor.kind(side).name) for given, side in ends)
    return first, second


def encode_objects(state: ServerState, body: EncodeBody) -> dict[str, Any]:
    """The codes of some objects."""
    predictor = state.models.get(body.model)
    kind = predictor.kind(body.side).name
    named = [named_value(state, given, kind) for given in body.objects]
    found = encode_named(state, body.model, body.side, named, fit=body.fit)
    columns = {name: getattr(found, name).tolist() for name in ("codes", "magnitudes", "novelty")}
    return plain({**columns, "model": body.model})  # type: ignore[no-any-return]
