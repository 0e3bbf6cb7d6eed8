"""The command line: thin doors over the library. Only here is anything printed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from metricvae import __version__
from metricvae.errors import InputError
from metricvae.progress import progress

if TYPE_CHECKING:
    from metricvae.inference import Predictor
    from metricvae.overlap import Overlap
    from metricvae.pairs.labelling import Plan

Fields = dict[str, Any]


@dataclass(frozen=True)
class Verb:
    """One door.

    Attributes:
        does: what it does, in a line.
        usage: what to write after its name.
        add_options: adds its options to a parser, knowing the arguments that will be parsed.
        run: does it, says so, and returns the document that `--json` prints.
    """

    does: str
    usage: tuple[str, ...]
    add_options: Callable[[Parser, Sequence[str]], None]
    run: Callable[[Namespace], Fields]


class Parser(ArgumentParser):
    """An argument parser whose every complaint is one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise InputError(f"{_plain(message)} (see {self.prog} --help)")


class Help(DefaultHelpFormatter):
    """Help that shows defaults where there are some, and types where the words beside an option do not say them."""

    def _get_help_string(self, action: Any) -> str:
        if "." in action.dest:
            text = str(super()._get_help_string(action))
            return text.replace("type: %(type)s, ", "") if "{" in self._metavar_formatter(action, "")(1)[0] else text
        shown = action.option_strings and action.default not in (None, "==SUPPRESS==") and action.default is not False
        return f"{action.help} (default: %(default)s)" if shown else str(action.help)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0 when it is done, 2 when the input is at fault, 130 when it was interrupted."""
    try:
        _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except SystemExit as end:  # --help
        return int(end.code or 0)
    except InputError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted; run the same command again", 130)
    except BrokenPipeError:  # whoever read our answer has enough of it
        _drop_output()
    except OSError as error:
        _drop_output()
        return _complain(f"{error.filename or 'the output'}: {error.strerror or error}; mend that and run it again", 2)
    return 0


def _run(arguments: list[str]) -> None:
    match arguments:
        case []:
            raise InputError(f"expected a verb: {', '.join(VERBS)} (see metricvae --help)")
        case ["-h" | "--help", *_]:
            print(_overview())
        case ["--version", *_]:
            print(f"metricvae {__version__}")
        case [name, *rest] if name in VERBS:
            options = _parse(name, rest)
            document = VERBS[name].run(options)
            if options.json:
                print(json.dumps(_finite(document), indent=2))
        case [name, *_]:
            raise InputError(f"there is no verb '{name}': expected {', '.join(VERBS)} (see metricvae --help)")


def _overview() -> str:
    verbs = "\n".join(f"  {name:11} {verb.does}" for name, verb in VERBS.items())
    return (
        "usage: metricvae VERB ...\n\n"
        "Learn a transformation-invariant metric between shapes and answer it in one shot.\n\n"
        f"verbs:\n{verbs}\n\n"
        "options:\n  -h, --help  this\n  --version   print the version\n\n"
        "metricvae VERB --help says what each takes. Start with: metricvae quickstart"
    )


def _parse(name: str, arguments: list[str]) -> Namespace:
    verb = VERBS[name]
    prog = f"metricvae {name}"
    usage = "\n       ".join(f"{prog} {line}" for line in verb.usage)
    does = f"{verb.does[0].upper()}{verb.does[1:]}."
    parser = Parser(prog=prog, usage=usage, description=does, formatter_class=Help, allow_abbrev=False)
    verb.add_options(parser, arguments)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser.instantiate(parser.parse_args(arguments))


def _plain(message: str) -> str:
    """A complaint of jsonargparse in the words of the command line."""
    message = re.sub(r'(?:Parser key|argument) "?([\w.]+)"?:', r"\1:", message)
    message = re.sub(r"<class '(?:builtins\.)?([\w.]+)'>", r"\1", " ".join(message.split()))
    message = re.sub(r"typing\.Literal\[(.+?)\]", r"one of \1", message)
    message = re.sub(r"Does not validate against any of the Union subtypes.*Given value: ", "cannot take ", message)
    return re.sub(r"Expected an? (.+?)\. Got value: ", r"expected \1, got ", message)


def _drop_output() -> None:
    """Python writes what is left to stdout once more when it ends, and would fail again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, status: int) -> int:
    print(f"metricvae: {message}", file=sys.stderr)
    return status


# --- options ---------------------------------------------------------------------------------------------------------


