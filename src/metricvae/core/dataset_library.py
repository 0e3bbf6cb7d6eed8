"""The objects of a labelled data set as a library."""

from __future__ import annotations

import functools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.dataset import read_card, sides_of_card
from metricvae.core.kind import ObjectKind, kind_from_json
from metricvae.core.libraries import ITEMS_A_PART, Library, LibraryPart, Loader, Map, digest_of


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
        self.ids = pq.read_table(self.file, columns=["id"])["id"].to_pylist()
        self.count, self.parts = len(self.ids), -(-len(self.ids) // ITEMS_A_PART)
        self.facts = {"names_sha256": digest_of(self.ids)}

    @property
    def loader(self) -> Loader:
        return functools.partial(read_rows, self.reader, self.file)

    def item(self, part: int) -> tuple[int, int]:
        return part * ITEMS_A_PART, min((part + 1) * ITEMS_A_PART, self.count)


def read_rows(kind: ObjectKind, file: Path, span: tuple[int, int], _: Map) -> LibraryPart:
    """The objects in rows `span[0]` to `span[1]` of a table of objects."""
    table = rows_of(file, *span, columns=["id", *kind.schema.names])
    ids = table["id"].to_pylist()
    return LibraryPart(kind.from_table(table), ids, [f"{file.parent}#{name}" for name in ids])


def rows_of(file: Path, start: int, end: int, columns: list[str] | None = None) -> pa.Table:
    """Rows `start` to `end` of a Parquet file; only the row groups that hold them are read."""
    parquet = pq.ParquetFile(file)
    groups: list[int] = []
    before, first = 0, 0
    for group in range(parquet.num_row_groups):
        rows = parquet.metadata.row_group(group).num_rows
        if before < end and before + rows > start:
            first = first if groups else before
            groups.append(group)
        before += rows
    return parquet.read_row_groups(groups, columns=columns).slice(start - first, end - start).combine_chunks()
