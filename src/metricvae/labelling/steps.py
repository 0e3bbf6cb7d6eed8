"""Steps that data sets of all kinds go through: objects in spans, pairs in shards, checks, and the card at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.dataset import CARD, OBJECTS, PAIRS
from metricvae.core.sampling import Block, plan_blocks
from metricvae.core.splits import SPLITS, Split
from metricvae.labelling.card import label_error
from metricvae.labelling.plans import LabelPlan
from metricvae.metrics.shape.labels import MoleculesPlan
from metricvae.runtime.files import sha256_of, sweep, write_json, write_text
from metricvae.runtime.parts import Work, run_parts

PARTS = ".parts"
SKIPPED = "skipped.csv"
README = "README.md"
OBJECTS_A_PART = 256
MORE_OBJECTS = 64
"""Drawn at a time when a split turned out to have too few."""

BLOCKS_A_PART = 8
CHECKS_A_PART = 4

Shard = tuple[str, list[Block]]


@dataclass(frozen=True)
class LabelProgress:
    """How far labelling is: `done` of `total` in a `stage` (drawing shapes, labelling pairs, checking labels)."""

    stage: str
    done: int
    total: int


Report = Callable[[LabelProgress], None]


def step(stage: str, report: Report) -> Callable[[int, int], None]:
    """A report of one stage."""
    return lambda done, total: report(LabelProgress(stage, done, total))


def spans(
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


def shards_of(plan: LabelPlan | MoleculesPlan, splits: Sequence[Split]) -> list[Shard]:
    """The blocks of each split, some at a time."""
    by_split = plan_blocks(splits, plan.pairs, plan.partners, plan.seed)
    return [
        (split, blocks[i : i + BLOCKS_A_PART])
        for split, blocks in by_split.items()
        for i in range(0, len(blocks), BLOCKS_A_PART)
    ]


def label_shards(work: Work, shards: Sequence[Shard], parts: Path, pool: Executor, report: Report) -> list[Path]:
    """The files of the labelled pairs of each shard."""
    paths = [parts / f"pairs-{i:06d}.parquet" for i in range(len(shards))]
    sizes = [sum(map(len, blocks)) for _, blocks in shards]
    run_parts(pool, work, shards, paths, sizes, step("labelling pairs", report))
    return paths


@dataclass(frozen=True)
class Checks:
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


def checks_of(
    work: Work,
    plan: LabelPlan | MoleculesPlan,
    shards: Sequence[Shard],
    parts: Path,
    pool: Executor,
    report: Report,
) -> Checks:
    """Some of the labelled pairs through the better search: `plan.check` of them, or all, if there are fewer."""
    random = np.random.default_rng([plan.seed, len(SPLITS)])
    chosen = np.sort(random.choice(plan.pairs, min(plan.check, plan.pairs), replace=False))
    pairs = np.concatenate([block for _, blocks in shards for block in blocks])
    checks = [pairs[chosen[start : start + CHECKS_A_PART]] for start in range(0, len(chosen), CHECKS_A_PART)]
    paths = [parts / f"checks-{i:06d}.parquet" for i in range(len(checks))]
    run_parts(pool, work, checks, paths, list(map(len, checks)), step("checking labels", report))
    return Checks(chosen, paths)


def carded(folder: Path, card: dict[str, Any], readme: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """The last step of a data set: its card, with the checksums, beside a README.md; what was on the way goes."""
    card |= {"sha256": {name: sha256_of(folder / name) for name in (OBJECTS, PAIRS)}}
    write_text(folder / README, readme(card))
    write_json(folder / CARD, card)
    tidy(folder)
    return card


def tidy(folder: Path) -> None:
    """Remove what was needed on the way, and what a killed run left."""
    if (folder / PARTS).exists():
        shutil.rmtree(folder / PARTS)
    sweep(folder, (PAIRS, OBJECTS, SKIPPED, README, CARD))


def counts_of(folder: Path) -> dict[str, Any]:
    """Objects and pairs of each split."""
    objects, pairs = (pq.read_table(folder / name, columns=["split"])["split"] for name in (OBJECTS, PAIRS))
    return {name: tally(column) for name, column in (("objects", objects), ("pairs", pairs))}


def tally(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value stands in a column."""
    return {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}
