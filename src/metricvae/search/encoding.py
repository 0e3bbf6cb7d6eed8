"""A library as files of encoded items, part by part; a finished part is kept.

The work is done by this process, which has objects that cost time read by others, or by the tasks of a Ray cluster,
each of which reads and encodes a part.
"""

from __future__ import annotations

import functools
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.libraries import Library, LibraryPart, Loader
from metricvae.nn.autoencoder import Sides
from metricvae.prediction.added_metrics import METRICS_FOLDER
from metricvae.prediction.latent_prior import PRIOR_FILE
from metricvae.prediction.novelty import FILE_0_1, part_of
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded
from metricvae.runtime.files import read_json, write_bytes, write_json
from metricvae.runtime.parquet import write_table
from metricvae.runtime.parts import Work, run_parts
from metricvae.runtime.precision import threads_of
from metricvae.runtime.process_pool import worker_pool
from metricvae.runtime.ray_pool import ray_pool
from metricvae.search.store import with_notes
from metricvae.training.checkpoint import WEIGHTS
from metricvae.training.model_document import CONFIG

PLAN = "plan.json"
PLACE = "place.json"
"""In a packed model: where items stand."""

SLICE = 256
"""Objects of a part of an index that are encoded by one thread at a time."""

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Placement:
    """Where encoded items stand.

    Attributes:
        side: of a pair.
        library: number of their library in the index.
        known: ids of items that the index has already, which are left out.
    """

    side: Sides
    library: int = 0
    known: frozenset[str] = frozenset()


def encoding_pool(workers: int | None, ray: str | None) -> AbstractContextManager[Executor]:
    """Processes of this machine, or tasks of a Ray cluster.

    Args:
        workers: how many at a time; default all cores.
        ray: address of the cluster, or `local`.
    """
    return worker_pool(workers) if ray is None else ray_pool(ray, workers)


def plan_of(predictor: Predictor, library: Library, path: Path, folder: Path, side: Sides) -> dict[str, Any]:
    """What tells the encoding of a library from another, as plain values."""
    plan = {
        "model": {"name": str(predictor.base.folder), "sha256": predictor.loaded.sha256},
        "library": os.path.relpath(path, folder),
        "kind": predictor.kind(side).to_json(),
        "side": side,
        "items": library.count,
        **library.facts,
    }
    return dict(json.loads(json.dumps(plan)))  # as it comes back from a file


def encode_library(
    pool: Executor,
    predictor: Predictor,
    library: Library,
    place: Placement,
    plan: dict[str, Any],
    work: Path,
    *,
    by_tasks: bool,
    report: Report,
) -> list[Path]:
    """The files of all parts of a library, in `work`; those that an interrupted run left there are taken.

    Args:
        pool: of `encoding_pool`.
        predictor: the model.
        library: the objects.
        place: where they stand.
        plan: of the work, which what is in the folder must have too.
        work: folder of the parts.
        by_tasks: whether the pool is that of a cluster.
        report: told how many objects of how many are done.

    Raises:
        InputError: the folder holds the parts of another plan, an object cannot be read, or a cluster is asked for a
            library that only this machine can read.
    """
    if (work / PLAN).is_file() and read_json(work / PLAN) != plan:
        raise InputError(f"{work.parent} holds an unfinished index of another library or model: choose another folder")
    if by_tasks and not library.portable:
        raise InputError(
            f"a Ray cluster shares out files of many records, and {plan['library']} is none: leave out --ray"
        )
    write_json(work / PLAN, plan)
    encode = _encode_by_tasks if by_tasks else _encode_here
    return encode(pool, predictor, library, place, work, report)


def _paths(library: Library, work: Path) -> list[Path]:
    return [work / f"items-{part:06d}.parquet" for part in range(library.parts)]


def _encode_here(
    pool: Executor, predictor: Predictor, library: Library, place: Placement, work: Path, report: Report
) -> list[Path]:
    """The files of all parts; the objects of the next one are read while one is encoded."""
    paths = _paths(library, work)
    missing = [part for part, path in enumerate(paths) if not path.exists()]
    done = (library.parts - len(missing)) * library.at_once
    load = functools.partial(library.load, over=_over(pool, library))
    with ThreadPoolExecutor(1) as ahead:
        loading = ahead.submit(load, missing[0]) if missing else None
        for at, part in enumerate(missing):
            assert loading is not None
            loaded = loading.result()
            loading = ahead.submit(load, missing[at + 1]) if at + 1 < len(missing) else None
            _write_part(predictor, place, loaded, paths[part])
            done += library.at_once
            report(min(done, library.count), library.count)
    return paths


