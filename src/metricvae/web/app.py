"""The application: routes, what guards them, and the page."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from metricvae import __version__
from metricvae.web.errors import add_error_handlers
from metricvae.web.routes import batch, health, jobs, latent, objects, predict, registries, search, solve
from metricvae.web.security import Guard
from metricvae.web.settings import API, ServerSettings
from metricvae.web.state import ServerState, open_state
from metricvae.web.telemetry import CONTENT_TYPE, Observed, Telemetry

STATIC = Path(__file__).parent / "static"
VENDOR = Path(__file__).parent.parent / "kinds" / "molecule" / "vendor"


def create_app(settings: ServerSettings) -> FastAPI:
    """The application of a server; its state is opened with it and ends with it."""
    state = open_state(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state.start()
        yield
        state.stop()

    app = FastAPI(
        title="metricvae",
        version=__version__,
        description="Learn any metric between any objects, and answer it in one shot. Long work is a job.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
    )
    app.state.server = state
    telemetry = Telemetry()

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(telemetry.page(state), media_type=CONTENT_TYPE)

    add_error_handlers(app)
    app.include_router(_routes(state))
    _add_page(app)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Observed, telemetry=telemetry)
    return app


def _routes(state: ServerState) -> APIRouter:
    """All routes of the interface."""
    routes = APIRouter(prefix=API)
    for module in (health, registries, objects, predict, batch, solve, search, latent, jobs):
        routes.include_router(module.router(state))
    return routes


def _add_page(app: FastAPI) -> None:
    """The page and what it loads."""
    app.mount("/vendor", StaticFiles(directory=VENDOR), name="vendor")
    if (STATIC / "index.html").is_file():
        app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    else:  # a checkout without the page

        @app.get("/", include_in_schema=False)
        def empty() -> Response:
            return Response(
                "the page is not installed; the interface is at /api/v1/openapi.json", media_type="text/plain"
            )
