"""Options from a file: `--config FILE`, TOML or JSON, for any verb; what stands on the command line counts more.

    out = "model"
    preset = "overlap"

    [training]
    steps = 500
    mirror = true

is `--out model --preset overlap --training.steps 500 --training.mirror true`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from metricvae.cli.parser import Parser
from metricvae.core.errors import InputError, shortened
from metricvae.runtime.reading import parse_json, read_text

OPTION = "--config"

LARGEST = 2**20
"""Bytes of such a file, at most."""

ParserOf = Callable[[Sequence[str]], Parser]


def with_config(arguments: Sequence[str], parser_of: ParserOf) -> list[str]:
    """Arguments in which the options of a file stand in the place of its name.

    Args:
        arguments: of a verb.
        parser_of: gives the parser of the verb that is to parse some arguments.

    Raises:
        InputError: no such file, neither TOML nor JSON, or an option in it that is none.
    """
    path, rest = _split(arguments)
    if path is None:
        return list(arguments)
    given = dict(_flat(_read(path)))
    parser = parser_of([*(f"--{name}={value}" for name, value in given.items()), *rest])
    words = [word for name, value in given.items() for word in _words(path, parser, name, value)]
    lists = [word for name, value in given.items() for word in _list_words(parser, name, value, rest)]
    return [*words, *rest, *lists]


def _split(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The file, and the other arguments."""
    rest, path = list(arguments), None
    for place, word in enumerate(rest):
        if word == OPTION or word.startswith(f"{OPTION}="):
            inline = word.partition("=")[2]
            path = inline or (rest[place + 1] if place + 1 < len(rest) else "")
            del rest[place : place + (1 if inline else 2)]
            if not path:
                raise InputError(f"{OPTION} needs a file: TOML or JSON with options")
            if any(other.partition("=")[0] == OPTION for other in rest):
                raise InputError(f"got {OPTION} twice: give one file")
            break
    return path, rest


def _read(path: str) -> Mapping[str, Any]:
    text = read_text(path, "a file of options, TOML or JSON", LARGEST)
    if text.lstrip().startswith("{"):
        document = parse_json(text, path)
    else:
        try:
            document = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # numbers of thousands of digits among them
            raise InputError(
                f'{path} is neither TOML nor JSON ({shortened(error)}): expected lines as out = "model"'
            ) from None
    if not isinstance(document, Mapping):
        raise InputError(f"{path} holds no options: expected names with values")
    return document


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Options by their full names; those of tables have the table's name and a dot before them."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _words(path: str, parser: Parser, name: str, value: Any) -> list[str]:
    """An option as it stands on a command line; none of one that takes several words."""
    action = parser.option_named(name)
    if action is None:
        raise InputError(f"{path}: there is no option {name}{parser.meant(f'--{name}')} (see {parser.prog} --help)")
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"{path}: {name} is {value!r}: expected true or false")
        return [f"--{name}"] if value else []
    if isinstance(value, list) and (action.nargs or type(action).__name__ == "_AppendAction"):
        return [] if action.nargs else [f"--{name}={_text(one)}" for one in value]
    return [f"--{name}={_text(value)}"]


def _list_words(parser: Parser, name: str, value: Any, rest: Sequence[str]) -> list[str]:
    """An option that takes several words, for the end of the line: after it, names of files would be taken for more."""
    action = parser.option_named(name)
    if action is None or not action.nargs or not isinstance(value, list) or f"--{name}" in rest:
        return []
    return [f"--{name}", *map(_text, value)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "[" + ",".join(map(_text, value)) + "]" if isinstance(value, list) else str(value)
