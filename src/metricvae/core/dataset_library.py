"""The objects of a labelled data set as a library, and the one way to open a library for a model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt

from metricvae.core.compatibility import check_kind
from metricvae.core.dataset_files import CARD, read_card, sides_of_card
from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind, kind_from_json
from metricvae.core.libraries import Library, LibraryPart, Loader, Map, ReadOptions, digest_of
from metricvae.core.object_files import check_file
from metricvae.runtime.parquet import read_rows, read_table


def open_library(kind: ObjectKind, path: Path, work: Path, options: ReadOptions, side: str = "right") -> Library:
    """The objects at `path` for a model that takes this kind.

    Args:
        kind: that the model takes.
        path: a data set, or what the kind itself opens: a folder, a file of many objects.
        work: folder for what is needed on the way.
        options: of reading.
        side: which objects of a data set that has two tables.

    Raises:
        InputError: objects of another kind, no library, or an empty one.
    """
    path = Path(path)
    if (path / CARD).is_file():
        library = DatasetLibrary(path, side)
        check_kind(kind, library.reader, f"the objects of {path}")
        return library
    if path.is_file() and not path.name.lower().endswith(kind.library_suffixes):
        check_file(kind, path)
    return kind.open_library(path, work, options)


class DatasetLibrary(Library):
    """The left or the right objects of a data set.

    Args:
        folder: of the data set.
        side: `left` or `right`.

    Raises:
        InputError: no data set.
    """

    def __init__(self, folder: Path, side: str = "left") -> None:
        self.folder = Path(folder)
        card = read_card(self.folder)
        sides = sides_of_card(card)
        entry = sides.get(side, sides["left"])
        self.reader, self.file = kind_from_json(entry["kind"]), self.folder / entry["file"]
        self.kind = self.reader.name
        self.ids = read_table(self.file, ["id"])["id"].to_pylist()
        self.count, self.parts = len(self.ids), -(-len(self.ids) // self.at_once)
        self.facts = {"names_sha256": digest_of(self.ids)}

    @property
    def loader(self) -> Loader:
        return functools.partial(read_objects_of, self.reader, self.file)

    def item(self, part: int) -> range:
        return range(part * self.at_once, min((part + 1) * self.at_once, self.count))

    def named(self, ids: Sequence[str]) -> list[Object]:
        """The objects of those names.

        Raises:
            InputError: there is none of such a name.
        """
        rows = {name: row for row, name in enumerate(self.ids)}
        missing = [name for name in ids if name not in rows]
        if missing:
            raise InputError(f"the data set {self.folder} has no object '{missing[0]}': make the index again")
        return list(read_objects_of(self.reader, self.file, [rows[name] for name in ids]).objects)


def read_objects_of(kind: ObjectKind, file: Path, rows: npt.ArrayLike, _: Map = map) -> LibraryPart:
    """The objects in some rows of a table of objects."""
    table = read_rows(file, rows, ["id", *kind.schema.names])
    ids = table["id"].to_pylist()
    return LibraryPart(kind.from_table(table), ids, [f"{file.parent}#{name}" for name in ids])
