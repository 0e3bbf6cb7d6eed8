"""From a table of pairs, or from objects in memory, to a data-set folder."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.core.importing.cells import Cells
from metricvae.core.importing.direction import direction_of
from metricvae.core.importing.faults import Faults, counted
from metricvae.core.importing.merging import Repeats, merge_repeats, scaled_weights, symmetric_of
from metricvae.core.importing.objects import ImportedObjects, import_objects
from metricvae.core.importing.reading import ObjectReader
from metricvae.core.importing.request import Columns, ImportRequest, Report
from metricvae.core.importing.rows import rows_of_objects, rows_of_table
from metricvae.core.importing.splitting import SplitConfig, SplitPairs, complete_splits, split_pairs
from metricvae.core.importing.tables import PairTable, open_table
from metricvae.core.importing.values import PairRows, error_weights
from metricvae.core.importing.writing import Imported, write_dataset
from metricvae.core.kind import ReadOptions
from metricvae.core.metric import Metric
from metricvae.runtime.folders import new_folder


@dataclass(frozen=True)
class Source:
    """Where pairs come from.

    Attributes:
        name: of the file, without its folder.
        base: folder that paths of objects are relative to.
        faults: rows that cannot be used.
        columns: of the table.
        notes: what is to be said of the pairs, a sentence each.
    """

    name: str
    base: Path
    faults: Faults
    columns: Columns
    notes: tuple[str, ...] = ()


def import_table(path: Path, request: ImportRequest, folder: Path, report: Report | None = None) -> dict[str, Any]:
    """Write the data set of a table of pairs, and return its card.

    Args:
        path: CSV, or Parquet by its ending; or a folder, where the metric knows how it is laid out.
        request: what its columns mean.
        folder: to write; must not be there, or be empty.
        report: told how far that is.

    Raises:
        InputError: the table or the folder cannot be used; nothing is written.
    """
    table = _opened(Path(path), request.metric)
    request = dataclasses.replace(request, columns=request.columns.completed(table.columns))
    table.require(request.columns.needed)
    base = table.path if table.path.is_dir() else table.path.parent
    source = Source(table.path.name, base, Faults(request.strict, str(table.path)), request.columns)
    with new_folder(Path(folder), "data set") as target:
        rows, cells = rows_of_table(table, request, source.faults, report or _say_nothing)
        source = dataclasses.replace(source, notes=table.notes)
        return _import(rows, cells, request, source, target, report or _say_nothing)


def _opened(path: Path, metric: Metric) -> PairTable:
    """The table in a file, or in a folder as the metric's field lays it out."""
    found = metric.folder_table(path) if path.is_dir() else None
    return open_table(path) if found is None else found


def import_pairs(
    left: Sequence[Any],
    right: Sequence[Any],
    cells: Mapping[str, Sequence[Any]],
    request: ImportRequest,
    folder: Path,
    report: Report | None = None,
) -> dict[str, Any]:
    """Write the data set of pairs in memory, and return its card.

    Args:
        left, right: (n,) objects: whatever the kinds convert, paths relative to the working directory.
        cells: (n,) values, and what else `request.columns` names, by name of the column.
        request: what they are.
        folder: to write; must not be there, or be empty.
        report: told how far that is.

    Raises:
        InputError: they cannot be used; nothing is written.
    """
    sizes = {"left": len(left), "right": len(right), **{name: len(column) for name, column in cells.items()}}
    if len(set(sizes.values())) > 1:
        raise InputError(f"got {', '.join(f'{n} of {name}' for name, n in sizes.items())}: expected as many of each")
    source = Source("pairs", Path(), Faults(request.strict, "the pairs"), request.columns)
    with new_folder(Path(folder), "data set") as target:
        return _import(
            *rows_of_objects(left, right, cells, request, source.faults),
            request,
            source,
            target,
            report or _say_nothing,
        )


def read_table(path: Path, request: ImportRequest) -> PairDataset:
    """The data set of a table of pairs in memory; see `import_table`."""
    with tempfile.TemporaryDirectory() as work:
        import_table(path, request, Path(work) / "data")
        return read_dataset(Path(work) / "data", request.workers)


