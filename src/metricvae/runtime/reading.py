"""Files that others wrote, read within bounds: ordinary files alone, sizes before contents, one line for what is wrong.

A pipe or a device where a file is expected would be waited for, or read, for ever; a number of five thousand digits or
a document of a hundred thousand brackets ends in an exception that no reader expects. All readers of the package open
files here, so that what is refused, and what is said then, is the same for every format.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import itertools
import json
import math
import os
import re
import stat
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from metricvae.core.errors import InputError, shortened

STDIN = "-"
"""Name of standard input, and of standard output, where a file of text is asked for."""

LARGEST_TEXT = 2**28
"""Bytes of a text that is read as a whole, at most."""

DEEPEST = 64
"""Levels of brackets in a JSON document, at most; ours have eight."""

CONFINED = "METRICVAE_CONFINED"
"""Set in the environment of a process whose tables a stranger wrote; see `check_named`."""

LONGEST_PATH = 4_096
"""Bytes of a path that a system takes, at most."""

_AROUND_FILES = re.compile(r"[@#=]")
"""What stands before or behind the name of a file in a cell, as in `rec.pdb@ligand=lig.sdf` and `maps.npz#3`."""


def check_regular(path: Path | str, noun: str = "a file", most: int | None = None) -> int:
    """The size of an ordinary file, in bytes.

    Args:
        path: of it; symbolic links are followed.
        noun: what it is to hold, in messages.
        most: bytes that are taken; None takes any number.

    Raises:
        InputError: there is none, it is a folder, a pipe or a device, it is too large, or its name cannot be used.
    """
    shown = shortened(path, 300)
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{shown} does not exist: give the path of {noun}") from None
    except (OSError, ValueError) as error:  # a loop of links, a name that is too long or holds a NUL byte
        raise InputError(f"{shown} cannot be read ({_reason(error)}): give the path of {noun}") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{shown} is not a file{_what(found.st_mode)}: give the path of {noun}")
    if most is not None and found.st_size > most:
        raise InputError(f"{shown} has {found.st_size:,} bytes, expected at most {most:,}: give a smaller file")
    return found.st_size


def names_file(text: str | Path) -> bool:
    """Whether a text is the path of something that is there; a text that can be no path is not."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # longer than a name may be, or with a NUL byte
        return False


def open_regular(path: Path | str, noun: str = "a file", most: int | None = None) -> BufferedReader:
    """An ordinary file, opened to read its bytes; the caller closes it. Arguments and errors as `check_regular`."""
    check_regular(path, noun, most)
    try:
        return open(path, "rb")
    except OSError as error:
        raise unreadable(path, error) from None


class ReadError(InputError):
    """The disk, or the system, does not give the bytes of a file that is there: try again, skip nothing."""


def may_pass(error: OSError) -> bool:
    """Whether what the disk says may pass, as a bad read or too many open files; a missing right, or a file that is no
    such file, does not."""
    return error.errno not in (None, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)


def unreadable(path: Path | str, error: OSError) -> InputError:
    """What to say of a file that cannot be read; a `ReadError` where that may pass."""
    said = f"{path} cannot be read ({_reason(error)}): check it and its permissions"
    return ReadError(said) if may_pass(error) else InputError(said)


def refuse_unread(path: Path | str, error: Exception) -> None:
    """Raise `ReadError` where an exception is what the disk says, and not what is wrong with the bytes of a file."""
    if isinstance(error, OSError) and may_pass(error):
        raise unreadable(path, error) from error


def files_below(folder: Path) -> Iterator[Path]:
    """The ordinary files in a folder and in its folders, without what is hidden and links to folders, in no order.

    Raises:
        InputError: a folder that cannot be listed (`Path.rglob` would pass over it).
    """

    def refuse(error: OSError) -> None:
        raise unreadable(error.filename, error) from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = (Path(place) / name for name in names if not name.startswith("."))
        yield from (path for path in shown if path.is_file())


def names_like(folder: Path, pattern: str) -> list[Path]:
    """What lies in a folder under names that a pattern matches, sorted.

    Raises:
        OSError: the folder cannot be listed (`Path.glob` would find nothing in it).
    """
    return [folder / name for name in sorted(fnmatch.filter(os.listdir(folder), pattern))]


@contextlib.contextmanager
def reading(path: Path | str, noun: str = "a file", most: int | None = None) -> Iterator[BufferedReader]:
    """An ordinary file for the length of a block; what the disk says while it is read is bad input, too."""
    with open_regular(path, noun, most) as file:
        try:
            yield file
        except InputError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error


def read_whole(path: Path | str, noun: str, most: int) -> bytes:
    """All bytes of an ordinary file. Arguments and errors as `check_regular`."""
    with reading(path, noun, most) as file:
        return file.read(most)


