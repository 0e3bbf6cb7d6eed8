"""One writer of a folder at a time; who it is, for the second one to say."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.runtime.files import LOCK, disk_error
from metricvae.runtime.reading import parse_json


@contextlib.contextmanager
def held(folder: Path, noun: str) -> Iterator[None]:
    """Keep other processes from writing a folder in the meantime; the lock goes with the process that holds it.

    A folder that is not there is made, and removed again if nothing is in it at the end.

    Args:
        folder: that is written.
        noun: what it is, in messages.

    Raises:
        InputError: another process holds it, or the folder cannot be made.
    """
    folder = Path(folder)
    new = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(folder / LOCK)
    except FileExistsError:
        raise InputError(f"{folder} is a file; expected a folder for the {noun}: choose another path") from None
    except OSError as error:
        _remove_empty(new)
        raise disk_error(error, folder) from error
    if handle is None:
        raise InputError(f"another process{_holder(folder)} is writing the {noun} {folder}: wait for it to end")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # before it is let go: whoever opened it meanwhile tries again
            (folder / LOCK).unlink(missing_ok=True)
        os.close(handle)
        _remove_empty(new)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, each in the next, as far as they are empty."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _locked(path: Path) -> int | None:
    """A handle of a file that this process has locked; None where another process has."""
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        if not _lock(handle):
            os.close(handle)
            return None
        if _is_at(handle, path):
            with contextlib.suppress(OSError):  # on a full disk who holds it is not said
                os.truncate(handle, 0)
                os.write(handle, json.dumps({"process": os.getpid(), "host": socket.gethostname()}).encode())
            return handle
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has no such locks: there, two writers are not told
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether a file that is open is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _holder(folder: Path) -> str:
    """Which process holds a folder, as far as it said."""
    try:
        said = parse_json((folder / LOCK).read_bytes()[:1000], LOCK)
        return f" ({int(said['process'])} on {said['host']})"
    except (OSError, InputError, KeyError, TypeError, ValueError):
        return ""