def _over(pool: Executor, library: Library) -> Any:
    """How a part is read: by the pool where objects cost time, as those of portable libraries do."""
    return functools.partial(pool.map, chunksize=64) if library.portable else map


def _encode_by_tasks(
    pool: Executor, predictor: Predictor, library: Library, place: Placement, work: Path, report: Report
) -> list[Path]:
    """The files of all parts, each made by a task that is sent the model once a node and what the part is made of."""
    packed, paths = work / "model.zip", _paths(library, work)
    write_bytes(packed, packed_model(predictor.base.folder, place))
    make = Work(encode_part, (library.loader,), packed, library.item)
    sizes = [min(library.at_once, library.count - part * library.at_once) for part in range(library.parts)]
    run_parts(pool, make, range(library.parts), paths, sizes, report)
    return paths


def packed_model(model: Path, place: Placement) -> bytes:
    """What encoding needs: that part of a model's folder, and where items stand, as a zip file."""
    detectors = (part_of(side)[1] for side in ("left", "right"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PLACE, json.dumps([place.side, place.library, sorted(place.known)]))
        for name in (CONFIG, WEIGHTS, PRIOR_FILE, FILE_0_1, *detectors):
            if (model / name).exists():
                archive.write(model / name, name)
        for path in sorted((model / METRICS_FOLDER).glob("*/*")):
            archive.write(path, path.relative_to(model).as_posix())
    return content.getvalue()


def encode_part(loader: Loader, packed: Path, item: Any, path: Path) -> None:
    """What a task does: one part of an index, from what `Library.item` says of it and a packed model."""
    _write_part(*_unpacked(packed.read_bytes()), loader(item, map), path)


@functools.lru_cache(maxsize=1)
def _unpacked(content: bytes) -> tuple[Predictor, Placement]:
    with tempfile.TemporaryDirectory(prefix="metricvae-") as folder, zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
        side, library, known = json.loads(archive.read(PLACE))
        return Predictor.load(folder), Placement(side, library, frozenset(known))


def _write_part(predictor: Predictor, place: Placement, part: LibraryPart, path: Path) -> None:
    part = without_known(part, place.known)
    kind, encoded = predictor.kind(place.side), encode_evenly(predictor, part.objects, place.side)
    codes = encoded.codes.cpu()
    columns = {
        "id": pa.array(part.ids, pa.string()),
        "path": pa.array(part.paths, pa.string()),
        "library": pa.array(np.full(len(part.ids), place.library, np.int32)),
        **(kind.to_columns(part.objects) if kind.kept_in_index else {}),
        **(kind.index_columns(part.objects) if part.columns is None else part.columns),
        "magnitude": pa.array(encoded.magnitudes.cpu().numpy(), pa.float32()),
        "novelty": pa.array(encoded.novelty.cpu().numpy(), pa.float32()),
        "length": pa.array(codes.norm(dim=1).numpy(), pa.float32()),
        "code": pa.FixedSizeListArray.from_arrays(pa.array(codes.numpy().ravel(), pa.float32()), codes.shape[1]),
    }
    table = pa.table(columns)
    write_table(path, [table], with_notes(table.schema, part.skipped))


def encode_evenly(predictor: Predictor, objects: Sequence[Object], side: Sides) -> Encoded:
    """Codes of objects that are the same bits whatever the number of threads.

    A sum over several threads depends on how many there are. So each slice of objects is encoded on one thread, and as
    many slices at a time as PyTorch has threads.
    """
    slices = [objects[start : start + SLICE] for start in range(0, len(objects), SLICE)]
    threads = torch.get_num_threads()
    if predictor.device.type != "cpu" or not slices:
        return predictor.encode(objects, side)
    with threads_of(1), ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        found = list(pool.map(lambda some: predictor.encode(some, side), slices))
    parts = zip(*((one.codes, one.magnitudes, one.novelty) for one in found), strict=True)
    return Encoded(*map(torch.cat, parts))


def without_known(part: LibraryPart, known: Set[str]) -> LibraryPart:
    """The objects of a part whose ids are not among those known."""
    new = [place for place, name in enumerate(part.ids) if name not in known]
    if len(new) == len(part.ids):
        return part
    objects, ids, paths = ([column[place] for place in new] for column in (part.objects, part.ids, part.paths))
    chosen = pa.array(new, pa.int64())
    columns = None if part.columns is None else {name: column.take(chosen) for name, column in part.columns.items()}
    return LibraryPart(objects, ids, paths, part.skipped, columns)
