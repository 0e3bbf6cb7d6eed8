"""Files of objects as a model takes them: one, or many that are read only when they are asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from metricvae.core.array_files import ArrayFiles, address_of
from metricvae.core.errors import InputError, shortened
from metricvae.core.kind import AS_IT_IS, KINDS, Object, ObjectKind, ReadOptions


def read_file(kind: ObjectKind, path: Path, options: ReadOptions = AS_IT_IS) -> Object:
    """The object in a file, for a model that takes objects of this kind.

    Raises:
        InputError: the file holds objects of another kind, or cannot be read.
    """
    check_file(kind, path)
    return kind.read(Path(path), options)


def resolve(kind: ObjectKind, base: Path, name: Any, files: ArrayFiles) -> Any:
    """What a kind is to convert: the path of a file that is there, an array at an address, or what was named itself.

    Args:
        kind: that converts it.
        base: folder that paths are relative to.
        name: a text, a path, or whatever the kind converts.
        files: reads arrays.

    Raises:
        InputError: a file that is not there, or no array at the address.
    """
    if not isinstance(name, str | Path):
        return name
    if "\0" in str(name):
        raise InputError("its name holds a NUL byte")
    address = address_of(str(name), base)
    if address is not None and (address[1] is not None or address[0].suffix.lower() not in kind.suffixes):
        return files.read(*address)
    found = kind.locate(str(name), base)
    if found is not None or isinstance(name, Path):
        return found or base / name
    if kind.suffixes and str(kind.file_of(Path(name))).lower().removesuffix(".gz").endswith(kind.suffixes):
        raise InputError(f"there is no file {shortened(name)}")
    return name


def read_named(kind: ObjectKind, name: str | Path, options: ReadOptions = AS_IT_IS) -> Object:
    """The object that a user names for a model that takes objects of this kind: a file, an array at an address
    (`file.npz#3`) or, of kinds that are `inline`, the object itself.

    Raises:
        InputError: no such file, or not such an object.
    """
    if not kind.inline and address_of(str(name), Path()) is None:
        return read_file(kind, Path(name), options)
    found = resolve(kind, Path(), name, ArrayFiles())
    return read_file(kind, found, options) if isinstance(found, Path) else kind.convert(found, options)


def check_file(taken: ObjectKind, path: Path) -> None:
    """Raise InputError if the name of a file says that its objects are of another kind; see `ObjectKind.suffixes`."""
    other = (
        None
        if _has_ending(taken, taken.file_of(path))
        else next((kind for kind in _kinds() if _has_ending(kind, path)), None)
    )
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
    """The objects in some files, or named otherwise, each read when it is asked for and not kept.

    Args:
        kind: that reads them.
        paths: of the files, or what else `read_named` takes.
        options: of reading.
    """

    def __init__(self, kind: ObjectKind, paths: Sequence[Path | str], options: ReadOptions = AS_IT_IS) -> None:
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
        return read_named(self.kind, self.paths[place], self.options)
