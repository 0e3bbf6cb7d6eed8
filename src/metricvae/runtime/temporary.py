"""Files and folders on the way to their place: hidden beside it, locked while they are written.

The lock goes with the process, whoever kills it. So what a killed process left is told from what a living one is
writing, and whoever writes the same file next takes it over: nothing stays behind for good.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path`, and remove it at the end unless it was renamed.

    Raises:
        OSError: none can be made there.
    """
    usual = path.with_name(f".{path.name}.0.tmp")
    handle = _claimed(usual, folder=False)
    if handle is not None:
        with _held(handle, usual):
            yield usual
        return
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    with _held(handle, Path(name)):
        yield Path(name)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """The same as an empty folder."""
    usual = path.with_name(f".{path.name}.0.tmp")
    handle = _claimed(usual, folder=True)
    if handle is not None:
        with _held(handle, usual):
            yield usual
        return
    found = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)


@contextlib.contextmanager
def _held(handle: int, path: Path) -> Iterator[None]:
    """At the end, remove what is open and close it."""
    try:
        yield
    finally:
        _remove(handle, path)
        os.close(handle)


def _remove(handle: int, path: Path) -> None:
    """Remove what is open unless it was renamed: then its name may be another process's by now."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(handle), os.lstat(path)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


def _claimed(path: Path, *, folder: bool) -> int | None:
    """A handle of an empty file or folder that this process has locked; None where it cannot have it."""
    try:
        import fcntl
    except ImportError:  # Windows, where a process that was killed cannot be told from one that lives
        return None
    try:
        if folder:
            with contextlib.suppress(FileExistsError):
                path.mkdir(0o700)
        flags = os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT
        handle = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_own(handle, path):
            _empty(handle, path)
            return handle
    except BlockingIOError:  # another process is writing it
        pass
    except OSError:  # a disk that has no locks
        _remove(handle, path)
    os.close(handle)
    return None


def _is_own(handle: int, path: Path) -> bool:
    """Whether what is open is a folder, or an ordinary file of one name, of this user, and still at its path."""
    found = os.fstat(handle)
    plain = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
    return plain and found.st_uid == os.geteuid() and os.path.samestat(found, os.lstat(path))


def _empty(handle: int, path: Path) -> None:
    """Remove what a killed process had written."""
    if not path.is_dir():
        os.ftruncate(handle, 0)
        return
    for one in path.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
