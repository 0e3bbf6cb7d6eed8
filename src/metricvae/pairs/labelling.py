"""Label pairs on all cores, so that the result depends on the plan alone and a killed run resumes.

The work is cut into fixed parts (:mod:`metricvae.pairs.parts`), kept in `.parts/`; whoever runs next finds the whole
parts and makes only the missing ones. At the end the parts are joined in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.errors import InputError
from metricvae.files import read_json, require_free_folder, sha256_of, sweep, write_json, write_text
from metricvae.objects.halves import CUTS, Cut
from metricvae.objects.images import read_folder
from metricvae.objects.sources import SOURCES
from metricvae.objects.splits import SPLITS, Split
from metricvae.overlap.planar import SOLVER, Effort
from metricvae.overlap.workers import worker_pool
from metricvae.pairs.card import dataset_readme, distributions, label_error
from metricvae.pairs.cluster import ray_pool
from metricvae.pairs.dataset import CARD, OBJECT_SCHEMA, OBJECTS, PAIR_SCHEMA, PAIRS
from metricvae.pairs.halves_card import halves_baselines, halves_readme
from metricvae.pairs.halving import HALF_PAIR_SCHEMA, HALF_SCHEMA, SHAPES_A_BLOCK, cut_part, lacking, pair_table
from metricvae.pairs.molecules import (
    FRAGMENTS,
    OVERLAY_SCHEMA,
    MoleculesPlan,
    conform_part,
    count_skipped,
    joined,
    list_records,
    overlay_part,
    thorough_part,
)
from metricvae.pairs.molecules_card import molecule_distributions, molecules_readme
from metricvae.pairs.parts import (
    Work,
    check_part,
    draw_part,
    label_part,
    object_table,
    run_parts,
    write_table,
)
from metricvae.pairs.sampling import Block, check_enough, lacking_splits, objects_needed, plan_blocks

PARTS = ".parts"
SHAPES, RECORDS = "shapes.parquet", "records.parquet"
SKIPPED = "skipped.csv"
PLAN = "plan.json"
OBJECTS_A_PART = 256
MORE_OBJECTS = 64
"""Drawn at a time when a split turned out to have too few."""

BLOCKS_A_PART = 8
CHECKS_A_PART = 4
README = "README.md"


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
        batched: whether pairs go through the search for graphics cards, whose answers agree to rounding, not to bits.
        check: how many of the pairs are also given to the dense search, for the label error in the card.
        task: what is labelled.
    """

    objects: str
    pairs: int
    seed: int = 0
    partners: int = 7
    fit: bool = False
    effort: Effort = dataclasses.field(default_factory=Effort)
    batched: bool = False
    check: int = 0
    task: str = "overlap"


@dataclass(frozen=True)
class LabelProgress:
    """How far labelling is: `done` of `total` in a `stage` (drawing shapes, labelling pairs, checking labels)."""

    stage: str
    done: int
    total: int


Report = Callable[[LabelProgress], None]


@dataclass(frozen=True)
class HalvesPlan:
    """Everything a data set of halves depends on.

    Attributes:
        objects: `glyphs`, `procedural`, `mixed`, or the path of a folder of images.
        pairs: how many pairs; half of them match.
        seed: the same plan with the same seed gives the same bytes.
        fit: scale and centre images that are not 200x200.
        cuts: kinds of line, one of them drawn for each cut.
        middle: cut through the centroid, the paper's setting, not anywhere.
        times: how often each shape is cut; shapes of a folder are cut more often where they are too few.
        task: what is labelled.
    """

    objects: str
    pairs: int
    seed: int = 0
    fit: bool = False
    cuts: tuple[Cut, ...] = ("zigzag", "curved")
    middle: bool = False
    times: int = 2
    task: str = "halves"


