"""The files of an index: `index.json` names segments of items, what is deleted of them, and the inverted file.

A file is never changed once it is there: what adds, deletes or compacts writes new files beside the old ones, and then
replaces `index.json`, atomically. So whoever is killed, at any moment, leaves the index as it was or as it was to be,
and files that nothing names, which the next change removes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.errors import InputError
from metricvae.core.libraries import ITEMS_A_PART
from metricvae.runtime.files import link_or_copy, read_json, sha256_of, sweep, write_json, write_text
from metricvae.runtime.folders import remove_folder
from metricvae.runtime.parquet import checked, read_rows, read_schema, read_table, row_count, write_table
from metricvae.runtime.reading import damaged, inside, names_like, parse_json, reading
from metricvae.search.ann import Codes

FORMAT = 3
"""Version of `index.json` that is written, and the only one that is read."""

INDEX = "index.json"
SKIPPED = "skipped.txt"
NOTES = b"skipped"
"""In the metadata of a segment, and of a part: what gave no item, as a list in JSON."""

SEGMENT, CELLS, DELETED = ("items", ".parquet"), ("codes", ".faiss"), ("deleted", ".parquet")
"""Names of files before and after their number."""

WORK = ".parts"
"""Folder of unfinished work; that of an appending has a suffix."""

Document = dict[str, Any]
Rows = npt.NDArray[np.int64]


def read_document(folder: Path) -> Document:
    """The contents of `index.json`.

    Raises:
        InputError: there is none, it is damaged, or of another version.
    """
    if not (Path(folder) / INDEX).is_file():
        raise InputError(f"{folder} has no {INDEX}, so it is no finished index: run `metricvae index` (again) for it")
    document = read_json(folder / INDEX)
    try:
        document["plan"]["model"]["sha256"], [inside(folder, name) for name in dict(document["sha256"])]
        written = int(document.get("format", 1))
        if written == FORMAT:
            _check_present(document)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{folder / INDEX} is damaged: make the index again") from None
    if written != FORMAT:
        age = "an older" if written < FORMAT else "a later"
        raise InputError(f"the index in {folder} was made by {age} version: make it again, in another folder")
    return dict(document)


def copy_index(folder: Path, target: Path) -> None:
    """Make a folder of the same index, whose files take no further space where the disk lets files have two names.

    The libraries that items come from stay where they are, and are named from the new folder.

    Args:
        folder: of an index.
        target: a folder that there is not.

    Raises:
        InputError: as `read_document`.
        OSError: a file is gone meanwhile, as the index was changed.
    """
    document = read_document(folder)
    target.mkdir(parents=True)
    for name in document["sha256"]:
        link_or_copy(inside(folder, name), target / name)
    if (folder / SKIPPED).is_file():
        link_or_copy(folder / SKIPPED, target / SKIPPED)

    def moved(facts: Document) -> Document:
        return facts | {"library": os.path.relpath(folder / facts["library"], target)}

    appended = [moved(one) for one in document["appended"]]
    write_json(target / INDEX, document | {"plan": moved(document["plan"]), "appended": appended})


def _check_present(document: Document) -> None:
    """Raise an exception unless all is there that is asked for later, and every file has a checksum."""
    plan, files = document["plan"], [segment["file"] for segment in document["segments"]]
    files += [one["file"] for one in (document["deleted"], document["cells"]) if one is not None]
    texts = [plan["model"]["name"], plan["side"], *(one["library"] for one in (plan, *document["appended"]))]
    counts = [segment["rows"] for segment in document["segments"]]
    plan["kind"], document["rows"], document["skipped"]
    if not (counts and set(files) <= set(document["sha256"])):
        raise KeyError("a file without a checksum")
    if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, int) for one in counts):
        raise TypeError("a name that is none, or a number")


def new_document(plan: Document) -> Document:
    """Of an index without items."""
    return {
        **{"format": FORMAT, "plan": plan, "appended": [], "segments": [], "deleted": None, "cells": None},
        **{"rows": 0, "skipped": 0, "sha256": {}},
    }


def segment_paths(folder: Path, document: Document) -> list[Path]:
    """The files of items, in the order of the rows."""
    return [inside(folder, segment["file"]) for segment in document["segments"]]


def all_rows(document: Document) -> int:
    """Items of all segments, deleted ones among them."""
    return sum(int(segment["rows"]) for segment in document["segments"])


def living(folder: Path, document: Document) -> npt.NDArray[np.bool_]:
    """(n,) which rows are not deleted."""
    alive = np.ones(sum(map(row_count, segment_paths(folder, document))), bool)
    if len(alive) != all_rows(document):
        raise InputError(f"{folder / INDEX} counts other rows than its files hold: make the index again")
    if document["deleted"] is not None:
        path = inside(folder, document["deleted"]["file"])
        with damaged(path, "make the index again"):
            alive[read_table(path, ["row"])["row"].to_numpy()] = False
    return alive


def new_file(document: Document, parts: tuple[str, str]) -> str:
    """A name that `index.json` does not have yet."""
    stem, ending = parts
    used = [name[len(stem) + 1 : -len(ending)] for name in document["sha256"] if name.startswith(f"{stem}-")]
    return f"{stem}-{max([-1, *map(int, used)]) + 1:03d}{ending}"


def with_segment(folder: Path, document: Document, tables: Iterable[pa.Table], schema: pa.Schema) -> Document:
    """The document of an index with one more segment, which is written; its metadata hold notes on skipped records."""
    name = new_file(document, SEGMENT)
    write_table(folder / name, tables, schema)
    rows = row_count(folder / name)
    return document | {
        "segments": [*document["segments"], {"file": name, "rows": rows}],
        "rows": document["rows"] + rows,
        "sha256": document["sha256"] | {name: sha256_of(folder / name)},
    }


def with_deleted(folder: Path, document: Document, alive: npt.NDArray[np.bool_]) -> Document:
    """The document of an index in which all other rows are deleted, in a file that is written."""
    rows = np.flatnonzero(~alive)
    name = new_file(document, DELETED)
    write_table(folder / name, [pa.table({"row": rows})], pa.schema([("row", pa.int64())]))
    before = () if document["deleted"] is None else (document["deleted"]["file"],)
    kept = {file: digest for file, digest in document["sha256"].items() if file not in before}
    return document | {
        "deleted": {"file": name, "rows": len(rows)},
        "rows": int(alive.sum()),
        "sha256": kept | {name: sha256_of(folder / name)},
    }


def with_cells(folder: Path, document: Document, cells: Any, learned_from: int) -> Document:
    """The document of an index with another inverted file, which is written, or with none.

    Args:
        folder: of the index.
        document: of it.
        cells: an `InvertedFile` or None.
        learned_from: rows there were when its cells were found.
    """
    before = () if document["cells"] is None else (document["cells"]["file"],)
    kept = {file: digest for file, digest in document["sha256"].items() if file not in before}
    if cells is None:
        return document | {"cells": None, "sha256": kept}
    name = new_file(document, CELLS)
    digest = cells.write(folder / name)
    return document | {"cells": {"file": name, "learned_from": learned_from}, "sha256": kept | {name: digest}}


def commit(folder: Path, document: Document) -> Document:
    """Make a document the index, and remove what it does not name."""
    _write_notes(folder, document)
    write_json(folder / INDEX, document)
    remove_unnamed(folder, document)
    return document


def tidy(folder: Path, document: Document) -> None:
    """Do what a kill after `index.json` was written may have left undone."""
    _write_notes(folder, document)
    remove_unnamed(folder, document)


def _write_notes(folder: Path, document: Document) -> None:
    """Write `skipped.txt`, unless it is there as it is to be."""
    notes = [note for path in segment_paths(folder, document) for note in notes_of(path)]
    text = "".join(f"{note}\n" for note in notes)
    if (folder / SKIPPED).is_file():
        with reading(folder / SKIPPED) as file:
            if file.read() == text.encode():
                return
    write_text(folder / SKIPPED, text)


def remove_unnamed(folder: Path, document: Document) -> None:
    """Remove the files of an index that `index.json` does not name, and what killed processes left of its files."""
    for stem, ending in (SEGMENT, CELLS, DELETED):
        for path in names_like(folder, f"{stem}-*{ending}"):
            if path.name not in document["sha256"]:
                path.unlink(missing_ok=True)
        for leftover in names_like(folder, f".{stem}-*.tmp"):
            leftover.unlink(missing_ok=True)
    sweep(folder, (INDEX, SKIPPED))
    for work in names_like(folder, f"{WORK}*"):
        remove_folder(work)


def notes_of(path: Path) -> list[str]:
    """What is said in a segment or a part of records that gave no item."""
    metadata = read_schema(path).metadata or {}
    return list(parse_json(metadata.get(NOTES, b"[]"), str(path)))


def with_notes(schema: pa.Schema, notes: Sequence[str]) -> pa.Schema:
    """The schema of a segment or a part, with notes on records that gave no item."""
    return schema.with_metadata({NOTES: json.dumps(list(notes))})


def read_items(paths: Sequence[Path], rows: Rows, columns: Sequence[str]) -> pa.Table:
    """Some rows of several files, counted through, in the order they are asked for.

    Args:
        paths: of the files.
        rows: (k,) numbers from 0.
        columns: names of the columns wanted.
    """
    starts = np.cumsum([0, *(row_count(path) for path in paths)])
    places = np.searchsorted(starts, rows, side="right") - 1
    order = np.argsort(places, kind="stable")
    chosen = [place for place in range(len(paths)) if (places == place).any()] or [0]
    parts = [read_rows(paths[place], rows[places == place] - starts[place], columns) for place in chosen]
    return pa.concat_tables(parts).take(np.argsort(order, kind="stable"))


def batches(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of all rows, some thousands of rows at a time."""
    for path in paths:
        with damaged(path, "make the index again"), checked(path, columns) as parquet:
            for batch in parquet.iter_batches(ITEMS_A_PART, columns=list(columns)):
                yield pa.Table.from_batches([batch])


def codes_of(paths: Sequence[Path]) -> Iterator[Codes]:
    """The codes of all rows, some thousands at a time."""
    for table in batches(paths, ["code"]):
        yield matrix(table["code"].combine_chunks())


def matrix(column: pa.FixedSizeListArray) -> Codes:
    """Codes as rows."""
    found: Codes = column.flatten().to_numpy().reshape(len(column), -1)
    return found
