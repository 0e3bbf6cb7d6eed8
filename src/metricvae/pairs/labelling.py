"""Label pairs on all cores, so that the result depends on the plan alone and a killed run resumes.

The work is cut into fixed parts. A part is a pure function of the plan, is computed by one process on one
thread, and is written to `.parts/` under a temporary name and then renamed; whoever runs next finds the whole
parts and computes only the missing ones. At the end the parts are joined in order.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.errors import InputError
from metricvae.files import atomic_path, read_json, require_free_folder, sha256_of, sweep, write_json, write_text
from metricvae.objects.images import decode_png, encode_png, read_folder
from metricvae.objects.silhouettes import Silhouette
from metricvae.objects.sources import SOURCES, draw
from metricvae.objects.splits import SPLITS, Split, split_of
from metricvae.overlap.dense import solve_dense
from metricvae.overlap.planar import SOLVER, Effort, Prepared, solve
from metricvae.overlap.workers import worker_pool
from metricvae.pairs.card import dataset_readme, distributions, label_error
from metricvae.pairs.dataset import CARD, OBJECT_SCHEMA, OBJECTS, PAIR_SCHEMA, PAIRS
from metricvae.pairs.sampling import Block, check_enough, lacking_splits, objects_needed, plan_blocks

PARTS = ".parts"
PLAN = "plan.json"
OBJECTS_A_PART = 256
MORE_OBJECTS = 64
"""Drawn at a time when a split turned out to have too few."""

BLOCKS_A_PART = 8
CHECKS_A_PART = 4
CHECK_SCHEMA = pa.schema([("value", pa.float64()), ("dense", pa.float64())])
README = "README.md"

Item = TypeVar("Item")


@dataclass(frozen=True)
class LabelPlan:
    """Everything a data set depends on.

    Attributes:
        objects: `glyphs`, `procedural`, `mixed`, or the path of a folder of images.
        pairs: how many pairs.
        seed: the same plan with the same seed gives the same bytes.
        partners: how many others each object meets (pairs come in blocks of partners + 1 objects).
        fit: scale and centre images that are not 200x200.
        effort: how hard the solver searches.
        check: how many of the pairs are also given to the dense search, for the label error in the card.
        task: what is labelled.
    """

    objects: str
    pairs: int
    seed: int = 0
    partners: int = 7
    fit: bool = False
    effort: Effort = dataclasses.field(default_factory=Effort)
    check: int = 0
    task: str = "overlap"


@dataclass(frozen=True)
class LabelProgress:
    """How far labelling is: `done` of `total` in a `stage` (drawing shapes, labelling pairs, checking labels)."""

    stage: str
    done: int
    total: int


Report = Callable[[LabelProgress], None]


def label(
    plan: LabelPlan, folder: Path, *, workers: int | None = None, on_progress: Report | None = None
) -> dict[str, Any]:
    """Make the data set of `plan` in `folder`, resuming what an earlier run left, and return its card.

    Args:
        plan: what to label.
        folder: a new or empty folder, or the unfinished or finished data set of the same plan.
        workers: processes; default all cores. The result does not depend on it.
        on_progress: called after each part.

    Raises:
        InputError: bad plan, a folder that holds something else or another plan's data, too few objects, a full disk.
    """
    folder, report = Path(folder), on_progress or (lambda progress: None)
    facts = _facts(plan)
    if (folder / CARD).is_file():
        return _finished(folder, facts)
    require_free_folder(folder, PARTS, "data set")
    parts = folder / PARTS
    with worker_pool(workers, _one_thread) as pool:
        _claim(plan, parts, facts)
        _draw_objects(plan, parts, pool, report)
        splits = pq.read_table(parts / OBJECTS, columns=["split"])["split"].to_pylist()
        by_split = plan_blocks(splits, plan.pairs, plan.partners, plan.seed)
        shards = [
            (split, blocks[i : i + BLOCKS_A_PART])
            for split, blocks in by_split.items()
            for i in range(0, len(blocks), BLOCKS_A_PART)
        ]
        paths = [parts / f"pairs-{i:06d}.parquet" for i in range(len(shards))]
        sizes = [sum(map(len, blocks)) for _, blocks in shards]
        work = functools.partial(_label_part, plan.effort, parts / OBJECTS)
        _run(pool, work, shards, paths, sizes, "labelling pairs", report)
        checks = _checks(plan, shards)
        check_paths = [parts / f"checks-{i:06d}.parquet" for i in range(len(checks))]
        check = functools.partial(_check_part, plan.effort, parts / OBJECTS)
        _run(pool, check, checks, check_paths, [len(pairs) for pairs in checks], "checking labels", report)
    return _finish(facts, folder, paths, check_paths)


def _facts(plan: LabelPlan) -> dict[str, Any]:
    for name, least in (("pairs", 1), ("partners", 1), ("seed", 0), ("check", 0)):
        if getattr(plan, name) < least:
            raise InputError(f"{name} is {getattr(plan, name)}: expected at least {least}")
    facts = dataclasses.asdict(plan) | {"solver": SOLVER}
    if plan.objects not in SOURCES:
        facts["objects"] = Path(plan.objects).resolve().name
    return facts


def _finished(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    card: dict[str, Any] = read_json(folder / CARD)
    if card.get("plan") != facts:
        raise InputError(f"{folder} holds a finished data set of another plan: choose another folder")
    _tidy(folder)
    return card


def _tidy(folder: Path) -> None:
    """Remove what was needed on the way, and what a killed run left."""
    if (folder / PARTS).exists():
        shutil.rmtree(folder / PARTS)
    sweep(folder, (PAIRS, OBJECTS, README, CARD))


def _claim(plan: LabelPlan, parts: Path, facts: dict[str, Any]) -> None:
    """Make the folder this plan's own. A folder of images is read first: one that cannot serve claims nothing."""
    mine = facts | {"version": version("metricvae")}
    if (parts / PLAN).is_file() and read_json(parts / PLAN) != mine:
        raise InputError(
            f"{parts.parent} holds an unfinished data set of another plan or version: choose another folder"
        )
    if plan.objects not in SOURCES and not (parts / OBJECTS).exists():
        table = object_table(read_folder(Path(plan.objects), fit=plan.fit))
        check_enough(table["split"].to_pylist(), plan.pairs)
        write_json(parts / PLAN, mine)
        _write(parts / OBJECTS, [table], OBJECT_SCHEMA)
    else:
        write_json(parts / PLAN, mine)


