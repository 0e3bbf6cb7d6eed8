"""`/solve` and `/align`: the exact answer and its pose, and the pose in one shot."""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Body as Parameter
from pydantic import Field

from metricvae.core.kind import ObjectKind, ReadOptions, kind_from_json
from metricvae.core.metric import METRICS, Metric, metric_from_json
from metricvae.runtime.command_line import command_of
from metricvae.web.answers import finite, plain
from metricvae.web.bodies import AnyObject, Body, Name
from metricvae.web.errors import RequestError
from metricvae.web.objects.records import as_kind, write_table
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
    """The exact answer for one pair, from the process that solves."""
    start, metric = time.perf_counter(), metric_of(state, body)
    if metric.solver_by(body.by) is None:
        raise RequestError(422, f"there is no exact solver for the metric {metric.name}", "metric")
    kinds = [kind_from_json(name) for name in (metric.left, metric.right)]
    named = [named_value(state, given, kind.name) for given, kind in zip((body.first, body.second), kinds, strict=True)]
    with tempfile.TemporaryDirectory(prefix="metricvae-solve-") as folder:
        sized = []
        for name, one, kind in zip(("first", "second"), named, kinds, strict=True):
            value = taken(kind, one, fit=body.fit)
            sized.append(kind.adapt([value]))
            write_table(Path(folder) / name, sized[-1], value)
        asked = {"do": "solve", "folder": folder, "metric": metric.to_json(), "by": body.by, "picture": body.picture}
        found = state.solvers.read({**asked, "kinds": [kind.to_json() for kind in sized]})
    pose = found.pop("pose")
    return {
        **found,
        **{"unit": metric.unit, "title": metric.description.value, "pose": pose_document(pose)},
        "scores": {found["score_name"]: found["score"], **_scores(pose or {})},
        "command": command_of("solve", *(one.written for one in named), *(["--by", body.by] if body.by else [])),
        "milliseconds": round(1_000 * (time.perf_counter() - start), 3),
    }


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