def read_pairs(
    left: Sequence[Any], right: Sequence[Any], cells: Mapping[str, Sequence[Any]], request: ImportRequest
) -> PairDataset:
    """The data set of pairs in memory; see `import_pairs`."""
    with tempfile.TemporaryDirectory() as work:
        import_pairs(left, right, cells, request, Path(work) / "data")
        return read_dataset(Path(work) / "data", request.workers)


def _say_nothing(stage: str, done: int, total: int) -> None:
    """Report to nobody."""


# Objects, pairs, splits


def _import(
    rows: PairRows,
    cells: tuple[Cells, Cells],
    request: ImportRequest,
    source: Source,
    target: Path,
    report: Report,
) -> dict[str, Any]:
    table_rows = len(rows) + source.faults.count
    source.faults.refuse_most(len(rows))
    check_rows(rows, request, source)
    sides = _sides(rows, cells, request, source, target, report)
    rows = _with_objects(rows, sides, cells, source)
    source.faults.refuse_most(len(rows))
    check_rows(rows, request, source)
    metric, found, notes = _described(rows, request)
    rows, repeats = merge_repeats(_weighted(rows, request), metric, strict=request.strict, source=source.faults.source)
    repeats = dataclasses.replace(repeats, mirrored=found.mirrored, asymmetric=found.asymmetric)
    if not len(rows):
        raise InputError(f"{source.faults.source} has contradictory values for every pair: correct them")
    rows, group_note = _grouped(rows, metric, request, sides)
    report("splitting pairs", 0, 1)
    splits = _split(rows, metric, request, sides)
    report("splitting pairs", 1, 1)
    imported = Imported(
        metric=metric,
        request=request,
        source=source.name,
        sides=sides,
        rows=rows.select(splits.kept),
        split=splits,
        table_rows=table_rows,
        merged_rows=len(rows),
        faults=source.faults,
        repeats=repeats,
        notes=[*source.notes, *notes, *_assumptions(sides), *group_note],
    )
    return write_dataset(imported, target, report)


def _assumptions(sides: tuple[ImportedObjects, ImportedObjects]) -> list[str]:
    """What is assumed of the objects of either kind."""
    return [said for said in dict.fromkeys(side.kind.assumed for side in sides) if said]


def check_rows(rows: PairRows, request: ImportRequest, source: Source) -> None:
    """Raise InputError unless there may be something to learn from the rows: pairs, objects, and values that differ."""
    name = source.faults.source
    if not len(rows):
        raise InputError(f"{name} holds no pairs: expected rows below the header")
    objects = np.unique(np.concatenate([rows.first, rows.second]))
    if request.shared and len(objects) == 1:
        raise InputError(
            f"{name} names one object only, in {counted(len(rows), 'row')}: expected pairs of different ones"
        )
    if request.shared and not request.metric.anchored and (rows.first == rows.second).all():
        raise InputError(f"{name} has pairs of an object with itself only: expected pairs of different objects")
    least = 4 * SplitConfig().fewest
    if request.columns.split is None and len(rows) < least:
        raise InputError(
            f"{name} has {counted(len(rows), 'usable row')}: expected at least {least}, {SplitConfig().fewest} for "
            "each split; give more pairs of more objects"
        )
    if np.ptp(rows.value) == 0:
        raise InputError(
            f"all {len(rows)} values of {name} are {rows.value[0]:g}, so there is nothing to learn: expected values "
            "that differ"
        )


def _sides(
    rows: PairRows,
    cells: tuple[Cells, Cells],
    request: ImportRequest,
    source: Source,
    target: Path,
    report: Report,
) -> tuple[ImportedObjects, ImportedObjects]:
    """The objects of both sides, read and kept in temporary tables."""
    ends = [rows.first, rows.second]
    if request.shared:
        ends = [np.concatenate(ends)]
    done = []
    for number, some in enumerate(ends):
        wanted = np.zeros(len(cells[number]), bool)
        wanted[some] = True
        kind = request.kinds[number]
        options = ReadOptions(request.fit, 0 if request.metric.anchored and kind.sets_pose_apart else 1)
        reader = ObjectReader(cells[number], source.base, wanted, request.workers, report, options)
        done.append(import_objects(kind, reader, target / f".objects-{number}.parquet", source.name))
    return done[0], done[-1]


