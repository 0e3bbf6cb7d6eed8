"""`/models`, `/kinds`, `/metrics`, `/libraries`: what there is."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from metricvae.web.state import ServerState


def router(state: ServerState) -> APIRouter:
    """The routes of what is registered."""
    routes = APIRouter(tags=["what there is"])

    @routes.get("/models")
    def models() -> dict[str, Any]:
        """Models that ship. One that a job trained is named by the id of its job, as `job:ID`."""
        return {"models": _models()}

    @routes.get("/kinds")
    def kinds() -> dict[str, Any]:
        """Kinds of objects."""
        return {"kinds": _kinds()}

    @routes.get("/metrics")
    def metrics() -> dict[str, Any]:
        """Metrics between objects."""
        return {"metrics": _metrics()}

    @routes.get("/libraries")
    def libraries() -> dict[str, Any]:
        """Libraries that can be searched."""
        return {"libraries": [library_row(name, path) for name, path in state.settings.libraries.items()]}

    return routes


@functools.cache
def _models() -> list[dict[str, Any]]:
    from metricvae.prediction.registered import registered_models

    return registered_models()


@functools.cache
def _kinds() -> list[dict[str, Any]]:
    from metricvae.prediction.registered import registered_kinds

    return registered_kinds()


@functools.cache
def _metrics() -> list[dict[str, Any]]:
    from metricvae.prediction.registered import registered_metrics

    return registered_metrics()


def library_row(name: str, path: Path) -> dict[str, Any]:
    """What is said of a library: its name, how many items of which kind, and the model that encoded them."""
    from metricvae.core.kind import kind_from_json
    from metricvae.search.store import read_document

    document = read_document(path)
    plan = document["plan"]
    facts = {"kind": kind_from_json(plan["kind"]).name, "model": Path(str(plan["model"]["name"])).name}
    columns = [*kind_from_json(plan["kind"]).index_schema.names]
    return {"name": name, "items": int(document["rows"]), **facts, "columns": columns}