def _one_thread() -> None:
    import pyarrow

    pyarrow.set_cpu_count(1)


def _run(
    pool: Executor,
    work: Callable[[Item, Path], None],
    items: Sequence[Item],
    paths: Sequence[Path],
    sizes: Sequence[int],
    stage: str,
    report: Report,
) -> None:
    """Do every item whose file is not there yet."""
    done, total = sum(n for n, path in zip(sizes, paths, strict=True) if path.exists()), sum(sizes)
    report(LabelProgress(stage, done, total))
    pending = {
        pool.submit(work, item, path): n for item, path, n in zip(items, paths, sizes, strict=True) if not path.exists()
    }
    try:
        for future in as_completed(pending):
            future.result()
            done += pending[future]
            report(LabelProgress(stage, done, total))
    finally:
        for future in pending:
            future.cancel()


def _draw_objects(plan: LabelPlan, parts: Path, pool: Executor, report: Report) -> None:
    """Draw the shapes of a generated source, and more of them while a split has too few."""
    if (parts / OBJECTS).exists():
        return
    draw_part = functools.partial(_draw_part, plan.objects, plan.seed)
    paths: list[Path] = []
    splits: list[Split] = []
    total = objects_needed(plan.pairs, plan.partners)
    while len(splits) < total or lacking_splits(splits, plan.pairs):
        end = max(total, len(splits) + MORE_OBJECTS)
        starts = range(len(splits), end, OBJECTS_A_PART)
        sizes = [min(OBJECTS_A_PART, end - start) for start in starts]
        fresh = [parts / f"objects-{start:09d}.parquet" for start in starts]
        _run(pool, draw_part, list(zip(starts, sizes, strict=True)), fresh, sizes, "drawing shapes", report)
        splits += itertools.chain.from_iterable(pq.read_table(path)["split"].to_pylist() for path in fresh)
        paths += fresh
    _write(parts / OBJECTS, map(pq.read_table, paths), OBJECT_SCHEMA)


