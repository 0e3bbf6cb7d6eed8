"""The figures of the paper: digits (1.1), the network (1.2), a pair (1.3), the plane of codes (1.4), a training curve
(1.5)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import answer
from metricvae.fitting.fit import fit
from metricvae.metrics.overlap.drawing import draw_pair
from metricvae.nn.autoencoder import Tower
from metricvae.plotting.charts import draw_curve
from metricvae.plotting.network import Layer, draw_network
from metricvae.prediction.calibration.binary import binary_labels
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import FIGURES, FigureConfig
from metricvae.reproduction.digits import digits_section
from metricvae.reproduction.inputs import OnStep, label_halves, label_overlaps, report_folders, run_facts
from metricvae.reproduction.plane import plane_section
from metricvae.reproduction.report import Figure, Report, Section, environment_facts, write_report
from metricvae.reproduction.table_1_run import example_pairs
from metricvae.training.config import TrainingConfig
from metricvae.training.logs import read_log


@dataclass(frozen=True)
class FigureRun:
    """The result of a run of a figure: the page, its content, and the minutes it took."""

    page: Path
    report: Report
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The path of the page and the minutes."""
        return {"page": str(self.page), "minutes": round(self.minutes, 2)}

    def text(self) -> str:
        """The path of the page."""
        return f"report: {self.page}"


def reproduce_figure(
    which: str, folder: Path, config: FigureConfig | None = None, on_step: OnStep | None = None
) -> FigureRun:
    """One of `FIGURES` as a report in `folder`.

    Args:
        which: its name.
        folder: the report; pairs and models are kept in `<folder>-work`.
        config: the settings; by default those of the published results.
        on_step: told how far each stage is.

    Raises:
        InputError: no such figure, no steps, a model or data that cannot be read, a folder that holds something else.
    """
    start, step, config = time.monotonic(), on_step or (lambda *_: None), config or FigureConfig()
    if which not in FIGURES:
        raise InputError(f"there is no {which} here: expected one of {', '.join(FIGURES)}")
    folder, work = report_folders(folder, (("steps", config.steps, 1), ("seed", config.seed, 0)))
    section = _section(which, config, work, step)
    minutes = (time.monotonic() - start) / 60
    facts = (*run_facts(_words(which, config, folder.name), minutes), *environment_facts())
    made = Report(section.title, section.text, (dataclasses.replace(section, text=""),), facts)
    return FigureRun(write_report(made, folder), made, minutes)


def _section(which: str, config: FigureConfig, work: Path, step: OnStep) -> Section:
    if which == "figure-1.1":
        return digits_section(config.digits, work / "digits", config.steps, config.seed, step)
    if which == "figure-1.2":
        return network_section(Predictor.load(config.model))
    if which == "figure-1.5":
        halves = read_dataset(label_halves(config.halves, work, config.seed, step))
        return curve_section(halves, work / "curve", config, step)
    if which == "figure-1.4":
        return plane_section(config.plane, work / "plane", config.steps, config.seed, step)
    data = read_dataset(label_overlaps(config.data, work, config.seed, step))
    return pair_section(data, Predictor.load(config.model))


def _words(which: str, config: FigureConfig, name: str) -> list[str]:
    """The command that repeats the run."""
    words = ["reproduce", which, "--out", name, "--model", config.model, "--seed", str(config.seed)]
    words += ["--steps", str(config.steps)]
    folder = config.halves.folder if which == "figure-1.5" else config.data.folder
    words += [] if folder is None else ["--dataset", str(folder)]
    return words if config.digits.mnist is None else [*words, "--mnist", str(config.digits.mnist)]


