"""What is said of a server's work: numbers in the format of Prometheus, and a log of one JSON document a line."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metricvae.web.settings import API

if TYPE_CHECKING:
    from metricvae.web.state import ServerState

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Ends of the classes of the histogram of times."""

LOG = logging.getLogger("metricvae.web")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
"""Methods by which requests are counted; a client may call its own what it likes, and is counted as `other`."""

_EXTRA = ("method", "path", "status", "milliseconds", "client", "url")


class Telemetry:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "metricvae_requests_total", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "metricvae_request_seconds", "Seconds of a request", ("route",), buckets=SECONDS, registry=self.registry
        )
        self.jobs = Gauge("metricvae_jobs", "Jobs by state", ("state",), registry=self.registry)
        self.held = Gauge("metricvae_held", "What is held in memory or on disk", ("what",), registry=self.registry)

    def page(self, state: ServerState) -> bytes:
        """All numbers as text."""
        for name, count in state.jobs.queue.counts().items():
            self.jobs.labels(name).set(count)
        held = {
            **{"objects": len(state.objects.known), "object_bytes": state.objects.bytes},
            **{"codes": len(state.models.codes), "models": len(state.models.loaded)},
        }
        for name, count in held.items():
            self.held.labels(name).set(count)
        return generate_latest(self.registry)


class Observed:
    """Counts, times and logs requests.

    Args:
        app: what is observed.
        telemetry: where they are counted.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self.app, self.telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            self._note(scope, status, time.perf_counter() - start)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = str(getattr(scope.get("route"), "path", "") or "other").removeprefix(API)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.telemetry.requests.labels(method, route, str(status)).inc()
        self.telemetry.seconds.labels(route).observe(seconds)
        if LOG.isEnabledFor(logging.INFO):
            client = (scope.get("client") or ("",))[0]
            facts = {"method": method, "path": scope["path"][:200], "status": status}
            LOG.info("request", extra={**facts, "milliseconds": round(1_000 * seconds, 2), "client": client})


class JsonLines(logging.Formatter):
    """A log record as one JSON document in one line."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}",
            **{"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()},
            **{name: getattr(record, name) for name in _EXTRA if hasattr(record, name)},
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Write the logs of the server, and of uvicorn, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("metricvae.web", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level if name == "metricvae.web" else logging.WARNING)
