"""The files of an imported data set: objects, pairs, the card and its README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae import __version__
from metricvae.core.data_card import QUANTILES, front_matter, quantile_table, quantiles_of, split_rows
from metricvae.core.dataset import CENSORED, GROUP, WEIGHT
from metricvae.core.dataset_files import CARD, FORMAT, LEFT, OBJECTS, PAIRS, README, RIGHT, counts_of
from metricvae.core.importing.faults import Faults, counted, listed
from metricvae.core.importing.merging import Repeats
from metricvae.core.importing.objects import ImportedObjects, copy_objects
from metricvae.core.importing.request import ImportRequest, Report
from metricvae.core.importing.splitting import SplitPairs
from metricvae.core.importing.values import PairRows
from metricvae.core.metric import Metric
from metricvae.core.splits import SPLITS
from metricvae.runtime.files import sha256_of, write_json, write_text
from metricvae.runtime.parquet import read_schema, write_table

ERROR, ROW = "standard_error", "row"
"""Further columns of pairs: standard errors as given, and the first row of the pair in the table."""


@dataclass(frozen=True, eq=False)
class Imported:
    """What an import found, before it is written.

    Attributes:
        metric: with what was decided from the values.
        request: of the user.
        source: name of the table.
        sides: left and right objects; the same where they share a table.
        rows: (k,) pairs that are kept, with weights of mean 1.
        split: theirs.
        table_rows: rows of the table.
        merged_rows: pairs before those across splits were dropped.
        faults: rows that were skipped.
        repeats: pairs in several rows.
        notes: what was assumed, in sentences.
    """

    metric: Metric
    request: ImportRequest
    source: str
    sides: tuple[ImportedObjects, ImportedObjects]
    rows: PairRows
    split: SplitPairs
    table_rows: int
    merged_rows: int
    faults: Faults
    repeats: Repeats
    notes: Sequence[str]

    @property
    def shared(self) -> bool:
        """Whether both sides are one table."""
        return self.sides[0] is self.sides[1]


def write_dataset(imported: Imported, folder: Path, report: Report) -> dict[str, Any]:
    """Write the files of a data set into a folder, and return the card.

    Args:
        imported: what is written.
        folder: that holds the temporary tables of objects.
        report: told how far that is.
    """
    files = _write_objects(imported, folder)
    _write_pairs(imported, folder / PAIRS)
    report("writing", 1, 2)
    card = _card(imported, folder, files)
    write_text(folder / README, _readme(card, imported, folder))
    write_json(folder / CARD, card)
    report("writing", 2, 2)
    return card


def _write_objects(imported: Imported, folder: Path) -> dict[str, str]:
    ends = imported.rows.first, imported.rows.second
    if imported.shared:
        both = np.concatenate(ends), np.concatenate([imported.split.split] * 2)
        copy_objects(imported.sides[0], _object_splits(*both, len(imported.sides[0].names)), folder / OBJECTS)
        return {"left": OBJECTS}
    for side, name, objects in zip(imported.sides, (LEFT, RIGHT), ends, strict=True):
        copy_objects(side, _object_splits(objects, imported.split.split, len(side.names)), folder / name)
    return {"left": LEFT, "right": RIGHT}


def _object_splits(objects: npt.NDArray[np.int64], split: npt.NDArray[np.str_], count: int) -> npt.NDArray[np.str_]:
    """(count,) the split of each object: training if any of its pairs is; empty where there is none."""
    found = np.full(count, "", "<U11")
    for name in reversed(SPLITS):
        found[objects[split == name]] = name
    return found


def _write_pairs(imported: Imported, path: Path) -> None:
    rows, split = imported.rows, imported.split.split
    names = [pa.array(side.names, pa.string()) for side in imported.sides]
    columns: dict[str, pa.Array] = {
        "a": names[0].take(pa.array(rows.first)),
        "b": names[1].take(pa.array(rows.second)),
        "value": pa.array(rows.value),
        "split": pa.array(split.tolist(), pa.string()),
    }
    if (rows.weight != 1).any():
        columns[WEIGHT] = pa.array(rows.weight)
    if rows.censored.any():
        columns[CENSORED] = pa.array(rows.censored)
    if imported.metric.task == "ranking" and (rows.group != "").any():
        columns[GROUP] = pa.array(rows.group.tolist(), pa.string())
    if imported.request.columns.error is not None:
        columns[ERROR] = pa.array(rows.error)
    columns[ROW] = pa.array(rows.row)
    table = pa.table(columns)
    write_table(path, [table], table.schema)


def _card(imported: Imported, folder: Path, files: dict[str, str]) -> dict[str, Any]:
    metric, split = imported.metric, imported.split
    otherwise = {} if metric.unlisted is None else {"otherwise": metric.unlisted}
    return {
        "format": FORMAT,
        "task": metric.name,
        "metric": metric.to_json(),
        "objects": {
            side: {"kind": one.kind.to_json(), "file": files[side]}
            for side, one in zip(("left", "right"), imported.sides, strict=True)
            if side in files
        },
        "unit": metric.unit,
        **otherwise,
        "plan": {
            "objects": imported.source,
            "seed": imported.request.seed,
            "cold": split.cold,
            "pairs_across_splits": imported.merged_rows - len(imported.rows),
        },
        "version": __version__,
        "counts": counts_of(folder, list(files.values())),
        "distributions": {"quantiles": list(QUANTILES), "value": quantiles_of(imported.rows.value)},
        "import": _facts(imported),
        "sha256": {name: sha256_of(folder / name) for name in (*files.values(), PAIRS)},
    }


def _facts(imported: Imported) -> dict[str, Any]:
    rows, repeats, request = imported.rows, imported.repeats, imported.request
    named = {name: column for name, column in vars(request.columns).items() if column is not None}
    alone = int((rows.first == rows.second).sum()) if imported.shared else 0
    return {
        "file": imported.source,
        "columns": named,
        "rows": imported.table_rows,
        "pairs": len(rows),
        "skipped": imported.faults.to_json(),
        "duplicates": repeats.duplicates.to_json(),
        "contradictions": repeats.contradictions.to_json() | {"dropped": repeats.dropped},
        "in_several_splits": repeats.moved.to_json(),
        "mirrored": repeats.mirrored,
        "asymmetric": repeats.asymmetric.to_json(),
        "self_pairs": alone,
        "censored": {"at_least": int((rows.censored == 1).sum()), "at_most": int((rows.censored == -1).sum())},
        "dropped_across_splits": imported.merged_rows - len(rows),
        "cold": imported.split.cold,
        "notes": [*imported.notes, *_sentences(imported)],
    }


def _sentences(imported: Imported) -> list[str]:
    """What was done with the rows, in sentences."""
    repeats, metric = imported.repeats, imported.metric
    said = list(imported.faults.sentences())
    if repeats.duplicates.count:
        orders = " (in either order)" if metric.symmetric else ""
        said.append(f"{counted(repeats.duplicates.count, 'pair')} with one value in several rows{orders} merged")
    if repeats.contradictions.count:
        rule = "dropped" if metric.task == "binary" else "averaged"
        if metric.task != "binary" and repeats.dropped:
            rule = f"averaged, but for {repeats.dropped} with bounds alone, which were dropped"
        number = counted(repeats.contradictions.count, "pair")
        said.append(f"{number} with different values {rule}: {listed(repeats.contradictions)}")
    if repeats.moved.count:
        number = counted(repeats.moved.count, "pair")
        said.append(f"{number} with rows in several splits kept in the split of the first: {listed(repeats.moved)}")
    dropped = imported.merged_rows - len(imported.rows)
    if dropped:
        said.append(
            f"{dropped} of {imported.merged_rows} pairs dropped, as their objects are in different splits: both "
            "objects of a held-out pair are unseen in training"
        )
    if imported.split.cold in ("left", "right"):
        said.append(
            f"pairs are split by their {imported.split.cold} object alone, as too few would be left with two unseen "
            "objects: errors on pairs of two unseen objects may be larger"
        )
    return said


_TEXT = """{front}# {title}: {pairs} pairs of {objects} {kinds}

