"""`metricvae generate`: objects that match a set of requirements, or shapes that lie between or around others."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.common import about, image_options, read_options, say
from metricvae.cli.parser import Fields, Parser, Verb, at_least, positive, seed_number
from metricvae.core.errors import InputError
from metricvae.generation import ANSWERS_ASKED, SECONDS
from metricvae.runtime.progress import Step, partial, progress, wants_partial

if TYPE_CHECKING:
    from metricvae.core.constraints import Constraint
    from metricvae.generation.exemplars import Exemplars
    from metricvae.generation.interpolation import Between
    from metricvae.generation.selection import Generated, Value
    from metricvae.kinds.silhouette.records import Mask
    from metricvae.prediction.predictor import Predictor

ANSWERS, SHEET = "answers.json", "sheet.png"
NOUN = "set of answers"
"""What a folder of answers is called in messages."""

PARTNER = "halves"
"""The model that says what matches."""

LONGEST_NAME = 14
"""Letters of a file's name in pictures."""


def _generate_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument(
        *("--require", "-r"),
        action="append",
        metavar="R",
        help="A.png=1783, area=4000, like:A.png>=0.7, match:H.png, plausible; of molecules shape:A.sdf>=0.75, "
        "similarity:A.sdf<0.4, qed>=0.5, mw<=450, contains:SMARTS, keep:SMILES, score:MODULE:FUNCTION>=1 or =max, ...",
    )
    parser.add_argument("--between", nargs=2, metavar=("A", "B"), help="shapes on the way from A to B instead")
    parser.add_argument("--around", metavar="A", help="shapes in a plane of codes about A instead")
    parser.add_argument("-n", "--n", type=at_least(1), default=ANSWERS_ASKED, help="how many")
    parser.add_argument("--out", required=True, help="folder for answers, answers.json, sheet.png")
    parser.add_argument("--library", metavar="INDEX", help="of molecules: begin with its items, and copy none")
    parser.add_argument("--improve", action="store_true", help="of molecules: use all of the time for better ones")
    parser.add_argument("--evaluations", type=at_least(1), help="of molecules: give up after so many exact ones")
    parser.add_argument("--seed", type=seed_number, default=0, help="another seed gives other answers")
    parser.add_argument("--seconds", type=positive, default=SECONDS, help="give up after so long")
    parser.add_argument("--against", metavar="DATASET", help="drop copies of its training shapes, too")
    image_options(parser)


def _generate(options: Namespace) -> Fields:
    from metricvae.kinds.silhouette.kind import SilhouetteKind
    from metricvae.plotting.drawing import require_drawing
    from metricvae.prediction.predictor import Predictor
    from metricvae.runtime.files import require_free_folder

    asked = [options.require is not None, options.between is not None, options.around is not None]
    if sum(asked) != 1:
        raise InputError(f"got {sum(asked)} of --require, --between and --around: give one of the three")
    require_free_folder(Path(options.out), ANSWERS, NOUN)
    predictor = Predictor.load(options.model)
    kind = predictor.kind()
    if kind.editor is not None:
        return _edited(options, predictor, asked[0])
    if not isinstance(kind, SilhouetteKind):
        raise InputError(
            f"{options.model} takes {kind.title}, and generate makes silhouettes and molecules: give overlap or "
            "molecules-2d"
        )
    for name in ("library", "evaluations", "improve"):
        if getattr(options, name):
            raise InputError(f"--{name} is for molecules, got a model of {kind.title}: leave it out")
    require_drawing()
    with about(options.model):
        make = _required if asked[0] else _between if asked[1] else _around
        return make(options, predictor)


def _edited(options: Namespace, predictor: Predictor, required: bool) -> Fields:
    from metricvae.cli.generate_edited import generate_decoded, generate_edited

    title = predictor.kind().title
    for name in ("against", "fit", "invert"):
        if getattr(options, name):
            raise InputError(f"--{name} is for silhouettes, got a model of {title}: leave it out")
    if required:
        return generate_edited(options, predictor)
    for name in ("library", "evaluations", "improve"):
        if getattr(options, name):
            raise InputError(f"--{name} is for --require: leave it out")
    return generate_decoded(options, predictor)


