"""The one exception that means "the input is at fault"."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what was got, what was expected and what to do. The command line
    prints it and exits with status 2; from Python it is an ordinary :class:`ValueError`. Characters of a file or a
    name that are not printable, as those that control a terminal, are shown as `?`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class InputWarning(UserWarning):
    """Something the user gave is used, and may have been meant otherwise; one line, which the command line prints."""


def say_of_input(message: str) -> None:
    """Warn of what was given, in one line."""
    warnings.warn(one_line(message), InputWarning, stacklevel=3)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` of the name that is most like one which is not there; empty where none is.

    >>> did_you_mean("overlpa", ["halves", "overlap"])
    ' (did you mean overlap?)'
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


LONGEST_TEXT = 80
"""Characters of a cell in messages."""

LONGEST_LIST = 300
"""Characters of a list of names in a message."""


def one_line(text: str) -> str:
    """A text with single spaces for white space, and `?` for what else is not printable.

    >>> one_line("a\\n\\x1b[2Jb")
    'a ?[2Jb'
    """
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(one if one.isprintable() else "?" for one in line)


def shortened(text: object, longest: int = LONGEST_TEXT) -> str:
    """A text in one line of at most so many characters."""
    plain = one_line(str(text))
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, in one line of at most `LONGEST_LIST` characters.

    >>> listed(["a", "b"]), listed([])
    ('a, b', 'none')
    """
    return shortened(", ".join(names), LONGEST_LIST) or "none"
