"""`/health`, `/ready`, `/session`: for those who watch a server, and for its own page."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field

from metricvae import __version__
from metricvae.web.bodies import Body
from metricvae.web.errors import RequestError
from metricvae.web.security import COOKIE, is_token
from metricvae.web.state import ServerState


class SessionBody(Body):
    """The token of the server."""

    token: Annotated[str, Field(max_length=200)]


def router(state: ServerState) -> APIRouter:
    """The routes of health."""
    routes, begun = APIRouter(tags=["health"]), time.monotonic()

    @routes.get("/health")
    def health() -> dict[str, Any]:
        """That the server lives, and how its jobs are."""
        facts = {"version": __version__, "seconds": round(time.monotonic() - begun, 1)}
        return {"status": "ok", **facts, "jobs": state.jobs.queue.counts(), "ready": state.ready.is_set()}

    @routes.get("/ready")
    def ready(response: Response) -> dict[str, Any]:
        """Whether the models are loaded; 503 before."""
        response.status_code = 200 if state.ready.is_set() else 503
        return {"ready": state.ready.is_set()}

    @routes.post("/session")
    def session(body: SessionBody, response: Response) -> dict[str, Any]:
        """Take the token as a cookie, which pages of other sites cannot send."""
        token = state.settings.token
        if token is None or not is_token(body.token, token):
            raise RequestError(401, "that is not the token of this server", "token")
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
        return {"ok": True}

    return routes
