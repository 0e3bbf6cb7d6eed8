"""Label pairs on all cores, so that the result depends on the plan alone and a killed run resumes.

The work is cut into fixed parts, kept in `.parts/`; whoever runs next finds the whole parts and makes only the missing
ones. At the end the parts are joined in order.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from metricvae import __version__
from metricvae.core.dataset_files import CARD, FORMAT, PAIRS, counts_of
from metricvae.core.errors import InputError
from metricvae.core.labelling import BlockLabelling, KnownPairsLabelling, Labelling
from metricvae.core.object_sources import ObjectSource
from metricvae.core.plan import Plan
from metricvae.labelling.parts import ReadShard, Shard, label_part
from metricvae.labelling.steps import (
    NO_CHECKS,
    NOTES,
    PARTS,
    Checks,
    Report,
    arrow_file,
    check_pairs,
    copy_file,
    finish,
    join_notes,
    join_pairs,
    label_shards,
    make_objects,
    read_notes,
    shards_of,
    table_names,
    tidy,
)
from metricvae.runtime.files import DiskError, read_json, require_free_folder, write_json
from metricvae.runtime.locks import held
from metricvae.runtime.parquet import write_table
from metricvae.runtime.parts import Work
from metricvae.runtime.process_pool import worker_pool
from metricvae.runtime.ray_pool import ray_pool
from metricvae.runtime.reading import ReadError

PLAN = "plan.json"


def label(
    plan: Plan,
    folder: Path,
    *,
    workers: int | None = None,
    ray: str | None = None,
    device: str = "cuda",
    on_progress: Report | None = None,
) -> dict[str, Any]:
    """Make the data set of `plan` in `folder`, resuming what an earlier run left, and return its card.

    Args:
        plan: what to label.
        folder: a new or empty folder, or the unfinished or finished data set of the same plan.
        workers: processes; default all cores. The result does not depend on it.
        ray: address of a Ray cluster to work on instead of this machine, or `local` for one of this machine's own.
        device: that a batched plan is solved on, one part at a time.
        on_progress: called after each part.

    Raises:
        InputError: bad plan, a folder that holds something else or another plan's data, too few objects, a full disk,
            a cluster that does not answer.
    """
    with held(Path(folder), "data set"):
        return _label(plan, Path(folder), workers, ray, device, on_progress or (lambda progress: None))


def _label(
    plan: Plan, folder: Path, workers: int | None, ray: str | None, device: str, report: Report
) -> dict[str, Any]:
    facts = plan.facts()
    if (folder / CARD).is_file():
        return _finished(folder, facts)
    require_free_folder(folder, PARTS, "data set")
    labelling: Labelling[Any] = plan.labelling()
    tables, parts = table_names(len(labelling.kinds)), folder / PARTS
    with worker_pool(workers) if ray is None else ray_pool(ray, workers) as pool:
        with _claimed(folder, facts):
            for name, source in _missing(labelling, parts, tables):
                local = ray is not None and not source.portable
                with worker_pool(workers) if local else contextlib.nullcontext(pool) as readers:
                    make_objects(labelling, source, parts / name, readers, report)
            shards = _shards(labelling, parts, tables)
        checks = NO_CHECKS
        if isinstance(labelling, BlockLabelling):
            checks = _label_shards(labelling, shards, parts, tables, pool, report, device)
    return _joined(labelling, folder, facts, tables, checks)


def _finished(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    card: dict[str, Any] = read_json(folder / CARD)
    if card.get("plan") != facts:
        raise InputError(f"{folder} holds a finished data set of another plan: choose another folder")
    tidy(folder)
    return card


@contextlib.contextmanager
def _claimed(folder: Path, facts: dict[str, Any]) -> Iterator[None]:
    """Make the folder this plan's own; objects that cannot serve claim nothing."""
    parts, mine = folder / PARTS, facts | {"version": __version__}
    if (parts / PLAN).is_file() and read_json(parts / PLAN) != mine:
        raise InputError(f"{folder} holds an unfinished data set of another plan or version: choose another folder")
    write_json(parts / PLAN, mine)
    try:
        yield
    except (DiskError, ReadError):
        raise
    except InputError:
        shutil.rmtree(parts, ignore_errors=True)
        raise


def _missing(labelling: Labelling[Any], parts: Path, tables: Sequence[str]) -> Iterator[tuple[str, ObjectSource]]:
    """The tables of objects that are not made yet, and their sources."""
    if not all((parts / name).exists() for name in tables):
        yield from zip(tables, labelling.sources(parts), strict=True)


def _shards(labelling: Labelling[Any], parts: Path, tables: Sequence[str]) -> list[Shard]:
    """What is left to label; pairs that are known are written."""
    if isinstance(labelling, BlockLabelling):
        return shards_of(labelling, [parts / name for name in tables])
    if not isinstance(labelling, KnownPairsLabelling):
        raise TypeError(f"{type(labelling).__name__} is a Labelling: expected one of blocks or of known pairs")
    known = labelling.known_pairs(parts / tables[0])
    write_table(parts / PAIRS, [known], known.schema)
    return []


def _label_shards(
    labelling: BlockLabelling[Any],
    shards: Sequence[Shard],
    parts: Path,
    tables: Sequence[str],
    pool: Executor,
    report: Report,
    device: str,
) -> Checks:
    """Label the pairs and join them; what was checked of them."""
    read = ReadShard(tuple(arrow_file(parts, name) for name in tables))
    work = Work(label_part, (labelling, device), read=read)
    with ThreadPoolExecutor(1) if labelling.in_this_process else contextlib.nullcontext(pool) as solving:
        labelled = label_shards(work, shards, parts, solving, report)
    checks = check_pairs(labelling, read, shards, parts, pool, report)
    join_pairs(labelled, parts / PAIRS)
    return checks


def _joined(
    labelling: Labelling[Any], folder: Path, facts: dict[str, Any], tables: Sequence[str], checks: Checks
) -> dict[str, Any]:
    for name in (PAIRS, *tables):
        copy_file(folder / PARTS / name, folder / name)
    join_notes(folder / PARTS, tables, folder / NOTES)
    error, metric = checks.error(folder / PAIRS), labelling.metric
    skipped = {"skipped": len(read_notes(folder / NOTES))} if (folder / NOTES).exists() else {}
    card = {
        "format": FORMAT,
        "task": facts["task"],
        "metric": metric.to_json(),
        "objects": {
            side: {"kind": kind.to_json(), "file": name}
            for side, kind, name in zip(("left", "right"), labelling.kinds, tables, strict=False)
        },
        "unit": labelling.unit,
        **({} if metric.unlisted is None else {"otherwise": metric.unlisted}),
        "plan": facts,
        "version": __version__,
        "counts": counts_of(folder, tables) | labelling.counts(folder) | skipped,
        **labelling.describe(folder, error),
    }
    return finish(folder, card, tables, labelling)
