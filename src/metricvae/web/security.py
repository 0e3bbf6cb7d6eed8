"""What every request passes before any route sees it: who asks, from where, how much and how fast it sends."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metricvae.web.errors import CutOffError, RequestError, error_document
from metricvae.web.settings import API, ServerSettings

COOKIE = "metricvae_token"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every answer."""

LARGE = {f"{API}/objects": "file", f"{API}/predict/batch": "stream"}
"""Paths whose bodies may be larger than others', and which limit holds."""

OPEN = {f"{API}/session", f"{API}/health", f"{API}/ready"}
"""Paths that ask for no token."""

MOST_HEADERS, LARGEST_HEADERS = 100, 32_768
"""Headers of a request, and bytes of all of them."""

READING = ("GET", "HEAD", "OPTIONS")

LINGER_SECONDS = 1.0
"""From the answer that refuses a body to the end of its connection, at most."""


class Guard:
    """Refuses requests of foreign pages, without a token, or that send too much or too slowly; adds headers.

    Args:
        app: what is guarded.
        settings: of the server.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        begun = closes = False

        async def send_safely(message: Message) -> None:
            nonlocal begun, closes
            if message["type"] == "http.response.start":
                begun, given = True, [*message.get("headers", [])]
                closes = (b"connection", b"close") in given
                message = {**message, "headers": [*given, *_encoded(HEADERS)]}
            elif closes and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await read_on(receive)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            headers = _headers(scope)
            check_host(headers, self.settings)
            check_origin(scope["method"], scope["path"], headers)
            check_token(scope["path"], headers, self.settings.token)
            limited = LimitedBody(receive, self._limit(scope["path"]), self.settings.limits.body_seconds)
            limited.check_length(headers)
            await self.app(scope, limited, send_safely)
        except RequestError as error:
            if not begun:
                await refuse(send_safely, error)
        except CutOffError:  # returning before the answer has ended makes the server close the connection
            pass

    def _limit(self, path: str) -> int:
        limits = self.settings.limits
        return int(getattr(limits, LARGE.get(path, "body")))


async def read_on(receive: Receive) -> None:
    """Read the rest of a refused body, for `LINGER_SECONDS` at most, and forget it: a connection that is closed with
    unread bytes is reset, and the client may lose the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass


class LimitedBody:
    """A body that is counted, and timed, as it comes.

    Args:
        receive: gives its parts.
        most: bytes.
        seconds: from the first part to the last.

    Raises:
        RequestError: 413 or 408, from the part that is too much or too late.
    """

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self.receive, self.most, self.seconds = receive, most, seconds
        self.taken, self.until, self.whole = 0, 0.0, False

    def check_length(self, headers: Mapping[str, str]) -> None:
        """Refuse a body whose announced length is too large."""
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise RequestError(400, "content-length is no number")
        if int(length[:20]) > self.most:
            raise self._too_much()

    async def __call__(self) -> Message:
        if self.whole:
            return await self.receive()
        loop = asyncio.get_running_loop()
        self.until = self.until or loop.time() + self.seconds
        try:
            message = await asyncio.wait_for(self.receive(), max(0.0, self.until - loop.time()))
        except TimeoutError:
            message_text = f"the body took more than {self.seconds:g} s: send it faster, or less of it"
            raise RequestError(408, message_text, headers={"connection": "close"}) from None
        if message["type"] == "http.request":
            self.taken += len(message.get("body", b""))
            if self.taken > self.most:
                raise self._too_much()
            self.whole = not message.get("more_body", False)
        return message

    def _too_much(self) -> RequestError:
        message = f"the body has more than {self.most:,} bytes: send less"
        return RequestError(413, message, headers={"connection": "close"})


def check_host(headers: Mapping[str, str], settings: ServerSettings) -> None:
    """Refuse a host that this server is not: a foreign name that was made to point here (DNS rebinding).

    Raises:
        RequestError: 421.
    """
    host = headers.get("host", "")
    name, port = _split(host)
    if name not in allowed_hosts(settings) and not (settings.token and _is_address(name)):
        raise RequestError(421, f"this server is not {host[:80]!r}: use its own address")
    if port is not None and port != settings.port and settings.port:
        raise RequestError(421, f"this server does not listen on {host[:80]!r}: use its own address")


def allowed_hosts(settings: ServerSettings) -> set[str]:
    """Names by which this server may be called."""
    named = {settings.host.lower()} - {"0.0.0.0", "::"}
    if settings.host in LOOPBACK:
        return {*LOOPBACK, *named}
    return {*LOOPBACK, *named, socket.gethostname().lower()}


def check_origin(method: str, path: str, headers: Mapping[str, str]) -> None:
    """Refuse what a foreign page sends.

    Raises:
        RequestError: 403.
    """
    origin = headers.get("origin")
    if origin is not None:
        try:
            parts = urlsplit(origin)
            same = parts.scheme in ("http", "https") and parts.netloc.lower() == headers.get("host", "").lower()
        except ValueError:
            same = False
        if not same:
            raise RequestError(403, f"requests of pages from {origin[:80]!r} are refused")
    if headers.get("sec-fetch-site") == "cross-site" and (path.startswith("/api/") or method not in READING):
        raise RequestError(403, "requests of pages from other sites are refused")


def check_token(path: str, headers: Mapping[str, str], token: str | None) -> None:
    """Refuse requests to the interface without the token, where one is asked for.

    Raises:
        RequestError: 401.
    """
    if token is None or not (path.startswith("/api/") or path == "/metrics") or path in OPEN:
        return
    if not is_token(shown_token(headers), token):
        message = "this server asks for its token: send the header Authorization: Bearer TOKEN"
        raise RequestError(401, message, headers={"www-authenticate": "Bearer"})


def shown_token(headers: Mapping[str, str]) -> str:
    """The token of a request, from its header or its cookie; empty where there is none."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def is_token(given: str, token: str) -> bool:
    """Whether two tokens are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), token.encode())


async def refuse(send: Send, error: RequestError) -> None:
    """Send an error as one line of JSON."""
    body = json.dumps(error_document(error.message, error.field)).encode()
    fields = {"content-type": "application/json", "content-length": str(len(body)), **(error.headers or {})}
    await send({"type": "http.response.start", "status": error.status, "headers": _encoded(fields)})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[str, str]:
    """Headers by name; of those that say who asks and how much, one alone is taken.

    Raises:
        RequestError: 400, or 431 where there are too many.
    """
    found: dict[str, str] = {}
    if len(scope["headers"]) > MOST_HEADERS or sum(map(_length, scope["headers"])) > LARGEST_HEADERS:
        raise RequestError(431, f"more than {MOST_HEADERS} headers, or {LARGEST_HEADERS:,} bytes of them: send fewer")
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "content-length", "authorization"):
            raise RequestError(400, f"got the header {key} twice")
        found[key] = value.decode("latin-1")
    return found


def _length(header: tuple[bytes, bytes]) -> int:
    return len(header[0]) + len(header[1])


def _split(host: str) -> tuple[str, int | None]:
    """Name and port of a host."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    """Whether it is an address of numbers, to which no foreign name can be made to point."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _encoded(headers: Mapping[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
