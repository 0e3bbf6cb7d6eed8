"""HTTP as the server speaks it: what is no HTTP gets a line of JSON too, and nobody may send headers for ever."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from metricvae.web.errors import error_document

HEADER_SECONDS = 15.0
"""From the beginning of a connection to the end of the headers of its first request."""


class StrictProtocol(H11Protocol):
    """The protocol of uvicorn, with an end for slow headers and answers in JSON."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.header_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self.header_timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None:
            self.header_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is no HTTP request, or its headers are too long")

    def _too_slow(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self._refuse(408, f"the headers took more than {HEADER_SECONDS:g} s")

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps(error_document(message)).encode()
        headers = [
            *((b"content-type", b"application/json"), (b"connection", b"close")),
            (b"content-length", str(len(body)).encode()),
        ]
        events: list[Any] = [
            h11.Response(status_code=status, headers=headers, reason=b""),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        try:
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:  # the answer to an earlier request is under way
            pass
        self.transport.close()
