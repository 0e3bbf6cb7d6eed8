"""What is wrong with a request, as one line of JSON with a status of 4xx."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as PlainHTTPException

from metricvae.core.errors import InputError, shortened
from metricvae.runtime.files import DiskError, reason_of

LONGEST = 500
"""Letters of an error."""


class RequestError(HTTPException):
    """A request that is refused.

    Args:
        status: of HTTP.
        message: one line: what was got, what was expected.
        field: of the request that is at fault.
        headers: further ones of the answer.
    """

    def __init__(
        self, status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}) or None)
        self.status, self.message, self.field = status, message, field


class CutOffError(Exception):
    """The rest of an answer that was begun cannot be made: the connection is closed, so that it is not taken for
    whole."""


def error_document(message: object, field: str | None = None) -> dict[str, Any]:
    """As every error is written."""
    return {"error": shortened(message, LONGEST), "field": field}


def add_error_handlers(app: FastAPI) -> None:
    """Turn what is raised into answers."""

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> JSONResponse:
        return JSONResponse(error_document(error.message, error.field), error.status, dict(error.headers or {}))

    @app.exception_handler(DiskError)
    async def disk(_: Request, error: DiskError) -> JSONResponse:
        return JSONResponse(error_document(error), 507)

    @app.exception_handler(OSError)
    async def refused_by_disk(_: Request, error: OSError) -> JSONResponse:
        return JSONResponse(error_document(f"the server's disk refuses: {reason_of(error)}"), 507)

    @app.exception_handler(sqlite3.OperationalError)
    async def refused_by_queue(_: Request, error: sqlite3.OperationalError) -> JSONResponse:
        return JSONResponse(error_document(f"the queue of jobs cannot be written ({error}): try again later"), 507)

    @app.exception_handler(InputError)
    async def bad_input(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse(error_document(error), 422)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        field, message = _first_fault(error)
        return JSONResponse(error_document(message, field), 422)

    @app.exception_handler(PlainHTTPException)
    async def http(_: Request, error: PlainHTTPException) -> JSONResponse:
        return JSONResponse(error_document(error.detail), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(error_document(f"a fault of the server ({type(error).__name__}), see its log"), 500)


def _first_fault(error: RequestValidationError) -> tuple[str | None, str]:
    """The field that is at fault, and what is wrong with it."""
    faults = error.errors()
    if not faults:
        return None, "the request cannot be read"
    place = [str(part) for part in faults[0].get("loc", ()) if part not in ("body", "query", "path")]
    field = shortened(".".join(place)) or None
    message = str(faults[0].get("msg", "cannot be read"))
    return field, f"{field}: {message}" if field else message
