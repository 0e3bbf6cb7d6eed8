"""Writers that do not keep the promises, each in one way, and one that does: what the checks are checked with."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.runtime.files import write_text
from metricvae.runtime.signals import Terminated, ending_cleanly

HALVES = ("a" * 5000, "b" * 5000)
WHOLE = "".join(HALVES)
OUT = Path("out")
"""Folder of the answers; `old.txt` and `answer.txt` are there before."""


def inputs(folder: Path) -> None:
    """What an earlier run wrote."""
    (folder / OUT).mkdir()
    for name in ("old.txt", "answer.txt"):
        (folder / OUT / name).write_text("of an earlier run")


def safely(words: Sequence[str], settings: object) -> int:
    """Write whole files, the one that says that they are finished last."""
    return _as_a_verb(_write_safely)


def in_place(words: Sequence[str], settings: object) -> int:
    """Write over what is there."""
    return _as_a_verb(lambda: _reporting(_write_in_place))


def leaving_temporary_files(words: Sequence[str], settings: object) -> int:
    """Never remove a temporary file that was begun."""
    return _as_a_verb(lambda: _reporting(_write_leaving))


def saying_success(words: Sequence[str], settings: object) -> int:
    """Say that it is done, whatever the disk says."""
    _as_a_verb(_write_safely, quiet=True)
    return 0


def losing_work(words: Sequence[str], settings: object) -> int:
    """Remove what was finished before when the disk is full."""
    try:
        _write_safely()
    except InputError as error:
        (OUT / "old.txt").unlink(missing_ok=True)
        return _say(str(error), 2)
    return 0


def marker_first(words: Sequence[str], settings: object) -> int:
    """Say that the files are finished before they are."""
    return _as_a_verb(lambda: [write_text(OUT / name, WHOLE) for name in ("done", "answer.txt")])


def with_a_traceback(words: Sequence[str], settings: object) -> int:
    """Let an exception through."""
    _write_leaving()
    return 0


def without_a_reason(words: Sequence[str], settings: object) -> int:
    """Do not say what went wrong."""
    try:
        _write_safely()
    except InputError:
        return _say("it did not work", 2)
    return 0


def saying_that_all_is_as_it_was(words: Sequence[str], settings: object) -> int:
    """Say so, though something was written."""
    try:
        _write_safely()
    except InputError:
        return _say("cannot write out: the disk is full; it is as it was, free space", 2)
    return 0


def adding_each_time(words: Sequence[str], settings: object) -> int:
    """Begin where nothing ended."""
    return _as_a_verb(lambda: _reporting(_write_more))


def not_heeding_signals(words: Sequence[str], settings: object) -> int:
    """End with a status of its own."""
    return min(_as_a_verb(_write_safely), 1)


def _write_safely() -> None:
    for name in ("answer.txt", "done"):
        write_text(OUT / name, WHOLE)


def _write_in_place() -> None:
    for name in ("answer.txt", "done"):
        with open(OUT / name, "wb", buffering=0) as file:
            for half in HALVES:
                file.write(half.encode())


def _write_leaving() -> None:
    for name in ("answer.txt", "done"):
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=OUT)
        os.write(handle, WHOLE.encode())
        os.close(handle)
        os.replace(temporary, OUT / name)


def _write_more() -> None:
    with open(OUT / "more.txt", "ab", buffering=0) as file:
        file.write(b"a")
        file.write(b"b")
    _write_safely()


def _reporting(write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise InputError(f"{error.filename or OUT}: {error.strerror}") from error


def _as_a_verb(write: Callable[[], object], *, quiet: bool = False) -> int:
    """Write, and say what went wrong as the command line does."""
    try:
        with ending_cleanly():
            write()
    except InputError as error:
        return 2 if quiet else _say(str(error), 2)
    except Terminated:
        return _say("ended by SIGTERM", 143)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    return 0


def _say(message: str, status: int) -> int:
    print(f"metricvae: {message}", file=sys.stderr)
    return status
