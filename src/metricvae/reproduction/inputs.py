"""What experiments begin with: their folders, labelled pairs, and the objects of a pair as arrays."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Mask
from metricvae.labelling.run import label
from metricvae.metrics.match.labelling import MatchPlan
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import SearchConfig
from metricvae.reproduction.config import HalvesPairs, OverlapPairs
from metricvae.reproduction.report import MARKER, Fact
from metricvae.runtime.files import require_free_folder

OnStep = Callable[[str, int, int], None]
"""Told the name of what is being done, and how much of how much of it is done."""

Rows = npt.NDArray[np.int64]

FIRST_SEED = 1_000_000
"""Seeds of experiments are added to it, so that no shipped model was trained on their shapes."""


def report_folders(folder: Path, numbers: Sequence[tuple[str, int, int]]) -> tuple[Path, Path]:
    """The absolute folder of a report, and the folder beside it that keeps data sets and models for the next run.

    Args:
        folder: absent, empty, or an earlier report.
        numbers: name, value and least value of each option to check.

    Raises:
        InputError: a number is too small, or the folder holds something else.
    """
    folder = Path(os.path.abspath(folder))
    for name, number, least in numbers:
        if number < least:
            raise InputError(f"{name} is {number}: expected at least {least}")
    require_free_folder(folder, MARKER, "report")
    return folder, folder.with_name(f"{folder.name}-work")


def label_overlaps(pairs: OverlapPairs, work: Path, seed: int, on_step: OnStep) -> Path:
    """The folder of the data set that is given, or of a new one in `work`."""
    if pairs.folder is not None:
        return pairs.folder
    plan = overlap_plan(pairs, FIRST_SEED + seed)
    label(plan, work / "pairs", on_progress=lambda p: on_step(p.stage, p.done, p.total))
    return work / "pairs"


def overlap_plan(pairs: OverlapPairs, seed: int) -> OverlapPlan:
    """The plan of new pairs of `mixed` shapes."""
    return OverlapPlan("mixed", pairs.count, seed, search=pairs.search or SearchConfig())


def label_halves(pairs: HalvesPairs, work: Path, seed: int, on_step: OnStep) -> Path:
    """The folder of the pairs of halves that are given, or of new ones in `work`."""
    if pairs.folder is not None:
        return pairs.folder
    plan = MatchPlan("procedural", pairs.count, FIRST_SEED + seed, cuts=("straight",), middle=True)
    label(plan, work / "halves", on_progress=lambda p: on_step(p.stage, p.done, p.total))
    return work / "halves"


def run_facts(words: Sequence[str], minutes: float) -> tuple[Fact, Fact]:
    """The command that repeats a run, given as its words, and the minutes that it took."""
    return Fact("command", shlex.join(["metricvae", *words])), Fact("minutes of this run", f"{max(minutes, 0.1):.1f}")


def masks_of(table: ObjectTable, rows: Rows) -> list[Mask]:
    """The masks (H, W) in some rows of a table of silhouettes."""
    return list(map(table.object, rows.tolist()))


def pose_at(data: PairDataset, row: int) -> Pose | None:
    """The pose of the second object of a pair; None where the data set has none for it."""
    numbers = [float(data.columns[name][row]) for name in ("angle_deg", "dx", "dy")]
    return Pose(*numbers) if np.isfinite(numbers).all() else None
