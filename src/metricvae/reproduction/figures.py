"""The figures of the paper, made anew: digits (1.1), the network (1.2), a pair (1.3), the plane of codes (1.4), a
training (1.5)."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from metricvae.core.dataset import DataSet, read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import answer
from metricvae.fitting.fit import fit
from metricvae.nn.autoencoder import MagicAutoencoder
from metricvae.plotting.charts import draw_curve
from metricvae.plotting.codes import draw_plane
from metricvae.plotting.network import Layer, draw_network
from metricvae.plotting.pairs import draw_pair
from metricvae.prediction.calibration.binary import binary_labels
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction import FIGURES, OVERLAP_MODEL, STEPS
from metricvae.reproduction.digits import digits_section
from metricvae.reproduction.report import Fact, Figure, Report, Section, environment_facts, write_report
from metricvae.reproduction.reproduce import PAIRS, OnStep, claim, examples, halved, labelled
from metricvae.training.logs import read_log
from metricvae.training.presets import preset

POINTS = 12
"""Of the plane, each way."""

SPAN = 0.95
"""Share of the training shapes' codes between the edges of the plane, in each dimension."""


@dataclass(frozen=True)
class FigureRun:
    """What a run of a figure leaves: the page, what is on it, and what it cost."""

    page: Path
    report: Report
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """Where it is and what it cost."""
        return {"page": str(self.page), "minutes": round(self.minutes, 2)}

    def text(self) -> str:
        """Where it is."""
        return f"report: {self.page}"


