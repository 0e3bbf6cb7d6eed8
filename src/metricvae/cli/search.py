"""`metricvae index` and `metricvae search`: libraries of shapes and molecules."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, draw_laid, refuse_ray_beside, say
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.kinds.molecule.packing import Packable
    from metricvae.kinds.silhouette.records import Mask
    from metricvae.metrics.overlap.solver.records import Pose
    from metricvae.search.index import Hits, Index


def _index_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument("library", help="folder of images, data set, or file of molecules (SMILES, CSV, SDF, mol2)")
    parser.add_argument("--out", required=True, help="folder of the index")
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")
    parser.add_argument("--workers", type=at_least(1), help="processes that make conformers; default all cores")
    parser.add_argument("--ray", metavar="ADDRESS", help="molecules: work on a Ray cluster, or local to start one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _index(options: Namespace) -> Fields:
    from metricvae.prediction.predictor import Predictor
    from metricvae.search.build import SKIPPED, build_index

    refuse_ray_beside(options.device, options.ray)
    predictor = Predictor.load(options.model, "cpu" if options.ray is not None else device_named(options.device))
    with progress() as step, about(options.model):
        predictor.require_calibration()
        document = build_index(
            *(predictor, Path(options.library), Path(options.out)),
            fit=options.fit,
            workers=options.workers,
            ray=options.ray,
            on_progress=lambda done, total: step("encoding", done, total),
        )
    items, skipped = document["rows"], document["skipped"]
    left_out = f", {skipped} left out (see {Path(options.out) / SKIPPED})" if skipped else ""
    text = f"{items} items indexed{left_out}; next: metricvae search {shlex.quote(options.out)} QUERY"
    return say(options, {"items": items, "skipped": skipped, "out": options.out}, text)


def _search_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("index", help="folder that `metricvae index` wrote")
    parser.add_argument("query", help="what to look for: an image, or a file whose first molecule it is")
    parser.add_argument("-k", "--k", type=at_least(1), default=10, help="how many hits")
    parser.add_argument(
        "--exact", type=at_least(1), metavar="N", help="order the best N by the exact search, and show k of them"
    )
    parser.add_argument("--picture", metavar="FILE.png", help="with --exact: draw the query with its hits")
    parser.add_argument(
        "--sdf", metavar="FILE.sdf", help="molecules, with --exact: write the query, and hits laid on it"
    )
    parser.add_argument("--model", help="where the model of the index is now, if it was moved")
    parser.add_argument("--fit", action="store_true", help="scale and centre a query of another size")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _search(options: Namespace) -> Fields:
    from metricvae.prediction.reading import read_object
    from metricvae.search.index import load_for, read_index, search

    _check_search(options)
    index = read_index(Path(options.index))
    predictor = load_for(index, options.model, device_named(options.device))
    form = predictor.loaded.config.form
    if options.sdf is not None and form != "molecules":
        raise InputError("--sdf writes molecules, got an index of images: ask for --picture")
    query = read_object(Path(options.query), form, fit=options.fit)
    hits = search(index, predictor, query, options.k if options.exact is None else options.exact)
    task = str(predictor.loaded.facts.get("task"))
    if options.exact is not None:
        hits = _checked(options, index, hits, query, task)
    rows = _rows(index, hits, options.k, {"halves": "fit", "molecules": "tanimoto"}.get(task, task))
    return say(options, {"hits": rows}, "\n".join(map(_line, rows)))


def _checked(options: Namespace, index: Index, hits: Hits, query: Packable, task: str) -> Hits:
    """The hits in the order of their exact answers, drawn or written where that is asked for."""
    from metricvae.search.index import exact_search, item_reader, rerank

    read = item_reader(index, hits)
    with progress() as step:
        best = rerank(hits, exact_search(task, query), read, lambda done, total: step("comparing exactly", done, total))
    if options.picture is not None and task != "molecules":
        if best.poses is None or not len(best.rows):
            raise InputError("the library has no hit to draw")
        words = f"first hit, predicted {best.said.value[0]:.4g}"
        shown, pose = read(int(best.rows[0])), best.poses[0]
        draw_laid(Path(options.picture), cast("Mask", query), cast("Mask", shown), cast("Pose", pose), words)
    if task == "molecules" and (options.sdf is not None or options.picture is not None):
        _show_laid(options, index, best)
    return best


def _show_laid(options: Namespace, index: Index, hits: Hits) -> None:
    """Write the query and the hits laid on it, as a file of molecules or as a picture."""
    from metricvae.core.dataset import read_molecules
    from metricvae.kinds.molecule.mol_blocks import write_sdf
    from metricvae.kinds.molecule.readers import read_one
    from metricvae.metrics.shape.solver.records import Overlay
    from metricvae.plotting.molecules import Laid, draw_hits
    from metricvae.runtime.files import write_bytes
    from metricvae.search.index import in_space

    query, laid = read_one(Path(options.query)), []
    shown = read_molecules(index.rows_of(hits.rows[: options.k]))
    for place, (molecule, pose) in enumerate(zip(shown, (hits.poses or ())[: options.k], strict=True)):
        assert isinstance(pose, Overlay)
        assert hits.tanimoto is not None
        words = f"{molecule.id}\nshape Tanimoto {pose.tanimoto:.3f}, predicted {hits.tanimoto[place]:.3f}"
        laid.append(Laid(in_space(molecule).moved(pose.rotation, pose.translation), words))
    if options.sdf is not None:
        write_sdf(Path(options.sdf), [query, *(one.molecule for one in laid)])
    if options.picture is not None:
        write_bytes(Path(options.picture), draw_hits(query, laid))


def _rows(index: Index, hits: Hits, count: int, name: str) -> list[Fields]:
    """The hits as they are printed; `name` is that of the exact answer."""
    rows = []
    for place, row in enumerate(hits.rows[:count].tolist()):
        alike = hits.said.value if hits.tanimoto is None else hits.tanimoto
        hit: Fields = {"id": index.ids[row], "path": index.paths[row], "predicted": float(alike[place])}
        if hits.exact is not None and hits.poses is not None:
            pose = dataclasses.asdict(hits.poses[place])
            pose = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in pose.items()}
            hit |= {name: float(hits.exact[place]), **pose}
        rows.append(hit)
    return rows


def _line(hit: Fields) -> str:
    exact = [f"{hit[name]:10.4g}" for name in ("overlap", "fit", "tanimoto") if name in hit][-1:]
    return "  ".join([f"{hit['predicted']:10.4g}", *exact, hit["id"], hit["path"]])


def _check_search(options: Namespace) -> None:
    if options.exact is not None and options.exact < options.k:
        raise InputError(f"--exact is {options.exact}: expected at least k, {options.k}")
    if options.picture is not None and options.exact is None:
        raise InputError("--picture draws what the exact search found: give --exact N with it")
    if options.sdf is not None and options.exact is None:
        raise InputError("--sdf writes what the exact search found: give --exact N with it")


INDEX = Verb(
    "encode a library of shapes or molecules, to search in it; resumes by itself",
    ("MODEL LIBRARY --out INDEX [--fit]",),
    _index_options,
    _index,
)

SEARCH = Verb(
    "find the items of a library that answer best to one",
    ("INDEX QUERY [-k 10] [--exact N [--picture FILE.png | --sdf FILE.sdf]] [--fit]",),
    _search_options,
    _search,
)
