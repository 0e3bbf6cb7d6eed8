"""Making an index: a folder with `items.parquet`, the codes of a library, and `index.json`.

A library is encoded part by part, and a finished part is kept: by this process, which has objects that cost time read
by others, or by the tasks of a Ray cluster, each of which reads and encodes a part.
"""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.dataset_library import open_library
from metricvae.core.errors import InputError
from metricvae.core.libraries import AS_IT_IS, ITEMS_A_PART, Library, LibraryPart, Loader, ReadOptions
from metricvae.nn.autoencoder import Sides
from metricvae.nn.heads import Head
from metricvae.prediction.latent_prior import PRIOR_FILE
from metricvae.prediction.novelty import FILE_0_1, part_of
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import (
    read_json,
    require_free_folder,
    sha256_of,
    sweep,
    write_bytes,
    write_json,
    write_text,
)
from metricvae.runtime.parquet import write_table
from metricvae.runtime.parts import Work, run_parts
from metricvae.runtime.process_pool import worker_pool
from metricvae.runtime.ray_pool import ray_pool
from metricvae.search.ann import FILE as CELLS
from metricvae.search.ann import LEARNED_FROM, WORTHWHILE, Codes, InvertedFile, item_vectors
from metricvae.training.checkpoint import CONFIG, WEIGHTS

FORMAT = 2
"""Version of `index.json` that is written, and the only one that is read."""

INDEX = "index.json"
ITEMS = "items.parquet"
SKIPPED = "skipped.txt"
PARTS = ".parts"
PLAN = "plan.json"
NOTES = b"skipped"
"""In the metadata of a part: what gave no item, as a list in JSON."""

Report = Callable[[int, int], None]


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
) -> dict[str, Any]:
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
    folder, report = Path(folder), on_progress or (lambda *_: None)
    again = (folder / INDEX).is_file()
    if not again:
        require_free_folder(folder, PARTS, "index")
    work = folder / (".again" if again else PARTS)
    with worker_pool(workers) if ray is None else ray_pool(ray, workers) as pool:
        try:
            library = open_library(predictor.kind(side), Path(library_path), work, options, side)
            plan = _plan(predictor, library, Path(library_path), folder, side)
            if again:
                return _finished(folder, plan)
        finally:
            if again:
                shutil.rmtree(work, ignore_errors=True)
        if (work / PLAN).is_file() and read_json(work / PLAN) != plan:
            raise InputError(f"{folder} holds an unfinished index of another library or model: choose another folder")
        if ray is not None and not library.portable:
            raise InputError(
                f"a Ray cluster shares out files of many records, and {library_path} is none: leave out --ray"
            )
        write_json(work / PLAN, plan)
        encode = _encode_here if ray is None else _encode_by_tasks
        paths = encode(pool, predictor, library, side, work, report)
    return _finish(predictor.model.head, plan, folder, paths)


def read_document(folder: Path) -> dict[str, Any]:
    """The contents of `index.json`.

    Raises:
        InputError: it is damaged, or of another version.
    """
    document = read_json(folder / INDEX)
    try:
        document["plan"]["model"]["sha256"], dict(document["sha256"])
        written = int(document.get("format", 1))
        if written == FORMAT:
            document["plan"]["kind"], document["plan"]["side"], document["plan"]["library"]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{folder / INDEX} is damaged: make the index again") from None
    if written != FORMAT:
        age = "an older" if written < FORMAT else "a later"
        raise InputError(f"the index in {folder} was made by {age} version: make it again, in another folder")
    return dict(document)


def _plan(predictor: Predictor, library: Library, path: Path, folder: Path, side: Sides) -> dict[str, Any]:
    plan = {
        "model": {"name": str(predictor.loaded.folder), "sha256": predictor.loaded.sha256},
        "library": os.path.relpath(path, folder),
        "kind": predictor.kind(side).to_json(),
        "side": side,
        "items": library.count,
        **library.facts,
    }
    return dict(json.loads(json.dumps(plan)))  # as it comes back from a file


