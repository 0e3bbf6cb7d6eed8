"""Ablations: each loss off, other sizes of the code, other heads, the paper's network; and what of its claims holds.

Every variant is trained alike, from the same pairs, with several seeds; a claim is judged by the spread over seeds.
"""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.dataset import DataSet, read_dataset
from metricvae.evaluation.evaluate import answer, measure
from metricvae.evaluation.invariance import motion_change
from metricvae.fitting.fit import fit
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import InnerProduct, InverseCosine
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction import SEEDS, STEPS
from metricvae.reproduction.decoded import reconstruct
from metricvae.reproduction.report import Cell, Fact, Report, Section, Table, environment_facts, write_report
from metricvae.reproduction.reproduce import OnStep, claim, labelled
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LOSSES
from metricvae.training.presets import preset

PAIRS = 40_000
LATENTS = (2, 8, 20, 40, 80, 160)
PAPER_LATENT = 80
"""Found by the paper to "work best"."""

PAIRS_MOVED = 2_000
SHAPES = 100
"""Unseen shapes that are moved and reconstructed."""

FULL = "full model"
MEASURES = ("R\u00b2", "MSE, % of naive", "change of z, %", "IoU of reconstructions")


@dataclass(frozen=True)
class Variant:
    """One way to build and train, beside the full model.

    Attributes:
        name: what it is called in print; also, made simple, its folder.
        group: the question it belongs to.
        model, training: what to build, how to train it.
    """

    name: str
    group: str
    model: ModelConfig
    training: TrainingConfig

    @property
    def folder(self) -> str:
        """A file name."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)


@dataclass(frozen=True)
class Measured:
    """What a variant reached, one number a seed each.

    Attributes:
        variant: which.
        r2: on the test pairs.
        mse_percent: of the naive guess's.
        change_percent: median relative change of z under random motions.
        iou: mean over unseen shapes, reconstructions laid on them.
    """

    variant: Variant
    r2: tuple[float, ...]
    mse_percent: tuple[float, ...]
    change_percent: tuple[float, ...]
    iou: tuple[float, ...]

    def columns(self) -> tuple[tuple[float, ...], ...]:
        """The numbers in the order of `MEASURES`."""
        return self.r2, self.mse_percent, self.change_percent, self.iou


@dataclass(frozen=True)
class AblationRun:
    """What a run leaves: the page, what is on it, and the numbers behind it."""

    page: Path
    report: Report
    measured: tuple[Measured, ...]
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """Means and seeds as plain numbers."""
        rows = [
            {"variant": m.variant.name, "group": m.variant.group, **dict(zip(MEASURES, m.columns(), strict=True))}
            for m in self.measured
        ]
        return {"page": str(self.page), "minutes": round(self.minutes, 1), "rows": rows}

    def text(self) -> str:
        """The R^2 of each variant, and where the rest is."""
        width = max(len(m.variant.name) for m in self.measured)
        lines = [f"{m.variant.name.ljust(width)}  R^2 {_spread(m.r2)}" for m in self.measured]
        return "\n".join([*lines, f"report: {self.page}"])


def variants(steps: int) -> list[Variant]:
    """All of them, the full model first."""
    whole, other, paper = preset("overlap"), preset("overlap-adversarial"), preset("paper")
    training = dataclasses.replace(whole.training, steps=steps, evaluate_every=max(1, steps // 4))
    found = [Variant(FULL, "losses", whole.model, training)]
    for loss in LOSSES:
        weights = dataclasses.replace(training.weights, **{loss: 0.0})
        found.append(Variant(f"no {loss} loss", "losses", whole.model, dataclasses.replace(training, weights=weights)))
    for latent in LATENTS:
        if latent != whole.model.latent:
            model = dataclasses.replace(whole.model, latent=latent)
            found.append(Variant(f"{latent} latent dimensions", "size of the code", model, training))
    adversarial = dataclasses.replace(training, latent_loss="adversarial", weights=other.training.weights)
    found.append(Variant("adversarial latent loss", "losses", whole.model, adversarial))
    inverse = dataclasses.replace(whole.model, head=InverseCosine())
    found.append(Variant("inverse cosine head", "head", inverse, training))
    flat = dataclasses.replace(paper.training, steps=steps, evaluate_every=max(1, steps // 4))
    sensible = dataclasses.replace(flat, learning_rate=1e-3, metric_learning_rate=1e-3)
    plain = dataclasses.replace(
        training, optimisers="one", batch_pairs=flat.batch_pairs, run_length=flat.run_length, copies=0
    )
    product = dataclasses.replace(paper.model, head=InnerProduct())
    return [
        *found,
        Variant("paper preset, its learning rates", "the paper's network", paper.model, flat),
        Variant("paper preset, learning rates of 1e-3", "the paper's network", paper.model, sensible),
        Variant("paper's network, our head and losses", "the paper's network", product, plain),
    ]


def reproduce_ablations(
    folder: Path,
    *,
    dataset: Path | None = None,
    steps: int = STEPS,
    seeds: int = SEEDS,
    seed: int = 0,
    chosen: Callable[[Variant], bool] = lambda variant: True,
    on_step: OnStep | None = None,
) -> AblationRun:
    """Train every variant with every seed, measure it on unseen shapes, and write the report into `folder`.

    Args:
        folder: the report; pairs and models are kept in `<folder>-work` and found again by the next run.
        dataset: labelled pairs; None labels 40,000.
        steps: training steps of every variant.
        seeds: trainings of every variant.
        seed: of the pairs, and the first of the trainings.
        chosen: which variants; the full model is always among them.

    Raises:
        InputError: no steps or seeds, a data set that is too small, a folder that holds something else.
    """
    start, step = time.monotonic(), on_step or (lambda *_: None)
    folder, work = claim(folder, (("steps", steps, 1), ("seeds", seeds, 1), ("seed", seed, 0)))
    given = [] if dataset is None else ["--dataset", str(dataset)]
    data = read_dataset(labelled(dataset, work, PAIRS, seed, step))
    todo = [variant for variant in variants(steps) if variant.name == FULL or chosen(variant)]
    measured = []
    for place, variant in enumerate(todo):
        step("ablations", place, len(todo))
        runs = [_measured_once(data, variant, work, seed + k, step) for k in range(seeds)]
        measured.append(Measured(variant, *zip(*runs, strict=True)))
    if seeds > 1:
        measured.append(_together(data, todo[0], [_folder(work, todo[0], seed + k) for k in range(seeds)]))
    minutes = (time.monotonic() - start) / 60
    words = ["metricvae", "reproduce", "ablations", "--out", folder.name, "--steps", str(steps)]
    words += ["--seeds", str(seeds), "--seed", str(seed), *given]
    facts = [
        Fact("command", shlex.join(words)),
        Fact("minutes of this run", f"{max(minutes, 0.1):.1f}"),
        Fact("training pairs", int((data.split == "train").sum())),
        Fact("training steps of each variant", steps),
        Fact("seeds", ", ".join(str(seed + k) for k in range(seeds))),
        *environment_facts(),
    ]
    made = report(measured, facts)
    return AblationRun(write_report(made, folder), made, tuple(measured), minutes)


def _measured_once(
    data: DataSet, variant: Variant, work: Path, seed: int, step: OnStep
) -> tuple[float, float, float, float]:
    folder = _folder(work, variant, seed)
    training = dataclasses.replace(variant.training, seed=seed)
    fit(
        *(data, variant.model, training, folder),
        on_progress=lambda p: step(f"{variant.name}, seed {seed}", p.step, p.steps),
    )
    predictor = Predictor.load(folder)
    figures = measure(data, answer(predictor, data), "test")
    rows = data.rows("test")
    unseen = [data.mask(int(i)) for i in np.unique([data.first[rows], data.second[rows]])[:SHAPES]]
    change = motion_change(predictor, unseen, PAIRS_MOVED, seed)
    union = np.mean([back.iou for back in reconstruct(predictor, unseen)])
    share = 100 * figures.mse / figures.naive_mse
    return figures.r2, share, 100 * float(np.median(change.codes)), float(union)


def _folder(work: Path, variant: Variant, seed: int) -> Path:
    return work / f"{variant.folder}-{seed}"


def _together(data: DataSet, full: Variant, folders: Sequence[Path]) -> Measured:
    """An ensemble: the mean of what several models predict. It is one product too, of their codes side by side."""
    said = [answer(Predictor.load(folder), data) for folder in folders]
    value = np.mean([one.predictions.value for one in said], axis=0)
    predictions = dataclasses.replace(said[0].predictions, value=value)
    figures = measure(data, dataclasses.replace(said[0], predictions=predictions), "test")
    variant = dataclasses.replace(full, name=f"{len(folders)} models together", group="ensembles")
    return Measured(variant, (figures.r2,), (100 * figures.mse / figures.naive_mse,), (), ())


def report(measured: Sequence[Measured], facts: Sequence[Fact]) -> Report:
    """The numbers by question, and the paper's claims beside them."""
    by_group: dict[str, list[Measured]] = {}
    for one in measured:
        by_group.setdefault(one.variant.group, []).append(one)
    full = measured[0]
    sections = [Section("The paper's claims", tables=(_claims(measured),))]
    for group, members in by_group.items():
        rows = [full, *(one for one in members if one is not full)]
        sections.append(Section(group[0].upper() + group[1:], tables=(_table(rows),)))
    return Report(
        title="Ablations: what each part is worth",
        summary=(
            f"The full model has R\u00b2 {_spread(full.r2)} on unseen shapes after this short training. Every variant "
            "learns from the same pairs for as many steps; the spread is the standard deviation over the seeds."
        ),
        sections=tuple(sections),
        facts=tuple(facts),
        assumptions=(
            "The networks are trained briefly, so that all variants can be trained several times: differences between "
            "variants count, not the level.",
        ),
    )


