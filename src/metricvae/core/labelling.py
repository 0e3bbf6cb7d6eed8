"""How the data set of a metric is made: its objects, which meet which, their values, checks, and what the card says.

`SolverLabelling` is the default for every metric with a solver. A metric whose data are made in another way has a
subclass of `Labelling`, which its plan names.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.data_card import QUANTILES, default_readme, quantiles_of
from metricvae.core.dataset_files import PAIRS
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, ReadOptions, kind_from_json
from metricvae.core.metric import BatchSolver, Metric, Solution, Solver
from metricvae.core.object_sources import ObjectSource, object_schema, open_source
from metricvae.core.plan import MetricPlan, Plan
from metricvae.core.sampling import (
    Block,
    lacking_bipartite,
    lacking_splits,
    objects_needed,
    plan_bipartite_blocks,
    plan_blocks,
)
from metricvae.core.splits import Split
from metricvae.runtime.parquet import read_table

P = TypeVar("P", bound=Plan)
S = TypeVar("S", bound=MetricPlan)

Floats = npt.NDArray[np.float64]

Columns = dict[str, pa.Array]
"""Columns of pairs by name; `value` is among them."""


@dataclass(frozen=True)
class Labelling(abc.ABC, Generic[P]):
    """How the data set of a plan is made. Instances are sent to worker processes.

    Attributes:
        plan: what the data depend on.
        kinds: of the objects of each table: one kind where both ends of pairs come from one table, else two. Workers
            are told them, as kinds may be registered in one process alone.
    """

    plan: P
    kinds: tuple[ObjectKind, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(map(kind_from_json, self.plan.kind_names)))

    # Objects

    @property
    def metric(self) -> Metric:
        """That labels the pairs."""
        return self.plan.metric

    @abc.abstractmethod
    def sources(self, work: Path) -> tuple[ObjectSource, ...]:
        """Where the objects of each table come from.

        Args:
            work: folder for what is needed on the way.

        Raises:
            InputError: not a library of the kind, or an empty one.
        """

    def object_schema(self, kind: ObjectKind) -> pa.Schema:
        """Columns of the table of objects of a kind."""
        return object_schema(kind)

    def contents(self, kind: ObjectKind) -> tuple[str, ...]:
        """Columns of objects that `label` and `check` read beside `id`."""
        return tuple(kind.schema.names)

    def lacks(self, parts: Sequence[Path], splits: Sequence[Split]) -> bool:
        """Whether the objects of a table are too few for the pairs that are asked for.

        Args:
            parts: files of the objects that were made.
            splits: of each of these objects.
        """
        if len(self.kinds) == 1:
            return bool(lacking_splits(splits, self.plan.pairs))
        return bool(lacking_bipartite(splits, splits, self.plan.pairs, "both"))

    # Card

    @property
    def unit(self) -> str:
        """What the card says of the unit of values."""
        return self.metric.unit

    def describe(self, folder: Path, error: dict[str, float] | None) -> dict[str, Any]:
        """What the card says beside the plan and the counts.

        Args:
            folder: of the data set, its tables complete.
            error: of the labels, from the checks.
        """
        value = read_table(folder / PAIRS, ["value"])["value"].to_numpy()
        return {"distributions": {"quantiles": list(QUANTILES), "value": quantiles_of(value)}}

    def counts(self, folder: Path) -> dict[str, Any]:
        """What the card counts beside objects and pairs by split."""
        return {}

    def readme(self, card: dict[str, Any], folder: Path) -> str:
        """README.md of the data set."""
        return default_readme(card, folder, self.metric.description.value, [kind.title for kind in self.kinds])


@dataclass(frozen=True)
class KnownPairsLabelling(Labelling[P]):
    """Objects that are made in such a way that it is known which pairs there are, and their values."""

    @abc.abstractmethod
    def known_pairs(self, objects: Path) -> pa.Table:
        """The labelled pairs of the objects in a Parquet file: `a`, `b`, `value`, `split` and the metric's own columns.

        Raises:
            InputError: too few objects.
        """


@dataclass(frozen=True)
class BlockLabelling(Labelling[P]):
    """Objects that meet one another in blocks, whose pairs are labelled in worker processes."""

    @abc.abstractmethod
    def blocks(self, splits: Sequence[Sequence[Split]]) -> dict[Split, list[Block]]:
        """Which objects meet which, by split.

        Args:
            splits: of the objects of each table.

        Raises:
            InputError: too few objects.
        """

    @property
    def in_this_process(self) -> bool:
        """Whether `label` runs in one thread of this process, as on a GPU, and not in workers."""
        return False

    @abc.abstractmethod
    def label(self, left: pa.Table, right: pa.Table, blocks: Sequence[Block], device: str) -> Columns:
        """The values of the pairs of some blocks, and further columns of pairs.

        Args:
            left, right: `id` and `contents` of the objects in these pairs, one table twice where there is one.
            blocks: (k, 2) rows of `left` and `right` each.
            device: where to compute, if `in_this_process`.
        """

    @property
    def checks(self) -> int:
        """How many of the pairs are given to `check` as well."""
        return 0

    def check(self, left: pa.Table, right: pa.Table, pairs: Block) -> Floats:
        """(k,) what a more thorough search says of some pairs; arguments as of `label`.

        Raises:
            InputError: the metric has no such search.
        """
        raise InputError(f"labels of {self.metric.name} cannot be checked: it has no more thorough search")


@dataclass(frozen=True)
class SolverLabelling(BlockLabelling[S]):
    """Objects of generated sources or libraries, in blocks, labelled by the metric's solver pair by pair."""

    def sources(self, work: Path) -> tuple[ObjectSource, ...]:
        given = [self.plan.objects, *([self.plan.right_objects] if self.plan.right_objects else [])]
        return tuple(
            self._source(kind, source, work / side)
            for kind, source, side in zip(self.kinds, given, ("left", "right"), strict=False)
        )

    def _source(self, kind: ObjectKind, source: str, work: Path) -> ObjectSource:
        plan = self.plan
        return open_source(
            kind,
            source,
            plan.seed,
            objects_needed(plan.pairs, plan.partners),
            library=lambda: kind.open_library(Path(source), work, ReadOptions(fit=plan.fit)),
            name=Path(source).resolve().name,
        )

    def blocks(self, splits: Sequence[Sequence[Split]]) -> dict[Split, list[Block]]:
        plan = self.plan
        if len(splits) == 1:
            return plan_blocks(splits[0], plan.pairs, plan.partners, plan.seed)
        return plan_bipartite_blocks(splits[0], splits[1], plan.pairs, plan.partners, plan.seed, plan.cold)

    @property
    def solver(self) -> Solver:
        """The exact answer."""
        solver = self.metric.solver
        if solver is None:
            raise InputError(f"the metric {self.metric.name} has no solver: import its values with the pairs")
        return solver

    def label(self, left: pa.Table, right: pa.Table, blocks: Sequence[Block], device: str) -> Columns:
        """The value, the score and the pose of the `Solution` of each pair."""
        solutions = [one for block in blocks for one in self._solve_block(left, right, block)]
        name = self.solver.score_name
        return solution_columns(solutions, "" if name in ("value", self.metric.name) else name)

    def _solve_block(self, left: pa.Table, right: pa.Table, block: Block) -> list[Solution]:
        solver, kinds = self.solver, self.kinds
        if left is right:
            first = second = _prepare(solver, kinds[0], left, np.unique(block))
        else:
            first, second = (
                _prepare(solver, kind, table, np.unique(rows))
                for kind, table, rows in zip(kinds, (left, right), block.T, strict=True)
            )
        if not isinstance(solver, BatchSolver):
            return [solver.solve(first[a], second[b]) for a, b in block.tolist()]
        places = [{row: place for place, row in enumerate(rows)} for rows in (first, second)]
        start = 0 if first is second else len(first)
        pairs = np.array([(places[0][a], start + places[1][b]) for a, b in block.tolist()])
        prepared = [*first.values(), *([] if first is second else second.values())]
        return solver.solve_pairs(prepared, pairs, threads=1)


