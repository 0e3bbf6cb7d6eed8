"""What the scripts that make shipped models have in common: label, train, and put the model into the package."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metricvae.alignment.predictor import FILE as ALIGNER
from metricvae.cli import main as metricvae
from metricvae.generation.exemplars import FILE as EXEMPLARS
from metricvae.prediction.latent_prior import PRIOR_FILE
from metricvae.prediction.novelty import part_of
from metricvae.training.checkpoint import SHIPPED, WEIGHTS, load_model
from metricvae.training.model_document import CONFIG


@dataclass(frozen=True)
class Stage:
    """Data sets, and a training on all of them.

    Attributes:
        data: folders in the work folder, and of each the arguments of `metricvae label`, but for the folder; `{work}`
            stands for the work folder, and what names its own `--objects` is not given those of the command line.
        training: what differs from the preset.
        model: folder in the work folder.
    """

    data: Mapping[str, Sequence[str]]
    training: Mapping[str, float]
    model: str


def ship(
    description: str | None,
    name: str,
    stages: Sequence[Stage],
    *,
    aligner: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
) -> None:
    """Make the model `name`, of the preset of that name.

    Args:
        description: of the script.
        name: of the preset and the shipped model.
        stages: each training starts from the model of the one before; the last model ships.
        aligner: options of `metricvae train --aligner`; none for a model without one.
        sources: options of the script that name the files to label, and the option of `metricvae label` for each.
    """
    given = sources or {}
    made = train_stages(name, stages, arguments(description, given), given, aligner=aligner)
    target = SHIPPED / name
    target.mkdir(parents=True, exist_ok=True)
    detectors = (part_of(side)[1] for side in ("left", "right"))
    for file in (CONFIG, WEIGHTS, *detectors, PRIOR_FILE, ALIGNER, EXEMPLARS, "README.md"):
        if (made / file).exists():
            shutil.copyfile(made / file, target / file)
    load_model(name)


def arguments(description: str | None, sources: Mapping[str, str]) -> argparse.Namespace:
    """The command line of a script: its work folder, device, and files to label; as of `ship`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    for option, of_label in sources.items():
        parser.add_argument(option, type=Path, required=True, dest=of_label)
    return parser.parse_args()


def train_stages(
    preset: str,
    stages: Sequence[Stage],
    options: argparse.Namespace,
    sources: Mapping[str, str],
    *,
    aligner: Sequence[str] = (),
) -> Path:
    """Label and train, each stage from the model of the one before; the folder of the last. See `ship`."""
    start: list[str] = []
    for stage in stages:
        made = options.work / stage.model
        pairs = [str(label(folder, plan, options, sources)) for folder, plan in stage.data.items()]
        changes = [word for field, value in stage.training.items() for word in (f"--training.{field}", str(value))]
        train = ["train", *pairs, "--preset", preset, "--device", options.device, "--out", str(made)]
        _run([*train, *start, *changes])
        start = ["--start", str(made)]
    if aligner:
        _run(["train", *pairs, "--aligner", str(made), "--device", options.device, *aligner])
    return made


def label(folder: str, plan: Sequence[str], options: argparse.Namespace, sources: Mapping[str, str]) -> Path:
    """Label one data set as the `data` of a `Stage` has it; its folder."""
    words, made = [word.format(work=options.work) for word in plan], options.work / folder
    objects = [word for of_label in sources.values() for word in (of_label, str(getattr(options, of_label)))]
    _run(["label", *words, *([] if "--objects" in words else objects), "--out", str(made)])
    return Path(made)


def _run(arguments: list[str]) -> None:
    if status := metricvae(arguments):
        raise SystemExit(status)
