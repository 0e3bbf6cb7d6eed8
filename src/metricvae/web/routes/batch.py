"""`/predict/batch`: streams of pairs by code."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from metricvae.web.errors import CutOffError, RequestError
from metricvae.web.state import ServerState
from metricvae.web.streams import arrow_answers, ndjson_answers

NDJSON, ARROW = "application/x-ndjson", "application/vnd.apache.arrow.stream"
IN_MEMORY = 4 * 2**20
"""Bytes of a body that are not yet written to the disk."""

_NO_MORE = object()


def router(state: ServerState) -> APIRouter:
    """The route of streams."""
    routes = APIRouter(tags=["predict"])

    @routes.post("/predict/batch", openapi_extra=_EXAMPLES)
    async def batch(request: Request) -> StreamingResponse:
        """Values, intervals and novelty of pairs by code: each object is encoded once, each pair is one product.

        NDJSON: the first line is a header, `{"model": "overlap", "objects": [ids]}`, the others are pairs of rows,
        `[0, 1]`; the answer has a line `[value, low, high, novelty]` for each. Arrow: the same header is the entry
        `metricvae` of the schema's metadata, and the columns are `first` and `second`; batches are not compressed.
        """
        media = request.headers.get("content-type", "").partition(";")[0].strip()
        if media not in (NDJSON, ARROW):
            raise RequestError(415, f"got the content type {media[:60]!r}: expected {NDJSON} or {ARROW}")
        file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115, closed when the answer was sent
        try:
            async for part in request.stream():
                file.write(part)
            file.seek(0)
            answers = (ndjson_answers if media == NDJSON else arrow_answers)(state, file)  # type: ignore[arg-type]
            first = await state.compute.run(next, answers, _NO_MORE)  # what is wrong is said with a status
        except BaseException:
            file.close()
            raise
        return StreamingResponse(_sent(state, answers, first, file), media_type=media)  # type: ignore[arg-type]

    return routes


async def _sent(state: ServerState, answers: Iterator[bytes], first: Any, file: IO[bytes]) -> AsyncIterator[bytes]:
    """The parts of an answer; where a later one fails, the connection is cut and not ended as if it were whole."""
    with file:
        part = first
        while part is not _NO_MORE:
            yield part
            try:
                part = await state.compute.run(next, answers, _NO_MORE)
            except Exception as error:  # whatever it is, the status was sent already
                raise CutOffError(str(error)) from error


_EXAMPLES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {
                "schema": {"type": "string"},
                "example": '{"model": "overlap", "objects": ["0123456789abcdef0123456789abcdef"]}\n[0, 0]\n',
            },
            ARROW: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
