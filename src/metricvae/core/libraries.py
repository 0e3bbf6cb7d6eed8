"""Folders as libraries of objects."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.core.kind import LibraryPart, Map, ObjectKind, ReadOptions

ITEMS_A_PART = 2_048
"""Objects that are read and encoded together."""


class FolderLibrary:
    """The files in a folder and the folders below it that a kind reads, in the order of their names.

    Raises:
        InputError: no folder, or none of its files is one that the kind reads.
    """

    def __init__(self, kind: ObjectKind, folder: Path, options: ReadOptions) -> None:
        self.reader, self.folder, self.options, self.kind = kind, Path(folder), options, kind.name
        self.names = file_names(self.folder, kind)
        self.count, self.parts = len(self.names), -(-len(self.names) // ITEMS_A_PART)
        self.facts: dict[str, Any] = {
            "names_sha256": hashlib.sha256("\n".join(self.names).encode()).hexdigest(),
            "fit": options.fit,
        }

    def load(self, part: int, over: Map = map) -> LibraryPart:
        names = self.names[part * ITEMS_A_PART : (part + 1) * ITEMS_A_PART]
        paths = [self.folder / name for name in names]
        objects = list(over(functools.partial(self.reader.read, options=self.options), paths))
        return LibraryPart(objects, names, [str(path) for path in paths])


def file_names(folder: Path, kind: ObjectKind) -> list[str]:
    """Names, relative to `folder`, of the files below it that a kind reads.

    Raises:
        InputError: no folder, or none such in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected one with {kind.title}")
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in kind.suffixes and path.is_file()
    )
    if not found:
        raise InputError(f"{folder} holds no {kind.title}: expected files that end in {', '.join(kind.suffixes)}")
    return found
