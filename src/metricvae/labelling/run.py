"""Label pairs on all cores, so that the result depends on the plan alone and a killed run resumes.

The work is cut into fixed parts (`parts`), kept in `.parts/`; whoever runs next finds the whole
parts and makes only the missing ones. At the end the parts are joined in order.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import shutil
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.dataset import CARD, OBJECT_SCHEMA, OBJECTS, PAIR_SCHEMA, PAIRS
from metricvae.core.errors import InputError
from metricvae.core.sampling import check_enough, lacking_splits, objects_needed
from metricvae.core.splits import Split
from metricvae.kinds.molecule.library import list_records
from metricvae.kinds.silhouette.io import read_folder
from metricvae.kinds.silhouette.sources.generators import SOURCES
from metricvae.labelling.card import dataset_readme, distributions
from metricvae.labelling.parts import check_part, draw_part, label_part, object_table
from metricvae.labelling.plans import HalvesPlan, LabelPlan, Plan, facts_of
from metricvae.labelling.steps import (
    OBJECTS_A_PART,
    PARTS,
    SKIPPED,
    Checks,
    Report,
    carded,
    checks_of,
    counts_of,
    label_shards,
    shards_of,
    spans,
    step,
    tally,
    tidy,
)
from metricvae.metrics.match.card import halves_baselines, halves_readme
from metricvae.metrics.match.pairs import (
    HALF_PAIR_SCHEMA,
    HALF_SCHEMA,
    SHAPES_PER_BLOCK,
    cut_part,
    has_too_few_pieces,
    pair_table,
)
from metricvae.metrics.shape.card import molecule_distributions, molecules_readme
from metricvae.metrics.shape.labels import (
    FRAGMENTS,
    OVERLAY_SCHEMA,
    MoleculesPlan,
    conform_part,
    count_skipped,
    join_parts,
    overlay_part,
    thorough_part,
)
from metricvae.runtime.files import read_json, require_free_folder, write_json
from metricvae.runtime.parquet import write_table
from metricvae.runtime.parts import Work
from metricvae.runtime.process_pool import worker_pool
from metricvae.runtime.ray_pool import ray_pool

PLAN = "plan.json"
SHAPES, RECORDS, GEOMETRY = "shapes.parquet", "records.parquet", "geometry.arrow"


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
    facts = facts_of(plan)
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
        shards = shards_of(plan, splits)
        work = Work(label_part, (plan.search, device if plan.batched else None), parts / OBJECTS)
        with ThreadPoolExecutor(1) if plan.batched else contextlib.nullcontext(pool) as solving:
            labelled = label_shards(work, shards, parts, solving, report)
        checks = checks_of(Work(check_part, (), parts / OBJECTS), plan, shards, parts, pool, report)
    return _finish(facts, folder, labelled, checks)


def _finished(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    card: dict[str, Any] = read_json(folder / CARD)
    if card.get("plan") != facts:
        raise InputError(f"{folder} holds a finished data set of another plan: choose another folder")
    tidy(folder)
    return card


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
    paths = spans(parts, work, total, lack, pool, step("drawing shapes", report))
    write_table(parts / OBJECTS, map(pq.read_table, paths), OBJECT_SCHEMA)


def _finish(facts: dict[str, Any], folder: Path, labelled: Sequence[Path], checks: Checks) -> dict[str, Any]:
    write_table(folder / PAIRS, map(pq.read_table, labelled), PAIR_SCHEMA)
    write_table(folder / OBJECTS, [pq.read_table(folder / PARTS / OBJECTS)], OBJECT_SCHEMA)
    card = {
        "task": facts["task"],
        "unit": "pixels",
        "plan": facts,
        "version": version("metricvae"),
        "counts": counts_of(folder),
        "distributions": distributions(folder),
        "label_error": checks.error(folder),
    }
    return carded(folder, card, dataset_readme)


def _cut_shapes(plan: HalvesPlan, parts: Path, pool: Executor, report: Report) -> None:
    """Cut the shapes of a source or a folder, and more of a source's while a split has too few."""
    if (parts / OBJECTS).exists():
        return
    names = ["shape", "family", "split"]
    tables: list[pa.Table] = []

    def lack(fresh: Sequence[Path]) -> bool:
        tables.extend(pq.read_table(path, columns=names) for path in fresh)
        return plan.objects in SOURCES and has_too_few_pieces(pa.concat_tables(tables), plan.pairs, plan.seed)

    times, total = plan.times, math.ceil(1.08 * plan.pairs / 2 / plan.times) + 2 * SHAPES_PER_BLOCK
    shapes = plan.objects
    if plan.objects not in SOURCES:
        shapes, total = str(parts / SHAPES), pq.read_metadata(parts / SHAPES).num_rows
        times = max(plan.times, 2 * math.ceil(1.3 * plan.pairs / 4 / total))
    work = Work(cut_part, (shapes, plan.seed, plan.cuts, times, plan.middle))
    paths = spans(parts, work, total, lack, pool, step("cutting shapes", report))
    write_table(parts / OBJECTS, map(pq.read_table, paths), HALF_SCHEMA)


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
        "counts": counts_of(folder) | {"grades": tally(pq.read_table(folder / PAIRS)["grade"])},
        "baselines": halves_baselines(folder),
    }
    return carded(folder, card, halves_readme)


def _overlay_molecules(plan: MoleculesPlan, parts: Path, pool: Executor, report: Report) -> tuple[list[Path], Checks]:
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
        paths = spans(parts, work, total, lack, pool, step("making conformers", report))
        check_enough(splits, plan.pairs)
        join_parts(paths, parts / OBJECTS, parts / SKIPPED, parts / GEOMETRY)
    shards = shards_of(plan, pq.read_table(parts / OBJECTS, columns=["split"])["split"].to_pylist())
    labelled = label_shards(Work(overlay_part, (plan.search,), parts / GEOMETRY), shards, parts, pool, report)
    return labelled, checks_of(Work(thorough_part, (), parts / GEOMETRY), plan, shards, parts, pool, report)


def _finish_molecules(facts: dict[str, Any], folder: Path, labelled: Sequence[Path], checks: Checks) -> dict[str, Any]:
    write_table(folder / PAIRS, map(pq.read_table, labelled), OVERLAY_SCHEMA)
    objects = pq.read_table(folder / PARTS / OBJECTS)
    write_table(folder / OBJECTS, [objects], objects.schema)
    shutil.copyfile(folder / PARTS / SKIPPED, folder / SKIPPED)
    card = {
        "task": facts["task"],
        "unit": "cubic angstroms",
        "plan": facts,
        "version": version("metricvae"),
        "counts": counts_of(folder) | {"skipped": count_skipped(folder / SKIPPED)},
        "distributions": molecule_distributions(folder),
        "label_error": checks.error(folder),
    }
    return carded(folder, card, molecules_readme)