def _table(rows: Sequence[Measured]) -> Table:
    cells = tuple((one.variant.name, *(_spread(column) for column in one.columns())) for one in rows)
    return Table(
        "Mean and standard deviation over the seeds, on shapes that no training pair holds.",
        ("variant", *MEASURES),
        cells,
        strong_rows=(0,),
    )


def _claims(measured: Sequence[Measured]) -> Table:
    by_name = {one.variant.name: one for one in measured}
    full = by_name[FULL]
    rows: list[tuple[Cell, ...]] = []
    for loss, column, better in (
        ("metric", 1, "less"),
        ("deformation", 2, "less"),
        ("reconstruction", 3, "more"),
        ("latent", 1, "less"),
    ):
        other = by_name.get(f"no {loss} loss")
        if other is not None:
            with_it, without = full.columns()[column], other.columns()[column]
            said = f"{MEASURES[column]}: {_spread(with_it)} with it, {_spread(without)} without"
            rows.append((f"the {loss} loss earns its place", _verdict(with_it, without, better), said))
    sizes = [one for one in measured if one is full or one.variant.group == "size of the code"]
    if len(sizes) > 1:
        best = min(sizes, key=lambda one: float(np.mean(one.mse_percent)))
        others = [one for one in sizes if one is not best]
        second = min(others, key=lambda one: float(np.mean(one.mse_percent)))
        said = f"best: {best.variant.model.latent}, {_spread(best.mse_percent)} % of naive; next: "
        said += f"{second.variant.model.latent}, {_spread(second.mse_percent)} %"
        verdict = _verdict(best.mse_percent, second.mse_percent, "less")
        holds = verdict if best.variant.model.latent == PAPER_LATENT or verdict != "yes" else "no"
        rows.append(("80 latent dimensions work best", holds, said))
    paper = by_name.get("paper preset, its learning rates")
    if paper is not None:
        said = f"MSE {_spread(paper.mse_percent)} % of naive at its own rates (published: 76 %)"
        rows.append(("the paper's network predicts better than guessing", _verdict(paper.mse_percent, None, ""), said))
    return Table(
        "A claim holds where the difference is more than twice its standard error over the seeds.",
        ("claim", "holds", "measured"),
        tuple(rows),
    )


def _verdict(one: Sequence[float], other: Sequence[float] | None, better: str) -> str:
    """Whether `one` is better than `other` (than 100 without), by more than twice the standard error."""
    a, b = np.asarray(one), np.asarray([100.0] if other is None else other)
    gain = float(a.mean() - b.mean()) * (1 if better == "more" else -1)
    if len(a) < 2:
        return "not to be told from one seed"
    error = float(np.sqrt(a.var(ddof=1) / len(a) + (b.var(ddof=1) / len(b) if len(b) > 1 else 0.0)))
    return "yes" if gain > 2 * error else "no" if gain < -2 * error else "no difference seen"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "not measured"
    mean = float(np.mean(values))
    digits = 4 if abs(mean) < 1.5 else 2
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f}\u00a0\u00b1\u00a0{float(np.std(values, ddof=1)):.{digits}f}"
