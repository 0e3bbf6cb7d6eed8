"""Sources of the objects of a data set: generated without end, or a library, made part by part into tables.

A part is a table of objects, and of notes on records that gave none (`skipped` says why). It is a pure function of the
source and of the item that names it, so any process can make it.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metricvae.core.kind import ObjectKind
from metricvae.core.libraries import Library, LibraryPart, Loader, NamedObject
from metricvae.core.splits import split_of
from metricvae.runtime.parquet import write_table
from metricvae.runtime.parts import Work

OBJECTS_A_PART = 256
MORE_OBJECTS = 64
"""Generated at a time when a split turned out to have too few."""

SKIPPED = pa.field("skipped", pa.string())

Span = tuple[int, int]
"""First object and number of objects."""


class ObjectSource(abc.ABC):
    """Where the objects of one side come from.

    Attributes:
        stage: what is done, in progress reports.
        notes: whether records that give no object are to be expected, so that a file says which were skipped.
    """

    stage: str = "reading objects"
    notes: bool = False

    @property
    def portable(self) -> bool:
        """Whether another machine can make a part."""
        return True

    @property
    @abc.abstractmethod
    def work(self) -> Work:
        """Makes a part: a table of objects with the column `skipped`."""

    @abc.abstractmethod
    def rounds(self) -> Iterator[list[tuple[Any, int]]]:
        """Items for `work` with the number of objects in each. A second round is asked for only if the first gave too
        few objects, and so on."""


@dataclass(frozen=True)
class GeneratedSource(ObjectSource):
    """Objects that are made by number.

    Attributes:
        making: makes a part of a span.
        total: objects of the first round.
        stage: what is done.
        endless: whether there are more.
        notes: whether some numbers may give no object.
    """

    making: Work
    total: int
    stage: str = "drawing objects"
    endless: bool = True
    notes: bool = False

    @property
    def work(self) -> Work:
        return self.making

    def rounds(self) -> Iterator[list[tuple[Span, int]]]:
        start, end = 0, self.total
        while True:
            sizes = [(first, min(OBJECTS_A_PART, end - first)) for first in range(start, end, OBJECTS_A_PART)]
            yield [(span, span[1]) for span in sizes]
            if not self.endless:
                return
            start, end = end, end + MORE_OBJECTS


@dataclass(frozen=True)
class LibrarySource(ObjectSource):
    """The objects of a library of some kind; `name` is what it is called in tables."""

    library: Library
    kind: ObjectKind
    name: str

    @property
    def portable(self) -> bool:
        return self.library.portable

    @property
    def work(self) -> Work:
        return Work(library_part, (self.kind, self.name, self.library.loader), read=self.library.item)

    def rounds(self) -> Iterator[list[tuple[int, int]]]:
        count, at_once = self.library.count, self.library.at_once
        yield [(part, min(at_once, count - part * at_once)) for part in range(self.library.parts)]


def library_part(kind: ObjectKind, name: str, loader: Loader, item: Any, path: Path) -> None:
    """Write the objects that `loader` reads of an item; families are the library's name."""
    part = loader(item, map)
    table = object_table(kind, named_objects(kind, name, part))
    notes = pa.table({SKIPPED.name: pa.array(list(part.skipped), SKIPPED.type)})
    schema = object_schema(kind).append(SKIPPED)
    empty = pa.concat_tables([schema.empty_table(), notes], promote_options="default")
    write_table(path, [with_skipped(table), empty.cast(schema)], schema)


def named_objects(kind: ObjectKind, name: str, part: LibraryPart) -> list[NamedObject]:
    """The objects of a part of a library of that name, by the kind's groups."""
    return [
        NamedObject(one, value, name, name, kind.group(value, one))
        for one, value in zip(part.ids, part.objects, strict=True)
    ]


def generated_part(kind: ObjectKind, source: str, seed: int, span: Span, path: Path) -> None:
    """Write the objects of a span of one of a kind's sources."""
    table = with_skipped(object_table(kind, kind.generate(source, *span, seed)))
    write_table(path, [table], table.schema)


def object_schema(kind: ObjectKind, extra: Sequence[pa.Field] = ()) -> pa.Schema:
    """Columns of a table of objects: names, contents, `extra`, where they are from, magnitude and split."""
    text = pa.string()
    fields = [
        pa.field("id", text),
        *kind.schema,
        *extra,
        pa.field("source", text),
        pa.field("family", text),
        pa.field("group", text),
        pa.field(kind.magnitude_name, kind.magnitude_type),
        pa.field("split", text),
    ]
    info = {"huggingface": json.dumps({"info": {"features": kind.features}})}
    return pa.schema(fields, metadata=info if kind.features else None)


def object_table(kind: ObjectKind, objects: Sequence[NamedObject]) -> pa.Table:
    """Objects as rows of a table of objects."""
    schema = object_schema(kind)
    values = [one.value for one in objects]
    columns: dict[str, Any] = {
        "id": [one.id for one in objects],
        **(kind.to_columns(values) if values else {}),
        "source": [one.source for one in objects],
        "family": [one.family for one in objects],
        "group": [one.group for one in objects],
        kind.magnitude_name: np.asarray(kind.measure(values)) if values else [],
        "split": [split_of(one.group) for one in objects],
    }
    arrays = [pa.array(columns.get(field.name, [])).cast(field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def with_skipped(table: pa.Table) -> pa.Table:
    """A table of objects with an empty column `skipped`."""
    return table.append_column(SKIPPED, pa.nulls(len(table), SKIPPED.type))


def open_source(kind: ObjectKind, source: str, seed: int, total: int, library: Any, name: str) -> ObjectSource:
    """A source of a kind: generated, or the library that `library` opens.

    Args:
        kind: of the objects.
        source: one of the kind's sources, or the path of a library.
        seed: of generated objects.
        total: generated objects of the first round.
        library: opens the library.
        name: of the library in tables.
    """
    if source in kind.sources:
        return GeneratedSource(Work(generated_part, (kind, source, seed)), total, stage=f"drawing {kind.title}")
    return LibrarySource(library(), kind, name)
