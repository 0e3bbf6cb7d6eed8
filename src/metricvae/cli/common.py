"""What several verbs ask and say."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.parser import Fields, Parser
from metricvae.core.errors import InputError
from metricvae.runtime.reading import STDIN

if TYPE_CHECKING:
    from metricvae.core.libraries import ReadOptions
    from metricvae.kinds.silhouette.records import Mask
    from metricvae.metrics.overlap.solver.records import Pose


def say(options: Namespace, document: Fields, text: str) -> Fields:
    """Print the text unless JSON was asked for; on stderr where a table is on stdout. Returns the document."""
    if not options.json:
        print(text, file=sys.stderr if getattr(options, "out", None) == STDIN else sys.stdout)
    return document


def pair_options(parser: Parser) -> None:
    """Options for two objects, or a list of pairs."""
    parser.add_argument("a", nargs="?", help="first object: a file, or a SMILES, sequence or numbers")
    parser.add_argument("b", nargs="?", help="second object")
    parser.add_argument("--pairs", help="CSV with columns a,b (paths relative to it), - for stdin")
    parser.add_argument("--out", help="CSV to write, with --pairs only; - for stdout")
    image_options(parser)


def image_options(parser: Parser) -> None:
    """How images are read."""
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")
    parser.add_argument("--invert", action="store_true", help="take black for white in images")


def read_options(options: Namespace, conformers: int = 1) -> ReadOptions:
    """What the options say of reading."""
    from metricvae.core.libraries import ReadOptions

    return ReadOptions(options.fit, conformers, options.invert)


def wants_list(options: Namespace) -> bool:
    """Whether `--pairs` and `--out` were given, and not A and B.

    Raises:
        InputError: neither, both, or an `--out` that cannot be written.
    """
    if options.pairs is None:
        if options.a is None or options.b is None:
            raise InputError("got fewer than two objects: give A and B, or --pairs pairs.csv --out out.csv")
        if options.out is not None:
            raise InputError("got two objects and --out: the answer to one pair is printed, --out goes with --pairs")
        return False
    if options.a is not None:
        raise InputError("got two objects and --pairs: give one or the other")
    if options.out is None:
        raise InputError("--pairs needs --out: name the CSV to write")
    if options.out == STDIN:
        if options.json:
            raise InputError("--out - and --json both write to the standard output: leave one of them out")
        return True
    if Path(options.out).is_dir():
        raise InputError(f"{options.out} is a folder: name the CSV to write after --out")
    if Path(options.out).resolve() == Path(options.pairs).resolve():
        raise InputError(f"{options.out} is the list of pairs itself: give --out another name")
    return True


def option_value(arguments: Sequence[str], option: str) -> str | None:
    """The value of an option before anything is parsed; the last one counts."""
    found = None
    for place, argument in enumerate(arguments):
        if argument == option:
            found = "".join(arguments[place + 1 : place + 2])
        elif argument.startswith(f"{option}="):
            found = argument.partition("=")[2]
    return found


def columns(document: Fields) -> str:
    """A name and a number a line."""
    return "\n".join(f"{name:10} {value:10.2f}" for name, value in document.items())


def draw_laid(path: Path, first: Mask, second: Mask, pose: Pose, words: str) -> None:
    """Write a picture of two shapes and of the second laid on the first."""
    from metricvae.metrics.overlap.drawing import JoinedPair, draw_joined, superimpose
    from metricvae.runtime.files import write_bytes

    pair = JoinedPair(first, second, superimpose(first, second, pose), words)
    write_bytes(path, draw_joined([pair], columns=1))


@contextlib.contextmanager
def about(*paths: str) -> Iterator[None]:
    """Name the first path in a complaint that names none of them."""
    try:
        yield
    except InputError as error:
        if any(path in str(error) for path in paths):
            raise
        raise InputError(f"{paths[0]}: {error}") from error


def device_named(name: str) -> str:
    """A device of PyTorch's that is there; `auto` is a GPU where there is one.

    Raises:
        InputError: it is not there.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except Exception:  # PyTorch raises many kinds for what it lacks
        raise InputError(f"device '{name}' is not to be had here: use cpu or auto") from None
    return name


def refuse_ray_beside(device: str, ray: str | None) -> None:
    """Raise InputError for a cluster beside a GPU."""
    if ray is not None and device not in ("auto", "cpu"):
        raise InputError(f"--ray works on processors, --device {device} on this machine's card: choose one")