def _quickstart_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("--out", default="metricvae-quickstart", help="folder for data, models and report")
    parser.add_argument("--seed", type=int, default=0, help="of the shapes, the pairs and the training")


def _pair_options(parser: Parser) -> None:
    parser.add_argument("a", nargs="?", help="image of the first shape: white on black, 200x200")
    parser.add_argument("b", nargs="?", help="image of the second shape")
    parser.add_argument("--pairs", help="CSV with columns a,b (paths relative to it) instead of A B")
    parser.add_argument("--out", help="CSV to write, with --pairs only")
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")


def _solve_options(parser: Parser, _: Sequence[str]) -> None:
    _pair_options(parser)
    parser.add_argument(
        "--certify", type=float, metavar="EPS", help="prove that nothing beats the answer by more: 0.01"
    )
    parser.add_argument("--cells", type=int, default=2_000_000, help="give a proof up after so many boxes of motions")
    parser.add_argument("--workers", type=int, help="processes; default all cores")


def _label_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("task", choices=["overlap", "halves"], help="what to label")
    parser.add_argument("--objects", required=True, help="glyphs, procedural, mixed, or a folder of images")
    parser.add_argument("--pairs", type=int, required=True, help="how many pairs")
    parser.add_argument("--seed", type=int, default=0, help="the same plan with the same seed gives the same bytes")
    parser.add_argument("--out", required=True, help="folder of the data set")
    parser.add_argument("--partners", type=int, help="overlap: how many others each shape meets; default: 7")
    parser.add_argument("--check", type=int, help="overlap: pairs to check against the dense search, for the card")
    parser.add_argument("--cuts", help="halves: straight,zigzag,curved or some of them; default: zigzag,curved")
    parser.add_argument("--middle", action="store_true", help="halves: cut through the centroid, not anywhere")
    parser.add_argument("--workers", type=int, help="processes; default all cores; the result does not depend on it")
    parser.add_argument("--device", default="cpu", help="cpu: all its cores; cuda: pairs by the thousand on a card")
    parser.add_argument("--ray", metavar="ADDRESS", help="work on a Ray cluster: its address, or local to start one")
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")


