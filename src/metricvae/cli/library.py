"""`metricvae index`, `append` and `delete`: libraries of objects."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, image_options, read_options, refuse_ray_beside, say
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress
from metricvae.runtime.reading import read_text


def _index_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument(
        "library",
        help="folder of images, data set, file of molecules (SMILES, CSV, SDF, mol2), or list of pockets' sites",
    )
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
    image_options(parser)
    parser.add_argument(
        "--conformers",
        type=at_least(1),
        default=1,
        help="of each molecule of SMILES, at most: a search finds molecules by their best",
    )
    parser.add_argument("--workers", type=at_least(1), help="processes that make conformers; default all cores")
    parser.add_argument("--ray", metavar="ADDRESS", help="molecules: work on a Ray cluster, or local to start one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _index(options: Namespace) -> Fields:
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
            options=read_options(options, options.conformers),
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
    from metricvae.search.index import load_for_folder
    from metricvae.search.update import append_to_index

    refuse_ray_beside(options.device, options.ray)
    device = "cpu" if options.ray is not None else device_named(options.device)
    predictor = load_for_folder(Path(options.index), options.model, device)
    with progress() as step:
        done = append_to_index(
            *(Path(options.index), Path(options.library), predictor),
            options=read_options(options, options.conformers),
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
    """The lines of a text file that say something; none of no file; `-` is standard input."""
    if file is None:
        return []
    return [line for line in read_text(file, "a text file with one id a line").splitlines() if line.strip()]


INDEX = Verb(
    "encode a library of shapes or molecules, to search in it; resumes by itself",
    ("MODEL LIBRARY --out INDEX [--conformers N] [--side left|right] [--fit]",),
    _index_options,
    _index,
)

APPEND = Verb(
    "add the objects of another library to an index; resumes by itself",
    ("INDEX LIBRARY [--conformers N] [--fit] [--model MODEL]",),
    _append_options,
    _append,
)

DELETE = Verb(
    "delete items from an index",
    ("INDEX [--ids ID ... | --ids-from FILE] [--where CONDITION] [--compact]",),
    _delete_options,
    _delete,
)
