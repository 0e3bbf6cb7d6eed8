"""`metricvae index`, `append`, `delete` and `search`: libraries of objects."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, refuse_ray_beside, say
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.hits import FoundObject
    from metricvae.core.kind import Object
    from metricvae.prediction.predictor import Predictor
    from metricvae.search.index import Index
    from metricvae.search.search import Hits


def _index_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument("library", help="folder of images, data set, or file of molecules (SMILES, CSV, SDF, mol2)")
    parser.add_argument("--out", required=True, help="folder of the index")
    parser.add_argument(
        "--side",
        choices=("left", "right"),
        default="right",
        help="models of two kinds: which objects the library holds",
    )
    _reading_options(parser)


def _reading_options(parser: Parser) -> None:
    """How objects of a library are read and encoded."""
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")
    parser.add_argument("--workers", type=at_least(1), help="processes that make conformers; default all cores")
    parser.add_argument("--ray", metavar="ADDRESS", help="molecules: work on a Ray cluster, or local to start one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _index(options: Namespace) -> Fields:
    from metricvae.core.libraries import ReadOptions
    from metricvae.prediction.predictor import Predictor
    from metricvae.search.build import build_index
    from metricvae.search.store import SKIPPED

    refuse_ray_beside(options.device, options.ray)
    predictor = Predictor.load(options.model, "cpu" if options.ray is not None else device_named(options.device))
    with progress() as step, about(options.model):
        predictor.require_calibration()
        document = build_index(
            *(predictor, Path(options.library), Path(options.out)),
            side=options.side,
            options=ReadOptions(fit=options.fit),
            workers=options.workers,
            ray=options.ray,
            on_progress=lambda done, total: step("encoding", done, total),
        )
    items, skipped = document["rows"], document["skipped"]
    left_out = f", {skipped} left out (see {Path(options.out) / SKIPPED})" if skipped else ""
    text = f"{items} items indexed{left_out}; next: metricvae search {shlex.quote(options.out)} QUERY"
    return say(options, {"items": items, "skipped": skipped, "out": options.out}, text)


def _append_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("index", help="folder that `metricvae index` wrote")
    parser.add_argument("library", help="what to add: a library as `metricvae index` takes it")
    parser.add_argument("--model", help="where the model of the index is now, if it was moved")
    _reading_options(parser)


def _append(options: Namespace) -> Fields:
    from metricvae.core.libraries import ReadOptions
    from metricvae.search.index import load_for_folder
    from metricvae.search.update import append_to_index

    refuse_ray_beside(options.device, options.ray)
    device = "cpu" if options.ray is not None else device_named(options.device)
    predictor = load_for_folder(Path(options.index), options.model, device)
    with progress() as step:
        done = append_to_index(
            *(Path(options.index), Path(options.library), predictor),
            options=ReadOptions(fit=options.fit),
            workers=options.workers,
            ray=options.ray,
            on_progress=lambda done, total: step("encoding", done, total),
        )
    left_out = [(done.known, "were there already (by their ids)"), (done.skipped, "left out as no objects")]
    words = [f"{done.added} items added", *(f"{count} {why}" for count, why in left_out if count)]
    return say(options, dataclasses.asdict(done), f"{', '.join(words)}; the index has {done.items}")


def _delete_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("index", help="folder that `metricvae index` wrote")
    parser.add_argument("--ids", nargs="+", metavar="ID", help="items to delete")
    parser.add_argument("--ids-from", metavar="FILE", help="the same from a file, one id a line")
    parser.add_argument("--where", metavar="CONDITION", help="delete items that satisfy it, as 'mw > 600'")
    parser.add_argument(
        "--compact", action="store_true", help="write the index anew now, not only when half of it is deleted"
    )


def _delete(options: Namespace) -> Fields:
    from metricvae.search.update import delete_items

    if not (options.ids or options.ids_from or options.where or options.compact):
        raise InputError("got nothing to delete: give --ids, --ids-from FILE, --where CONDITION, or --compact")
    ids = [*(options.ids or ()), *_lines(options.ids_from)]
    done = delete_items(Path(options.index), ids, options.where or "", compact=options.compact)
    words = [f"{done.deleted} items deleted"]
    words += [f"{done.unknown} ids that the index does not have"] if done.unknown else []
    words += ["files written anew without what was deleted"] if done.compacted else []
    return say(options, dataclasses.asdict(done), f"{', '.join(words)}; the index has {done.items} items")


def _lines(file: str | None) -> list[str]:
    """The lines of a text file that say something; none of no file."""
    if file is None:
        return []
    try:
        return [line for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}): give a text file with one id a line") from None


def _search_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("index", help="folder that `metricvae index` wrote")
    parser.add_argument("query", help="what to look for: a file, or the object itself")
    parser.add_argument("-k", "--k", type=at_least(1), default=10, help="how many hits")
    parser.add_argument(
        "--exact", type=at_least(1), metavar="N", help="order the best N by the exact search, and show k of them"
    )
    _filter_options(parser)
    parser.add_argument("--picture", metavar="FILE.png", help="with --exact: draw the query with its hits")
    parser.add_argument(
        "--sdf", metavar="FILE.sdf", help="molecules, with --exact: write the query, and hits laid on it"
    )
    parser.add_argument("--model", help="where the model of the index is now, if it was moved")
    parser.add_argument("--fit", action="store_true", help="scale and centre a query of another size")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _filter_options(parser: Parser) -> None:
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        default="",
        help="only items that satisfy it, as '300 < mw < 450 and not hbd > 3'; an unknown name lists all there are",
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


def _search(options: Namespace) -> Fields:
    from metricvae.core.libraries import ReadOptions
    from metricvae.core.object_files import read_named
    from metricvae.search.filters import ItemFilter
    from metricvae.search.index import load_for, read_index
    from metricvae.search.rerank import solver_of
    from metricvae.search.search import search

    _check_options(options)
    index = read_index(Path(options.index))
    predictor = load_for(index, options.model, device_named(options.device))
    _check_output(options, index, predictor)
    score_name = "" if options.exact is None else solver_of(predictor.metric).score_name
    query = read_named(predictor.kind(index.query_side), options.query, ReadOptions(fit=options.fit))
    wanted = ItemFilter(options.where, tuple(options.contains or ()), tuple(options.lacks or ()), options.diverse)
    hits = search(index, predictor, query, options.k if options.exact is None else options.exact, wanted)
    if options.exact is not None and len(hits):
        hits = _rerank(options, index, predictor, query, hits)
    rows = _rows(index, predictor, hits, options.k, score_name)
    lines = [_line(row, score_name) for row in rows] or ["no item of the index satisfies what is asked for"]
    return say(options, {"hits": rows}, "\n".join(lines))


def _check_options(options: Namespace) -> None:
    if options.exact is not None and options.exact < options.k:
        raise InputError(f"--exact is {options.exact}: expected at least k, {options.k}")
    if options.picture is not None and options.exact is None:
        raise InputError("--picture draws what the exact search found: give --exact N with it")
    if options.sdf is not None and options.exact is None:
        raise InputError("--sdf writes what the exact search found: give --exact N with it")


def _check_output(options: Namespace, index: Index, predictor: Predictor) -> None:
    """Raise InputError if hits of this index cannot be shown as was asked for: before anything is computed."""
    if options.sdf is not None and ".sdf" not in index.kind.posed_suffixes:
        raise InputError(f"--sdf writes molecules, got an index of {index.kind.title}: ask for --picture")
    if options.picture is not None:
        if predictor.metric.hit_drawer is None:
            raise InputError(f"there is no picture of {index.kind.title} that were found: leave --picture out")
        if predictor.kind("left").title != predictor.kind("right").title:
            raise InputError(f"--picture draws objects of one kind, got a model of two ({predictor.metric.name})")
    laid = options.sdf is not None or options.picture is not None
    if laid and index.side == "left" and not predictor.metric.symmetric:
        raise InputError(
            "the exact search moves the right object of a pair, and the hits are left ones: leave them out"
        )


def _rerank(options: Namespace, index: Index, predictor: Predictor, query: Object, hits: Hits) -> Hits:
    """The hits in the order of their exact answers, drawn or written where that is asked for."""
    from metricvae.search.rerank import exact_search, item_reader, rerank

    exact, read = exact_search(predictor.metric, index, query), item_reader(index, hits)
    with progress() as step:
        best = rerank(hits, exact, read, lambda done, total: step("comparing exactly", done, total))
    if options.sdf is not None or options.picture is not None:
        shown = [read(row) for row in best.rows[: options.k].tolist()]
        _write_hits(options, index, predictor, query, _found(index, predictor, best, shown))
    return best


def _found(index: Index, predictor: Predictor, hits: Hits, shown: Sequence[Object]) -> list[FoundObject]:
    from metricvae.core.hits import FoundObject
    from metricvae.search.rerank import solver_of

    assert hits.exact is not None
    assert hits.poses is not None
    name, predicted = solver_of(predictor.metric).score_name, _predicted(predictor, hits)
    return [
        FoundObject(
            index.ids[row], shown[place], hits.poses[place], name, float(hits.exact[place]), float(predicted[place])
        )
        for place, row in enumerate(hits.rows[: len(shown)].tolist())
    ]


def _write_hits(
    options: Namespace, index: Index, predictor: Predictor, query: Object, found: Sequence[FoundObject]
) -> None:
    """Write the query and the hits laid on it, as a file of molecules or as a picture."""
    from metricvae.runtime.files import write_bytes

    if options.sdf is not None:
        alike = predictor.kind(index.query_side).title == index.kind.title
        laid = [(query, None)] * alike + [(one.value, one.pose) for one in found]
        index.kind.write_posed(Path(options.sdf), [value for value, _ in laid], [pose for _, pose in laid])
    if options.picture is not None:
        if not found:
            raise InputError("the library has no hit to draw")
        drawer = predictor.metric.hit_drawer
        assert drawer is not None
        write_bytes(Path(options.picture), drawer(query, found))


def _predicted(predictor: Predictor, hits: Hits) -> Any:
    """(k,) what is shown of each hit: the number that hits are ordered by; of a distance, the distance itself."""
    return hits.score if predictor.metric.similarity else hits.predictions.value


def _rows(index: Index, predictor: Predictor, hits: Hits, count: int, score_name: str) -> list[Fields]:
    """The hits as they are printed; `score_name` is that of the exact answer."""
    rows, predicted = [], _predicted(predictor, hits)
    for place, row in enumerate(hits.rows[:count].tolist()):
        hit: Fields = {"id": index.ids[row], "path": index.paths[row], "predicted": float(predicted[place])}
        if hits.exact is not None and hits.poses is not None:
            hit |= {score_name: float(hits.exact[place]), **_plain(hits.poses[place])}
        rows.append(hit)
    return rows


def _plain(pose: Any) -> Fields:
    """A motion, a record of the metric's own, as plain values."""
    fields = dataclasses.asdict(pose) if dataclasses.is_dataclass(pose) and not isinstance(pose, type) else {}
    return {key: value.tolist() if hasattr(value, "tolist") else value for key, value in fields.items()}


def _line(hit: Fields, score_name: str) -> str:
    numbers = [hit["predicted"], *([hit[score_name]] if score_name else [])]
    return "  ".join([*(f"{number:10.4g}" for number in numbers), hit["id"], hit["path"]])


INDEX = Verb(
    "encode a library of shapes or molecules, to search in it; resumes by itself",
    ("MODEL LIBRARY --out INDEX [--side left|right] [--fit]",),
    _index_options,
    _index,
)

APPEND = Verb(
    "add the objects of another library to an index; resumes by itself",
    ("INDEX LIBRARY [--fit] [--model MODEL]",),
    _append_options,
    _append,
)

DELETE = Verb(
    "delete items from an index",
    ("INDEX [--ids ID ... | --ids-from FILE] [--where CONDITION] [--compact]",),
    _delete_options,
    _delete,
)

SEARCH = Verb(
    "find the items of a library that answer best to one",
    (
        "INDEX QUERY [-k 10] [--exact N [--picture FILE.png | --sdf FILE.sdf]] [--fit]",
        "INDEX QUERY [--where CONDITION] [--contains SMARTS] [--lacks SMARTS] [--diverse T]",
    ),
    _search_options,
    _search,
)
