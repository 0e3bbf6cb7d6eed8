"""`metricvae search`: what answers best to a query among the items of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import device_named, image_options, read_options, say
from metricvae.cli.hits import check_outputs, hit_rows, hits_text, write_outputs
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.kind import Object
    from metricvae.prediction.predictor import Predictor
    from metricvae.search.index import Index
    from metricvae.search.search import Hits


def _search_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("index", help="folder that `metricvae index` wrote")
    parser.add_argument(
        "query", nargs="?", help="what to look for: a file, or the object itself; none with a --metric of one object"
    )
    parser.add_argument("-k", "--k", type=at_least(1), default=10, help="how many hits")
    parser.add_argument("--metric", metavar="NAME", help="order by this one of the metrics of the index's model")
    parser.add_argument(
        "--exact", type=at_least(1), metavar="N", help="order the best N by the exact search, and show k of them"
    )
    parser.add_argument(
        "--by",
        metavar="OBJECTIVE",
        help="with --exact, molecules: shape, colour, combo, or a Tversky index as combo-tversky; default: the model's",
    )
    parser.add_argument(
        "--several",
        choices=("fragments", "consensus"),
        help="a file of several molecules is the query: fragments, each where it lies; or consensus, laid on the first",
    )
    _filter_options(parser)
    parser.add_argument("--picture", metavar="FILE.png", help="with --exact: draw the query with its hits")
    parser.add_argument("--html", metavar="FILE.html", help="with --exact: a page of the hits, for a browser")
    parser.add_argument("--csv", metavar="FILE.csv", help="with --exact: a table of the hits with their columns")
    parser.add_argument(
        "--sdf", metavar="FILE.sdf", help="molecules, with --exact: write the query, and hits laid on it"
    )
    parser.add_argument("--model", help="where the model of the index is now, if it was moved")
    image_options(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _filter_options(parser: Parser) -> None:
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        default="",
        help="only items that satisfy it, as '300 < mw < 450 and not hbd > 3', also by what the model predicts of "
        "single items ('ames < 0.2'); an unknown name lists all there are",
    )
    parser.add_argument(
        "--contains", metavar="SMARTS", action="append", help="molecules with this substructure; may be given again"
    )
    parser.add_argument("--lacks", metavar="SMARTS", action="append", help="molecules without it; may be given again")
    parser.add_argument(
        "--diverse",
        type=float,
        metavar="T",
        help="no two hits more alike than T, 0 to 1: Tanimoto of Morgan fingerprints, or cosine of codes",
    )


@dataclass(frozen=True)
class _Query:
    """What is looked for.

    Attributes:
        parts: objects whose scores are averaged: one, but of a consensus.
        shown: what is drawn and written as the query.
    """

    parts: list[Object]
    shown: Object


def _search(options: Namespace) -> Fields:
    from metricvae.search.filters import ItemFilter
    from metricvae.search.index import load_for, read_index
    from metricvae.search.rerank import solver_of
    from metricvae.search.search import search

    _check_options(options)
    index = read_index(Path(options.index))
    predictor = load_for(index, options.model, device_named(options.device)).answering(options.metric)
    check_outputs(options, index, predictor)
    score_name = "" if options.exact is None else solver_of(predictor.metric, options.by).score_name
    query = _query(options, index, predictor)
    wanted = ItemFilter(options.where, tuple(options.contains or ()), tuple(options.lacks or ()), options.diverse)
    count = options.k if options.exact is None else options.exact
    hits = search(index, predictor, query.parts[0] if query else None, count, wanted, query.parts[1:] if query else ())
    if options.exact is not None and query is not None and len(hits):
        hits = _rerank(options, index, predictor, query, hits)
    rows = hit_rows(index, predictor, hits, options.k, score_name)
    return say(options, {"hits": rows}, hits_text(rows, score_name))


def _check_options(options: Namespace) -> None:
    if options.exact is not None and options.exact < options.k:
        raise InputError(f"--exact is {options.exact}: expected at least k, {options.k}")
    uses = {
        "by": "chooses what the exact search maximises",
        "picture": "draws what the exact search found",
        "html": "shows what the exact search found",
        "csv": "writes what the exact search found",
        "sdf": "writes what the exact search found",
    }
    for name, use in uses.items():
        if getattr(options, name) is not None and options.exact is None:
            raise InputError(f"--{name} {use}: give --exact N with it")


def _query(options: Namespace, index: Index, predictor: Predictor) -> _Query | None:
    """The query: one object, the parts of one, or several laid on the first; None where none is given."""
    from metricvae.core.object_files import read_named

    if options.query is None:
        return None
    kind, read = predictor.kind(index.query_side), read_options(options)
    if options.several is None:
        one = read_named(kind, options.query, read)
        return _Query([one], one)
    objects = kind.read_several(Path(options.query), read)
    if options.several == "fragments":
        one = kind.join(objects)
        return _Query([one], one)
    laid = _laid_on_first(options, kind, predictor, objects)
    return _Query(laid, kind.join(laid))


def _laid_on_first(options: Namespace, kind: Any, predictor: Predictor, objects: list[Object]) -> list[Object]:
    """Each object where the exact search lays it on the first."""
    from metricvae.search.rerank import solver_of

    solver = solver_of(predictor.metric, options.by)
    first = solver.prepare(objects[0])
    return [objects[0], *(kind.moved(one, solver.solve(first, solver.prepare(one)).pose) for one in objects[1:])]


def _rerank(options: Namespace, index: Index, predictor: Predictor, query: _Query, hits: Hits) -> Hits:
    """The hits in the order of their exact answers, drawn or written where that is asked for."""
    from metricvae.search.rerank import rerank_exactly

    with progress() as step:
        best, read = rerank_exactly(
            *(index, predictor, query.parts, hits, options.by),
            on_progress=lambda done, total: step("comparing exactly", done, total),
        )
    write_outputs(options, index, predictor, query.shown, best, read)
    return best


SEARCH = Verb(
    "find the items of a library that answer best to one",
    (
        "INDEX QUERY [-k 10] [--exact N [--by OBJECTIVE] [--html|--sdf|--csv|--picture FILE]] [--fit]",
        "INDEX QUERY [--where CONDITION] [--contains SMARTS] [--lacks SMARTS] [--diverse T]",
        "INDEX QUERIES.sdf --several fragments|consensus",
        "INDEX [QUERY] --metric NAME",
    ),
    _search_options,
    _search,
)
