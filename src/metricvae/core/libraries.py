"""Libraries: objects in parts, each of which any process can read by itself. An index is made of one."""

from __future__ import annotations

import abc
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from metricvae.core.errors import InputError, shortened
from metricvae.runtime.reading import files_below

if TYPE_CHECKING:
    from metricvae.core.kind import Object, ObjectKind

ITEMS_A_PART = 2_048
"""Objects that are read and encoded together."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""A function over many arguments, as `map` is, in order."""


@dataclass(frozen=True)
class ReadOptions:
    """What a user asks of reading.

    Attributes:
        fit: scale and centre images of other sizes than the kind's canvas.
        conformers: of each object of a library that is made in space from a formula, at most; 0 where places are not
            looked at.
        invert: take black for white in images.
    """

    fit: bool = False
    conformers: int = 1
    invert: bool = False

    def refuse_images(self, got: str) -> None:
        """Raise InputError if something is asked for that is for images; `got` is what there is instead."""
        for name in ("fit", "invert"):
            if getattr(self, name):
                raise InputError(f"--{name} is for images, got {got}: leave it out")


AS_IT_IS = ReadOptions()
"""Nothing is asked for."""


@dataclass(frozen=True)
class LibraryPart:
    """Some objects of a library.

    Attributes:
        objects: as the kind reads them.
        ids, paths: names, and where each is.
        skipped: notes on records that gave no object.
        columns: what `ObjectKind.index_columns` gives of them, where that was made as they were read.
    """

    objects: Sequence[Object]
    ids: Sequence[str]
    paths: Sequence[str]
    skipped: Sequence[str] = ()
    columns: Mapping[str, pa.Array] | None = None


@dataclass(frozen=True)
class NamedObject:
    """An object and what tables keep beside it.

    Attributes:
        id: unique within its source.
        value: the object, as its kind reads it.
        source: where it came from.
        family: the finer kind of object, in reports; may be empty.
        group: objects of one group share a split.
    """

    id: str
    value: Object
    source: str
    family: str
    group: str


Loader = Callable[[Any, Map], LibraryPart]
"""Reads a part from what `Library.item` says of it; a function of a module, so that it can be sent to a process."""


class Library(abc.ABC):
    """Objects in parts.

    Attributes:
        kind: name of what the objects are.
        count: objects, or records that may hold one.
        parts: how many.
        facts: what tells it from another library, as plain values.
        portable: whether `item` holds all that `loader` needs, so that another machine can read a part.
        known: ids of objects that need not be read; a library may read them all the same.
        at_once: objects of each part but the last.
    """

    at_once: ClassVar[int] = ITEMS_A_PART
    portable: ClassVar[bool] = False
    known: frozenset[str] = frozenset()
    kind: str
    count: int
    parts: int
    facts: dict[str, Any]

    @property
    @abc.abstractmethod
    def loader(self) -> Loader:
        """Reads the parts."""

    @abc.abstractmethod
    def item(self, part: int) -> Any:
        """What `loader` is told of a part."""

    def load(self, part: int, over: Map = map) -> LibraryPart:
        """One part; `over` is used where an object costs time."""
        return self.loader(self.item(part), over)


class FolderLibrary(Library):
    """The files in a folder and the folders below it that a kind reads, in the order of their names.

    Args:
        kind: of the objects.
        folder: where they are.
        options: of reading.
        names: paths relative to the folder; by default all files with one of the kind's endings.

    Raises:
        InputError: no folder, or none of its files is one that the kind reads.
    """

    def __init__(
        self, kind: ObjectKind, folder: Path, options: ReadOptions, names: Sequence[str] | None = None
    ) -> None:
        self.reader, self.folder, self.options, self.kind = kind, Path(folder), options, kind.name
        self.names = list(file_names(self.folder, kind) if names is None else names)
        _check_names(self.folder, self.names)
        self.count, self.parts = len(self.names), -(-len(self.names) // self.at_once)
        self.facts = {"names_sha256": digest_of(self.names), "fit": options.fit}
        if options.invert:
            self.facts["invert"] = True

    @property
    def loader(self) -> Loader:
        return functools.partial(read_files, self.reader, self.folder, self.options)

    def item(self, part: int) -> list[str]:
        return self.names[part * self.at_once : (part + 1) * self.at_once]


def _check_names(folder: Path, names: Sequence[str]) -> None:
    """Raise InputError for a file whose path is not UTF-8: tables could not hold it."""
    for name in names:
        try:
            str(folder / name).encode()
        except UnicodeEncodeError:
            shown = shortened(folder / name, 300)
            raise InputError(f"the name of {shown} is not UTF-8, so no table can hold it: rename it") from None


def read_files(kind: ObjectKind, folder: Path, options: ReadOptions, names: Sequence[str], over: Map) -> LibraryPart:
    """The objects in some files of a folder."""
    paths = [folder / name for name in names]
    objects = list(over(functools.partial(kind.read, options=options), paths))
    return LibraryPart(objects, names, [str(path) for path in paths])


def digest_of(names: Sequence[str]) -> str:
    """SHA-256 of names, in order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def file_names(folder: Path, kind: ObjectKind) -> list[str]:
    """Names, relative to `folder`, of the files below it that a kind reads, sorted; hidden ones are skipped.

    Raises:
        InputError: no folder, or none such in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected one with {kind.title}")
    files = (path for path in files_below(folder) if path.suffix.lower() in kind.suffixes)
    found = sorted(path.relative_to(folder).as_posix() for path in files)
    if not found:
        raise InputError(f"{folder} holds no {kind.title}: expected files that end in {', '.join(kind.suffixes)}")
    return found
