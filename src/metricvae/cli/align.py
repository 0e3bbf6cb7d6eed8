"""`metricvae align`: poses predicted in one shot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.alignment import STEPS, TRIES
from metricvae.cli.common import columns, device_named, draw_laid, pair_options, read_options, say, wants_list
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.alignment.predictor import Aligner


def _align_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    pair_options(parser)
    parser.add_argument(
        "--tries", type=at_least(1), default=TRIES, help="proposals that are judged, the best of which is the answer"
    )
    parser.add_argument(
        "--steps", type=at_least(0), default=STEPS, help="steps of local optimisation of each; 0 takes it as it is"
    )
    parser.add_argument("--picture", metavar="FILE.png", help="with A B: draw B on A")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _align(options: Namespace) -> Fields:
    from metricvae.core.object_files import read_file

    listing = wants_list(options)
    if listing and options.picture is not None:
        raise InputError("--picture draws one pair A B, got --pairs: leave one of them out")
    aligner = aligner_of(options.model, options.device)
    if listing:
        return _align_list(options, aligner)
    kind = aligner.predictor.kind()
    pair = [read_file(kind, Path(path), read_options(options)) for path in (options.a, options.b)]
    found = aligner.align(pair[0], pair[1], options.tries, options.steps)
    value, score = found.solution.value, aligner.solver.score_name
    if options.picture is not None:
        words = f"{score} {value:.0f} {aligner.predictor.metric.unit}, expected {found.expected:.0f}"
        draw_laid(Path(options.picture), pair[0], pair[1], found.solution.pose, words)
    document = {score: value, **dataclasses.asdict(found.solution.pose), "expected": found.expected}
    document |= {f"{kind.magnitude_name}_{ab}": one for ab, one in zip("ab", kind.measure(pair).tolist(), strict=True)}
    return say(options, document, columns(document))


def _align_list(options: Namespace, aligner: Aligner) -> Fields:
    from metricvae.core.object_files import LazyObjects
    from metricvae.core.pair_list import read_pair_list, write_rows

    listed = read_pair_list(Path(options.pairs))
    files = LazyObjects(aligner.predictor.kind(), listed.files, read_options(options))
    rows, names = [], list[str]()
    with progress() as step:
        answers = aligner.align_all(
            *(files, listed.first, listed.second),
            tries=options.tries,
            steps=options.steps,
            on_encoded=lambda done, total: step(f"encoding {files.kind.title}", done, total),
        )
        for pair, found in zip(listed.names, answers, strict=True):
            pose = dataclasses.asdict(found.solution.pose)
            numbers = [f"{found.solution.value:.2f}", *(f"{number:.3f}" for number in pose.values())]
            rows.append([*pair, *numbers, f"{found.expected:.2f}"])
            names = list(pose)
            step("aligning pairs", len(rows), len(listed.names))
    write_rows(Path(options.out), ["a", "b", aligner.solver.score_name, *names, "expected"], rows)
    document = {"pairs": len(rows), "out": options.out}
    return say(options, document, f"{len(rows)} pairs aligned, written to {options.out}")


def aligner_of(model: str, device: str) -> Aligner:
    """The aligner of a model, a folder or a name."""
    from metricvae.alignment.predictor import Aligner
    from metricvae.prediction.predictor import Predictor

    return Aligner(Predictor.load(model, device_named(device)))


ALIGN = Verb(
    "lay a silhouette on another in one shot, or the pairs of a list",
    (
        "MODEL A B [--fit] [--tries N] [--steps N] [--picture FILE.png]",
        "MODEL --pairs pairs.csv --out out.csv [--fit] [--tries N] [--steps N]",
    ),
    _align_options,
    _align,
)
