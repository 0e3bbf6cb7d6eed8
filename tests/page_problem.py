"""A server of the page in a thread, and a browser that looks at it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WIDE, PHONE = {"width": 1360, "height": 900}, {"width": 360, "height": 740}


def browser_path() -> str:
    """Where a browser is; the test is skipped where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"there is no browser: looked for {', '.join(BROWSERS)}")
    return found


@contextlib.contextmanager
def served(folder: Path, **settings: Any) -> Iterator[str]:
    """The address of a server that runs in a thread while the block lasts."""
    import uvicorn

    from metricvae.web.app import create_app
    from metricvae.web.settings import ServerSettings

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = create_app(ServerSettings(folder, port=port, **settings))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.should_exit = True
            thread.join(20)


class WatchedPage:
    """A page of a browser that keeps what its console says against it, and whom it asks.

    Attributes:
        page: of Playwright.
        complaints: errors and warnings of the console, and exceptions.
        foreign: addresses of other machines that were asked for.
    """

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        page.set_default_timeout(20_000)
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: self._asked(asked.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.foreign.append(url)

    def open(self, tab: str = "") -> None:
        """Go to a tab, as for the first time."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#{tab}")

    def check_clean(self) -> None:
        """Nothing went wrong, and nobody else was asked."""
        assert self.complaints == []
        assert self.foreign == []

    def violations(self) -> list[str]:
        """Serious and critical violations of accessibility that axe-core finds."""
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    def fits(self) -> bool:
        """Whether nothing sticks out to the side."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

    def module(self, path: str, script: str) -> Any:
        """What a function of a module of the page gives: `script` is an expression that knows it as `m`."""
        return self.page.evaluate(f"import('{self.address}js/{path}').then(async (m) => {script})")
