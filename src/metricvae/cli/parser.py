"""A parser whose complaints are one line each, and whose help shows what matters."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from metricvae.core.errors import InputError, did_you_mean

Fields = dict[str, Any]


@dataclass(frozen=True)
class Verb:
    """One door.

    Attributes:
        does: what it does, in a line.
        usage: what to write after its name.
        add_options: adds its options to a parser, knowing the arguments that will be parsed.
        run: does it, says so, and returns the document that `--json` prints.
    """

    does: str
    usage: tuple[str, ...]
    add_options: Callable[[Parser, Sequence[str]], None]
    run: Callable[[Namespace], Fields]


class Parser(ArgumentParser):
    """An argument parser whose every complaint is one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise InputError(f"{_plain(message)}{self._hint(message)} (see {self.prog} --help)")

    def all_actions(self) -> Sequence[argparse.Action]:
        """All arguments and options."""
        return tuple(self._actions)

    def option_named(self, name: str) -> argparse.Action | None:
        """The option `--name`; None where there is none."""
        return next((one for one in self._actions if f"--{name}" in one.option_strings), None)

    def meant(self, option: str) -> str:
        """Which option may have been meant by one that there is not."""
        known = [name for one in self._actions for name in one.option_strings if name.startswith("--")]
        return did_you_mean(option, known)

    def _hint(self, message: str) -> str:
        """What may have been meant by an option or a choice that there is not."""
        unknown = re.search(r"[Uu]nrecognized arguments: (--[\w.-]+)", message)
        if unknown:
            return self.meant(unknown[1])
        choice = re.search(r"invalid choice: '?([^' ]+)'? \(choose from (.+?)\)", message)
        return did_you_mean(choice[1], re.findall(r"[\w+.-]+", choice[2])) if choice else ""


def at_least(least: int, below: float = math.inf) -> Callable[[str | int], int]:
    """The type of an option that takes a whole number, at least `least` and less than `below`."""
    border = "" if below == math.inf else f", below {below:g}"

    def read(given: str | int) -> int:
        try:
            number = int(given)
        except ValueError:
            raise argparse.ArgumentTypeError(f"is {given}: expected a whole number, at least {least}{border}") from None
        if not least <= number < below:
            raise argparse.ArgumentTypeError(f"is {given}: expected at least {least}{border}")
        return number

    return read


def positive(given: str | float) -> float:
    """The type of an option that takes a finite number above 0."""
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"is {given}: expected a number above 0")
    return number


seed_number = at_least(0, below=2**63)
"""The type of an option that takes a seed."""


class Help(DefaultHelpFormatter):
    """Help that shows defaults where there are some, and types where the words beside an option do not say them."""

    def _get_help_string(self, action: Any) -> str:
        if "." in action.dest:
            text = str(super()._get_help_string(action))
            return text.replace("type: %(type)s, ", "") if "{" in self._metavar_formatter(action, "")(1)[0] else text
        shown = action.option_strings and action.default not in (None, "==SUPPRESS==") and action.default is not False
        return f"{action.help} (default: %(default)s)" if shown else str(action.help)


def _plain(message: str) -> str:
    """A complaint of jsonargparse in the words of the command line."""
    message = re.sub(r" \(see \S+ --help\)$", "", message.strip())  # of a parser inside this one
    message = re.sub(r"argument (?:-\w/)?(--[\w-]+): is ", r"\1 is ", message)
    message = re.sub(r'(?:Parser key|argument) "?([\w.]+)"?:', r"\1:", message)
    message = re.sub(r"<class '(?:builtins\.)?([\w.]+)'>", r"\1", " ".join(message.split()))
    message = re.sub(r"typing\.Literal\[(.+?)\]", r"one of \1", message)
    message = re.sub(r"Does not validate against any of the Union subtypes.*Given value: ", "cannot take ", message)
    return re.sub(r"Expected an? (.+?)\. Got value: ", r"expected \1, got ", message)
