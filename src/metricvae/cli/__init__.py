"""The command line: thin doors over the library, a module for each few verbs. Only here is anything printed."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace

from metricvae import __version__
from metricvae.cli.align import ALIGN
from metricvae.cli.autocomplete import AUTOCOMPLETE
from metricvae.cli.completion import COMPLETION
from metricvae.cli.config_file import with_config
from metricvae.cli.dock import DOCK
from metricvae.cli.generate import GENERATE
from metricvae.cli.import_ import IMPORT
from metricvae.cli.label import LABEL
from metricvae.cli.library import APPEND, DELETE, INDEX
from metricvae.cli.parser import Help, Parser, Verb
from metricvae.cli.predict import PREDICT
from metricvae.cli.registries import KINDS, METRICS, MODELS
from metricvae.cli.remarks import remarks
from metricvae.cli.reproduce import QUICKSTART, REPRODUCE
from metricvae.cli.search import SEARCH
from metricvae.cli.serve import SERVE
from metricvae.cli.solve import SOLVE
from metricvae.cli.train import EVALUATE, TRAIN
from metricvae.core.errors import InputError, did_you_mean
from metricvae.runtime.command_line import command_of
from metricvae.runtime.progress import VERBOSITY, shown_as
from metricvae.runtime.signals import Terminated, ending_cleanly

VERBS: dict[str, Verb] = {
    "quickstart": QUICKSTART,
    "solve": SOLVE,
    "label": LABEL,
    "import": IMPORT,
    "train": TRAIN,
    "evaluate": EVALUATE,
    "predict": PREDICT,
    "align": ALIGN,
    "index": INDEX,
    "append": APPEND,
    "delete": DELETE,
    "search": SEARCH,
    "dock": DOCK,
    "generate": GENERATE,
    "autocomplete": AUTOCOMPLETE,
    "reproduce": REPRODUCE,
    "serve": SERVE,
    "kinds": KINDS,
    "metrics": METRICS,
    "models": MODELS,
    "completion": COMPLETION,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0 when it is done, 2 when the input is at fault, 130 or 143 when it was
    interrupted or told to end."""
    try:
        _check_streams()
        with ending_cleanly(), remarks():
            _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except SystemExit as end:  # --help
        return int(end.code or 0)
    except InputError as error:
        if "--verbose" in (sys.argv if argv is None else argv):
            traceback.print_exception(error)
        return _complain(str(error), 2)
    except Terminated:
        return _complain("ended by SIGTERM; what was finished is kept, run the same command again", 143)
    except KeyboardInterrupt:
        return _complain("interrupted; run the same command again", 130)
    except BrokenPipeError:  # whoever read our answer has enough of it
        _drop_output()
    except OSError as error:
        _drop_output()
        return _complain(f"{error.filename or 'the output'}: {error.strerror or error}; mend that and run it again", 2)
    return 0


def _run(arguments: list[str]) -> None:
    match arguments:
        case []:
            raise InputError(f"expected a verb: {', '.join(VERBS)} (see metricvae --help)")
        case ["-h" | "--help", *_]:
            print(_overview())
        case ["--version", *_]:
            print(f"metricvae {__version__}")
        case [name, *rest] if name in VERBS:
            options = _parse(name, rest)
            token = VERBOSITY.set("quiet" if options.quiet else "verbose" if options.verbose else "usual")
            try:
                with shown_as(options.progress):
                    document = VERBS[name].run(options)
            finally:
                VERBOSITY.reset(token)
            if options.json:
                print(json.dumps(_finite(document), indent=2))
        case [name, *_]:
            meant = did_you_mean(name, VERBS)
            raise InputError(f"there is no verb '{name}'{meant}: expected {', '.join(VERBS)} (see metricvae --help)")


def _check_streams() -> None:
    """Print what an encoding lacks in other characters, and do not fail where a stream is closed."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # type: ignore[unreachable] # noqa: SIM115
    if sys.stdout is None:
        raise InputError("the standard output is closed: give it a file, as >/dev/null")  # type: ignore[unreachable]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _overview() -> str:
    verbs = "\n".join(f"  {name:12} {verb.does}" for name, verb in VERBS.items())
    return (
        "usage: metricvae VERB ...\n\n"
        "Learn any metric between any objects, however they lie, and answer it in one shot.\n\n"
        f"verbs:\n{verbs}\n\n"
        "options:\n  -h, --help  this\n  --version   print the version\n\n"
        "metricvae VERB --help says what each takes. Start with: metricvae quickstart"
    )


def _parse(name: str, given: list[str]) -> Namespace:
    arguments = with_config(given, lambda known: parser_of(name, known))
    parser = parser_of(name, arguments)
    options = parser.instantiate(parser.parse_args(arguments))
    options.command_line = command_of(name, *given)
    if options.quiet and options.verbose:
        raise InputError("got --quiet and --verbose: give one of them")
    return options


def parser_of(name: str, arguments: Sequence[str] = ()) -> Parser:
    """The parser of a verb; `arguments` are those it will be given, as some defaults depend on them."""
    verb = VERBS[name]
    prog = f"metricvae {name}"
    usage = "\n       ".join(f"{prog} {line}" for line in verb.usage)
    does = f"{verb.does[0].upper()}{verb.does[1:]}."
    parser = Parser(prog=prog, usage=usage, description=does, formatter_class=Help, allow_abbrev=False)
    verb.add_options(parser, arguments)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.add_argument("--config", metavar="FILE", help="TOML or JSON with options; those given here count more")
    parser.add_argument("--quiet", action="store_true", help="say nothing but the answer, or why there is none")
    parser.add_argument("--verbose", action="store_true", help="say how far short work is, too, and where errors arise")
    parser.add_argument(
        "--progress", choices=("auto", "json"), default="auto", help="json: a document a line, on stderr"
    )
    return parser


def _drop_output() -> None:
    """Python writes what is left to stdout once more when it ends, and would fail again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, status: int) -> int:
    print(f"metricvae: {message}", file=sys.stderr)
    return status


def _finite(document: Any) -> Any:
    """The document with null for numbers that JSON does not have."""
    match document:
        case dict():
            return {name: _finite(value) for name, value in document.items()}
        case list() | tuple():
            return [_finite(value) for value in document]
        case float() if not math.isfinite(document):
            return None
    return document
