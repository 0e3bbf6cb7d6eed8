"""`metricvae predict` with a model that its metric reads itself: tables of answers, with reasons for what has none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import about, read_options, say
from metricvae.cli.parser import Fields, Parser
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.own_prediction import OwnPredictor, PredictionTable


def own_predictor_of(model: str) -> OwnPredictor | None:
    """What the metric of a model predicts with itself, where it does; None too where there is no such model."""
    from metricvae.training.checkpoint import metric_of_model

    try:
        metric, folder = metric_of_model(model)
    except InputError:
        return None  # said when the model is loaded
    return metric.own_predictor(folder)


def own_options(parser: Parser, arguments: Sequence[str]) -> None:
    """The options of the metric's own predictor, where the model that is named has one."""
    model = next((one for one in arguments if not one.startswith("-")), "")
    own = own_predictor_of(model) if model else None
    for name, text in (own.options if own else {}).items():
        parser.add_argument(f"--{name}", help=text)


def predict_own(options: Namespace, own: OwnPredictor) -> Fields:
    """Answer what is asked, print or write the rows, and return the document."""
    from metricvae.core.own_prediction import PredictionRequest
    from metricvae.core.pair_list import write_rows
    from metricvae.runtime.files import write_text

    read_options(options).refuse_images("a model that reads its files itself")
    if options.pairs is None and (options.a is None or options.b is None):
        raise InputError("got fewer than two objects: give A and B, or --pairs pairs.csv")
    if options.pairs is not None and options.a is not None:
        raise InputError("got two objects and --pairs: give one or the other")
    given = {name: getattr(options, name) for name in own.options if getattr(options, name, None) is not None}
    pairs = None if options.pairs is None else Path(options.pairs)
    command = {"command": options.command_line} if "html" in given else {}  # a page repeats it
    request = PredictionRequest(options.a or "", options.b or "", pairs, given | command)
    with progress() as step, about(options.pairs or options.a):
        table = own.predict(request, step)
    if options.out is not None:
        write_rows(Path(options.out), list(table.columns), [_cells(table, row) for row in table.rows])
    if table.page is not None:
        write_text(Path(given["html"]), table.page)
    document = {"rows": [dict(row) for row in table.rows], "notes": list(table.notes), **table.facts}
    return say(options, document, _text(table, options.out))


def _cells(table: PredictionTable, row: Any) -> list[str]:
    return [_said(row.get(name)) for name in table.columns]


def _said(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _text(table: PredictionTable, out: str | None) -> str:
    """Rows as columns that line up, and the notes."""
    if out is not None:
        return "\n".join([f"{len(table.rows)} rows written to {out}", *table.notes])
    cells = [list(table.columns), *(_cells(table, row) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([*lines, *table.notes])