Plan = LabelPlan | HalvesPlan | MoleculesPlan


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
    folder, report = Path(folder), on_progress or (lambda progress: None)
    facts = _facts(plan)
    if (folder / CARD).is_file():
        return _finished(folder, facts)
    require_free_folder(folder, PARTS, "data set")
    parts = folder / PARTS
    with worker_pool(workers) if ray is None else ray_pool(ray, workers) as pool:
        _claim(plan, parts, facts)
        if isinstance(plan, HalvesPlan):
            _cut_shapes(plan, parts, pool, report)
            return _finish_halves(plan, facts, folder)
        if isinstance(plan, MoleculesPlan):
            return _finish_molecules(facts, folder, *_overlay_molecules(plan, parts, pool, report))
        _draw_objects(plan, parts, pool, report)
        splits = pq.read_table(parts / OBJECTS, columns=["split"])["split"].to_pylist()
        shards = _shards(plan, splits)
        work = Work(label_part, (plan.effort, device if plan.batched else None), parts / OBJECTS)
        with ThreadPoolExecutor(1) if plan.batched else contextlib.nullcontext(pool) as solving:
            labelled = _labelled(work, shards, parts, solving, report)
        checks = _checks(Work(check_part, (), parts / OBJECTS), plan, shards, parts, pool, report)
    return _finish(facts, folder, labelled, checks)


Shard = tuple[str, list[Block]]


@dataclass(frozen=True)
class _Checks:
    """Which pairs were given to the better search, in order, and the files of what it says."""

    chosen: npt.NDArray[np.int64]
    paths: list[Path]

    def error(self, folder: Path) -> dict[str, float] | None:
        """How far the labels in `folder` lie below it."""
        labels = pq.read_table(folder / PAIRS, columns=["value"])["value"].to_numpy()[self.chosen]
        return label_error(labels, np.concatenate([np.empty(0), *(_dense(path) for path in self.paths)]))


def _dense(path: Path) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = pq.read_table(path)["dense"].to_numpy()
    return values


def _shards(plan: LabelPlan | MoleculesPlan, splits: Sequence[Split]) -> list[Shard]:
    """The blocks of each split, some at a time."""
    by_split = plan_blocks(splits, plan.pairs, plan.partners, plan.seed)
    return [
        (split, blocks[i : i + BLOCKS_A_PART])
        for split, blocks in by_split.items()
        for i in range(0, len(blocks), BLOCKS_A_PART)
    ]


def _labelled(work: Work, shards: Sequence[Shard], parts: Path, pool: Executor, report: Report) -> list[Path]:
    """The files of the labelled pairs of each shard."""
    paths = [parts / f"pairs-{i:06d}.parquet" for i in range(len(shards))]
    sizes = [sum(map(len, blocks)) for _, blocks in shards]
    run_parts(pool, work, shards, paths, sizes, step("labelling pairs", report))
    return paths


def _checks(
    work: Work,
    plan: LabelPlan | MoleculesPlan,
    shards: Sequence[Shard],
    parts: Path,
    pool: Executor,
    report: Report,
) -> _Checks:
    """Some of the labelled pairs through the better search: `plan.check` of them, or all, if there are fewer."""
    random = np.random.default_rng([plan.seed, len(SPLITS)])
    chosen = np.sort(random.choice(plan.pairs, min(plan.check, plan.pairs), replace=False))
    pairs = np.concatenate([block for _, blocks in shards for block in blocks])
    checks = [pairs[chosen[start : start + CHECKS_A_PART]] for start in range(0, len(chosen), CHECKS_A_PART)]
    paths = [parts / f"checks-{i:06d}.parquet" for i in range(len(checks))]
    run_parts(pool, work, checks, paths, list(map(len, checks)), step("checking labels", report))
    return _Checks(chosen, paths)


def _facts(plan: Plan) -> dict[str, Any]:
    for name, least in (("pairs", 1), ("partners", 1), ("seed", 0), ("check", 0), ("times", 2), ("conformers", 1)):
        if getattr(plan, name, least) < least:
            raise InputError(f"{name} is {getattr(plan, name)}: expected at least {least}")
    facts = dataclasses.asdict(plan)
    if isinstance(plan, MoleculesPlan):
        if plan.molecules is not None and plan.molecules < 2:
            raise InputError(f"molecules is {plan.molecules}: expected at least 2")
    elif isinstance(plan, HalvesPlan):
        facts["cuts"] = list(plan.cuts)
        if not plan.cuts or set(plan.cuts) - set(CUTS):
            raise InputError(f"cuts is {', '.join(plan.cuts) or 'empty'}: expected some of {', '.join(CUTS)}")
    else:
        facts["solver"] = SOLVER
    if plan.objects not in _sources(plan):
        facts["objects"] = Path(plan.objects).resolve().name
        if isinstance(plan, MoleculesPlan) and Path(plan.objects).is_file():
            facts["objects_sha256"] = sha256_of(Path(plan.objects))
    return facts


