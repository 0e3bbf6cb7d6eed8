"""`metricvae import`: a user's table of pairs with values becomes a data set."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import option_value, say
from metricvae.cli.parser import Fields, Parser, Verb, at_least, seed_number
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.importing.request import ImportRequest
    from metricvae.core.kind import ObjectKind
    from metricvae.core.metric import Metric

TASKS = ("regression", "binary", "ranking")


def _import_options(parser: Parser, arguments: Sequence[str]) -> None:
    parser.add_argument(
        "table", help="CSV or Parquet, a row a pair (paths, arrays, SMILES); --metric affinity: PDBbind folder"
    )
    parser.add_argument("--kind", required=True, help="of the objects, or of the left ones; see `metricvae kinds`")
    parser.add_argument("--right", help="kind of the right objects where it is another one")
    parser.add_argument("--a", default="a", metavar="COLUMN", help="column of the left objects")
    parser.add_argument("--property", action="store_true", help="values are of single objects, those of column --a")
    parser.add_argument("--b", default="b", metavar="COLUMN", help="column of the right objects")
    parser.add_argument("--value", default="value", metavar="COLUMN", help="column of values; <5 and >10 are bounds")
    for name, text in _COLUMNS.items():
        parser.add_argument(f"--{name}", metavar="COLUMN", help=text)
    parser.add_argument("--metric", help="what the values are, of `metricvae metrics`; by default a metric of your own")
    parser.add_argument("--title", help="what the values are called; default the column of the values")
    parser.add_argument("--unit", default="", help="of the values")
    parser.add_argument("--range", metavar="LO..HI", help="least and greatest possible value, as 0..1, 0.. or ..5")
    parser.add_argument("--task", default="regression", choices=list(TASKS), help="binary: 0 or 1; ranking: order")
    _switches(parser)
    parser.add_argument("--seed", type=seed_number, default=0, help="of the splits")
    parser.add_argument("--workers", type=at_least(1), help="processes that read objects; default all cores")
    parser.add_argument("--out", required=True, metavar="DATASET", help="folder to write")
    _kind_settings(parser, arguments)


_COLUMNS = {
    "split": "column of your own splits; by default both objects of a held-out pair are unseen in training",
    "group": "column of groups within which the values of a ranking are comparable",
    "weight": "column of weights, above 0",
    "error": "column of standard errors of the values",
    "censored": "column of <, > or nothing: the true value is at most, or at least, the given one",
}


def _switches(parser: Parser) -> None:
    switches = {
        "similarity": "larger values mean more similar objects",
        "distance": "smaller values mean more similar objects; by default decided from the values and the title",
        "symmetric": "(a, b) and (b, a) are one pair; values that differ are averaged",
        "asymmetric": "(a, b) and (b, a) are two pairs; by default decided from the values",
        "fit": "scale images of other sizes to that of --settings, or the kind's own",
        "strict": "refuse rows that cannot be used, and contradictions, instead of skipping and averaging them",
    }
    for name, text in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)


def _kind_settings(parser: Parser, arguments: Sequence[str]) -> None:
    """Options for the fields of the kinds that are named among the arguments."""
    from metricvae.core.kind import KINDS

    sides = {"settings": option_value(arguments, "--kind"), "right-settings": option_value(arguments, "--right")}
    for option, name in sides.items():
        if name is not None:
            found = KINDS.get(name)
            if dataclasses.fields(found):  # type: ignore[arg-type]
                text = f"of the {'right ' if option != 'settings' else ''}kind {name}"
                parser.add_argument(f"--{option}", type=found, default=found(), help=text)


def _import(options: Namespace) -> Fields:
    from metricvae.core.importing.run import import_table

    request = _request(options)
    with progress() as step:
        card = import_table(Path(options.table), request, Path(options.out), step)
    return say(options, card, _text(card, options.out))


def _request(options: Namespace) -> ImportRequest:
    from metricvae.core.importing.request import Columns, ImportRequest

    kinds = _kind(options, "kind", "settings"), _kind(options, "right", "right_settings")
    left = kinds[0]
    assert left is not None  # --kind is required
    right, metric = kinds[1] or left, _metric(options)
    similarity = _choice(options, "similarity", "distance")
    symmetric = _choice(options, "symmetric", "asymmetric")
    if metric.anchored:
        similarity, symmetric = metric.similarity, True
    return ImportRequest(
        metric.of_kinds(left.name, right.name),
        (left, right),
        Columns(
            options.a,
            options.a if metric.anchored else options.b,
            options.value,
            *(getattr(options, name) for name in _COLUMNS),
        ),
        similarity=metric.similarity if similarity is None and options.metric else similarity,
        symmetric=symmetric,
        strict=options.strict,
        seed=options.seed,
        workers=options.workers,
        fit=options.fit,
    )


def _metric(options: Namespace) -> Metric:
    """The metric that is named, or one of the user's own.

    Raises:
        InputError: no such metric, or one that is named and described at once.
    """
    from metricvae.core.metric import metric_from_json
    from metricvae.metrics.property import PropertyMetric
    from metricvae.metrics.tabular import TabularMetric

    if options.metric is None:
        made = PropertyMetric if options.property else TabularMetric
        return made(options.title or options.value, options.unit, _range(options.range), options.task)
    if options.property:
        raise InputError(f"got --metric {options.metric} and --property: give one of them")
    said = [f"--{name}" for name in ("title", "unit", "range") if getattr(options, name)]
    if said:
        raise InputError(f"got --metric {options.metric} and {', '.join(said)}: a metric that is named has its own")
    return metric_from_json(options.metric)


def _kind(options: Namespace, name: str, settings: str) -> ObjectKind | None:
    from metricvae.core.kind import kind_from_json

    named = getattr(options, name)
    return None if named is None else getattr(options, settings, None) or kind_from_json(named)


def _choice(options: Namespace, yes: str, no: str) -> bool | None:
    """True, False or None for one of two switches, or neither.

    Raises:
        InputError: both.
    """
    chosen = getattr(options, yes), getattr(options, no)
    if all(chosen):
        raise InputError(f"got --{yes} and --{no}: give one of them, or neither")
    return chosen[0] if any(chosen) else None


def _range(text: str | None) -> tuple[float | None, float | None]:
    """The ends of a range, as `0..1`, `0..` or `..5`."""
    if text is None:
        return None, None
    low, dots, high = text.partition("..")
    try:
        ends = [float(end) if end.strip() else None for end in (low, high)]
    except ValueError:
        ends = []
    if not dots or len(ends) < 2:
        raise InputError(f"--range is {text}: expected LO..HI, as 0..1, 0.. or ..5")
    return ends[0], ends[1]


def _text(card: dict[str, Any], out: str) -> str:
    counts = card["counts"]
    pairs = ", ".join(f"{split} {number}" for split, number in sorted(counts["pairs"].items()))
    objects = sum(counts["objects"].values())
    total = sum(counts["pairs"].values())
    first = f"{total} pairs of {objects} objects from {card['import']['rows']} rows ({pairs})"
    last = f"next: metricvae train {shlex.quote(out)} --out MODEL"
    return "\n".join([first, *(f"- {note}" for note in card["import"]["notes"]), last])


IMPORT = Verb(
    "make a data set of a table of pairs with values of your own",
    (
        "PAIRS.csv --kind KIND [--right KIND] [--value COLUMN] [--unit U] [--range LO..HI] --out DATASET",
        "OBJECTS.csv --kind KIND --property --a COLUMN --value COLUMN [--task binary] --out DATASET",
        "PAIRS.parquet --kind KIND --task binary|ranking [--split COLUMN] [--group COLUMN] --out DATASET",
        "PDBBIND --metric affinity --kind pocket-lining --right molecule-descriptors --out DATASET",
    ),
    _import_options,
    _import,
)