def _prepare(solver: Solver, kind: ObjectKind, table: pa.Table, rows: npt.NDArray[np.int64]) -> dict[int, Any]:
    objects = kind.from_table(table.take(pa.array(rows)).combine_chunks())
    return {row: solver.prepare(one) for row, one in zip(rows.tolist(), objects, strict=True)}


def solution_columns(solutions: Sequence[Solution], score_name: str = "") -> Columns:
    """Solutions as columns: the value, the score where it has a name, and the numbers and arrays of the pose."""
    columns: Columns = {"value": pa.array([float(one.value) for one in solutions], pa.float64())}
    if score_name:
        columns[score_name] = pa.array([float(one.score) for one in solutions], pa.float64())
    return columns | _pose_columns([one.pose for one in solutions], {*columns, "a", "b", "split"})


def _pose_columns(poses: Sequence[Any], taken: set[str]) -> Columns:
    """Fields of poses that are dataclasses: numbers, and arrays as lists; null where a pair has no pose."""
    example = next((pose for pose in poses if pose is not None), None)
    if not dataclasses.is_dataclass(example):
        return {}
    names = [one.name for one in dataclasses.fields(example) if one.name not in taken]
    types = {name: _column_type(getattr(example, name)) for name in names}
    return {
        name: pa.array([_entry(pose, name) for pose in poses], column)
        for name, column in types.items()
        if column is not None
    }


def _column_type(value: Any) -> pa.DataType | None:
    if isinstance(value, bool | np.bool_ | str):
        return None
    if isinstance(value, int | np.integer):
        return pa.int64()
    if isinstance(value, float | np.floating):
        return pa.float64()
    return pa.list_(pa.float64(), value.size) if isinstance(value, np.ndarray) else None


def _entry(pose: Any, name: str) -> Any:
    if pose is None:
        return None
    value = getattr(pose, name)
    return value.astype(np.float64).ravel().tolist() if isinstance(value, np.ndarray) else value