def _sources(plan: Plan) -> tuple[str, ...]:
    """The sources that need no files."""
    return (FRAGMENTS,) if isinstance(plan, MoleculesPlan) else SOURCES


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
    sweep(folder, (PAIRS, OBJECTS, SKIPPED, README, CARD))


def _claim(plan: Plan, parts: Path, facts: dict[str, Any]) -> None:
    """Make the folder this plan's own. A folder of images is read first: one that cannot serve claims nothing."""
    mine = facts | {"version": version("metricvae")}
    if (parts / PLAN).is_file() and read_json(parts / PLAN) != mine:
        raise InputError(
            f"{parts.parent} holds an unfinished data set of another plan or version: choose another folder"
        )
    if isinstance(plan, MoleculesPlan):
        if plan.objects != FRAGMENTS and not (parts / RECORDS).exists():
            list_records(Path(plan.objects), plan.molecules, OBJECTS_A_PART, parts / RECORDS)
        return write_json(parts / PLAN, mine)
    shapes = parts / (SHAPES if isinstance(plan, HalvesPlan) else OBJECTS)
    if plan.objects not in SOURCES and not shapes.exists():
        table = object_table(read_folder(Path(plan.objects), fit=plan.fit))
        if not isinstance(plan, HalvesPlan):
            check_enough(table["split"].to_pylist(), plan.pairs)
        write_json(parts / PLAN, mine)
        write_table(shapes, [table], OBJECT_SCHEMA)
    else:
        write_json(parts / PLAN, mine)


def step(stage: str, report: Report) -> Callable[[int, int], None]:
    """A report of one stage."""
    return lambda done, total: report(LabelProgress(stage, done, total))


def _draw_objects(plan: LabelPlan, parts: Path, pool: Executor, report: Report) -> None:
    """Draw the shapes of a generated source, and more of them while a split has too few."""
    if (parts / OBJECTS).exists():
        return
    work = Work(draw_part, (plan.objects, plan.seed))
    splits: list[Split] = []

    def lack(fresh: Sequence[Path]) -> bool:
        splits.extend(itertools.chain.from_iterable(pq.read_table(path)["split"].to_pylist() for path in fresh))
        return bool(lacking_splits(splits, plan.pairs))

    total = objects_needed(plan.pairs, plan.partners)
    paths = _spans(parts, work, total, lack, pool, step("drawing shapes", report))
    write_table(parts / OBJECTS, map(pq.read_table, paths), OBJECT_SCHEMA)


def _cut_shapes(plan: HalvesPlan, parts: Path, pool: Executor, report: Report) -> None:
    """Cut the shapes of a source or a folder, and more of a source's while a split has too few."""
    if (parts / OBJECTS).exists():
        return
    names = ["shape", "family", "split"]
    tables: list[pa.Table] = []

    def lack(fresh: Sequence[Path]) -> bool:
        tables.extend(pq.read_table(path, columns=names) for path in fresh)
        return plan.objects in SOURCES and lacking(pa.concat_tables(tables), plan.pairs, plan.seed)

    times, total = plan.times, math.ceil(1.08 * plan.pairs / 2 / plan.times) + 2 * SHAPES_A_BLOCK
    shapes = plan.objects
    if plan.objects not in SOURCES:
        shapes, total = str(parts / SHAPES), pq.read_metadata(parts / SHAPES).num_rows
        times = max(plan.times, 2 * math.ceil(1.3 * plan.pairs / 4 / total))
    work = Work(cut_part, (shapes, plan.seed, plan.cuts, times, plan.middle))
    paths = _spans(parts, work, total, lack, pool, step("cutting shapes", report))
    write_table(parts / OBJECTS, map(pq.read_table, paths), HALF_SCHEMA)


def _overlay_molecules(plan: MoleculesPlan, parts: Path, pool: Executor, report: Report) -> tuple[list[Path], _Checks]:
    """Conformers and overlays of the molecules of a file, or of fragments while a split has too few."""
    if not (parts / OBJECTS).exists():
        splits: list[Split] = []
        if plan.objects == FRAGMENTS:
            source, total = FRAGMENTS, plan.molecules or objects_needed(plan.pairs, plan.partners)
        else:
            source, total = str(parts / RECORDS), pq.read_metadata(parts / RECORDS).num_rows

        def lack(fresh: Sequence[Path]) -> bool:
            for path in fresh:
                splits.extend(split for split in pq.read_table(path)["split"].to_pylist() if split)
            return plan.objects == FRAGMENTS and bool(lacking_splits(splits, plan.pairs))

        work = Work(conform_part, (source, plan.seed, plan.conformers, OBJECTS_A_PART))
        paths = _spans(parts, work, total, lack, pool, step("making conformers", report))
        check_enough(splits, plan.pairs)
        joined(paths, parts / OBJECTS, parts / SKIPPED)
    shards = _shards(plan, pq.read_table(parts / OBJECTS, columns=["split"])["split"].to_pylist())
    labelled = _labelled(Work(overlay_part, (plan.effort,), parts / OBJECTS), shards, parts, pool, report)
    return labelled, _checks(Work(thorough_part, (), parts / OBJECTS), plan, shards, parts, pool, report)


