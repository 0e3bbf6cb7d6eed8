"""A library encoded once and then searched: what an index holds, in memory."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, kind_from_json
from metricvae.nn.autoencoder import Sides
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded, consecutive
from metricvae.runtime.files import check_sha256
from metricvae.runtime.parquet import read_schema, read_table
from metricvae.runtime.reading import damaged, inside
from metricvae.search.ann import InvertedFile
from metricvae.search.store import Document, Rows, living, matrix, read_document, read_items, segment_paths


@dataclass(frozen=True)
class Index:
    """A library in memory.

    Attributes:
        folder: where it is.
        kind: of the items.
        side: of a pair on which they stand.
        ids, paths: (n,) of the items, deleted ones among them.
        alive: (n,) which items are not deleted.
        libraries: (n,) number of the library that each item comes from.
        magnitudes, novelty: (n,) float32, as `Encoded` has them.
        lengths: (n,) float32, of the codes.
        codes: (n, d) float32; None where there are cells.
        cells: finds near codes; None where all are looked at.
        document: what `index.json` says.
        columns: that were read so far.
    """

    folder: Path
    kind: ObjectKind
    side: Sides
    ids: tuple[str, ...]
    paths: tuple[str, ...]
    alive: npt.NDArray[np.bool_]
    libraries: npt.NDArray[np.int32]
    magnitudes: torch.Tensor
    novelty: torch.Tensor
    lengths: torch.Tensor
    codes: torch.Tensor | None
    cells: InvertedFile | None
    document: Document
    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return int(self.alive.sum())

    @property
    def plan(self) -> dict[str, Any]:
        """Model, kind and side, and the first library."""
        return dict(self.document["plan"])

    @property
    def segments(self) -> list[Path]:
        """The files of items."""
        return segment_paths(self.folder, self.document)

    @property
    def variants(self) -> int:
        """Items of one object, at most: they share its id."""
        return max(int(about.get("conformers", 1)) for about in (self.plan, *self.document["appended"]))

    @functools.cached_property
    def rows_of(self) -> dict[str, Rows]:
        """The rows of each object that is not deleted, by its id."""
        found: dict[str, list[int]] = {}
        for row in np.flatnonzero(self.alive).tolist():
            found.setdefault(self.ids[row], []).append(row)
        return {name: np.array(rows) for name, rows in found.items()}

    @property
    def query_side(self) -> Sides:
        """The side of a pair on which queries stand."""
        return "left" if self.side == "right" else "right"

    def library(self, number: int = 0) -> tuple[Path, dict[str, Any]]:
        """Where a library was, by its number, and what is known of it."""
        about: dict[str, Any] = [self.document["plan"], *self.document["appended"]][number]
        return self.folder / str(about["library"]), about

    @functools.cached_property
    def schema(self) -> pa.Schema:
        """All columns."""
        return read_schema(self.segments[0])

    def table(self, rows: Rows, columns: Sequence[str] | None = None) -> pa.Table:
        """Some items with some columns, by default all that is kept of them but their codes."""
        wanted = [name for name in self.schema.names if name != "code"] if columns is None else columns
        return read_items(self.segments, rows, wanted)

    def whole(self, columns: Sequence[str]) -> pa.Table:
        """All items, deleted ones among them, with some columns, which stay in memory."""
        missing = [name for name in columns if name not in self.columns]
        if missing:
            table = pa.concat_tables([read_table(path, missing) for path in self.segments])
            self.columns.update({name: table[name] for name in missing})
        counted = pa.table({"": pa.nulls(len(self.ids), pa.int8())})
        for name in columns:
            counted = counted.append_column(name, self.columns[name])
        return counted.drop_columns("")

    def encoded(self, rows: Rows | None = None, *, stored: bool = False) -> Encoded:
        """Items as the model sees them: those in some rows, or all of an index without cells.

        Args:
            rows: of the items.
            stored: whether an inverted file, which has what the model's own metric compares, does not do: then codes
                are read from the files of items.
        """
        if self.cells is None:
            assert self.codes is not None
            whole = Encoded(self.codes, self.magnitudes, self.novelty)
            if rows is None:
                return whole
            chosen = consecutive(rows)
            return whole[torch.from_numpy(rows) if chosen is None else chosen]
        assert rows is not None
        if stored:
            codes = matrix(self.table(rows, ["code"])["code"].combine_chunks())
            return Encoded(torch.from_numpy(codes.copy()), self.magnitudes[rows], self.novelty[rows])
        directions = functional.normalize(torch.from_numpy(self.cells.codes(rows)), dim=1)
        return Encoded(directions * self.lengths[rows, None], self.magnitudes[rows], self.novelty[rows])


def read_index(folder: Path) -> Index:
    """Read and check an index.

    Raises:
        InputError: the folder is no finished index, its items were changed, or another version made it.
    """
    folder = Path(folder)
    document = read_document(folder)
    try:
        return _read(folder, document)
    except (InputError, OSError):
        if read_document(folder) == document:
            raise
        return read_index(folder)  # another process changed it in the meantime


def _read(folder: Path, document: Document) -> Index:
    for name, digest in document["sha256"].items():
        check_sha256(inside(folder, name), str(digest))
    with damaged(folder, "make the index again"):
        return _of_document(folder, document)


def _of_document(folder: Path, document: Document) -> Index:
    cells = document["cells"]
    columns = ["id", "path", "library", "magnitude", "novelty", "length", *([] if cells else ["code"])]
    paths = segment_paths(folder, document)
    table = pa.concat_tables([read_table(path, columns) for path in paths]).combine_chunks()
    numbers = {name: np.array(table[name].to_numpy()) for name in ("library", "magnitude", "novelty", "length")}
    return Index(
        folder=folder,
        kind=kind_from_json(document["plan"]["kind"]),
        side=cast(Sides, document["plan"]["side"]),
        ids=tuple(table["id"].to_pylist()),
        paths=tuple(table["path"].to_pylist()),
        alive=living(folder, document),
        libraries=numbers["library"],
        magnitudes=torch.from_numpy(numbers["magnitude"]),
        novelty=torch.from_numpy(numbers["novelty"]),
        lengths=torch.from_numpy(numbers["length"]),
        codes=None if cells else torch.from_numpy(matrix(table["code"].combine_chunks()).copy()),
        cells=InvertedFile.read(inside(folder, cells["file"])) if cells else None,
        document=document,
    )


def load_for(index: Index, model: str | None = None, device: str = "cpu") -> Predictor:
    """The model an index was made with, or `model`, which must be the same.

    Raises:
        InputError: the model is not where it was, or is another one.
    """
    name = model or index.plan["model"]["name"]
    predictor = Predictor.load(name, device)
    check_model(index, predictor)
    return predictor


def load_for_folder(folder: Path, model: str | None = None, device: str = "cpu") -> Predictor:
    """The same, told the folder of an index that is not read yet."""
    return Predictor.load(model or read_document(Path(folder))["plan"]["model"]["name"], device)


def check_model(index: Index, predictor: Predictor) -> None:
    """Raise InputError unless an index was made with this model."""
    if predictor.loaded.sha256 != index.plan["model"]["sha256"]:
        name = predictor.base.folder
        raise InputError(f"the model {name} is not the one the index was made with: make the index again")