def _train_options(parser: Parser, arguments: Sequence[str]) -> None:
    from metricvae.model.presets import PRESETS, preset
    from metricvae.model.settings import TrainingConfig

    parser.add_argument("dataset", help="folder that `metricvae label` wrote")
    parser.add_argument("--preset", default="overlap", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--out", required=True, help="folder of the model")
    parser.add_argument("--start", metavar="MODEL", help="go on from the weights of this model (folder or name)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    default = preset(_named(arguments, "--preset") or "overlap").training
    parser.add_argument("--training", type=TrainingConfig, default=default, help="how it is trained")


def _evaluate_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument("dataset", help="folder that `metricvae label` wrote")
    parser.add_argument("--split", default="test", help="train, validation, calibration, test or all")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _predict_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    _pair_options(parser)
    parser.add_argument("--novelty", action="store_true", help="a column: above 1, a shape is unlike the training's")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _reproduce_options(parser: Parser, _: Sequence[str]) -> None:
    from metricvae.experiments import FIGURES

    parser.add_argument("what", choices=["table-1", *FIGURES, "ablations", "all"], help="which table or figure")
    parser.add_argument("--out", required=True, help="folder of the report")
    parser.add_argument("--dataset", help="labelled pairs; default: new ones are labelled")
    parser.add_argument("--model", default="overlap", help="the model beside the paper's; default: the one that ships")
    parser.add_argument("--paper-steps", type=int, default=500, help="training steps of the paper's network in Table 1")
    parser.add_argument("--steps", type=int, default=400, help="training steps of each variant, and of the figures")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each variant")
    parser.add_argument("--seed", type=int, default=0, help="of the pairs, the batches and the paper's network")


def _named(arguments: Sequence[str], option: str) -> str | None:
    """The value of an option before anything is parsed; the last one counts."""
    found = None
    for place, argument in enumerate(arguments):
        if argument == option:
            found = "".join(arguments[place + 1 : place + 2])
        elif argument.startswith(f"{option}="):
            found = argument.partition("=")[2]
    return found


# --- verbs -----------------------------------------------------------------------------------------------------------


def _quickstart(options: Namespace) -> Fields:
    from metricvae.experiments.quickstart import quickstart

    with progress() as step:
        summary = quickstart(Path(options.out), seed=options.seed, on_step=step)
    return _say(options, summary.to_json(), summary.text())


def _solve(options: Namespace) -> Fields:
    from metricvae.overlap.many import solve_files
    from metricvae.pairs.lists import read_pair_list, write_rows

    if options.certify is not None:
        return _certify(options)
    if not _wants_list(options):
        found = next(solve_files([(Path(options.a), Path(options.b))], fit=options.fit))
        document = _overlap_document(found)
        return _say(options, document, _columns(document))
    listed = read_pair_list(Path(options.pairs))
    files = [(listed.files[i], listed.files[j]) for i, j in zip(listed.first, listed.second, strict=True)]
    rows = []
    answers = solve_files(files, fit=options.fit, workers=options.workers)
    with progress() as step:
        step("solving pairs", 0, len(files))
        for names, found in zip(listed.names, answers, strict=True):
            pose = found.pose
            rows.append([*names, f"{found.area:.2f}", f"{pose.angle_deg:.3f}", f"{pose.dx:.3f}", f"{pose.dy:.3f}"])
            step("solving pairs", len(rows), len(files))
    write_rows(Path(options.out), ["a", "b", "overlap", "angle_deg", "dx", "dy"], rows)
    document = {"pairs": len(rows), "out": options.out}
    return _say(options, document, f"{len(rows)} pairs solved, written to {options.out}")


def _overlap_document(found: Overlap) -> Fields:
    pose = dataclasses.asdict(found.pose)
    return {"overlap": found.area, **pose, "area_a": found.area_a, "area_b": found.area_b}


def _columns(document: Fields) -> str:
    return "\n".join(f"{name:10} {value:10.2f}" for name, value in document.items())


def _certify(options: Namespace) -> Fields:
    from metricvae.objects.images import read_image
    from metricvae.overlap import Prepared, certify

    if _wants_list(options):
        raise InputError("--certify takes its time for one pair A B, got --pairs: give two images")
    a, b = (Prepared(read_image(Path(path), fit=options.fit)) for path in (options.a, options.b))
    with progress() as step:
        found = certify(
            a,
            b,
            options.certify,
            most_cells=options.cells,
            on_progress=lambda cells: step("proving", cells, options.cells),
        )
    document = _overlap_document(found.overlap)
    proof = {"upper": found.upper, "gap": found.gap, "proven": found.proven, "cells": found.cells}
    said = f"proven: no motion overlaps by more than {found.upper:.2f} pixels, {found.gap:.2%} above what was found"
    if not found.proven:
        said += f"; --certify {options.certify:g} would take more than {found.cells} boxes, give more --cells"
    return _say(options, document | proof, f"{_columns(document)}\n{said}")


def _label(options: Namespace) -> Fields:
    from metricvae.pairs.labelling import label

    device = "cpu" if options.device == "cpu" else _device(options.device)  # PyTorch takes seconds to load
    if device != "cpu" and options.ray is not None:
        raise InputError(f"--ray works on processors, --device {device} on this machine's card: give one of the two")
    plan = _label_plan(options, batched=device != "cpu")
    with progress() as step, _about(options.objects, options.out):
        card = label(
            plan,
            Path(options.out),
            workers=options.workers,
            ray=options.ray,
            device=device,
            on_progress=lambda p: step(p.stage, p.done, p.total),
        )
    text = f"{options.pairs} labelled pairs; next: metricvae train {shlex.quote(options.out)} --out MODEL"
    return _say(options, card, text)


def _label_plan(options: Namespace, *, batched: bool) -> Plan:
    from metricvae.pairs.labelling import HalvesPlan, LabelPlan

    common: dict[str, Any] = {name: getattr(options, name) for name in ("objects", "pairs", "seed", "fit")}
    own = {
        "overlap": {"partners": options.partners, "check": options.check},
        "halves": {"cuts": options.cuts and tuple(options.cuts.split(",")), "middle": options.middle or None},
    }
    given = {task: {name: value for name, value in one.items() if value is not None} for task, one in own.items()}
    for task, one in given.items():
        if one and task != options.task:
            raise InputError(f"--{next(iter(one))} is for {task}, got {options.task}: leave it out")
    if options.task == "overlap":
        return LabelPlan(**common, **given["overlap"], batched=batched)
    if batched:
        raise InputError("--device is for overlap: halves need no search, leave it out")
    return HalvesPlan(**common, **given["halves"])


def _train(options: Namespace) -> Fields:
    from metricvae.inference.fit import fit
    from metricvae.model.checkpoints import load_model
    from metricvae.model.presets import preset
    from metricvae.pairs.dataset import read_dataset

    chosen, device = preset(options.preset), _device(options.device)
    start = None if options.start is None else load_model(options.start)
    data = read_dataset(Path(options.dataset))
    with progress() as step, _about(options.dataset, options.out):
        facts = fit(
            data,
            chosen.model if start is None else start.config,
            options.training,
            Path(options.out),
            device=device,
            start=start,
            on_prepare=lambda done, total: step("preparing shapes", done, total),
            on_progress=lambda now: step("training", now.step, now.steps, _losses(now), now.seconds_left),
        )
    text = (
        f"validation R^2 {facts['validation_r2']:.4f} after {facts['steps']} steps; "
        f"next: metricvae evaluate {shlex.quote(options.out)} {shlex.quote(options.dataset)}"
    )
    return _say(options, facts, text)


def _evaluate(options: Namespace) -> Fields:
    from metricvae.inference import evaluate
    from metricvae.pairs.dataset import read_dataset

    predictor = _predictor(options)
    data = read_dataset(Path(options.dataset))
    with progress() as step, _about(options.dataset):
        figures = evaluate(predictor, data, options.split, lambda done, total: step("encoding shapes", done, total))
    document = dataclasses.asdict(figures)
    return _say(options, document, "\n".join(f"{name:18} {value:14.6g}" for name, value in document.items()))


def _predict(options: Namespace) -> Fields:
    from metricvae.objects.images import read_image
    from metricvae.pairs.lists import read_pair_list, write_rows

    wants_list = _wants_list(options)
    predictor = _predictor(options)
    if not wants_list:
        a, b = (read_image(Path(path), fit=options.fit) for path in (options.a, options.b))
        said = predictor.predict_masks([(a, b)])
        document = {"predicted": float(said.value[0]), "low": float(said.low[0]), "high": float(said.high[0])}
        document |= {"novelty": float(said.novelty[0]), "novel": bool(said.novel[0])}
        interval = f"{said.level:.0%} interval {said.low[0]:.0f} to {said.high[0]:.0f}"
        text = f"predicted maximum overlap {said.value[0]:.0f} pixels, {interval}{_warning(int(said.novel[0]), 1)}"
        return _say(options, document, text)
    listed = read_pair_list(Path(options.pairs))
    with progress() as step:
        encoded = predictor.encode(
            lambda i: read_image(listed.files[i], fit=options.fit),
            len(listed.files),
            on_progress=lambda done, total: step("encoding shapes", done, total),
        )
    said = predictor.predict(encoded, listed.first, listed.second)
    extra = {"novelty": said.novelty} if options.novelty else {}
    numbers = zip(said.value, said.low, said.high, *extra.values(), strict=True)
    rows = [[*names, *(f"{value:.2f}" for value in row)] for names, row in zip(listed.names, numbers, strict=True)]
    write_rows(Path(options.out), ["a", "b", "predicted", "low", "high", *extra], rows)
    novel = int(said.novel.sum())
    document = {"pairs": len(rows), "novel": novel, "out": options.out}
    return _say(options, document, f"{len(rows)} pairs predicted, written to {options.out}{_warning(novel, len(rows))}")


def _warning(novel: int, pairs: int) -> str:
    """What is said when shapes are unlike those the model was trained on."""
    if not novel:
        return ""
    which = "a shape here is" if pairs == 1 else f"in {novel} pairs a shape is"
    return f"\n{which} unlike the training shapes: wider interval, still a guess; `metricvae solve` is exact"


def _predictor(options: Namespace) -> Predictor:
    from metricvae.inference import Predictor
    from metricvae.inference.conformal import Conformal

    predictor = Predictor.load(options.model, _device(options.device))
    with _about(options.model):
        Conformal.from_json(predictor.loaded.calibration)
    return predictor


def _reproduce(options: Namespace) -> Fields:
    from metricvae.experiments.ablations import reproduce_ablations
    from metricvae.experiments.everything import reproduce_all
    from metricvae.experiments.figures import reproduce_figure
    from metricvae.experiments.reproduce import reproduce_table_1

    out, steps, seeds = Path(options.out), options.steps, options.seeds
    dataset = None if options.dataset is None else Path(options.dataset)
    with progress() as step:
        common: dict[str, Any] = {"dataset": dataset, "seed": options.seed, "on_step": step}
        paper = {"model": options.model, "paper_steps": options.paper_steps}
        summary: Any
        match options.what:
            case "table-1":
                summary = reproduce_table_1(out, **paper, **common)
            case "ablations":
                summary = reproduce_ablations(out, steps=steps, seeds=seeds, **common)
            case "all":
                summary = reproduce_all(out, steps=steps, seeds=seeds, **paper, **common)
            case figure:
                summary = reproduce_figure(figure, out, model=options.model, steps=steps, **common)
    return _say(options, summary.to_json(), summary.text())


VERBS = {
    "quickstart": Verb(
        "the main job, small, on embedded shapes: label, train, Table 1, pictures",
        ("[--out DIR] [--seed N]",),
        _quickstart_options,
        _quickstart,
    ),
    "solve": Verb(
        "the exact maximum overlap of two silhouettes, or of a list of pairs",
        ("A B [--fit] [--certify EPS]", "--pairs pairs.csv --out out.csv [--fit] [--workers N]"),
        _solve_options,
        _solve,
    ),
    "label": Verb(
        "make a data set of labelled pairs; resumes by itself",
        (
            "overlap --objects SOURCE --pairs N --out DATASET [--seed N] [--fit] [--workers N]",
            "halves --objects SOURCE --pairs N --out DATASET [--cuts KINDS] [--middle] [--seed N] [--fit]",
        ),
        _label_options,
        _label,
    ),
    "train": Verb(
        "train a model on a data set; resumes by itself",
        ("DATASET --out MODEL [--preset NAME] [--start MODEL] [--training.FIELD VALUE ...]",),
        _train_options,
        _train,
    ),
    "evaluate": Verb("measure a model on a data set", ("MODEL DATASET [--split NAME]",), _evaluate_options, _evaluate),
    "predict": Verb(
        "predict the overlap of two silhouettes, or of a list of pairs",
        ("MODEL A B [--fit]", "MODEL --pairs pairs.csv --out out.csv [--fit] [--novelty]"),
        _predict_options,
        _predict,
    ),
    "reproduce": Verb(
        "tables and figures of the paper: JSON, Markdown, PNG, one HTML page",
        ("table-1|figure-1.2|...|ablations|all --out REPORT [--dataset DATASET] [--model MODEL] [--seed N]",),
        _reproduce_options,
        _reproduce,
    ),
}


# --- saying it -------------------------------------------------------------------------------------------------------


def _say(options: Namespace, document: Fields, text: str) -> Fields:
    if not options.json:
        print(text)
    return document


def _wants_list(options: Namespace) -> bool:
    if options.pairs is None:
        if options.a is None or options.b is None:
            raise InputError("got fewer than two images: give A and B, or --pairs pairs.csv --out out.csv")
        if options.out is not None:
            raise InputError("got two images and --out: the answer to one pair is printed, --out goes with --pairs")
        return False
    if options.a is not None:
        raise InputError("got two images and --pairs: give one or the other")
    if options.out is None:
        raise InputError("--pairs needs --out: name the CSV to write")
    if Path(options.out).is_dir():
        raise InputError(f"{options.out} is a folder: name the CSV to write after --out")
    if Path(options.out).resolve() == Path(options.pairs).resolve():
        raise InputError(f"{options.out} is the list of pairs itself: give --out another name")
    return True


@contextlib.contextmanager
def _about(*paths: str) -> Iterator[None]:
    """Name the first path in a complaint that names none of them."""
    try:
        yield
    except InputError as error:
        if any(path in str(error) for path in paths):
            raise
        raise InputError(f"{paths[0]}: {error}") from error


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except Exception:  # PyTorch raises many kinds for what it lacks
        raise InputError(f"device '{name}' is not to be had here: use cpu or auto") from None
    return name


def _losses(now: Any) -> str:
    """The four losses, and the validation R^2, of a training's progress: two lines of less than 80 characters."""
    names = ("reconstruction", "latent", "deformation", "metric")
    r2 = "not measured yet" if now.validation_r2 is None else f"{now.validation_r2:.4f}"
    return "  ".join(f"{name} {_short(getattr(now, name))}" for name in names) + f"\nvalidation R^2 {r2}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _finite(document: Any) -> Any:
    """The document with null for numbers that JSON does not have."""
    match document:
        case dict():
            return {name: _finite(value) for name, value in document.items()}
        case list() | tuple():
            return [_finite(value) for value in document]
        case float() if not math.isfinite(document):
            return None
    return document
