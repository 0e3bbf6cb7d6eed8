"""The table of objects of one side: decoded, adapted to, and written a few at a time, so that memory stays flat."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path, PurePath, PureWindowsPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.array_files import address_of
from metricvae.core.errors import InputError
from metricvae.core.importing.cells import Cells
from metricvae.core.importing.reading import ObjectReader, usable
from metricvae.core.kind import Object, ObjectKind
from metricvae.core.libraries import NamedObject
from metricvae.core.object_sources import object_schema, object_table
from metricvae.runtime.parquet import write_table

GROUPED_AT_ONCE = 1_000
"""Objects of a row group, of kinds whose objects are compared with one another before they are written."""

LONGEST_NAME = 120
"""Characters of a name of an object; a longer one is cut, with a hash after it."""


@dataclass(eq=False)
class ImportedObjects:
    """The distinct objects of one side.

    Attributes:
        kind: adapted to them.
        file: temporary table of those that could be read, in the order of their numbers.
        names: (m,) ids.
        groups: groups by number, of those that could be read.
        faults: why there is no object, by number.
    """

    kind: ObjectKind
    file: Path
    names: list[str]
    groups: dict[int, str] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)


def import_objects(kind: ObjectKind, reader: ObjectReader, file: Path, source: str) -> ImportedObjects:
    """Adapt a kind to objects, and write them to a table without their splits.

    Args:
        kind: with the settings that the user gave.
        reader: of the objects.
        file: Parquet file to write.
        source: what the objects came from, as a name.

    Raises:
        InputError: the kind has no setting that takes all of them, or none of them could be read.
    """
    done = ImportedObjects(_adapted(kind, reader, source), file, object_names(reader.cells, reader.base))
    write_table(file, _tables(done, reader, source), object_schema(done.kind))
    if not done.groups:
        raise InputError(_unreadable(done.kind, source, done.faults))
    return done


def _adapted(kind: ObjectKind, reader: ObjectReader, source: str) -> ObjectKind:
    """The kind as the objects ask for; only as many are decoded as its `adapt` looks at, at least one."""
    faults: dict[int, str] = {}
    objects = usable(reader.read(kind, "looking at objects"), faults.setdefault)
    first = list(itertools.islice(objects, 1))
    if not first:
        raise InputError(_unreadable(kind, source, faults))
    return kind.adapt(itertools.chain(first, objects))


def _unreadable(kind: ObjectKind, source: str, faults: Mapping[int, str]) -> str:
    first = next(iter(faults.values()), "it names none")
    return f"no object of {source} could be read as {kind.title}: {first}"


def _tables(done: ImportedObjects, reader: ObjectReader, source: str) -> Iterator[pa.Table]:
    parts: Iterator[list[tuple[int, Object]]] = (
        _sound(done, numbers, found) for numbers, found in reader.read(done.kind, "packing objects")
    )
    if done.kind.compares_groups:
        whole = list(itertools.chain.from_iterable(parts))
        parts = iter([whole[start : start + GROUPED_AT_ONCE] for start in range(0, len(whole), GROUPED_AT_ONCE)])
        groups = done.kind.groups([one for _, one in whole], [done.names[number] for number, _ in whole])
        done.groups |= {number: group for (number, _), group in zip(whole, groups, strict=True)}
    for part in parts:
        named = []
        for number, one in part:
            name = done.names[number]
            group = done.groups.setdefault(number, done.kind.group(one, name))
            named.append(NamedObject(name, one, source, "", group))
        if named:
            yield object_table(done.kind, named)


def _sound(
    done: ImportedObjects, numbers: Sequence[int], found: Sequence[Object | InputError]
) -> list[tuple[int, Object]]:
    """The objects that could be read, with their numbers; the faults of the others are kept."""
    done.faults |= {number: str(one) for number, one in zip(numbers, found, strict=True) if isinstance(one, InputError)}
    return [(number, one) for number, one in zip(numbers, found, strict=True) if not isinstance(one, InputError)]


def copy_objects(done: ImportedObjects, splits: npt.NDArray[np.str_], target: Path) -> list[int]:
    """Write the objects that have a split to their table, and return their numbers.

    Args:
        done: objects.
        splits: (m,) by number; empty where an object is in no pair that was kept.
        target: Parquet file to write.
    """
    numbers = np.array(sorted(done.groups), np.int64)
    kept = splits[numbers] != ""
    with pq.ParquetFile(done.file) as parquet:
        schema = parquet.schema_arrow
        write_table(target, _with_splits(parquet, numbers, kept, splits), schema)
    done.file.unlink()
    return [int(number) for number in numbers[kept]]


def _with_splits(
    parquet: pq.ParquetFile, numbers: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], splits: npt.NDArray[np.str_]
) -> Iterator[pa.Table]:
    at, place = 0, parquet.schema_arrow.get_field_index("split")
    for group in range(parquet.num_row_groups):
        table = parquet.read_row_group(group, use_threads=False)
        rows = slice(at, at + len(table))
        at += len(table)
        column = pa.array(splits[numbers[rows]].tolist(), pa.string())
        yield table.set_column(place, table.schema.field(place), column).filter(pa.array(kept[rows]))


def object_names(cells: Cells, base: Path) -> list[str]:
    """(m,) unique names of objects: texts, and paths without the folders outside the table's own."""
    taken: dict[str, int] = {}
    names = []
    for number in range(len(cells)):
        name = _safe_name(cells.name(number), base)
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}~{taken[name]}")
    return _made_unique(names)


def _made_unique(names: Sequence[str]) -> list[str]:
    """The names, by their numbers where a text happens to be one that was made of another."""
    return list(names) if len(set(names)) == len(names) else [f"{number}:{name}" for number, name in enumerate(names)]


def _safe_name(name: str, base: Path) -> str:
    if os.path.isfile(base / name) or address_of(name, base) is not None:
        path = PurePath(os.path.normpath(name))
        outside = path.is_absolute() or PureWindowsPath(name).is_absolute() or ".." in path.parts
        name = path.name if outside else path.as_posix()
    name = name.encode("utf-8", "replace").decode()
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}~{blake2b(name.encode(), digest_size=6).hexdigest()}"