def _draw_part(source: str, seed: int, span: tuple[int, int], path: Path) -> None:
    start, count = span
    _write(path, [object_table(draw(source, count, seed, start=start))], OBJECT_SCHEMA)


def object_table(shapes: Sequence[Silhouette]) -> pa.Table:
    """Shapes as rows of objects.parquet."""
    rows = [
        {
            "id": shape.id,
            "image": {"bytes": encode_png(shape.mask), "path": None},
            "source": shape.source,
            "family": shape.family,
            "group": shape.group,
            "area": shape.area,
            "split": split_of(shape.group),
        }
        for shape in shapes
    ]
    return pa.Table.from_pylist(rows, OBJECT_SCHEMA)


def _label_part(effort: Effort, objects: Path, shard: tuple[str, list[Block]], path: Path) -> None:
    split, blocks = shard
    table = _objects(objects)
    rows: list[dict[str, Any]] = []
    for block in blocks:
        shapes = {int(i): Prepared(decode_png(table["image"][int(i)]["bytes"].as_py())) for i in np.unique(block)}
        for a, b in block.tolist():
            found = solve(shapes[a], shapes[b], effort)
            pose = {name: round(value, 4) for name, value in dataclasses.asdict(found.pose).items()}
            names = {"a": table["id"][a].as_py(), "b": table["id"][b].as_py()}
            rows.append(names | {"value": round(found.area, 3), "split": split} | pose)
    _write(path, [pa.Table.from_pylist(rows, PAIR_SCHEMA)], PAIR_SCHEMA)


def _checks(plan: LabelPlan, shards: Sequence[tuple[str, list[Block]]]) -> list[Block]:
    """`plan.check` of the pairs (all, if there are fewer), drawn from the plan's seed, a few to a part."""
    if not plan.check:
        return []
    pairs = np.concatenate([block for _, blocks in shards for block in blocks])
    count = min(plan.check, len(pairs))
    chosen = np.sort(np.random.default_rng([plan.seed, len(SPLITS)]).choice(len(pairs), count, replace=False))
    return [pairs[chosen[start : start + CHECKS_A_PART]] for start in range(0, count, CHECKS_A_PART)]


def _check_part(effort: Effort, objects: Path, pairs: Block, path: Path) -> None:
    table = _objects(objects)
    rows = []
    for a, b in pairs.tolist():
        first, second = (Prepared(decode_png(table["image"][i]["bytes"].as_py())) for i in (a, b))
        rows.append({"value": solve(first, second, effort).area, "dense": solve_dense(first, second).area})
    _write(path, [pa.Table.from_pylist(rows, CHECK_SCHEMA)], CHECK_SCHEMA)


@functools.lru_cache(maxsize=1)
def _objects(path: Path) -> pa.Table:
    return pq.read_table(path, columns=["id", "image"]).combine_chunks()


def _write(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)


def _finish(facts: dict[str, Any], folder: Path, paths: Sequence[Path], check_paths: Sequence[Path]) -> dict[str, Any]:
    parts = folder / PARTS
    _write(folder / PAIRS, (pq.read_table(path) for path in paths), PAIR_SCHEMA)
    _write(folder / OBJECTS, [pq.read_table(parts / OBJECTS)], OBJECT_SCHEMA)
    card = {
        "task": facts["task"],
        "unit": "pixels",
        "plan": facts,
        "version": version("metricvae"),
        "counts": _counts(folder),
        "distributions": distributions(folder),
        "label_error": label_error([pq.read_table(path) for path in check_paths]),
        "sha256": {name: sha256_of(folder / name) for name in (OBJECTS, PAIRS)},
    }
    write_text(folder / README, dataset_readme(card))
    write_json(folder / CARD, card)
    _tidy(folder)
    return card


def _counts(folder: Path) -> dict[str, Any]:
    objects, pairs = (pq.read_table(folder / name, columns=["split"])["split"] for name in (OBJECTS, PAIRS))
    return {
        name: {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}
        for name, column in (("objects", objects), ("pairs", pairs))
    }
