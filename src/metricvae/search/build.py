"""Making an index: a folder with `items.parquet`, the codes of a library, and `index.json`.

A library is encoded part by part, and a finished part is kept: by this process, which has the conformers of molecules
made by others, or by the tasks of a Ray cluster, each of which makes conformers and codes of a part.
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
import torch

from metricvae.core.errors import InputError
from metricvae.nn.heads import Head
from metricvae.prediction.latent_prior import PRIOR_FILE
from metricvae.prediction.novelty import FILE_0_1, part_of
from metricvae.prediction.predictor import Encoded, Predictor
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
from metricvae.search.ann import LEARNED_FROM, WORTHWHILE, Codes, Nearest, vectors
from metricvae.search.sources import ITEMS_A_PART, Library, MoleculeFile, Part, molecules_part, open_library
from metricvae.training.checkpoint import CONFIG, WEIGHTS

INDEX = "index.json"
ITEMS = "items.parquet"
SKIPPED = "skipped.txt"
PARTS = ".parts"
PLAN = "plan.json"
NOTES = b"skipped"
"""In the metadata of a part: what gave no item, as a list in JSON."""


def build_index(
    predictor: Predictor,
    library_path: Path,
    folder: Path,
    *,
    fit: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Encode a library into `folder`, going on where an interrupted run stopped; returns `index.json`.

    Memory does not grow with the library. Records that give no molecule are listed in `skipped.txt`.

    Args:
        predictor: the model.
        library_path: folder of images, data set, or file of molecules.
        folder: absent, empty, or an index of the same library by the same model, finished or not.
        fit: scale and centre images of other sizes.
        workers: processes that make conformers, or tasks of the cluster at a time; default all cores.
        ray: address of a Ray cluster that makes the conformers and codes of molecules, on its processors, or `local`
            for one of this machine's own.
        on_progress: told how many items of how many are encoded.

    Raises:
        InputError: no library, one of other objects than the model's, an image that cannot be read, no molecule at all,
            a folder that holds something else, a full disk; for a cluster also what `ray_pool` says, and a library that
            is no file of molecules.
    """
    folder, report = Path(folder), on_progress or (lambda *_: None)
    if (folder / INDEX).is_file():
        work = folder / ".again"
    else:
        require_free_folder(folder, PARTS, "index")
        work = folder / PARTS
    in_space = predictor.loaded.config.encoder != "graph"
    with worker_pool(workers) if ray is None else ray_pool(ray, workers) as pool:
        try:
            library = open_library(library_path, work, fit=fit, in_space=in_space)
            plan = _plan(predictor, library, Path(library_path), folder)
            if (folder / INDEX).is_file():
                return _finished(folder, plan)
        finally:
            if work.name != PARTS:
                shutil.rmtree(work, ignore_errors=True)
        if (work / PLAN).is_file() and read_json(work / PLAN) != plan:
            raise InputError(f"{folder} holds an unfinished index of another library or model: choose another folder")
        if ray is None:
            write_json(work / PLAN, plan)
            paths = _encoded_here(pool, predictor, library, work, report)
        elif isinstance(library, MoleculeFile):
            write_json(work / PLAN, plan)
            paths = _encoded_by_tasks(pool, predictor, library, work, report)
        else:
            raise InputError(f"a Ray cluster shares out files of molecules, got {library_path}: leave out --ray")
    return _joined(predictor.model.head, plan, folder, paths)


def _plan(predictor: Predictor, library: Library, path: Path, folder: Path) -> dict[str, Any]:
    if library.form != predictor.loaded.config.form:
        raise InputError(
            f"{path} is a library of {library.form}, and the model compares {predictor.loaded.config.form}: "
            "give another library, or another model"
        )
    return {
        "model": {"name": str(predictor.loaded.folder), "sha256": predictor.loaded.sha256},
        "library": os.path.relpath(path, folder),
        "items": library.count,
        **library.facts,
    }


