"""`/solve` and `/align`: the exact answer and its pose, and the pose in one shot."""

from __future__ import annotations

import base64
import functools
import math
import time
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Body as Parameter
from pydantic import Field

from metricvae.core.hits import FoundObject
from metricvae.core.kind import ObjectKind, ReadOptions, kind_from_json
from metricvae.core.metric import METRICS, Metric, metric_from_json
from metricvae.web.answers import command_of, finite, plain
from metricvae.web.bodies import AnyObject, Body, Name
from metricvae.web.errors import RequestError
from metricvae.web.objects.records import as_kind
from metricvae.web.pairs import NamedValue, named_value
from metricvae.web.state import ServerState

LARGEST = 2**17
"""Bytes of an object in memory that is solved while the client waits: 1024x1024 pixels."""


class SolveBody(Body):
    """A pair, and the metric whose exact answer is asked for: by its name, or by that of a model of it."""

    first: AnyObject
    second: AnyObject
    metric: Name | None = None
    model: Name | None = None
    by: Name | None = None
    fit: bool = False
    picture: bool = False


class AlignBody(Body):
    """A pair, and the model that lays the second object on the first."""

    model: Name
    first: AnyObject
    second: AnyObject
    tries: Annotated[int, Field(ge=1, le=64)] | None = None
    steps: Annotated[int, Field(ge=0, le=1_000)] | None = None
    fit: bool = False


EXAMPLES: Any = {
    "sent": {"value": {"metric": "overlap", "first": "0" * 32, "second": "1" * 32}},
    "drawn": {"value": {"metric": "overlap", "first": {"rows": ["0110"]}, "second": {"rows": ["0011"]}}},
}


def router(state: ServerState) -> APIRouter:
    """The routes of exact answers."""
    routes = APIRouter(tags=["exact answers and poses"])

    @routes.post("/solve")
    async def solve(body: Annotated[SolveBody, Parameter(openapi_examples=EXAMPLES)]) -> dict[str, Any]:
        """The exact metric of a pair, and the motion of the second object that gives it."""
        found: dict[str, Any] = await state.slow.run(solve_pair, state, body)
        return found

    @routes.post("/align")
    async def align(body: AlignBody) -> dict[str, Any]:
        """The best of the motions that a network proposes, and the metric there."""
        found: dict[str, Any] = await state.slow.run(align_pair, state, body)
        return found

    return routes


def solve_pair(state: ServerState, body: SolveBody) -> dict[str, Any]:
    """The exact answer for one pair."""
    start, metric = time.perf_counter(), metric_of(state, body)
    solver = metric.solver_by(body.by)
    if solver is None:
        raise RequestError(422, f"there is no exact solver for the metric {metric.name}", "metric")
    named = [
        named_value(state, given, side)
        for given, side in zip((body.first, body.second), (metric.left, metric.right), strict=True)
    ]
    kinds = [kind_from_json(name) for name in (metric.left, metric.right)]
    values = [taken(kind, one, fit=body.fit) for kind, one in zip(kinds, named, strict=True)]
    found = solver.solve(*(solver.prepare(value) for value in values))
    score = finite(found.score)
    scores = {} if found.pose is None else _scores(plain(found.pose))
    answer = {
        **{"value": finite(found.value), "unit": metric.unit, "title": metric.description.value},
        **{"score": score, "score_name": solver.score_name, "pose": pose_document(found.pose)},
        "scores": {solver.score_name: score, **scores},
        "command": command_of("solve", *(one.written for one in named), *(["--by", body.by] if body.by else [])),
    }
    if body.picture and metric.hit_drawer is not None and score is not None:
        shown = FoundObject(named[1].written, values[1], found.pose, solver.score_name, score, math.nan)
        answer["picture"] = base64.b64encode(metric.hit_drawer(values[0], [shown])).decode()
    return answer | {"milliseconds": round(1_000 * (time.perf_counter() - start), 3)}


def _scores(pose: dict[str, Any]) -> dict[str, float]:
    """Coefficients that a motion brings with it: parts of a combined score."""
    return {name: value for name, value in pose.items() if name.endswith("_tanimoto") and isinstance(value, float)}


def metric_of(state: ServerState, body: SolveBody) -> Metric:
    """The metric that is meant: that of the name, that of the model, or the first that has a solver."""
    if body.metric is not None:
        if body.metric not in METRICS.names():
            raise RequestError(404, f"there is no metric {body.metric[:40]!r}: see /api/v1/metrics", "metric")
        return metric_from_json(body.metric)
    return state.models.get(body.model or "overlap").metric


def taken(kind: ObjectKind, one: NamedValue, *, fit: bool = False) -> Any:
    """An object as a solver takes it.

    Raises:
        RequestError: it is too large to be solved while somebody waits.
    """
    value = as_kind(one.value, one.kind, kind, fit=fit)
    if kind.adapt([value]).pack([value]).shape[1] > LARGEST:
        raise RequestError(413, f"{one.written} is too large to be solved at once: submit a job")
    return value


def pose_document(pose: Any) -> dict[str, Any] | None:
    """A motion with all its numbers; in the plane also as `angle` in degrees and `shift` in pixels."""
    if pose is None:
        return None
    found: dict[str, Any] = plain(pose)
    if "angle_deg" in found:
        found |= {"angle": found["angle_deg"], "shift": [found["dx"], found["dy"]]}
        found |= {"flipped": bool(found.get("mirrored", False))}
    return found


@functools.lru_cache(maxsize=4)
def _aligner(predictor: Any) -> Any:
    from metricvae.alignment.predictor import Aligner

    return Aligner(predictor)


def align_pair(state: ServerState, body: AlignBody) -> dict[str, Any]:
    """The pose of one pair in one shot."""
    from metricvae.alignment import STEPS, TRIES

    start, aligner = time.perf_counter(), _aligner(state.models.get(body.model))
    kind = aligner.predictor.kind()
    named = [named_value(state, given, kind.name) for given in (body.first, body.second)]
    pair = [kind.convert(taken(kind, one, fit=body.fit), ReadOptions()) for one in named]
    tries, steps = body.tries or TRIES, STEPS if body.steps is None else body.steps
    found = aligner.align(pair[0], pair[1], tries, steps)
    return {
        **{"value": finite(found.solution.value), "expected": finite(found.expected)},
        **{"unit": aligner.predictor.metric.unit, "pose": pose_document(found.solution.pose)},
        "command": command_of("align", body.model, *(one.written for one in named)),
        "milliseconds": round(1_000 * (time.perf_counter() - start), 3),
    }
