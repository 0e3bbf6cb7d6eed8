"""The one exception that means "the input is at fault"."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what was got, what was expected and what to do. The command line
    prints it and exits with status 2; from Python it is an ordinary :class:`ValueError`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


LONGEST_TEXT = 80
"""Characters of a cell in messages."""


def shortened(text: object, longest: int = LONGEST_TEXT) -> str:
    """A text in one line of at most so many characters."""
    plain = " ".join("".join(one if one.isprintable() else "?" for one in str(text)).split())
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."