def _required(options: Namespace, predictor: Predictor) -> Fields:
    import torch

    from metricvae.core.constraints import Match, parse_constraint
    from metricvae.generation.bounds import bounds_of
    from metricvae.generation.exemplars import exemplar_count
    from metricvae.generation.generate import generate
    from metricvae.generation.verification import ClosenessMeasure
    from metricvae.prediction.predictor import Predictor

    kind = predictor.kind()
    read = functools.cache(functools.partial(_read, options, predictor))
    constraints = [parse_constraint(text, read, kind.magnitude_name) for text in options.require]
    bounds = bounds_of(constraints, predictor.metric, kind)
    matching = any(isinstance(one, Match) for one in constraints)
    with progress() as step:
        against = _against(options, predictor, step)
        start = time.perf_counter()
        answers = generate(
            *(predictor, constraints, options.n),
            generator=torch.Generator().manual_seed(options.seed),
            seconds=options.seconds,
            against=against,
            partner=Predictor.load(PARTNER) if matching else None,
            on_progress=lambda done, total: step("shapes that hold", done, total),
            on_found=lambda found: _tell(predictor, found),
        )
        seconds = time.perf_counter() - start
    files = _names(len(answers))
    document: Fields = {
        "requirements": [str(one) for one in constraints],
        "asked": options.n,
        "answers": [_answer(one, file, kind.magnitude_name) for one, file in zip(answers, files, strict=True)],
        "mean_iou": ClosenessMeasure(kind, bounds.solver).mean([one.object for one in answers]),
        "bank": exemplar_count(predictor),
        "seed": options.seed,
        "seconds": seconds,
    }
    _write(options, document, _sheet(constraints, answers, predictor), [one.object for one in answers])
    return say(options, document, _words(options, document, answers))


def _tell(predictor: Predictor, found: Sequence[Generated]) -> None:
    """Show a program that reads progress what was found so far."""
    if not wants_partial():
        return
    kind = predictor.kind()
    rows = [_answer(one, "", kind.magnitude_name) for one in found]
    pictures = [kind.picture(one.object) for one in found]
    shown = [{"picture": None if one is None else one.data_uri} for one in pictures]
    partial({"answers": [row | picture for row, picture in zip(rows, shown, strict=True)]})


def _read(options: Namespace, predictor: Predictor, path: str) -> Mask:
    mask: Mask = predictor.kind().read(Path(path), read_options(options))
    return mask


def _against(options: Namespace, predictor: Predictor, step: Step) -> Exemplars | None:
    if options.against is None:
        return None
    from metricvae.core.dataset_files import read_dataset
    from metricvae.generation.exemplars import make_exemplars

    data = read_dataset(Path(options.against))
    predictor.check(data, options.against)
    return make_exemplars(predictor, data, None, on_progress=lambda done, total: step("encoding shapes", done, total))


def _names(count: int) -> list[str]:
    """Files of so many answers."""
    return [f"answer-{place:02d}.png" for place in range(1, count + 1)]


def _write(options: Namespace, document: Fields, sheet: bytes, masks: Sequence[Mask] = ()) -> None:
    """Write all files of the answers or none, in the place of those of an earlier run."""
    from metricvae.kinds.silhouette.io import encode_png
    from metricvae.runtime.files import write_bytes, write_json
    from metricvae.runtime.folders import renewed_folder

    with renewed_folder(Path(options.out), NOUN, ANSWERS, ("answer-*.png",)) as folder:
        for name, mask in zip(_names(len(masks)), masks, strict=True):
            write_bytes(folder / name, encode_png(mask))
        write_bytes(folder / SHEET, sheet)
        write_json(folder / ANSWERS, document)


def _answer(one: Generated, file: str, magnitude: str) -> Fields:
    return {
        "file": file,
        magnitude: one.magnitude,
        "predicted": {str(value.constraint): value.predicted for value in one.values},
        "verified": {str(value.constraint): value.verified for value in one.values},
        "novelty": one.novelty,
        "nearest": None if one.nearest is None else {"id": one.nearest.id, "iou": one.nearest.closeness},
    }


def _sheet(constraints: Sequence[Constraint], answers: Sequence[Generated], predictor: Predictor) -> bytes:
    from metricvae.core.generation import identity
    from metricvae.generation.bounds import objects_of
    from metricvae.metrics.overlap.generated_drawing import DrawnAnswer, draw_answers

    kind = predictor.kind()
    required = objects_of(constraints, kind)
    drawn = []
    for one in answers:
        named = [value for value in one.values if hasattr(value.constraint, "object")]
        poses = {identity(kind, value.constraint.object): value.pose for value in named}  # type: ignore[union-attr]
        lines = [line for value in one.values if (line := _line(value))]
        drawn.append(DrawnAnswer(one.object, [poses.get(identity(kind, mask)) for _, mask in required], lines))
    return draw_answers([(_short(name), mask) for name, mask in required], drawn)