def read_text(path: Path | str, noun: str = "a text file", most: int = LARGEST_TEXT) -> str:
    """A whole text in UTF-8, without a byte order mark; `-` is standard input.

    Raises:
        InputError: as `check_regular`, or the bytes are no UTF-8 or hold NUL.
    """
    if str(path) == STDIN:
        name, content = "standard input", sys.stdin.buffer.read(most + 1)
        if len(content) > most:
            raise InputError(f"standard input has more than {most:,} bytes: give a file")
    else:
        name, content = str(path), read_whole(path, noun, most)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text ({error.reason}, byte {error.start}): give {noun}") from None
    if "\0" in text:
        raise InputError(f"{name} holds NUL bytes, so it is no text: give {noun}")
    return text


def parse_json(text: str | bytes, name: str) -> Any:
    """A JSON document whose numbers are finite and whose brackets are at most `DEEPEST` deep.

    Args:
        text: of the document.
        name: in messages.

    Raises:
        InputError: no JSON, or beyond those bounds.

    Example:
        >>> parse_json('{"a": [1, 2.5]}', "x.json")
        {'a': [1, 2.5]}
    """
    try:
        document = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise InputError(f"{name} has brackets more than {DEEPEST} deep: restore it or make it again") from None
    except ValueError as error:  # no JSON, no UTF-8, or a number of thousands of digits
        why = shortened(error, 120)
        raise InputError(f"{name} is not a readable JSON file ({why}): restore it or make the folder again") from None
    if not _is_shallow(document):
        raise InputError(f"{name} has brackets more than {DEEPEST} deep: restore it or make it again")
    return document


def inside(folder: Path, name: object, *, links: bool = False) -> Path:
    """The path of a file that a document names, which must lie in a folder.

    Args:
        folder: where it has to be.
        name: as the document has it, with `/` between its parts.
        links: whether a symbolic link in the folder may lead out of it: of folders that are the user's own.

    Raises:
        InputError: the name leads out of the folder, by its parts or by a link, or is none.

    Example:
        >>> inside(Path("model"), "../secret.png")
        Traceback (most recent call last):
        metricvae.core.errors.InputError: '../secret.png' leads out of model: the document that names it is not to be \
trusted, make it again
    """
    text = name if isinstance(name, str) else ""
    parts = (*PurePosixPath(text).parts, *PureWindowsPath(text).parts)
    plain = bool(text) and "\0" not in text and ".." not in parts
    plain = plain and not PurePosixPath(text).is_absolute() and not PureWindowsPath(text).drive
    path = Path(folder) / text
    try:
        within = plain and (links or path.resolve().is_relative_to(Path(folder).resolve()))
    except (OSError, RuntimeError):  # a loop of links
        within = False
    if not within:
        shown = shortened(name)
        raise InputError(
            f"'{shown}' leads out of {folder}: the document that names it is not to be trusted, make it again"
        )
    return path


def check_named(folder: Path, cell: object) -> None:
    """Refuse a cell of a table that names a file outside of the table's folder, where `CONFINED` is set.

    A cell that names no file that is there passes, whatever it looks like: SMILES hold slashes, too.

    Args:
        folder: of the table.
        cell: its text, or the path in it.

    Raises:
        InputError: it names such a file, by itself or by a part that ends or begins at a mark.
    """
    if not (os.environ.get(CONFINED) and isinstance(cell, str | Path)):
        return
    text = str(cell)
    marks = [found.span() for found in _AROUND_FILES.finditer(text)]
    parts = itertools.chain(
        [text],
        (text[:start] for start, _ in marks if start <= LONGEST_PATH),
        (text[end:] for _, end in marks if end >= len(text) - LONGEST_PATH),
    )
    for name in itertools.chain.from_iterable((part, part.strip()) for part in parts):
        if os.path.isfile(folder / name) or os.path.isfile(name):
            inside(folder, name)


@contextlib.contextmanager
def damaged(name: Path | str, remedy: str) -> Iterator[None]:
    """Report whatever goes wrong in a block that decodes a file, or builds something of it, as bad input.

    For content that has the right checksum and is wrong all the same: written by a stranger, or on a bad disk. Arrow's
    exceptions are among these.

    Args:
        name: of the file.
        remedy: what to do.

    Raises:
        InputError: as it is, or in the place of any other exception that content can cause.
    """
    try:
        yield
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError, OSError) as error:
        refuse_unread(name, error)
        raise InputError(f"{name} cannot be read ({shortened(error, 120)}): {remedy}") from error
    except (MemoryError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{name} cannot be read ({shortened(error, 120)}): {remedy}") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _is_shallow(document: Any) -> bool:
    level = [document]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return True
    return False


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _what(mode: int) -> str:
    """What else than a file or a folder a path names."""
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
    found = next((name for is_kind, name in kinds.items() if is_kind(mode)), None)
    return "" if found is None else f" but {found}"