def _finished(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = read_json(folder / INDEX)
    if document.get("plan") != plan:
        raise InputError(f"{folder} holds an index of another library or model: choose another folder")
    return document


def _paths(library: Library, work: Path) -> list[Path]:
    return [work / f"items-{part:06d}.parquet" for part in range(library.parts)]


def _encoded_here(
    pool: Executor, predictor: Predictor, library: Library, work: Path, report: Callable[[int, int], None]
) -> list[Path]:
    """The files of all parts; the objects of the next one are read while one is encoded."""
    paths = _paths(library, work)
    missing = [part for part, path in enumerate(paths) if not path.exists()]
    done = (library.parts - len(missing)) * ITEMS_A_PART
    load = functools.partial(library.load, over=functools.partial(pool.map, chunksize=64))
    with ThreadPoolExecutor(1) as ahead:
        loading = ahead.submit(load, missing[0]) if missing else None
        for place, part in enumerate(missing):
            assert loading is not None
            loaded = loading.result()
            loading = ahead.submit(load, missing[place + 1]) if place + 1 < len(missing) else None
            _write_part(predictor, loaded, paths[part])
            done += ITEMS_A_PART
            report(min(done, library.count), library.count)
    return paths


def _encoded_by_tasks(
    pool: Executor, predictor: Predictor, library: MoleculeFile, work: Path, report: Callable[[int, int], None]
) -> list[Path]:
    """The files of all parts, each made by a task that is sent the model once a node and the part's records."""
    packed, paths = work / "model.zip", _paths(library, work)
    write_bytes(packed, packed_model(predictor.loaded.folder))
    make = Work(encode_records, (str(library.file), library.in_space), packed, library.rows)
    sizes = [min(ITEMS_A_PART, library.count - part * ITEMS_A_PART) for part in range(library.parts)]
    run_parts(pool, make, range(library.parts), paths, sizes, report)
    return paths


def packed_model(model: Path) -> bytes:
    """What a prediction needs of a model's folder, as a zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in (CONFIG, WEIGHTS, *(part_of(side)[1] for side in ("left", "right")), PRIOR_FILE, FILE_0_1):
            if (model / name).exists():
                archive.write(model / name, name)
    return content.getvalue()


def encode_records(file: str, in_space: bool, packed: Path, rows: list[dict[str, Any]], path: Path) -> None:
    """What a task does: one part of an index, from the records `rows` of `file` and a packed model."""
    _write_part(_unpacked(packed), molecules_part(Path(file), rows, in_space), path)


@functools.lru_cache(maxsize=1)
def _unpacked(packed: Path) -> Predictor:
    with tempfile.TemporaryDirectory(prefix="metricvae-") as folder, zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
        return Predictor.load(folder)


def _write_part(predictor: Predictor, part: Part, path: Path) -> None:
    if part.objects:
        encoded = predictor.encode(part.objects.__getitem__, len(part.objects))
    else:
        width = predictor.loaded.config.latent * (2 if predictor.loaded.config.mirrored else 1)
        encoded = Encoded(torch.empty(0, width), torch.empty(0), torch.empty(0))
    flat = pa.array(encoded.codes.cpu().numpy().ravel(), pa.float32())
    own = {
        "area": pa.array(encoded.sizes.cpu().numpy(), pa.float32()),
        "novelty": pa.array(encoded.novelty.cpu().numpy(), pa.float32()),
        "length": pa.array(encoded.codes.norm(dim=1).cpu().numpy(), pa.float32()),
        "code": pa.FixedSizeListArray.from_arrays(flat, encoded.codes.shape[1]),
    }
    names = {name: pa.array(part.columns[name], pa.string()) for name in ("id", "path")}
    table = pa.table(part.columns | names | own, metadata={NOTES: json.dumps(list(part.skipped))})
    write_table(path, [table], table.schema)


def _joined(head: Head, plan: dict[str, Any], folder: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """The last step of an index: one file of items, and from many items on one of cells."""
    notes = [note for path in paths for note in json.loads(pq.read_schema(path).metadata[NOTES])]
    if not any(pq.read_metadata(path).num_rows for path in paths):
        raise InputError(f"no record of the library gave a molecule, the first for this reason: {notes[0]}")
    write_table(folder / ITEMS, map(pq.read_table, paths), pq.read_schema(paths[0]).remove_metadata())
    rows = pq.read_metadata(folder / ITEMS).num_rows
    write_text(folder / SKIPPED, "".join(f"{note}\n" for note in notes))
    sha256 = {ITEMS: sha256_of(folder / ITEMS)}
    if rows >= WORTHWHILE:
        sha256[CELLS] = _cells(head, folder, rows).write(folder)
    document = {"plan": plan, "rows": rows, "skipped": plan["items"] - rows, "sha256": sha256}
    write_json(folder / INDEX, document)
    shutil.rmtree(folder / PARTS)
    sweep(folder, (INDEX, ITEMS, CELLS, SKIPPED))
    return document


def _cells(head: Head, folder: Path, rows: int) -> Nearest:
    every = max(1, rows // LEARNED_FROM)
    sample = np.concatenate([part[::every] for part in _codes(folder)])
    return Nearest.build((vectors(head, part) for part in _codes(folder)), vectors(head, sample), rows)


def _codes(folder: Path) -> Iterator[Codes]:
    """The codes of an index, some thousands at a time."""
    for batch in pq.ParquetFile(folder / ITEMS).iter_batches(ITEMS_A_PART, columns=["code"]):
        yield matrix(batch["code"])


def matrix(column: pa.FixedSizeListArray) -> Codes:
    """Codes as rows."""
    found: Codes = column.flatten().to_numpy().reshape(len(column), -1)
    return found