def _line(value: Value) -> str:
    """What was verified, in a few words."""
    from metricvae.core.constraints import Closeness, Magnitude, Match, ValueWith

    name = _short(getattr(value.constraint, "name", ""))
    match value.constraint:
        case ValueWith():
            return f"{name} {value.verified:,.0f} px"
        case Magnitude():
            return f"{name} {value.verified:,.0f} px"
        case Closeness():
            return f"like {name} {value.verified:.2f}"
        case Match():
            return f"match {value.predicted:.0%}, fit {value.verified:.1f}"
    return f"novelty {value.verified:.2f}"


def _short(path: str) -> str:
    """The name of a file as it is written beside a picture."""
    stem = Path(path).stem
    return stem if len(stem) <= LONGEST_NAME else f"{stem[: LONGEST_NAME - 1]}\u2026"


def _words(options: Namespace, document: Fields, answers: Sequence[Generated]) -> str:
    """The answers in a line each, and remarks on all of them."""
    lines = []
    for row, one in zip(document["answers"], answers, strict=True):
        near = "" if one.nearest is None else f", closest known shape at {one.nearest.closeness:.2f}"
        lines.append(f"{row['file']}  {'; '.join(map(_line, one.values))}{near}")
    if len(answers) < options.n:
        lines.append(f"{len(answers)} of {options.n} were found: give more --seconds or loosen a requirement")
    if not document["bank"]:
        lines.append("the model carries no exemplars: codes were drawn from its latent prior alone")
    return "\n".join([*lines, f"verified by the exact search, drawn in {Path(options.out) / SHEET}"])


def _between(options: Namespace, predictor: Predictor) -> Fields:
    from metricvae.generation.interpolation import between
    from metricvae.metrics.overlap.generated_drawing import DrawnAnswer, draw_answers

    ends = [_read(options, predictor, path) for path in options.between]
    steps = between(predictor, ends[0], ends[1], options.n)
    names = [f"{letter}  {_short(path)}" for letter, path in zip("AB", options.between, strict=True)]
    files = _names(len(steps))
    rows = [_step(one, file, options.between) for one, file in zip(steps, files, strict=True)]
    drawn = [DrawnAnswer(one.object, one.poses, _step_lines(one)) for one in steps]
    document: Fields = {"between": list(options.between), "answers": rows}
    _write(options, document, draw_answers(list(zip(names, ends, strict=True)), drawn), [one.object for one in steps])
    lines = [f"{row['file']}  {'; '.join(_step_lines(one))}" for row, one in zip(rows, steps, strict=True)]
    return say(options, document, "\n".join([*lines, f"drawn in {Path(options.out) / SHEET}"]))


def _step(one: Between, file: str, names: Sequence[str]) -> Fields:
    predicted, verified = (dict(zip("ab", pair, strict=True)) for pair in (one.predicted, one.verified))
    return {"file": file, "share": one.share, "predicted": predicted, "verified": verified}


def _step_lines(one: Between) -> list[str]:
    pairs = zip("AB", one.predicted, one.verified, strict=True)
    return [f"{name} {verified:,.0f}, predicted {predicted:,.0f}" for name, predicted, verified in pairs]


def _around(options: Namespace, predictor: Predictor) -> Fields:
    from metricvae.generation.interpolation import around
    from metricvae.plotting.codes import draw_plane

    plane = around(predictor, _read(options, predictor, options.around))
    labels = ("first direction, standard deviations", "second direction, standard deviations")
    offsets = plane.offsets.tolist()
    document: Fields = {"around": options.around, "offsets": offsets, "iou": plane.closeness.tolist()}
    _write(options, document, draw_plane(plane.pictures, across=offsets, down=offsets, labels=labels))
    best = f"closeness to the shape from {plane.closeness.min():.2f} to {plane.closeness.max():.2f}"
    return say(options, document, f"{best}, drawn in {Path(options.out) / SHEET}")


GENERATE = Verb(
    "make shapes or molecules that satisfy requirements, each verified exactly",
    (
        "MODEL --require A.png=1783 [--require ...] [-n 16] --out DIR",
        "molecules-2d --require 'shape:A.sdf>=0.75' [--require ...] [--library INDEX] [-n 8] --out DIR",
        "MODEL --between A B [-n 8] --out DIR",
        "MODEL --around A --out DIR",
    ),
    _generate_options,
    _generate,
)