def _with_objects(
    rows: PairRows, sides: tuple[ImportedObjects, ImportedObjects], cells: tuple[Cells, Cells], source: Source
) -> PairRows:
    """The rows both of whose objects could be read."""
    fine = np.ones(len(rows), bool)
    names = source.columns.left, source.columns.right
    for side, name, ends in zip(sides, names, (rows.first, rows.second), strict=True):
        bad = np.flatnonzero(np.isin(ends, list(side.faults)) & fine) if side.faults else np.empty(0, np.int64)
        for at in bad.tolist():
            why = side.faults[int(ends[at])]
            source.faults.add(int(rows.row[at]), "object", f"cannot be read in column '{name}': {why}")
        fine[bad] = False
    return rows if fine.all() else rows.select(np.flatnonzero(fine))


def _described(rows: PairRows, request: ImportRequest) -> tuple[Metric, Repeats, list[str]]:
    """The metric with what was decided from the values, what was found of mirrored pairs, and what to say."""
    metric = request.metric
    notes: list[str] = []
    symmetric, found, said = symmetric_of(rows, metric, shared=request.shared, given=request.symmetric)
    notes += said
    similarity = request.similarity
    if similarity is None:
        similarity, why = direction_of(rows, metric.description.value, shared=request.shared)
        notes.append(f"{metric.description.value}: {why}")
    if metric.task == "regression" and not np.setdiff1d(rows.value, (0.0, 1.0)).size:
        notes.append("all values are 0 or 1, and are learned as numbers; --task binary if they say yes or no")
    return _changed(metric, symmetric=symmetric, similarity=similarity), found, notes


def _changed(metric: Metric, **facts: Any) -> Metric:
    """The metric with other facts, of those that are its fields; others are of its nature."""
    own = {field.name for field in dataclasses.fields(metric)}  # type: ignore[arg-type]
    changes = {name: value for name, value in facts.items() if name in own}
    return dataclasses.replace(metric, **changes)  # type: ignore[type-var]


def _weighted(rows: PairRows, request: ImportRequest) -> PairRows:
    if request.columns.error is None:
        return rows
    return dataclasses.replace(rows, weight=rows.weight * error_weights(rows.error, rows.value))


def _grouped(
    rows: PairRows, metric: Metric, request: ImportRequest, sides: tuple[ImportedObjects, ImportedObjects]
) -> tuple[PairRows, list[str]]:
    """The rows with weights of mean 1 and, of a ranking metric without groups, groups by their left objects."""
    rows = scaled_weights(rows)
    if metric.task != "ranking" or request.columns.group is not None:
        return rows, []
    sizes = np.bincount(rows.first)
    if np.median(sizes[rows.first]) < 2:
        return rows, ["no column of groups is named: the values of all pairs are compared with one another"]
    names = np.array(sides[0].names, object)
    made = dataclasses.replace(rows, group=names[rows.first])
    return made, ["no column of groups is named: values are compared among pairs of the same left object"]


def _split(
    rows: PairRows, metric: Metric, request: ImportRequest, sides: tuple[ImportedObjects, ImportedObjects]
) -> SplitPairs:
    left, right = (_groups_of(side) for side in sides)
    groups = (left, left if sides[0] is sides[1] else right)
    if request.columns.split is not None:
        return complete_splits(rows.split.astype(str), groups, rows.first, rows.second, request.seed)
    together = rows.group if metric.task == "ranking" and request.columns.group is not None else None
    return split_pairs(groups, rows.first, rows.second, request.seed, together)


def _groups_of(side: ImportedObjects) -> tuple[str, ...]:
    """(m,) groups by number; that of an object that could not be read is in no pair."""
    return tuple(side.groups.get(number, "") for number in range(len(side.names)))
