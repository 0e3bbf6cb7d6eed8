"""`metricvae solve`: exact answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.common import columns, pair_options, say, wants_list
from metricvae.cli.parser import Fields, Parser, Verb, at_least, positive
from metricvae.cli.spatial import ending_of, is_smiles, is_spatial, solve_list, solve_spatial
from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.records import MAX_CELLS
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.metrics.overlap.solver.records import Overlap


def _solve_options(parser: Parser, _: Sequence[str]) -> None:
    pair_options(parser)
    parser.add_argument(
        "--certify", type=positive, metavar="EPS", help="prove that nothing beats the answer by more: 0.01"
    )
    parser.add_argument(
        "--cells", type=at_least(1), default=MAX_CELLS, help="give a proof up after so many boxes of motions"
    )
    parser.add_argument("--join", action="store_true", help="two halves: where their edges fit best, not their overlap")
    parser.add_argument(
        "--by",
        metavar="OBJECTIVE",
        help="two molecules: overlay by shape (default), colour, combo, or a Tversky index: combo-tversky",
    )
    parser.add_argument("--aligned", metavar="FILE.sdf", help="two molecules: write A, and B laid on it")
    parser.add_argument("--workers", type=at_least(1), help="processes; default all cores")


def _solve(options: Namespace) -> Fields:
    from metricvae.core.pair_list import read_pair_list, write_rows
    from metricvae.metrics.overlap.solver.files import solve_files

    if is_spatial(ending := ending_of(options.a or "")) or is_smiles(options.a or ""):
        return solve_spatial(options, ending)
    if options.join:
        return _join(options)
    if options.certify is not None:
        return _certify(options)
    if not wants_list(options):
        _check_images(options)
        found = next(solve_files([(Path(options.a), Path(options.b))], fit=options.fit, invert=options.invert))
        document = _overlap_document(found)
        return say(options, document, columns(document))
    listed = read_pair_list(Path(options.pairs))
    if is_spatial(ending_of(listed.files[0])):
        return solve_list(options, listed)
    _check_images(options)
    files = [(listed.files[i], listed.files[j]) for i, j in zip(listed.first, listed.second, strict=True)]
    rows = []
    answers = solve_files(files, fit=options.fit, invert=options.invert, workers=options.workers)
    with progress() as step:
        step("solving pairs", 0, len(files))
        for names, found in zip(listed.names, answers, strict=True):
            pose = found.pose
            rows.append([*names, f"{found.area:.2f}", f"{pose.angle_deg:.3f}", f"{pose.dx:.3f}", f"{pose.dy:.3f}"])
            step("solving pairs", len(rows), len(files))
    write_rows(Path(options.out), ["a", "b", "overlap", "angle_deg", "dx", "dy"], rows)
    document = {"pairs": len(rows), "out": options.out}
    return say(options, document, f"{len(rows)} pairs solved, written to {options.out}")


def _check_images(options: Namespace) -> None:
    for name in ("aligned", "by"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is for molecules, got images: leave it out")


def _overlap_document(found: Overlap) -> Fields:
    pose = dataclasses.asdict(found.pose)
    return {"overlap": found.area, **pose, "area_a": found.area_a, "area_b": found.area_b}


def _certify(options: Namespace) -> Fields:
    from metricvae.metrics.overlap.solver.certify import certify
    from metricvae.metrics.overlap.solver.files import read_pair

    if wants_list(options):
        raise InputError("--certify takes its time for one pair A B, got --pairs: give two images")
    a, b = read_pair(Path(options.a), Path(options.b), fit=options.fit, invert=options.invert)
    with progress() as step:
        found = certify(
            a,
            b,
            options.certify,
            max_cells=options.cells,
            on_progress=lambda cells: step("proving", cells, options.cells),
        )
    document = _overlap_document(found.overlap)
    proof = {"upper": found.upper, "gap": found.gap, "proven": found.proven, "cells": found.cells}
    said = f"proven: no motion overlaps by more than {found.upper:.2f} pixels, {found.gap:.2%} above what was found"
    if not found.proven:
        said += f"; --certify {options.certify:g} would take more than {found.cells} boxes, give more --cells"
    return say(options, document | proof, f"{columns(document)}\n{said}")


def _join(options: Namespace) -> Fields:
    from metricvae.kinds.silhouette.io import read_image
    from metricvae.metrics.match.solver.edges import Edge
    from metricvae.metrics.match.solver.joins import join

    if wants_list(options) or options.certify is not None:
        raise InputError("--join takes two images, got --pairs or --certify with it: give A B alone")
    found = join(
        *(Edge(read_image(Path(path), fit=options.fit, invert=options.invert)) for path in (options.a, options.b))
    )
    document = {"fit": found.score, "contact": found.contact, **dataclasses.asdict(found.pose)}
    return say(options, document, columns(document))


SOLVE = Verb(
    "the exact maximum overlap of two shapes or molecules, or of a list of pairs",
    (
        "A B [--fit] [--certify EPS | --join] [--by OBJECTIVE] [--aligned FILE.sdf]",
        "--pairs pairs.csv --out out.csv [--fit] [--by OBJECTIVE] [--workers N]",
    ),
    _solve_options,
    _solve,
)
