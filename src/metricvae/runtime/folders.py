"""Folders that appear whole: written beside their place, and put there when all of it is on the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.runtime.files import disk_error, give_usual_mode, require_free_folder


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
        new = {path.name for path in temporary.iterdir()}
        for name in sorted(new - {marker}):
            os.replace(temporary / name, folder / name)
        os.replace(temporary / marker, folder / marker)
        for old in {path for pattern in files for path in folder.glob(pattern)}:
            if old.name not in new:
                old.unlink()


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A temporary folder beside a folder, which is removed at the end with the parents that were made for it."""
    temporary: Path | None = None
    new = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        yield temporary
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if not folder.exists():
            for parent in new:
                with contextlib.suppress(OSError):
                    parent.rmdir()
