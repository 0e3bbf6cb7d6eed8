"""`metricvae serve`: the page and the HTTP interface."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from metricvae.cli.common import say
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.extras import require

HOST, PORT = "127.0.0.1", 8000
WARM = ("overlap", "halves")
"""Models that are loaded at the start."""

SAMPLES = (("molecule", "CCCCO"),)
"""Objects that are read at the start, as the first of a kind loads what it needs."""


def _serve_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("--port", type=at_least(0, below=65_536), default=PORT, help="0 takes a free one")
    parser.add_argument("--host", default=HOST, help="address to listen on; others than this machine's ask for a token")
    parser.add_argument("--folder", help="of jobs, results and objects; default ~/.cache/metricvae/serve")
    parser.add_argument(
        "--library", metavar="NAME=INDEX", action="append", help="an index to search; may be given again"
    )
    parser.add_argument("--token", help="that clients must show; made up where --host needs one and none is given")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--workers", type=at_least(1), default=1, help="jobs at a time")


def _serve(options: Namespace) -> Fields:
    if sys.platform == "win32":
        raise InputError("the server runs on Linux and macOS: use it there, or in a container")
    require("fastapi", "web", "the server")
    require("uvicorn", "web", "the server")
    from metricvae.web.serve import prepare, run

    folder = Path(options.folder or Path.home() / ".cache" / "metricvae" / "serve")
    libraries = dict(_library(text) for text in options.library or ())
    server = prepare(
        folder,
        options.host,
        options.port,
        libraries,
        options.token,
        workers=options.workers,
        warm=WARM,
        samples=SAMPLES,
    )
    document: Fields = {"url": server.url, "folder": str(folder), "pid": server.pid}
    say(options, document, f"metricvae serves {server.url} (end it with Ctrl-C; jobs go on at the next start)")
    sys.stdout.flush()
    run(server, open_page=options.open)
    return document


def _library(text: str) -> tuple[str, Path]:
    """Name and folder of a library.

    Raises:
        InputError: not NAME=INDEX, or no index there.
    """
    from metricvae.search.store import read_document

    name, equals, folder = text.partition("=")
    if not equals or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 60:
        raise InputError(f"--library is {text}: expected NAME=INDEX, a name of letters and digits and a folder")
    read_document(Path(folder))
    return name, Path(folder).resolve()


SERVE = Verb(
    "serve the page and the HTTP interface on this machine",
    ("[--port 8000] [--folder DIR] [--library NAME=INDEX ...] [--host ADDRESS --token T] [--open]",),
    _serve_options,
    _serve,
)