def _finished(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    document = read_document(folder)
    if document["plan"] != plan:
        raise InputError(f"{folder} holds an index of another library or model: choose another folder")
    return document


def _paths(library: Library, work: Path) -> list[Path]:
    return [work / f"items-{part:06d}.parquet" for part in range(library.parts)]


def _encode_here(
    pool: Executor, predictor: Predictor, library: Library, side: Sides, work: Path, report: Report
) -> list[Path]:
    """The files of all parts; the objects of the next one are read while one is encoded."""
    paths = _paths(library, work)
    missing = [part for part, path in enumerate(paths) if not path.exists()]
    done = (library.parts - len(missing)) * ITEMS_A_PART
    load = functools.partial(library.load, over=_over(pool, library))
    with ThreadPoolExecutor(1) as ahead:
        loading = ahead.submit(load, missing[0]) if missing else None
        for place, part in enumerate(missing):
            assert loading is not None
            loaded = loading.result()
            loading = ahead.submit(load, missing[place + 1]) if place + 1 < len(missing) else None
            _write_part(predictor, side, loaded, paths[part])
            done += ITEMS_A_PART
            report(min(done, library.count), library.count)
    return paths


def _over(pool: Executor, library: Library) -> Any:
    """How a part is read: by the pool where objects cost time, as those of portable libraries do."""
    return functools.partial(pool.map, chunksize=64) if library.portable else map


def _encode_by_tasks(
    pool: Executor, predictor: Predictor, library: Library, side: Sides, work: Path, report: Report
) -> list[Path]:
    """The files of all parts, each made by a task that is sent the model once a node and what the part is made of."""
    packed, paths = work / "model.zip", _paths(library, work)
    write_bytes(packed, packed_model(predictor.loaded.folder))
    make = Work(encode_part, (library.loader, side), packed, library.item)
    sizes = [min(ITEMS_A_PART, library.count - part * ITEMS_A_PART) for part in range(library.parts)]
    run_parts(pool, make, range(library.parts), paths, sizes, report)
    return paths


def packed_model(model: Path) -> bytes:
    """What a prediction needs of a model's folder, as a zip file."""
    detectors = (part_of(side)[1] for side in ("left", "right"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in (CONFIG, WEIGHTS, PRIOR_FILE, FILE_0_1, *detectors):
            if (model / name).exists():
                archive.write(model / name, name)
    return content.getvalue()


def encode_part(loader: Loader, side: Sides, packed: Path, item: Any, path: Path) -> None:
    """What a task does: one part of an index, from what `Library.item` says of it and a packed model."""
    _write_part(_unpacked(packed.read_bytes()), side, loader(item, map), path)


@functools.lru_cache(maxsize=1)
def _unpacked(content: bytes) -> Predictor:
    with tempfile.TemporaryDirectory(prefix="metricvae-") as folder, zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
        return Predictor.load(folder)


def _write_part(predictor: Predictor, side: Sides, part: LibraryPart, path: Path) -> None:
    kind, encoded = predictor.kind(side), predictor.encode(part.objects, side)
    codes = encoded.codes.cpu()
    columns = {
        "id": pa.array(part.ids, pa.string()),
        "path": pa.array(part.paths, pa.string()),
        **(kind.to_columns(part.objects) if kind.kept_in_index else {}),
        "magnitude": pa.array(encoded.magnitudes.cpu().numpy(), pa.float32()),
        "novelty": pa.array(encoded.novelty.cpu().numpy(), pa.float32()),
        "length": pa.array(codes.norm(dim=1).numpy(), pa.float32()),
        "code": pa.FixedSizeListArray.from_arrays(pa.array(codes.numpy().ravel(), pa.float32()), codes.shape[1]),
    }
    table = pa.table(columns, metadata={NOTES: json.dumps(list(part.skipped))})
    write_table(path, [table], table.schema)


def _finish(head: Head, plan: dict[str, Any], folder: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """The last step of an index: one file of items, and from many items on an inverted file."""
    notes = [note for path in paths for note in json.loads(pq.read_schema(path).metadata[NOTES])]
    if not any(pq.read_metadata(path).num_rows for path in paths):
        raise InputError(f"no record of the library gave an object, the first for this reason: {notes[0]}")
    write_table(folder / ITEMS, map(pq.read_table, paths), pq.read_schema(paths[0]).remove_metadata())
    rows = pq.read_metadata(folder / ITEMS).num_rows
    write_text(folder / SKIPPED, "".join(f"{note}\n" for note in notes))
    sha256 = {ITEMS: sha256_of(folder / ITEMS)}
    if rows >= WORTHWHILE and head.has_vectors:
        sha256[CELLS] = _cells(head, folder, rows).write(folder)
    skipped = plan["items"] - rows
    document = {"format": FORMAT, "plan": plan, "rows": rows, "skipped": skipped, "sha256": sha256}
    write_json(folder / INDEX, document)
    shutil.rmtree(folder / PARTS)
    sweep(folder, (INDEX, ITEMS, CELLS, SKIPPED))
    return document


def _cells(head: Head, folder: Path, rows: int) -> InvertedFile:
    every = max(1, rows // LEARNED_FROM)
    sample = np.concatenate([part[::every] for part in _codes(folder)])
    return InvertedFile.build((item_vectors(head, part) for part in _codes(folder)), item_vectors(head, sample), rows)


def _codes(folder: Path) -> Iterator[Codes]:
    """The codes of an index, some thousands at a time."""
    for batch in pq.ParquetFile(folder / ITEMS).iter_batches(ITEMS_A_PART, columns=["code"]):
        yield matrix(batch["code"])


def matrix(column: pa.FixedSizeListArray) -> Codes:
    """Codes as rows."""
    found: Codes = column.flatten().to_numpy().reshape(len(column), -1)
    return found