def network_section(predictor: Predictor) -> Section:
    """Figure 1.2, drawn from the layers that a rectangle passes through."""
    tower = predictor.model.left
    encoder, latent, decoder = _layers(tower, _rectangle(predictor))
    png = draw_network(encoder, latent, decoder)
    total = sum(p.numel() for p in predictor.model.parameters())
    direct = any(layer.name == "direct" for layer in encoder + decoder)
    return Section(
        "Figure 1.2: the network",
        f"Drawn from the model itself: the output shape of each layer, and its weights, {total:,} in all. The metric "
        "loss compares the codes of two objects, the deformation loss those of one object and its moved copy."
        + (" `direct` maps the rings straight to the code, beside all other layers." if direct else ""),
        figures=(Figure("network", "Encoder, code and decoder.", "Boxes for the layers, from left to right.", png),),
    )


def _rectangle(predictor: Predictor) -> torch.Tensor:
    """A rectangle of 40 by 80 pixels, (1, 1, 200, 200)."""
    mask = np.zeros((200, 200), np.uint8)
    mask[80:120, 60:140] = 1
    return predictor.kind("left").collate([mask], predictor.device)


@torch.inference_mode()
def _layers(tower: Tower, x: torch.Tensor) -> tuple[list[Layer], int, list[Layer]]:
    """Layers of the encoder and of the decoder in the order in which they work on x, and the size of the code."""
    seen: list[Layer] = []
    parts = [*tower.encoder.named_children(), *tower.drawer.named_children()]
    hooks = [part.register_forward_hook(_recorder(name, part, seen)) for name, part in _expanded(parts)]
    code = tower.encode(x).mean
    encoded = len(seen)
    tower.decode(code)
    for hook in hooks:
        hook.remove()
    return seen[:encoded], code.shape[1], seen[encoded:]


def _expanded(parts: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    """Lists of layers replaced by their layers."""
    found: list[tuple[str, nn.Module]] = []
    for name, part in parts:
        inner = list(part.children()) if isinstance(part, nn.ModuleList) else []
        found += [(f"stage {k + 1}", one) for k, one in enumerate(inner)] or [(name, part)]
    return found


def _recorder(name: str, part: nn.Module, seen: list[Layer]) -> Callable[[nn.Module, Any, torch.Tensor], None]:
    count = sum(p.numel() for p in part.parameters())
    return lambda module, inputs, output: seen.append(Layer(name, tuple(output.shape[1:]), count))


def pair_section(data: PairDataset, predictor: Predictor) -> Section:
    """Figure 1.3, of the first test pair."""
    (example,) = example_pairs(data, answer(predictor, data), np.arange(1))
    figure = Figure("pair", "A pair of unseen shapes.", "Two shapes, and both superimposed.", draw_pair(example))
    return Section(
        "Figure 1.3: two shapes at their maximum overlap",
        "The pose and the true value come from the exact search, the prediction from the two codes alone.",
        figures=(figure,),
    )


def _shortened(training: TrainingConfig, config: FigureConfig) -> TrainingConfig:
    """A training of the steps and the seed of the figures."""
    return dataclasses.replace(training, steps=config.steps, seed=config.seed, evaluate_every=max(1, config.steps // 4))


def curve_section(data: PairDataset, folder: Path, config: FigureConfig, step: OnStep) -> Section:
    """Figure 1.5: the metric loss in a training of the matching of halves."""
    binary_labels("training", data.value)
    chosen = config.presets("halves")
    log_every = max(1, min(chosen.training.log_every, config.steps // 100))
    fit(
        data,
        chosen.model,
        dataclasses.replace(_shortened(chosen.training, config), log_every=log_every),
        folder,
        on_progress=lambda p: step("training the model of halves", p.step, p.steps),
    )
    log = read_log(folder)
    figure = Figure(
        "curve",
        f"The metric loss of the `halves` preset, from {log[0]['metric']:.2f} to {log[-1]['metric']:.2f}.",
        "A curve that falls from the upper left to the lower right.",
        draw_curve([line["step"] for line in log], [line["metric"] for line in log], label="metric loss"),
    )
    return Section("Figure 1.5: the metric loss in training", "Halves of shapes; in nats.", figures=(figure,))
