"""`metricvae predict` by a metric of one object: a property of each object of a file."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.common import about, read_options, say
from metricvae.cli.parser import Fields
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress
from metricvae.runtime.reading import names_file

if TYPE_CHECKING:
    from metricvae.core.kind import ObjectKind
    from metricvae.core.libraries import Library, ReadOptions
    from metricvae.core.metric import Metric
    from metricvae.prediction.predictor import Predictor
    from metricvae.prediction.records import Predictions
    from metricvae.runtime.progress import Step


@dataclass(frozen=True)
class Answered:
    """What was read, and the answers.

    Attributes:
        names: of the objects.
        predictions: of each.
        skipped: notes on records that gave no object.
    """

    names: Sequence[str]
    predictions: Predictions
    skipped: Sequence[str] = ()


def predict_each(options: Namespace, predictor: Predictor) -> Fields:
    """Predict a property of each object that A names, print or write the rows, and return the document."""
    metric = predictor.metric
    if options.pairs is not None or options.b is not None:
        raise InputError(f"{metric.description.value} is of single objects, got pairs: name a file of objects, or one")
    if options.a is None:
        raise InputError(f"got no object for {metric.description.value}: name a file of objects, or one")
    reading = predictor.read_options(read_options(options))
    with progress() as step, about(options.a):
        answered = _answered(predictor, options.a, reading, step)
    rows = [_row(answered, place) for place in range(len(answered.names))]
    if options.out is not None:
        _write(Path(options.out), rows, metric)
    document: Fields = {"metric": metric.short_title, "unit": metric.unit, "rows": rows}
    document |= {"level": answered.predictions.level, "skipped": list(answered.skipped)}
    return say(options, document, _text(options, metric, answered, rows))


def _answered(predictor: Predictor, name: str, options: ReadOptions, step: Step) -> Answered:
    """Answers for all objects of a library, or for the one object that is named."""
    import torch

    from metricvae.core.object_files import read_named
    from metricvae.prediction.records import Encoded

    kind = predictor.kind()
    with _library(kind, name, options) as library:
        if library is None:
            encoded = predictor.encode([read_named(kind, name, options)])
            return Answered([name], predictor.predict_each(encoded))
        names: list[str] = []
        skipped: list[str] = []
        parts = []
        for number in range(library.parts):
            part = library.load(number)
            names += part.ids
            skipped += part.skipped
            parts.append(predictor.encode(part.objects))
            step("predicting", min((number + 1) * library.at_once, library.count), library.count)
    columns = ([getattr(part, name) for part in parts] for name in ("codes", "magnitudes", "novelty"))
    encoded = Encoded(*(torch.cat(column) for column in columns))
    if not len(encoded):
        raise InputError(f"holds no {kind.title} that can be read: {skipped[0] if skipped else 'it is empty'}")
    return Answered(names, predictor.predict_each(encoded), skipped)


@contextlib.contextmanager
def _library(kind: ObjectKind, name: str, options: ReadOptions) -> Iterator[Library | None]:
    """The library that a name means; None where it means one object."""
    if not names_file(name):
        yield None
        return
    with tempfile.TemporaryDirectory() as work:
        try:
            found = kind.open_library(Path(name), Path(work), options)
        except InputError:
            if Path(name).is_dir():
                raise
            found = None
        yield found


def _row(answered: Answered, place: int) -> Fields:
    """What is known of one object."""
    found = answered.predictions
    columns = {"predicted": found.value, "low": found.low, "high": found.high, "novelty": found.novelty}
    row: Fields = {"object": answered.names[place]}
    row |= {name: _number(float(column[place])) for name, column in columns.items()}
    return row if found.match is None else row | {"match": bool(found.match[place])}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write(path: Path, rows: Sequence[Fields], metric: Metric) -> None:
    from metricvae.core.hits_table import safe_cell
    from metricvae.core.pair_list import write_rows

    if path.is_dir():
        raise InputError(f"{path} is a folder: name the CSV to write after --out")
    columns = list(rows[0])
    write_rows(path, columns, [[safe_cell(str(row["object"])), *map(_said, list(row.values())[1:])] for row in rows])


def _said(value: float | bool | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else f"{value:.4g}"


def _text(options: Namespace, metric: Metric, answered: Answered, rows: Sequence[Fields]) -> str:
    """Rows as columns that line up, and what is to be said of them."""
    novel = int(answered.predictions.novel.sum())
    notes = []
    if answered.skipped:
        notes.append(f"{len(answered.skipped)} records were left out, the first: {answered.skipped[0]}")
    if novel:
        notes.append(f"{novel} of {len(rows)} are unlike those of the training: wider intervals, still a guess")
    if options.out is not None:
        return "\n".join([f"{len(rows)} predicted, written to {options.out}", *notes])
    unit = f", {metric.unit}" if metric.unit else ""
    head = f"{metric.description.value}{unit}, {answered.predictions.level:.0%} intervals"
    cells = [list(rows[0]), *([str(row["object"]), *map(_said, list(row.values())[1:])] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([head, *lines, *notes])