def _spans(
    parts: Path,
    work: Work,
    total: int,
    lack: Callable[[Sequence[Path]], bool],
    pool: Executor,
    report: Callable[[int, int], None],
) -> list[Path]:
    """Files of objects made from shapes 0 to `total`, and of more shapes while `lack`, told the new files, says so."""
    paths: list[Path] = []
    end, lacks = 0, True
    while lacks:
        start, end = end, max(total, end + MORE_OBJECTS)
        starts = range(start, end, OBJECTS_A_PART)
        sizes = [min(OBJECTS_A_PART, end - first) for first in starts]
        fresh = [parts / f"objects-{first:09d}.parquet" for first in starts]
        run_parts(pool, work, list(zip(starts, sizes, strict=True)), fresh, sizes, report)
        paths += fresh
        lacks = lack(fresh)
    return paths


def _finish(facts: dict[str, Any], folder: Path, labelled: Sequence[Path], checks: _Checks) -> dict[str, Any]:
    write_table(folder / PAIRS, map(pq.read_table, labelled), PAIR_SCHEMA)
    write_table(folder / OBJECTS, [pq.read_table(folder / PARTS / OBJECTS)], OBJECT_SCHEMA)
    card = {
        "task": facts["task"],
        "unit": "pixels",
        "plan": facts,
        "version": version("metricvae"),
        "counts": _counts(folder),
        "distributions": distributions(folder),
        "label_error": checks.error(folder),
    }
    return _carded(folder, card, dataset_readme)


def _finish_molecules(facts: dict[str, Any], folder: Path, labelled: Sequence[Path], checks: _Checks) -> dict[str, Any]:
    write_table(folder / PAIRS, map(pq.read_table, labelled), OVERLAY_SCHEMA)
    objects = pq.read_table(folder / PARTS / OBJECTS)
    write_table(folder / OBJECTS, [objects], objects.schema)
    shutil.copyfile(folder / PARTS / SKIPPED, folder / SKIPPED)
    card = {
        "task": facts["task"],
        "unit": "cubic angstroms",
        "plan": facts,
        "version": version("metricvae"),
        "counts": _counts(folder) | {"skipped": count_skipped(folder / SKIPPED)},
        "distributions": molecule_distributions(folder),
        "label_error": checks.error(folder),
    }
    return _carded(folder, card, molecules_readme)


def _finish_halves(plan: HalvesPlan, facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    halves = pq.read_table(folder / PARTS / OBJECTS)
    write_table(folder / PAIRS, [pair_table(halves, plan.pairs, plan.seed)], HALF_PAIR_SCHEMA)
    write_table(folder / OBJECTS, [halves], HALF_SCHEMA)
    card = {
        "task": facts["task"],
        "unit": "1 where two halves belong together, 0 where not",
        "otherwise": 0.0,
        "plan": facts,
        "version": version("metricvae"),
        "counts": _counts(folder) | {"grades": _tally(pq.read_table(folder / PAIRS)["grade"])},
        "baselines": halves_baselines(folder),
    }
    return _carded(folder, card, halves_readme)


def _carded(folder: Path, card: dict[str, Any], readme: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """The last step of a data set: its card, with the checksums, beside a README.md; what was on the way goes."""
    card |= {"sha256": {name: sha256_of(folder / name) for name in (OBJECTS, PAIRS)}}
    write_text(folder / README, readme(card))
    write_json(folder / CARD, card)
    _tidy(folder)
    return card


def _counts(folder: Path) -> dict[str, Any]:
    objects, pairs = (pq.read_table(folder / name, columns=["split"])["split"] for name in (OBJECTS, PAIRS))
    return {name: _tally(column) for name, column in (("objects", objects), ("pairs", pairs))}


def _tally(column: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}
