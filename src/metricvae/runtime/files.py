"""Files that are either whole or absent: atomic writes, checksums, JSON, and folders that belong to one thing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError, shortened
from metricvae.runtime.reading import names_like, parse_json, read_whole, reading
from metricvae.runtime.temporary import temporary_file

LARGEST_JSON = 2**26
"""Bytes of a JSON document, at most."""

LOCK = ".lock"
"""File in a folder that is being written, see `metricvae.runtime.locks`."""

_DISK_FAULTS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
}


class DiskError(InputError):
    """A file cannot be written: the disk is full or read-only, or the folder may not be written."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it onto `path`, else delete it.

    Raises:
        InputError: the disk is full or read-only, or the folder may not be written; nothing is left behind.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path) as temporary:
            yield temporary
            _flush(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
    except OSError as error:
        raise disk_error(error, path) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8 to `path` atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path, document: Any) -> None:
    """Write `document` as indented JSON to `path` atomically. NaN and infinities are refused (ValueError)."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing, larger than `LARGEST_JSON`, or is not JSON as `parse_json` takes it.
    """
    if not os.path.lexists(path):  # Path.exists raises on a name that is too long
        raise InputError(f"{shortened(path, 300)} is missing: give a folder that metricvae wrote")
    return parse_json(read_whole(path, "a JSON file", LARGEST_JSON), str(path))


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces."""
    with reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Raise InputError when the bytes of `path` are not those that were written."""
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: restore it or make the folder again")
    found = sha256_of(path)
    if found != expected:
        raise InputError(
            f"{path} was changed after it was written: SHA-256 {found[:12]}..., expected {expected[:12]}...; "
            "restore it or make the folder again"
        )


def require_free_folder(folder: Path, marker: str, kind: str) -> None:
    """Accept a folder that is absent, empty or already holds `marker`; anything else is somebody's own data.

    Raises:
        InputError: `folder` is a file or holds something else than a `kind`.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; expected a folder for the {kind}: choose another path")
    begun = (LOCK, f".{marker}.*.tmp")  # what a process leaves that is killed before the marker is there
    if folder.is_dir() and not (folder / marker).exists():
        if all(any(fnmatch(path.name, one) for one in begun) for path in folder.iterdir()):
            return
        raise InputError(f"{folder} holds something that is not a {kind}: choose an empty or new folder")


def sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove the temporary files that a killed process left of `names` in `folder`."""
    for name in names if folder.is_dir() else ():
        for leftover in names_like(folder, f".{name}.*.tmp"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def give_usual_mode(folder: Path) -> None:
    """Give a temporary folder, which is its owner's alone, the rights that a new folder has."""
    os.chmod(folder, 0o777 & ~_umask())


def disk_error(error: OSError, path: Path) -> DiskError:
    """What to say of a path that cannot be written, and is as it was."""
    return DiskError(f"cannot write {path}: {reason_of(error)}; it is as it was, free space or choose another place")


def reason_of(error: OSError) -> str:
    """Why the disk refuses, in words."""
    return _DISK_FAULTS.get(error.errno or 0, error.strerror or str(error))


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file that is replaced, and never changed, a further name; copy it where the disk has no such names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
