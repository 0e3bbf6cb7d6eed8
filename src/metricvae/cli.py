"""The command line: thin doors over the library. Only here is anything printed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

from metricvae import __version__
from metricvae.errors import InputError

Fields = dict[str, Any]
Step = Callable[[str, int, int], None]


class Parser(ArgumentParser):
    """An argument parser whose every complaint is one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise InputError(f"{message} (see metricvae --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0 when it is done, 2 when the input is at fault, 130 when it was interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        parser = build_parser(arguments)
        chosen = parser.instantiate(parser.parse_args(arguments))
        options = chosen[chosen.verb]
        document = VERBS[chosen.verb](options)
        if options.json:
            print(json.dumps(document, indent=2))
    except InputError as error:
        print(f"metricvae: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("metricvae: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def build_parser(arguments: Sequence[str]) -> Parser:
    """All verbs. `train` takes its defaults from the preset named in `arguments`."""
    parser = Parser(prog="metricvae", description="Learn a transformation-invariant metric and answer it in one shot.")
    parser.add_argument("--version", action="version", version=f"metricvae {__version__}")
    verbs = parser.add_subcommands(dest="verb", title="verbs")
    makers = {
        "quickstart": ("the main job, small, on embedded shapes: label, train, Table 1, pictures", _quickstart_options),
        "solve": ("the exact maximum overlap of two silhouettes, or of a list of pairs", _solve_options),
        "label": ("make a data set of labelled pairs; resumes by itself", _label_options),
        "train": ("train a model on a data set; resumes by itself", _train_options),
        "evaluate": ("measure a model on a data set", _evaluate_options),
        "predict": ("predict the overlap of two silhouettes, or of a list of pairs, in one shot", _predict_options),
        "reproduce": ("a table or figure of the paper, as JSON, Markdown, PNG and one HTML page", _reproduce_options),
    }
    for verb, (help_text, add_options) in makers.items():
        options = Parser(description=help_text)
        add_options(options, arguments)
        options.add_argument("--json", action="store_true", help="print one JSON document")
        verbs.add_subcommand(verb, options, help=help_text)
    return parser


# --- options ---------------------------------------------------------------------------------------------------------


def _quickstart_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("--out", default="metricvae-quickstart", help="folder for data, model and report")
    parser.add_argument("--seed", type=int, default=0)


def _pair_options(parser: Parser) -> None:
    parser.add_argument("a", nargs="?", help="image of the first shape: white on black, 200x200")
    parser.add_argument("b", nargs="?", help="image of the second shape")
    parser.add_argument("--pairs", help="CSV with columns a,b (paths relative to it) instead of A B")
    parser.add_argument("--out", help="CSV to write, with --pairs")
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")


def _solve_options(parser: Parser, _: Sequence[str]) -> None:
    _pair_options(parser)
    parser.add_argument("--workers", type=int, help="processes; default all cores")


def _label_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("task", choices=["overlap"], help="what to label")
    parser.add_argument("--objects", required=True, help="glyphs, procedural, mixed, or a folder of images")
    parser.add_argument("--pairs", type=int, required=True, help="how many pairs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, help="folder of the data set")
    parser.add_argument("--partners", type=int, default=7, help="how many others each shape meets")
    parser.add_argument("--workers", type=int, help="processes; default all cores; the result does not depend on it")
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")


def _train_options(parser: Parser, arguments: Sequence[str]) -> None:
    from metricvae.model.presets import preset
    from metricvae.model.training import TrainingConfig

    parser.add_argument("dataset", help="folder that `metricvae label` wrote")
    parser.add_argument("--preset", default="overlap", help="overlap, or paper for the paper's network and rates")
    parser.add_argument("--out", required=True, help="folder of the model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    if arguments[:1] == ["train"]:
        default = preset(_named(arguments, "--preset") or "overlap").training
        parser.add_argument("--training", type=TrainingConfig, default=default)


def _evaluate_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument("dataset", help="folder that `metricvae label` wrote")
    parser.add_argument("--split", default="test", help="train, validation, calibration, test or all")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _predict_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    _pair_options(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _reproduce_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("what", choices=["table-1"], help="which table or figure")
    parser.add_argument("--out", required=True, help="folder of the report")
    parser.add_argument("--dataset", help="labelled pairs; default: new ones are labelled")
    parser.add_argument("--model", default="overlap", help="the model beside the paper's; default: the one that ships")
    parser.add_argument("--paper-steps", type=int, default=2000, help="training steps of the paper's network")
    parser.add_argument("--seed", type=int, default=0)


def _named(arguments: Sequence[str], option: str) -> str | None:
    for place, argument in enumerate(arguments):
        if argument == option and place + 1 < len(arguments):
            return arguments[place + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return None


# --- verbs -----------------------------------------------------------------------------------------------------------


def _quickstart(options: Namespace) -> Fields:
    from metricvae.experiments.quickstart import quickstart

    with _progress() as step:
        summary = quickstart(Path(options.out), seed=options.seed, on_step=step)
    return _say(options, summary.to_json(), summary.text())


def _solve(options: Namespace) -> Fields:
    from metricvae.overlap.many import solve_files
    from metricvae.pairs.lists import read_pair_list, write_rows

    if not _wants_list(options):
        found = next(solve_files([(Path(options.a), Path(options.b))], fit=options.fit))
        document = {
            "overlap": found.area,
            **dataclasses.asdict(found.pose),
            "area_a": found.area_a,
            "area_b": found.area_b,
        }
        return _say(options, document, "\n".join(f"{name:10} {value:10.2f}" for name, value in document.items()))
    listed = read_pair_list(Path(options.pairs))
    files = [(listed.files[i], listed.files[j]) for i, j in zip(listed.first, listed.second, strict=True)]
    rows = []
    with _progress() as step:
        for names, found in zip(
            listed.names, solve_files(files, fit=options.fit, workers=options.workers), strict=True
        ):
            pose = found.pose
            rows.append([*names, f"{found.area:.2f}", f"{pose.angle_deg:.3f}", f"{pose.dx:.3f}", f"{pose.dy:.3f}"])
            step("solving pairs", len(rows), len(files))
    write_rows(Path(options.out), ["a", "b", "overlap", "angle_deg", "dx", "dy"], rows)
    return _say(
        options, {"pairs": len(rows), "out": options.out}, f"{len(rows)} pairs solved, written to {options.out}"
    )


def _label(options: Namespace) -> Fields:
    from metricvae.pairs.labelling import LabelPlan, label

    plan = LabelPlan(options.objects, options.pairs, options.seed, options.partners, options.fit)
    with _progress() as step:
        card = label(
            plan, Path(options.out), workers=options.workers, on_progress=lambda p: step(p.stage, p.done, p.total)
        )
    return _say(
        options,
        card,
        f"{options.pairs} labelled pairs in {options.out}; next: metricvae train {options.out} --out MODEL",
    )


def _train(options: Namespace) -> Fields:
    from metricvae.inference.fit import fit
    from metricvae.model.presets import preset
    from metricvae.pairs.dataset import read_dataset

    chosen = preset(options.preset)
    data = read_dataset(Path(options.dataset))
    with _training_progress() as report:
        facts = fit(
            data, chosen.model, options.training, Path(options.out), device=_device(options.device), on_progress=report
        )
    return _say(
        options, facts, f"validation R^2 {facts['validation_r2']:.4f} after {facts['steps']} steps, in {options.out}"
    )


def _evaluate(options: Namespace) -> Fields:
    from metricvae.inference import Predictor, evaluate
    from metricvae.pairs.dataset import read_dataset

    predictor = Predictor.load(options.model, _device(options.device))
    data = read_dataset(Path(options.dataset))
    with _progress() as step:
        figures = evaluate(predictor, data, options.split, lambda done, total: step("encoding shapes", done, total))
    document = dataclasses.asdict(figures)
    return _say(options, document, "\n".join(f"{name:18} {value:14.6g}" for name, value in document.items()))


def _predict(options: Namespace) -> Fields:
    from metricvae.inference import Predictor
    from metricvae.objects.images import read_image
    from metricvae.pairs.lists import read_pair_list, write_rows

    predictor = Predictor.load(options.model, _device(options.device))
    if not _wants_list(options):
        a, b = (read_image(Path(path), fit=options.fit) for path in (options.a, options.b))
        said = predictor.predict_masks([(a, b)])
        document = {"predicted": float(said.value[0]), "low": float(said.low[0]), "high": float(said.high[0])}
        interval = f"{said.level:.0%} interval {said.low[0]:.0f} to {said.high[0]:.0f}"
        text = f"predicted maximum overlap {said.value[0]:.0f} pixels, {interval}"
        return _say(options, document, text)
    listed = read_pair_list(Path(options.pairs))
    with _progress() as step:
        encoded = predictor.encode(
            lambda i: read_image(listed.files[i], fit=options.fit),
            len(listed.files),
            on_progress=lambda done, total: step("encoding shapes", done, total),
        )
    said = predictor.predict(encoded, listed.first, listed.second)
    numbers = zip(said.value, said.low, said.high, strict=True)
    rows = [[*names, *(f"{value:.2f}" for value in row)] for names, row in zip(listed.names, numbers, strict=True)]
    write_rows(Path(options.out), ["a", "b", "predicted", "low", "high"], rows)
    return _say(
        options, {"pairs": len(rows), "out": options.out}, f"{len(rows)} pairs predicted, written to {options.out}"
    )


def _reproduce(options: Namespace) -> Fields:
    from metricvae.experiments.reproduce import reproduce_table_1

    with _progress() as step:
        summary = reproduce_table_1(
            Path(options.out),
            dataset=None if options.dataset is None else Path(options.dataset),
            model=options.model,
            paper_steps=options.paper_steps,
            seed=options.seed,
            on_step=step,
        )
    return _say(options, summary.to_json(), summary.text())


VERBS: dict[str, Callable[[Namespace], Fields]] = {
    "quickstart": _quickstart,
    "solve": _solve,
    "label": _label,
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "reproduce": _reproduce,
}


# --- saying it -------------------------------------------------------------------------------------------------------


def _say(options: Namespace, document: Fields, text: str) -> Fields:
    if not options.json:
        print(text)
    return document


def _wants_list(options: Namespace) -> bool:
    if options.pairs is not None:
        if options.a is not None:
            raise InputError("got two images and --pairs: give one or the other")
        if options.out is None:
            raise InputError("--pairs needs --out: name the CSV to write")
        return True
    if options.a is None or options.b is None:
        raise InputError("got fewer than two images: give A and B, or --pairs pairs.csv --out out.csv")
    return False


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):
        raise InputError(f"device '{name}' is not to be had here: use cpu or auto") from None
    return name


@contextlib.contextmanager
def _progress() -> Iterator[Step]:
    """A bar a stage on stderr: done of total, rate, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, Any] = {}
    with bars:

        def step(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, completed=done, rate="")
            speed = bars.tasks[tasks[stage]].speed
            bars.update(tasks[stage], completed=done, total=total, rate=f"{speed:.0f}/s" if speed else "")

        yield step


@contextlib.contextmanager
def _training_progress() -> Iterator[Callable[[Any], None]]:
    """A bar on stderr with the four losses and the validation R^2."""
    with _progress() as step:

        def report(now: Any) -> None:
            r2 = "-" if now.validation_r2 is None else f"{now.validation_r2:.4f}"
            step(
                f"training: reconstruction {now.reconstruction:.0f}, latent {now.latent:.1f}, "
                f"deformation {now.deformation:.4f}, metric {now.metric:.5f}, validation R2 {r2}",
                now.step,
                now.steps,
            )

        yield report


if __name__ == "__main__":
    sys.exit(main())
