"""`metricvae align`: where shapes go on one another, in one shot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.alignment import STEPS, TRIES
from metricvae.cli.common import columns, device_named, draw_laid, pair_options, say, wants_list
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.alignment.predictor import Alignments


def _align_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    pair_options(parser)
    parser.add_argument(
        "--tries", type=at_least(1), default=TRIES, help="motions that are applied, the best of which is told"
    )
    parser.add_argument(
        "--steps", type=at_least(0), default=STEPS, help="steps uphill of each; 0 takes the network's word"
    )
    parser.add_argument("--picture", metavar="FILE.png", help="with A B: draw B on A")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _align(options: Namespace) -> Fields:
    from metricvae.kinds.silhouette.io import read_image
    from metricvae.metrics.overlap.solver.search import PreparedMask

    listing = wants_list(options)
    if listing and options.picture is not None:
        raise InputError("--picture draws one pair A B, got --pairs: leave one of them out")
    aligner = aligner_of(options.model, options.device)
    if listing:
        return _align_list(options, aligner)
    a, b = (read_image(Path(path), fit=options.fit) for path in (options.a, options.b))
    found = aligner.align(PreparedMask(a), PreparedMask(b), options.tries, options.steps)
    if options.picture is not None:
        words = f"overlap {found.overlap.area:.0f} pixels, expected {found.expected:.0f}"
        draw_laid(Path(options.picture), a, b, found.overlap.pose, words)
    overlap = found.overlap
    document = {"overlap": overlap.area, **dataclasses.asdict(overlap.pose), "expected": found.expected}
    document |= {"area_a": overlap.area_a, "area_b": overlap.area_b}
    return say(options, document, columns(document))


def _align_list(options: Namespace, aligner: Alignments) -> Fields:
    from metricvae.alignment.predictor import align_files
    from metricvae.core.pair_list import read_pair_list, write_rows

    listed = read_pair_list(Path(options.pairs))
    rows = []
    with progress() as step:
        answers = align_files(
            *(aligner, listed.files, listed.first, listed.second),
            tries=options.tries,
            steps=options.steps,
            fit=options.fit,
            on_encoded=lambda done, total: step("encoding shapes", done, total),
        )
        for names, found in zip(listed.names, answers, strict=True):
            pose = found.overlap.pose
            numbers = f"{found.overlap.area:.2f}", f"{pose.angle_deg:.3f}", f"{pose.dx:.3f}", f"{pose.dy:.3f}"
            rows.append([*names, *numbers, f"{found.expected:.2f}"])
            step("aligning pairs", len(rows), len(listed.names))
    write_rows(Path(options.out), ["a", "b", "overlap", "angle_deg", "dx", "dy", "expected"], rows)
    document = {"pairs": len(rows), "out": options.out}
    return say(options, document, f"{len(rows)} pairs aligned, written to {options.out}")


def aligner_of(model: str, device: str) -> Alignments:
    """The aligner of a model, a folder or a name."""
    from metricvae.alignment.predictor import Alignments
    from metricvae.prediction.predictor import Predictor

    return Alignments(Predictor.load(model, device_named(device)))


ALIGN = Verb(
    "lay a silhouette on another in one shot, or the pairs of a list",
    (
        "MODEL A B [--fit] [--tries N] [--steps N] [--picture FILE.png]",
        "MODEL --pairs pairs.csv --out out.csv [--fit] [--tries N] [--steps N]",
    ),
    _align_options,
    _align,
)
