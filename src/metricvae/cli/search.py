"""`metricvae index` and `metricvae search`: libraries of shapes."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, draw_laid, say
from metricvae.cli.parser import Fields, Parser, Verb
from metricvae.errors import InputError
from metricvae.progress import progress


def _index_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument("library", help="folder of images, or a data set")
    parser.add_argument("--out", required=True, help="folder of the index")
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _index(options: Namespace) -> Fields:
    from metricvae.inference import Predictor
    from metricvae.inference.library import build_index

    predictor = Predictor.load(options.model, device_named(options.device))
    with progress() as step, about(options.model):
        predictor.require_calibration()
        document = build_index(
            *(predictor, Path(options.library), Path(options.out)),
            fit=options.fit,
            on_progress=lambda done, total: step("encoding shapes", done, total),
        )
    items = document["plan"]["items"]
    text = f"{items} shapes indexed; next: metricvae search {shlex.quote(options.out)} QUERY.png"
    return say(options, {"items": items, "out": options.out}, text)


def _search_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("index", help="folder that `metricvae index` wrote")
    parser.add_argument("query", help="image of the shape to look for")
    parser.add_argument("-k", "--k", type=int, default=10, help="how many hits")
    parser.add_argument(
        "--exact", type=int, metavar="N", help="order the best N by the exact search, and show k of them"
    )
    parser.add_argument("--picture", metavar="FILE.png", help="with --exact: draw the query with its first hit")
    parser.add_argument("--model", help="where the model of the index is now, if it was moved")
    parser.add_argument("--fit", action="store_true", help="scale and centre a query of another size")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _search(options: Namespace) -> Fields:
    from metricvae.inference.library import exact_search, load_for, open_library, read_index, rerank, search
    from metricvae.objects.images import read_image

    _check_search(options)
    index = read_index(Path(options.index))
    predictor = load_for(index, options.model, device_named(options.device))
    query = read_image(Path(options.query), fit=options.fit)
    hits = search(index, predictor, query, options.exact or options.k)
    task = str(predictor.loaded.facts.get("task"))
    if options.exact is not None:
        library = open_library(Path(options.index) / index.plan["library"], fit=index.plan["fit"])
        exact = exact_search(task, query)
        with progress() as step:
            hits = rerank(hits, exact, library.mask, lambda done, total: step("comparing exactly", done, total))
        if options.picture is not None:
            if hits.poses is None or not len(hits.rows):
                raise InputError("the library has no hit to draw")
            words = f"first hit, predicted {hits.said.value[0]:.4g}"
            draw_laid(Path(options.picture), query, library.mask(int(hits.rows[0])), hits.poses[0], words)
    rows, name = [], {"halves": "fit"}.get(task, task)
    for place, row in enumerate(hits.rows[: options.k].tolist()):
        hit: Fields = {"id": index.ids[row], "path": index.paths[row], "predicted": float(hits.said.value[place])}
        if hits.exact is not None and hits.poses is not None:
            hit |= {name: float(hits.exact[place]), **dataclasses.asdict(hits.poses[place])}
        rows.append(hit)
    lines = [
        "  ".join([f"{hit['predicted']:10.4g}", *([f"{hit[name]:10.2f}"] if name in hit else []), hit["path"]])
        for hit in rows
    ]
    return say(options, {"hits": rows}, "\n".join(lines))


def _check_search(options: Namespace) -> None:
    if options.exact is not None and options.exact < options.k:
        raise InputError(f"--exact is {options.exact}: expected at least k, {options.k}")
    if options.picture is not None and options.exact is None:
        raise InputError("--picture draws what the exact search found: give --exact N with it")


INDEX = Verb(
    "encode a library of shapes, to search in it; resumes by itself",
    ("MODEL LIBRARY --out INDEX [--fit]",),
    _index_options,
    _index,
)

SEARCH = Verb(
    "find the shapes of a library that answer best to one",
    ("INDEX QUERY [-k 10] [--exact N [--picture FILE.png]] [--fit]",),
    _search_options,
    _search,
)
