"""`metricvae kinds`, `metricvae metrics`, `metricvae models`: what is registered, one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jsonargparse import Namespace

from metricvae.cli.common import say
from metricvae.cli.parser import Fields, Parser, Verb


def _no_options(parser: Parser, _: Sequence[str]) -> None:
    """These verbs take `--json` alone."""


def _kinds(options: Namespace) -> Fields:
    from metricvae.prediction.registered import registered_kinds

    return _listed(
        options, "kinds", registered_kinds(), lambda row: [row["name"], row["objects"], " ".join(row["files"])]
    )


def _metrics(options: Namespace) -> Fields:
    from metricvae.prediction.registered import registered_metrics

    return _listed(options, "metrics", registered_metrics(), _metric_line)


def _metric_line(row: Fields) -> list[str]:
    left, right = row["between"]
    between = left if left == right else f"{left} and {right}"
    exact = "exact solver" if row["solver"] else "values from a table"
    return [row["name"], between, row["task"], row["unit"] or "-", exact]


def _models(options: Namespace) -> Fields:
    from metricvae.prediction.registered import registered_models

    return _listed(options, "models", registered_models(), _model_line)


def _model_line(row: Fields) -> list[str]:
    kinds = " and ".join(dict.fromkeys(row["kinds"]))
    quality = f"validation R2 {row['validation_r2']:.4f}" if "validation_r2" in row else row["quality"]
    more = len({*row.get("metrics", ()), row["metric"]}) - 1
    return [row["name"], f"{row['metric']} and {more} more" if more else row["metric"], kinds, quality]


def _listed(options: Namespace, noun: str, rows: list[Fields], line: Callable[[Fields], list[str]]) -> Fields:
    """Rows as columns of text that line up, or as a document."""
    cells = [line(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return say(options, {noun: rows}, "\n".join(lines))


KINDS = Verb("the kinds of objects that are registered", ("[--json]",), _no_options, _kinds)
METRICS = Verb("the metrics that are registered", ("[--json]",), _no_options, _metrics)
MODELS = Verb("the models that ship with the package", ("[--json]",), _no_options, _models)
