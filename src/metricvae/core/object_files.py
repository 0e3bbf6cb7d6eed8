"""Files of objects as a model takes them: one, or many that are read only when they are asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, KINDS, Object, ObjectKind, ReadOptions


def read_file(kind: ObjectKind, path: Path, options: ReadOptions = AS_IT_IS) -> Object:
    """The object in a file, for a model that takes objects of this kind.

    Raises:
        InputError: the file holds objects of another kind, or cannot be read.
    """
    check_file(kind, path)
    return kind.read(Path(path), options)


def check_file(taken: ObjectKind, path: Path) -> None:
    """Raise InputError if the name of a file says that its objects are of another kind; see `ObjectKind.suffixes`."""
    other = None if _has_ending(taken, path) else next((kind for kind in _kinds() if _has_ending(kind, path)), None)
    if other is not None:
        raise InputError(
            f"{path} is a file of {other.title}, and the model takes {taken.title}: "
            f"give {taken.title}, or another model"
        )


def _has_ending(kind: type[ObjectKind] | ObjectKind, path: Path) -> bool:
    name = Path(path).name.lower()
    return name.removesuffix(".gz").endswith(kind.suffixes) or name.endswith(kind.suffixes)


def _kinds() -> Iterator[type[ObjectKind]]:
    for name in KINDS.names():
        with contextlib.suppress(InputError):  # a plug-in that cannot be imported says so when it is asked for
            yield KINDS.get(name)


class LazyObjects(Sequence[Object]):
    """The objects in some files, each read when it is asked for and not kept.

    Args:
        kind: that reads them.
        paths: of the files.
        options: of reading.
    """

    def __init__(self, kind: ObjectKind, paths: Sequence[Path], options: ReadOptions = AS_IT_IS) -> None:
        self.kind, self.paths, self.options = kind, paths, options

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, place: int) -> Object: ...

    @overload
    def __getitem__(self, place: slice) -> LazyObjects: ...

    def __getitem__(self, place: int | slice) -> Object:
        if isinstance(place, slice):
            return LazyObjects(self.kind, self.paths[place], self.options)
        return read_file(self.kind, self.paths[place], self.options)
