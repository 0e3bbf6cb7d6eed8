"""Hits of a search, printed, drawn and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jsonargparse import Namespace

from metricvae.cli.parser import Fields
from metricvae.core.errors import InputError

if TYPE_CHECKING:
    from metricvae.core.hits import FoundObject, Value
    from metricvae.core.kind import Object
    from metricvae.prediction.predictor import Predictor
    from metricvae.search.index import Index
    from metricvae.search.search import Hits

LAID = ("sdf", "picture", "html")
"""Options that show hits laid on the query."""


def check_outputs(options: Namespace, index: Index, predictor: Predictor) -> None:
    """Raise InputError if hits of this index cannot be shown as was asked for: before anything is computed."""
    if options.sdf is not None and ".sdf" not in index.kind.posed_suffixes:
        raise InputError(f"--sdf writes molecules, got an index of {index.kind.title}: ask for --picture")
    for name, shown in (("picture", predictor.metric.hit_drawer), ("html", predictor.metric.hit_page)):
        if getattr(options, name) is None:
            continue
        if shown is None:
            raise InputError(f"there is no picture of {index.kind.title} that were found: leave --{name} out")
        if predictor.kind("left").title != predictor.kind("right").title:
            raise InputError(f"--{name} draws objects of one kind, got a model of two ({predictor.metric.name})")
    laid = any(getattr(options, name) is not None for name in LAID)
    if laid and index.side == "left" and not predictor.metric.symmetric:
        raise InputError(
            "the exact search moves the right object of a pair, and the hits are left ones: leave them out"
        )


def write_outputs(
    options: Namespace,
    index: Index,
    predictor: Predictor,
    query: Object,
    hits: Hits,
    read: Callable[[int], Object],
) -> None:
    """Write the query and the best hits laid on it, as a file of molecules, a picture, a page, or a table."""
    from metricvae.core.hits_table import write_hits_csv
    from metricvae.runtime.files import write_bytes, write_text

    if all(getattr(options, name) is None for name in (*LAID, "csv")):
        return
    found = _found(options, index, predictor, hits, read)
    if options.sdf is not None:
        alike = predictor.kind(index.query_side).title == index.kind.title
        laid = [(query, None)] * alike + [(one.value, one.pose) for one in found]
        fields: list[Any] = [{}] * alike + [one.columns for one in found]
        index.kind.write_posed(Path(options.sdf), [value for value, _ in laid], [pose for _, pose in laid], fields)
    if options.csv is not None:
        write_hits_csv(Path(options.csv), found)
    if options.picture is not None and (drawer := predictor.metric.hit_drawer):
        write_bytes(Path(options.picture), drawer(query, found))
    if options.html is not None and (page := predictor.metric.hit_page):
        write_text(Path(options.html), page(query, found, _about(options, index, predictor)))


def _found(
    options: Namespace, index: Index, predictor: Predictor, hits: Hits, read: Callable[[int], Object]
) -> list[FoundObject]:
    from metricvae.core.hits import FoundObject
    from metricvae.search.predicted import item_numbers
    from metricvae.search.rerank import solver_of

    assert hits.exact is not None
    assert hits.poses is not None
    name, predicted = solver_of(predictor.metric, options.by).score_name, _predicted(predictor, hits)
    best = hits.rows[: options.k]
    fields = item_numbers(index, predictor, best)
    return [
        FoundObject(
            name=index.ids[row],
            value=read(row),
            pose=hits.poses[place],
            score_name=name,
            exact=float(hits.exact[place]),
            predicted=float(predicted[place]),
            path=index.paths[row],
            fields=_parts(hits.poses[place], name) | fields[place],
        )
        for place, row in enumerate(best.tolist())
    ]


def _parts(pose: Any, score_name: str) -> dict[str, Value]:
    """Coefficients that an exact answer consists of."""
    return {
        name: value
        for name, value in _plain(pose).items()
        if name.endswith("_tanimoto") and name != score_name and isinstance(value, float)
    }


def _about(options: Namespace, index: Index, predictor: Predictor) -> Any:
    from metricvae.core.hits import PageAbout

    facts = {"Searched": f"{len(index):,} items", "Ordered exactly": f"{options.exact:,}"}
    facts |= {"By": options.by} if options.by is not None else {}
    model = predictor.base.folder.name
    return PageAbout(str(options.query), str(options.index), model, options.command_line, facts)


def _predicted(predictor: Predictor, hits: Hits) -> Any:
    """(k,) what is shown of each hit: the number that hits are ordered by; of a distance, the distance itself."""
    return hits.score if predictor.metric.similarity else hits.predictions.value


def hit_rows(index: Index, predictor: Predictor, hits: Hits, count: int, score_name: str) -> list[Fields]:
    """The hits as they are printed; `score_name` is that of the exact answer."""
    from metricvae.search.predicted import computed_columns

    rows, predicted = [], _predicted(predictor, hits)
    computed = computed_columns(index, predictor, hits.rows[:count])
    for place, row in enumerate(hits.rows[:count].tolist()):
        hit: Fields = {"id": index.ids[row], "path": index.paths[row], "predicted": float(predicted[place])}
        if hits.exact is not None and hits.poses is not None:
            hit |= {score_name: float(hits.exact[place]), **_plain(hits.poses[place])}
        rows.append(hit | {name: column[place] for name, column in computed.items()})
    return rows


def _plain(pose: Any) -> Fields:
    """A motion, a record of the metric's own, as plain values."""
    fields = dataclasses.asdict(pose) if dataclasses.is_dataclass(pose) and not isinstance(pose, type) else {}
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in fields.items()}


def hits_text(rows: Sequence[Fields], score_name: str) -> str:
    """A line a hit, or that there is none."""
    lines = [_line(row, score_name) for row in rows]
    return "\n".join(lines) or "no item of the index satisfies what is asked for"


def _line(hit: Fields, score_name: str) -> str:
    numbers = [hit["predicted"], *([hit[score_name]] if score_name else [])]
    return "  ".join([*(f"{number:10.4g}" for number in numbers), hit["id"], hit["path"]])