What was imported: {table_rows} rows of `{source}` by metricvae {version}. The values are as the table has them; nothing
was labelled or checked. The metric is a {direction}, {symmetry}, task {task}{unit}{range}.

{notes}
- `pairs.parquet`: {pair_columns}; `row` is the first row of the pair in the table, from 1 below the header.
- {tables}: the objects, as they were read.
- Splits: {cold}, seed {seed}.
- `card.json` holds the counts below, the first rows of each sort, and the SHA-256 of each file.

| split | objects | pairs |
| --- | ---: | ---: |
{rows}

{quantiles}
"""

_COLD = {
    "both": "both objects of a validation, calibration or test pair are unseen in training",
    "left": "the left object of a validation, calibration or test pair is unseen in training, the right may be seen",
    "right": "the right object of a validation, calibration or test pair is unseen in training, the left may be seen",
}


def _readme(card: dict[str, Any], imported: Imported, folder: Path) -> str:
    metric, facts, counts = imported.metric, card["import"], card["counts"]
    files = [entry["file"] for entry in card["objects"].values()]
    low, high = (document if document is not None else "" for document in card["metric"].get("range", ("", "")))
    return _TEXT.format(
        front=front_matter(files),
        title=metric.description.value,
        pairs=len(imported.rows),
        objects=sum(counts["objects"].values()),
        kinds=" and ".join(dict.fromkeys(side.kind.title for side in imported.sides)),
        table_rows=facts["rows"],
        source=imported.source,
        version=card["version"],
        direction="similarity" if metric.similarity else "distance",
        symmetry="symmetric" if metric.symmetric else "asymmetric",
        task=metric.task,
        unit=f", in {metric.unit}" if metric.unit else "",
        range=f", range {low}..{high}" if (low, high) != ("", "") else "",
        notes="".join(f"- {note}.\n" for note in facts["notes"]),
        pair_columns=", ".join(read_schema(folder / PAIRS).names),
        tables=" and ".join(f"`{name}`" for name in files),
        cold=_COLD.get(imported.split.cold, imported.split.cold),
        seed=imported.request.seed,
        rows="\n".join(split_rows(counts)),
        quantiles=quantile_table(card["distributions"], {"value": metric.description.value}),
    )
