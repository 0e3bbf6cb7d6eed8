"""Making an index: the codes of a library and what is kept of its items, see `metricvae.search.store`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from metricvae.core.dataset_library import open_library
from metricvae.core.errors import InputError
from metricvae.core.libraries import AS_IT_IS, ReadOptions
from metricvae.nn.autoencoder import Sides
from metricvae.nn.heads import Head
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import require_free_folder
from metricvae.runtime.folders import remove_folder
from metricvae.runtime.locks import held
from metricvae.runtime.parquet import read_schema, read_table, row_count
from metricvae.search.ann import LEARNED_FROM, WORTHWHILE, Codes, InvertedFile, item_vectors
from metricvae.search.encoding import Placement, Report, encode_library, encoding_pool, plan_of
from metricvae.search.store import (
    INDEX,
    WORK,
    Document,
    all_rows,
    codes_of,
    commit,
    new_document,
    notes_of,
    read_document,
    segment_paths,
    tidy,
    with_cells,
    with_notes,
    with_segment,
)

GROWTH = 2
"""Times as many items as the cells were found on, at most: then cells are found anew."""


def build_index(
    predictor: Predictor,
    library_path: Path,
    folder: Path,
    *,
    side: Sides = "right",
    options: ReadOptions = AS_IT_IS,
    workers: int | None = None,
    ray: str | None = None,
    on_progress: Report | None = None,
) -> Document:
    """Encode a library into `folder`, going on where an interrupted run stopped; returns `index.json`.

    Memory does not grow with the library. Records that give no object are listed in `skipped.txt`.

    Args:
        predictor: the model.
        library_path: a data set, or a folder or file of objects of the model's kind.
        folder: absent, empty, or an index of the same library by the same model, finished or not.
        side: of a pair on which the items stand: queries stand on the other. Where one tower encodes both, it makes no
            difference.
        options: of reading.
        workers: processes that read objects, or tasks of the cluster at a time; default all cores.
        ray: address of a Ray cluster that reads and encodes the objects, on its processors, or `local` for one of this
            machine's own.
        on_progress: told how many items of how many are encoded.

    Raises:
        InputError: no library, one of other objects than the model's, an object that cannot be read, none at all, a
            folder that holds something else, a full disk; for a cluster also what `ray_pool` says, and a library that
            only this machine can read.
    """
    with held(Path(folder), "index"):
        report = on_progress or (lambda *_: None)
        return _build(predictor, Path(library_path), Path(folder), side, options, workers, ray, report)


def _build(
    predictor: Predictor,
    library_path: Path,
    folder: Path,
    side: Sides,
    options: ReadOptions,
    workers: int | None,
    ray: str | None,
    report: Report,
) -> Document:
    again = (folder / INDEX).is_file()
    if not again:
        require_free_folder(folder, WORK, "index")
    work = folder / (f"{WORK}-again" if again else WORK)
    with encoding_pool(workers, ray) as pool:
        try:
            library = open_library(predictor.kind(side), library_path, work, options, side)
            plan = plan_of(predictor, library, library_path, folder, side)
            if again:
                return _finished(folder, plan)
        finally:
            if again:
                remove_folder(work)
        paths = encode_library(
            *(pool, predictor, library, Placement(side), plan, work), by_tasks=ray is not None, report=report
        )
    if not any(row_count(path) for path in paths):
        first = next(note for path in paths for note in notes_of(path))
        remove_folder(work)
        raise InputError(f"no record of the library gave an object, the first for this reason: {first}")
    document = add_items(predictor.model.head, new_document(plan), folder, paths)
    return commit(folder, document | {"skipped": sum(len(notes_of(path)) for path in paths)})


def _finished(folder: Path, plan: Document) -> Document:
    document = read_document(folder)
    if document["plan"] != plan:
        raise InputError(f"{folder} holds an index of another library or model: choose another folder")
    tidy(folder, document)
    return document


def add_items(head: Head, document: Document, folder: Path, paths: Sequence[Path], title: str = "") -> Document:
    """The document of an index to which encoded parts were added as a segment, and to the inverted file.

    Args:
        head: of the model.
        document: of the index as it is.
        folder: of the index.
        paths: of the parts.
        title: of the library, before notes on its records.
    """
    notes = [f"{title}{note}" for path in paths for note in notes_of(path)]
    schema = with_notes(read_schema(paths[0]), notes)
    document = with_segment(folder, document, map(read_table, paths), schema)
    segments, rows = segment_paths(folder, document), all_rows(document)
    if rows < WORTHWHILE or not head.has_vectors:
        return document
    cells = document["cells"]
    if cells is not None and rows <= GROWTH * cells["learned_from"]:
        there = InvertedFile.read(folder / cells["file"], to_change=True)
        new = (item_vectors(head, part) for part in codes_of(segments[-1:]))
        return with_cells(folder, document, there.extended(new), cells["learned_from"])
    return with_cells(folder, document, sorted_into_cells(partial(item_vectors, head), segments, rows), rows)


def sorted_into_cells(vectors: Callable[[Codes], Codes], segments: Sequence[Path], rows: int) -> InvertedFile:
    """An inverted file of the codes of some files of items.

    Args:
        vectors: of codes, see `item_vectors`.
        segments: the files.
        rows: of them all.
    """
    every = max(1, rows // LEARNED_FROM)
    sample = np.concatenate([part[::every] for part in codes_of(segments)])
    return InvertedFile.build(map(vectors, codes_of(segments)), vectors(sample), rows)
