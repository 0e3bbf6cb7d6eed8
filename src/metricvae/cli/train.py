"""`metricvae train` and `metricvae evaluate`: models, and how good they are."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, option_value, say
from metricvae.cli.model_options import add_model_settings, model_of
from metricvae.cli.parser import Fields, Parser, Verb
from metricvae.cli.predict import calibrated
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.dataset import PairDataset
    from metricvae.core.kind import ObjectKind
    from metricvae.training.presets import ChosenPreset


def _train_options(parser: Parser, arguments: Sequence[str]) -> None:
    from metricvae.alignment.training import config_type
    from metricvae.decoding.training import DecodingConfig
    from metricvae.training.config import TrainingConfig
    from metricvae.training.joint import JointConfig
    from metricvae.training.presets import preset_names

    parser.add_argument(
        "dataset", nargs="+", help="folder that `metricvae label` or `import` wrote, or several of one metric"
    )
    parser.add_argument("--preset", help=f"one of {', '.join(preset_names())}; default by the metric and the data")
    parser.add_argument("--out", help="folder of the model; with --decoder, of a copy that gets the decoder")
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="go on from the weights of this model (folder or name), also one of another metric; none: random weights. "
        "Default, without --preset: one that ships for such objects, if there is one and no networks are set; "
        "with --decoder: from its decoder, default from random weights",
    )
    parser.add_argument("--aligner", metavar="MODEL", help="train a pose network for this finished model")
    parser.add_argument("--decoder", metavar="MODEL", help="train a decoder of this model on an index made with it")
    parser.add_argument("--add-to", metavar="MODEL", help="copy this model to --out with a further metric of its codes")
    parser.add_argument("--metric", metavar="NAME", help="what --add-to calls it; default what the data set calls it")
    parser.add_argument("--tensorboard", action="store_true", help="write the log for TensorBoard, too")
    parser.add_argument(
        "--pair-head", action="store_true", help="add a network of both codes to their product: slower, one pair a time"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    chosen = _preset(option_value(arguments, "--preset"), arguments, option_value(arguments, "--start"))
    default = TrainingConfig() if chosen is None else chosen.training
    parser.add_argument("--training", type=TrainingConfig, default=default, help="how it is trained")
    parser.add_argument("--joint", type=JointConfig, default=JointConfig(), help="how several metrics are trained")
    aligning = config_type(None if chosen is None else chosen.model.metric)
    parser.add_argument("--aligning", type=aligning, default=aligning(), help="how an aligner is trained")
    parser.add_argument("--decoding", type=DecodingConfig, default=DecodingConfig(), help="how a decoder is trained")
    if chosen is not None:
        add_model_settings(parser, chosen.model, arguments)


def _preset(name: str | None, folders: Sequence[str], start: str | None) -> ChosenPreset | None:
    """The preset of that name, or the default one of the first data set among some arguments, built for what training
    starts from; None without either."""
    from metricvae.core.dataset_files import CARD
    from metricvae.training.presets import preset, preset_of_folder

    if name is not None:
        return preset(name).started(start)
    found = next((Path(folder) for folder in folders if (Path(folder) / CARD).is_file()), None)
    return None if found is None else preset_of_folder(found).started(start)


def _train(options: Namespace) -> Fields:
    from metricvae.fitting.fit import fit
    from metricvae.training.checkpoint import refuse_shipped

    parts = {"aligner": _train_aligner, "decoder": _train_decoder}
    asked = [name for name in ("out", *parts) if getattr(options, name) is not None]
    if len(asked) != 1 and asked != ["out", "decoder"]:
        raise InputError("expected one of --out for a new model, and --aligner and --decoder for one that is there")
    part = asked[-1]
    if part in parts:
        if options.tensorboard:
            raise InputError(f"--tensorboard is for a new model, got --{part}: leave it out")
        refuse_shipped(getattr(options, asked[0]))
        return parts[part](options)
    if options.add_to is not None:
        return _add_metric(options)
    if options.metric is not None:
        raise InputError(f"--metric {options.metric} names a metric that is added: give --add-to MODEL as well")
    device = device_named(options.device)
    if _several_metrics(options):
        return _train_jointly(options)
    chosen = _preset(options.preset, options.dataset, options.start)
    data = _data(options, () if chosen is None else chosen.model.kinds)
    assert chosen is not None  # the data could be read
    model = model_of(options, chosen.model)
    with progress() as step, about(*options.dataset, options.out):
        facts = fit(
            data,
            model,
            options.training,
            Path(options.out),
            device=device,
            start=chosen.start_of(model, options.start),
            tensorboard=options.tensorboard,
            pair_head=options.pair_head,
            heads=chosen.heads_beside(model),
            on_prepare=lambda done, total: step("preparing objects", done, total),
            on_progress=lambda now: step(now.stage, now.step, now.steps, _losses(now), now.seconds_left),
        )
    text = (
        f"validation R^2 {facts['validation_r2']:.4f} after {facts['steps']} steps; "
        f"next: metricvae evaluate {shlex.quote(options.out)} {shlex.quote(options.dataset[0])}"
    )
    return say(options, facts, text)


def _train_aligner(options: Namespace) -> Fields:
    from metricvae.fitting.fit import fit_aligner

    if options.start is not None:
        raise InputError("got --start and --aligner: a pose network begins with random weights, leave --start out")
    device, data = device_named(options.device), _data(options)
    with progress() as step, about(*options.dataset, options.aligner):
        facts = fit_aligner(
            *(data, Path(options.aligner), options.aligning),
            device=device,
            on_targets=lambda done, total: step("scanning pairs", done, total),
            on_progress=lambda now: step("aligning", now.step, now.steps, _reached(now), now.seconds_left),
        )
    text = (
        f"the first proposal reaches {facts['reached']:.1%} of the true overlap on validation pairs; "
        f"next: metricvae align {shlex.quote(options.aligner)} A.png B.png"
    )
    return say(options, facts, text)


def _train_decoder(options: Namespace) -> Fields:
    from metricvae.fitting.decoder import fit_decoder
    from metricvae.training.presets import NONE

    if len(options.dataset) != 1:
        raise InputError(f"got {len(options.dataset)} folders: expected one index that was made with the model")
    index, model = options.dataset[0], options.decoder
    start = None if options.start == NONE else options.start
    with progress() as step, about(index, model):
        facts = fit_decoder(
            *(Path(index), model, options.decoding),
            out=options.out and Path(options.out),
            start=start,
            device=device_named(options.device),
            on_progress=lambda now: step("training", now.step, now.steps, _nats(now), now.seconds_left),
        )
    text = (
        f"{facts['nats_a_symbol']:.3f} nats a symbol on {facts['held_out']} texts that were held out; "
        f"next: metricvae generate {shlex.quote(options.out or model)} --around OBJECT --out FOLDER"
    )
    return say(options, facts, text)


def _add_metric(options: Namespace) -> Fields:
    """A further metric for a model that is there."""
    from metricvae.core.dataset_files import read_dataset
    from metricvae.core.dataset_merge import merge
    from metricvae.fitting.add_metric import add_metric
    from metricvae.training.checkpoint import load_model

    if options.start is not None:
        raise InputError("got --start and --add-to: what is added leaves the weights as they are, give one")
    kind = load_model(options.add_to).config.kinds[0]
    data = merge([read_dataset(Path(folder), None, (kind,)) for folder in options.dataset])
    with progress() as step, about(*options.dataset, options.out):
        facts = add_metric(
            *(options.add_to, data, options.out, options.metric),
            on_progress=lambda done, total: step("encoding", done, total),
        )
    share = f"{facts['validation']:.1%} of what differs between unseen objects explained"
    where = f"{shlex.quote(options.out)} {'OBJECTS' if data.metric.anchored else 'A B'} --metric {facts['metric']}"
    return say(options, facts, f"{facts['metric']}: {share}; next: metricvae predict {where}")


def _several_metrics(options: Namespace) -> bool:
    """Whether the data sets are of several metrics, or of one that a code has to be learned with others for."""
    from metricvae.core.dataset_files import metric_of_card, read_card

    metrics = [metric_of_card(read_card(Path(folder))) for folder in options.dataset]
    return len({str(metric.to_json()) for metric in metrics}) > 1 or metrics[0].anchored


def _train_jointly(options: Namespace) -> Fields:
    from metricvae.core.dataset_files import read_dataset
    from metricvae.fitting.fit_jointly import fit_jointly

    for name in ("start", "tensorboard", "pair_head"):
        if getattr(options, name):
            raise InputError(f"--{name.replace('_', '-')} is for one metric, got data sets of several: leave it out")
    data = [read_dataset(Path(folder), workers=None) for folder in options.dataset]
    with progress() as step, about(*options.dataset, options.out):
        facts = fit_jointly(
            *(data, Path(options.out), options.joint),
            on_progress=lambda now: step("training", now.step, now.steps, _explained(now), now.seconds_left),
        )
    text = (
        f"{len(facts['metrics'])} metrics in one code ({', '.join(facts['metrics'])}): {facts['validation_r2']:.1%} of "
        f"what differs explained on average; next: metricvae predict {shlex.quote(options.out)} ... --metric NAME"
    )
    return say(options, facts, text)


def _nats(now: Any) -> str:
    measured = "not measured yet" if now.measured is None else f"{now.measured:.4f}"
    return f"nats a symbol {now.loss:.3f}  held out {measured}"


def _explained(now: Any) -> str:
    return "not measured yet" if now.measured is None else f"explained {now.measured:.4f}"


def _data(options: Namespace, kinds: Sequence[ObjectKind] = ()) -> PairDataset:
    from metricvae.core.dataset_files import read_dataset
    from metricvae.core.dataset_merge import merge

    return merge([read_dataset(Path(folder), None, kinds) for folder in options.dataset])


def _reached(now: Any) -> str:
    reached = "not measured yet" if now.measured is None else f"{now.measured:.4f}"
    return f"loss {now.loss:.3f}  share reached {reached}"


def _losses(now: Any) -> str:
    """The four losses, and the validation R^2, of a training's progress: two lines of less than 80 characters."""
    names = ("reconstruction", "latent", "deformation", "metric")
    r2 = "not measured yet" if now.validation_r2 is None else f"{now.validation_r2:.4f}"
    return "  ".join(f"{name} {_short(getattr(now, name))}" for name in names) + f"\nvalidation R^2 {r2}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _evaluate_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    parser.add_argument("dataset", help="folder that `metricvae label` or `import` wrote")
    parser.add_argument("--metric", metavar="NAME", help="which of the model's metrics; default its own")
    parser.add_argument("--split", default="test", help="train, validation, calibration, test or all")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _evaluate(options: Namespace) -> Fields:
    from metricvae.core.dataset_files import read_dataset
    from metricvae.evaluation.evaluate import evaluate

    predictor = calibrated(options)
    data = read_dataset(Path(options.dataset), None, predictor.kinds)
    with progress() as step, about(options.dataset):
        figures = evaluate(predictor, data, options.split, lambda done, total: step("encoding objects", done, total))
    document = dataclasses.asdict(figures)
    return say(options, document, "\n".join(_lines(document)))


def _lines(document: Fields, prefix: str = "") -> Iterator[str]:
    """A name and a number a line; figures of parts under the part's name."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{name} ")
        else:
            yield f"{prefix + name:18} {value:14.6g}"


TRAIN = Verb(
    "train a model on a data set; resumes by itself",
    (
        "DATASET... --out MODEL [--preset NAME] [--start MODEL] [--model.SETTING VALUE] [--training.FIELD VALUE]",
        "DATASET --add-to MODEL --out COPY [--metric NAME]",
        "DATASET_OF_ONE_METRIC DATASET_OF_ANOTHER ... --out MODEL [--joint.FIELD VALUE]",
        "DATASET... --aligner MODEL [--aligning.FIELD VALUE ...]",
        "INDEX --decoder MODEL [--decoding.FIELD VALUE ...]",
    ),
    _train_options,
    _train,
)

EVALUATE = Verb(
    "measure a model on a data set", ("MODEL DATASET [--metric NAME] [--split NAME]",), _evaluate_options, _evaluate
)