def reproduce_figure(
    which: str,
    folder: Path,
    *,
    dataset: Path | None = None,
    model: str = OVERLAP_MODEL,
    mnist: Path | None = None,
    steps: int = STEPS,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> FigureRun:
    """One of `FIGURES` as a report in `folder`.

    Args:
        which: its name.
        folder: the report; pairs and models are kept in `<folder>-work`.
        dataset: labelled pairs, for figure 1.5 of halves; None labels 22,000 where the figure needs pairs.
        model: folder or name of the model of figures 1.2 and 1.3.
        mnist: file of digits for figure 1.1; None for scikit-learn's.
        steps: of the trainings of figures 1.1, 1.4 and 1.5.
        seed: of the pairs and the trainings.

    Raises:
        InputError: no such figure, no steps, a model or data that cannot be read, a folder that holds something else.
    """
    start, step = time.monotonic(), on_step or (lambda *_: None)
    if which not in FIGURES:
        raise InputError(f"there is no {which} here: expected one of {', '.join(FIGURES)}")
    folder, work = claim(folder, (("steps", steps, 1), ("seed", seed, 0)))
    if which == "figure-1.1":
        section = digits_section(mnist, work / "digits", steps, seed, step)
    elif which == "figure-1.2":
        section = network_section(Predictor.load(model).model)
    elif which == "figure-1.5":
        section = curve_section(read_dataset(halved(dataset, work, seed, step)), work / "curve", steps, seed, step)
    else:
        data = read_dataset(labelled(dataset, work, PAIRS, seed, step))
        if which == "figure-1.3":
            section = pair_section(data, Predictor.load(model))
        else:
            section = plane_section(data, work / "plane", steps, seed, step)
    minutes = (time.monotonic() - start) / 60
    words = ["metricvae", "reproduce", which, "--out", folder.name, "--model", model, "--seed", str(seed)]
    words += ["--steps", str(steps), *([] if dataset is None else ["--dataset", str(dataset)])]
    words += [] if mnist is None else ["--mnist", str(mnist)]
    facts = (Fact("command", shlex.join(words)), Fact("minutes of this run", f"{max(minutes, 0.1):.1f}"))
    made = Report(section.title, section.text, (dataclasses.replace(section, text=""),), (*facts, *environment_facts()))
    return FigureRun(write_report(made, folder), made, minutes)


def network_section(model: MagicAutoencoder) -> Section:
    """Figure 1.2, drawn from what a blank object passes through."""
    seen: list[Layer] = []
    parts = [*model.encoder.named_children(), *model.decoder.named_children()]
    hooks = [part.register_forward_hook(_recorder(name, part, seen)) for name, part in _opened(parts)]
    device = next(model.parameters()).device
    x = torch.zeros(1, 1, 200, 200, device=device)
    x[..., 80:120, 60:140] = 1
    with torch.inference_mode():
        code = model.encode(x).mean
        middle = len(seen)
        model.decode(code)
    for hook in hooks:
        hook.remove()
    png = draw_network(seen[:middle], code.shape[1], seen[middle:])
    total = sum(p.numel() for p in model.parameters())
    direct = any(layer.name == "direct" for layer in seen)
    return Section(
        "Figure 1.2: the network",
        f"Drawn from the model itself: the shape of what leaves each layer, and the numbers it learns, {total:,} in "
        "all. The metric loss compares the codes of two objects, the deformation loss those of one and its moved copy."
        + (" `direct` goes from the rings straight to the code, beside all others." if direct else ""),
        figures=(Figure("network", "Encoder, code and decoder.", "Boxes for the layers, from left to right.", png),),
    )


def _opened(parts: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    """Lists of layers replaced by their layers."""
    found: list[tuple[str, nn.Module]] = []
    for name, part in parts:
        inner = list(part.children()) if isinstance(part, nn.ModuleList) else []
        found += [(f"stage {k + 1}", one) for k, one in enumerate(inner)] or [(name, part)]
    return found


def _recorder(name: str, part: nn.Module, seen: list[Layer]) -> Callable[[nn.Module, Any, torch.Tensor], None]:
    count = sum(p.numel() for p in part.parameters())
    return lambda module, inputs, output: seen.append(Layer(name, tuple(output.shape[1:]), count))


def pair_section(data: DataSet, predictor: Predictor) -> Section:
    """Figure 1.3, of the first test pair."""
    (example,) = examples(data, answer(predictor, data), np.arange(1))
    return Section(
        "Figure 1.3: two shapes at their maximum overlap",
        "The pose and the true value come from the exact search, the prediction from the two codes alone.",
        figures=(
            Figure("pair", "A pair of unseen shapes.", "Two shapes, and one laid on the other.", draw_pair(example)),
        ),
    )


def plane_section(data: DataSet, folder: Path, steps: int, seed: int, step: OnStep) -> Section:
    """Figure 1.4: a model with two latent dimensions, decoded on a grid over its training shapes' codes."""
    chosen = preset("overlap")
    training = dataclasses.replace(chosen.training, steps=steps, seed=seed, evaluate_every=max(1, steps // 4))
    weights = dataclasses.replace(training.weights, reconstruction=2e-6, latent=2e-6)
    fit(
        *(data, dataclasses.replace(chosen.model, latent=2), dataclasses.replace(training, weights=weights), folder),
        on_progress=lambda p: step("training two dimensions", p.step, p.steps),
    )
    predictor = Predictor.load(folder)
    rows = data.rows("train")
    objects = np.unique([data.first[rows], data.second[rows]])[:2_000]
    codes = predictor.encode(lambda i: data.mask(int(objects[i])), len(objects)).codes.cpu().numpy()
    low, high = np.quantile(codes, [(1 - SPAN) / 2, (1 + SPAN) / 2], axis=0)
    across, down = (np.linspace(low[k], high[k], POINTS) for k in range(2))
    points = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2).astype(np.float32)
    pictures = predictor.model.picture(torch.from_numpy(points).to(predictor.device))[:, 0].cpu().numpy()
    grid = pictures.reshape(POINTS, POINTS, *pictures.shape[1:])[..., ::2, ::2]
    figure = Figure(
        "plane",
        f"Decoded on a grid over the middle {SPAN:.0%} of the training shapes' codes.",
        "A square of small shapes that change gradually from one to the next.",
        draw_plane(grid, across=across.tolist(), down=down.tolist()),
    )
    text = "A model with two latent dimensions. Neighbours are alike: the latent space is continuous."
    return Section("Figure 1.4: the plane of codes", text, figures=(figure,))


def curve_section(data: DataSet, folder: Path, steps: int, seed: int, step: OnStep) -> Section:
    """Figure 1.5: how the metric loss falls while the matching of halves is learned."""
    binary_labels("training", data.value)
    chosen = preset("halves")
    training = dataclasses.replace(chosen.training, steps=steps, seed=seed, evaluate_every=max(1, steps // 4))
    training = dataclasses.replace(training, log_every=max(1, min(training.log_every, steps // 100)))
    fit(
        *(data, chosen.model, training, folder),
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
