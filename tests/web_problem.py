"""A small server in this process, and shapes to send to it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HOST = "127.0.0.1:8000"
TOKEN = "a-token-of-the-tests"


def disc(radius: float = 60, side: int = 200) -> np.ndarray:
    """A disc of 0 and 1."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    return (x**2 + y**2 <= radius**2).astype(np.uint8)


def bar() -> np.ndarray:
    """A bar of 0 and 1."""
    y, x = np.indices((200, 200)) - 99.5
    return ((abs(x) < 80) & (abs(y) < 20)).astype(np.uint8)


def png(mask: np.ndarray) -> bytes:
    """A mask as a picture."""
    buffer = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(buffer, "PNG")
    return buffer.getvalue()


def rows(mask: np.ndarray) -> list[str]:
    """A mask as rows of texts."""
    return ["".join(map(str, row)) for row in mask.tolist()]


def silhouette(mask: np.ndarray, name: str = "shape.png", **more: Any) -> dict[str, Any]:
    """A mask as the body of a request."""
    return {"kind": "silhouette", "data": base64.b64encode(png(mask)).decode(), "name": name, **more}


def make_app(folder: Path, **settings: Any) -> Any:
    """The application of a server in a folder."""
    from metricvae.web.app import create_app
    from metricvae.web.settings import ServerSettings

    return create_app(ServerSettings(folder, **settings))


class LiveServer:
    """`metricvae serve` in a process of its own, on a free port.

    Args:
        folder: of the server.
        options: further ones.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> LiveServer:
        words = [sys.executable, "-m", "metricvae", "serve", "--port", "0", "--folder", str(self.folder), *self.options]
        with open(self.folder.with_suffix(".log"), "a") as log:
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://\S+/", self.process.stdout.readline())
        assert found, self.folder.with_suffix(".log").read_text()
        self.url = found[0].rstrip("/")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                self.call("/api/v1/health")
                return self
            time.sleep(0.05)
        raise AssertionError("the server did not answer")

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def end(self, how: signal.Signals) -> None:
        """Send a signal, and wait until it is gone."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def call(self, path: str, body: Any = None) -> Any:
        """The JSON of an answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    @property
    def memory(self) -> int:
        """Bytes that the server holds."""
        assert self.process is not None
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
