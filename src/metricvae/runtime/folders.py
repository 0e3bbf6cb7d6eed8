"""Folders that appear whole: written beside their place, and put there when all of it is on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.runtime.files import LOCK, DiskError, disk_error, give_usual_mode, reason_of, require_free_folder
from metricvae.runtime.temporary import temporary_folder


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, if it is there.

    Raises:
        DiskError: something stays.
    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise DiskError(f"cannot remove {folder}: {reason_of(error)}; mend that and run it again") from error


@contextlib.contextmanager
def new_folder(folder: Path, noun: str) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, and rename it to that when all went well; else nothing is left.

    Args:
        folder: absent or empty.
        noun: what it is to hold, in messages.

    Raises:
        InputError: there is something at `folder` already, or the disk refuses.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; expected a folder for the {noun}: choose another path")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is there already and is not empty: choose a new folder for the {noun}")
    with _beside(folder) as temporary:
        yield temporary
        give_usual_mode(temporary)
        temporary.replace(folder)


@contextlib.contextmanager
def renewed_folder(folder: Path, noun: str, marker: str, files: Sequence[str]) -> Iterator[Path]:
    """The same for a folder that may hold what an earlier run wrote, which is replaced once the new files are whole.

    Args:
        folder: absent, empty, or with an earlier `marker`.
        noun: what it is to hold, in messages.
        marker: the file that tells such a folder; it is replaced last.
        files: patterns of the names of an earlier run's files, which go; any others stay.

    Raises:
        InputError: the folder holds something else, or the disk refuses.
    """
    folder = Path(folder)
    require_free_folder(folder, marker, noun)
    with _beside(folder) as temporary:
        yield temporary
        if not folder.is_dir() or not any(folder.iterdir()):
            give_usual_mode(temporary)
            temporary.replace(folder)
            return
        _renew(temporary, folder, marker, files)


def _renew(temporary: Path, folder: Path, marker: str, files: Sequence[str]) -> None:
    """Put new files in the place of those of an earlier run, the marker last."""
    new = {path.name for path in temporary.iterdir()}
    try:
        for name in [*sorted(new - {marker}), marker]:
            os.replace(temporary / name, folder / name)
        for old in {path for pattern in files for path in folder.glob(pattern)}:
            if old.name not in new:
                old.unlink()
    except OSError as error:
        raise DiskError(
            f"cannot write {folder}: {reason_of(error)}; it holds files of this run and of the one before: mend that "
            "and run the same command again"
        ) from error


def copy_folder(source: Path, target: Path) -> None:
    """Copy what is in a folder into another one, but for temporary files and locks.

    Raises:
        OSError: the first that the disk says.
    """
    try:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.tmp", LOCK))
    except shutil.Error as error:  # a list of files with what was said of each, as texts
        path, _, said = error.args[0][0]
        number = re.match(r"\[Errno (\d+)\]", str(said))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, f"{os.strerror(code)} ({Path(path).name})") from error
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({Path(error.filename or source).name})") from error


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A temporary folder beside a folder, which is removed at the end with the parents that were made for it."""
    new = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder) as temporary:
            yield temporary
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        if not folder.exists():
            for parent in new:
                with contextlib.suppress(OSError):
                    parent.rmdir()
