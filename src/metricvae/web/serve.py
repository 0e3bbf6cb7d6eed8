"""A server of this machine: its socket, its address, and how it ends."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from metricvae.core.errors import InputError
from metricvae.web.app import create_app
from metricvae.web.jobs.runner import folder_of_one_server
from metricvae.web.protocol import StrictProtocol
from metricvae.web.security import LOOPBACK
from metricvae.web.settings import ServerSettings
from metricvae.web.state import ServerState
from metricvae.web.telemetry import LOG, log_to_stderr

FAREWELL = 10
"""Seconds that requests have to end when the server is told to."""


@dataclass(frozen=True)
class BoundServer:
    """A server that has its socket.

    Attributes:
        settings: with the port that it has.
        socket: that it listens on.
    """

    settings: ServerSettings
    socket: socket.socket

    @property
    def url(self) -> str:
        """Where the page is; with the token, where one is asked for."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        shown = {"0.0.0.0": socket.gethostname(), "[::]": socket.gethostname()}.get(host, host)
        token = f"#token={self.settings.token}" if self.settings.token else ""
        return f"http://{shown}:{self.settings.port}/{token}"

    @property
    def pid(self) -> int:
        """Of this process."""
        return os.getpid()


def prepare(
    folder: Path,
    host: str,
    port: int,
    libraries: Mapping[str, Path],
    token: str | None,
    *,
    workers: int = 1,
    warm: tuple[str, ...] = (),
    samples: tuple[tuple[str, str], ...] = (),
) -> BoundServer:
    """Take the socket and the folder of a server.

    Raises:
        InputError: the address cannot be listened on, or the folder cannot be written.
    """
    if token is None and host not in LOOPBACK:
        token = secrets.token_urlsafe(24)
    if token is not None and len(token) < 8:
        raise InputError(f"--token has {len(token)} letters: expected at least 8")
    taken = _listen(host, port)
    settings = ServerSettings(
        *(folder.resolve(), host, int(taken.getsockname()[1]), libraries, token),
        workers=workers,
        warm=warm,
        samples=samples,
    )
    return BoundServer(settings, taken)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that says it is TCP: asyncio sends small answers of others only when the client confirms (40 ms)."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(256)
    except OSError as error:
        raise InputError(
            f"{host}:{port} cannot be listened on ({error.strerror or error}): give another --port"
        ) from None
    found.set_inheritable(False)
    return found


def run(server: BoundServer, *, open_page: bool = False) -> None:
    """Serve until the process is told to end: uvicorn, which answers first, raises that again, and it is no fault."""
    with (
        folder_of_one_server(server.settings.folder),
        contextlib.suppress(KeyboardInterrupt),
    ):  # raised at the end again
        _run(server, open_page)


def _run(server: BoundServer, open_page: bool) -> None:
    log_to_stderr()
    LOG.info("serving", extra={"url": server.url.partition("#")[0]})
    app = create_app(server.settings)
    config = uvicorn.Config(
        app,
        http=StrictProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=FAREWELL,
        h11_max_incomplete_event_size=32_768,
        limit_concurrency=500,
    )
    if open_page:
        threading.Timer(1.0, webbrowser.open, (server.url,)).start()
    _Server(config, app.state.server).run(sockets=[server.socket])


class _Server(uvicorn.Server):
    """A server that tells its streams of events to end when it is told to."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config)
        self.state = state

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.state.closing.set()
        super().handle_exit(sig, frame)
