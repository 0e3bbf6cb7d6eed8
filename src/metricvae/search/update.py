"""Adding items to an index and deleting items from it; see `metricvae.search.store` for what a kill leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.dataset_library import open_library
from metricvae.core.libraries import AS_IT_IS, ITEMS_A_PART, ReadOptions
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.locks import held
from metricvae.runtime.parquet import read_schema, read_table, row_count
from metricvae.search.ann import LEARNED_FROM, WORTHWHILE, InvertedFile
from metricvae.search.build import add_items
from metricvae.search.encoding import Placement, Report, encode_library, encoding_pool, plan_of
from metricvae.search.filters import satisfying
from metricvae.search.index import check_model, read_index
from metricvae.search.store import (
    WORK,
    Document,
    batches,
    commit,
    notes_of,
    read_document,
    segment_paths,
    tidy,
    with_cells,
    with_deleted,
    with_notes,
    with_segment,
)

COMPACTED_FROM = 0.5
"""Share of deleted items above which an index is written anew without them."""


@dataclass(frozen=True)
class Appended:
    """What an appending came to.

    Attributes:
        added: items.
        known: objects whose ids the index had already, which were left out.
        skipped: records that gave no object.
        items: of the index now.
    """

    added: int
    known: int
    skipped: int
    items: int


@dataclass(frozen=True)
class Deleted:
    """What a deletion came to.

    Attributes:
        deleted: items.
        unknown: ids that the index does not have.
        items: of the index now.
        compacted: whether the index was written anew without what was deleted.
    """

    deleted: int
    unknown: int
    items: int
    compacted: bool


def append_to_index(
    folder: Path,
    library_path: Path,
    predictor: Predictor,
    *,
    options: ReadOptions = AS_IT_IS,
    workers: int | None = None,
    ray: str | None = None,
    on_progress: Report | None = None,
) -> Appended:
    """Add the objects of another library to an index, going on where an interrupted run stopped.

    What is there is not encoded again, and an object whose id is there already is left out.

    Args:
        folder: of the index.
        library_path: a data set, or a folder or file of objects of the model's kind.
        predictor: the model that the index was made with.
        options, workers, ray, on_progress: as for `metricvae.search.build.build_index`.

    Raises:
        InputError: no index, one of another model, one that another process is changing, or what `build_index` says of
            libraries.
    """
    folder, library_path = Path(folder), Path(library_path)
    read_document(folder)
    with held(folder, "index"), encoding_pool(workers, ray) as pool:
        index = read_index(folder)
        check_model(index, predictor)
        document, side = index.document, index.side
        known = frozenset(name for name, alive in zip(index.ids, index.alive.tolist(), strict=True) if alive)
        about = {"library": str(library_path.resolve()), "segments": document["sha256"]}
        work = folder / f"{WORK}-{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]}"
        library = open_library(predictor.kind(side), library_path, work, options, side)
        library.known = known
        plan = plan_of(predictor, library, library_path, folder, side)
        place = Placement(side, 1 + len(document["appended"]), known)
        report = on_progress or (lambda *_: None)
        paths = encode_library(*(pool, predictor, library, place, plan, work), by_tasks=ray is not None, report=report)
        added = sum(row_count(path) for path in paths)
        skipped = sum(len(notes_of(path)) for path in paths)
        objects = added if options.conformers == 1 else _objects(paths)
        done = Appended(added, library.count - objects - skipped, skipped, document["rows"] + added)
        if not added:
            tidy(folder, document)
            return done
        facts = {key: value for key, value in plan.items() if key not in ("model", "kind", "side")}
        document = document | {
            "appended": [*document["appended"], facts],
            "skipped": document["skipped"] + skipped,
        }
        title = f"{library_path.name}, "
        commit(folder, add_items(predictor.model.head, document, folder, paths, title))
    return done


def _objects(paths: Sequence[Path]) -> int:
    """Objects whose items encoded parts hold; no object stands in two parts."""
    return sum(len(read_table(path, ["id"])["id"].unique()) for path in paths)


def delete_items(folder: Path, ids: Sequence[str] = (), where: str = "", *, compact: bool = False) -> Deleted:
    """Delete items from an index: those of some ids, and those that satisfy a condition.

    Once more than half of all items are deleted, the index is written anew without them.

    Args:
        folder: of the index.
        ids: of items; those that the index does not have are counted.
        where: a condition, see `metricvae.search.expressions`; empty for none.
        compact: write the index anew without what is deleted, however little that is.

    Raises:
        InputError: no index, one that another process is changing, or a condition that cannot be read.
    """
    folder = Path(folder)
    read_document(folder)
    with held(folder, "index"):
        index = read_index(folder)
        names, gone = np.array(index.ids, object), set(ids)
        chosen = np.array([name in gone for name in index.ids], bool) & index.alive
        unknown = len(gone.difference(names[chosen].tolist()))
        if where:
            chosen |= satisfying(index, where) & index.alive
        alive = index.alive & ~chosen
        document = index.document
        if chosen.any():
            document = with_deleted(folder, document, alive)
        few = alive.sum() < (1 - COMPACTED_FROM) * len(alive)
        scattered = not alive.all() or len(document["segments"]) > 1
        compacted = bool((few or compact) and scattered and alive.any())
        if compacted:
            document = _compacted(folder, document, alive)
        if document is index.document:
            tidy(folder, document)
        else:
            commit(folder, document)
        return Deleted(int(chosen.sum()), unknown, int(alive.sum()), compacted)


def _compacted(folder: Path, document: Document, alive: npt.NDArray[np.bool_]) -> Document:
    """The document of the index without what is deleted, in files that are written."""
    old, named = segment_paths(folder, document), document["sha256"]  # so that the new files get other names
    schema = with_notes(read_schema(old[0]), [note for path in old for note in notes_of(path)])
    empty = document | {"segments": [], "deleted": None, "rows": 0}
    fresh = with_segment(folder, empty, _living_rows(old, schema.names, alive), schema)
    cells = _living_cells(folder, document, alive)
    fresh = with_cells(folder, fresh, cells, int(alive.sum()))
    return fresh | {"sha256": {name: digest for name, digest in fresh["sha256"].items() if name not in named}}


def _living_rows(paths: Sequence[Path], columns: Sequence[str], alive: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
    start = 0
    for table in batches(paths, columns):
        yield table.filter(pa.array(alive[start : start + len(table)]))
        start += len(table)


def _living_cells(folder: Path, document: Document, alive: npt.NDArray[np.bool_]) -> InvertedFile | None:
    """An inverted file of the vectors that are not deleted, taken from that which there is."""
    rows = np.flatnonzero(alive)
    if document["cells"] is None or len(rows) < WORTHWHILE:
        return None
    old = InvertedFile.read(folder / document["cells"]["file"])
    parts = (old.codes(rows[start : start + ITEMS_A_PART]) for start in range(0, len(rows), ITEMS_A_PART))
    return InvertedFile.build(parts, old.codes(rows[:: max(1, len(rows) // LEARNED_FROM)]), len(rows))
