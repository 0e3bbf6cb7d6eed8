"""Ablations: each loss off, other sizes of the code, other heads, the paper's network; and which of its claims hold.

Every variant is trained alike, from the same pairs, with several seeds; a claim is judged by the spread over seeds.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.evaluation.evaluate import answer, measure
from metricvae.evaluation.invariance import motion_change
from metricvae.fitting.fit import fit
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import InnerProduct, InverseCosine
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import AblationConfig
from metricvae.reproduction.decoded import reconstruct
from metricvae.reproduction.inputs import OnStep, label_overlaps, masks_of, report_folders, run_facts
from metricvae.reproduction.report import Cell, Fact, Report, Section, Table, environment_facts, write_report
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LOSSES

PAPER_LATENT = 80
"""Latent dimensions that the paper found to "work best"."""

FULL = "full model"
MEASURES = ("R\u00b2", "MSE, % of naive", "change of z, %", "IoU of reconstructions")


@dataclass(frozen=True)
class Variant:
    """One way to build and train a model.

    Attributes:
        name: in the report; letters and digits of it name the folder.
        group: section of the report.
        model, training: its configurations.
    """

    name: str
    group: str
    model: ModelConfig
    training: TrainingConfig

    @property
    def folder(self) -> str:
        """The name as a file name."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)


@dataclass(frozen=True)
class Measurement:
    """Figures of a variant, one for each seed.

    Attributes:
        variant: that was measured.
        r2: on the test pairs.
        mse_percent: MSE as a share of the naive guess's.
        change_percent: median relative change of z under random motions.
        iou: mean intersection over union of unseen shapes and their reconstructions, aligned.
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
    """The result of a run: the page, its content, the numbers, and the minutes it took."""

    page: Path
    report: Report
    measured: tuple[Measurement, ...]
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The figures of each seed as plain numbers."""
        rows = [
            {"variant": m.variant.name, "group": m.variant.group, **dict(zip(MEASURES, m.columns(), strict=True))}
            for m in self.measured
        ]
        return {"page": str(self.page), "minutes": round(self.minutes, 1), "rows": rows}

    def text(self) -> str:
        """The R^2 of each variant, and the path of the report."""
        width = max(len(m.variant.name) for m in self.measured)
        lines = [f"{m.variant.name.ljust(width)}  R^2 {_spread(m.r2)}" for m in self.measured]
        return "\n".join([*lines, f"report: {self.page}"])


def variants(config: AblationConfig) -> list[Variant]:
    """All variants, the full model first."""
    chosen, steps = config.presets("overlap"), config.steps
    training = dataclasses.replace(chosen.training, steps=steps, evaluate_every=max(1, steps // 4))
    return [
        Variant(FULL, "losses", chosen.model, training),
        *_without_losses(chosen.model, training),
        *_sizes(chosen.model, training, config.latents),
        _adversarial(chosen.model, training, config),
        Variant("inverse cosine head", "head", dataclasses.replace(chosen.model, head=InverseCosine()), training),
        *_paper_variants(training, config),
    ]


def _without_losses(model: ModelConfig, training: TrainingConfig) -> list[Variant]:
    """Each loss switched off."""
    weights = {loss: dataclasses.replace(training.weights, **{loss: 0.0}) for loss in LOSSES}
    return [
        Variant(f"no {loss} loss", "losses", model, dataclasses.replace(training, weights=weights[loss]))
        for loss in LOSSES
    ]


def _sizes(model: ModelConfig, training: TrainingConfig, latents: Sequence[int]) -> list[Variant]:
    """Other sizes of the code."""
    return [
        Variant(f"{latent} latent dimensions", "size of the code", dataclasses.replace(model, latent=latent), training)
        for latent in latents
        if latent != model.latent
    ]


def _adversarial(model: ModelConfig, training: TrainingConfig, config: AblationConfig) -> Variant:
    """A discriminator on the codes in place of the divergence."""
    weights = config.presets("overlap-adversarial").training.weights
    changed = dataclasses.replace(training, latent_loss="adversarial", weights=weights)
    return Variant("adversarial latent loss", "losses", model, changed)


def _paper_variants(training: TrainingConfig, config: AblationConfig) -> list[Variant]:
    """The paper's network with its learning rates, with larger ones, and with our head and losses."""
    paper, steps = config.presets("paper"), config.steps
    own = dataclasses.replace(paper.training, steps=steps, evaluate_every=max(1, steps // 4))
    larger = dataclasses.replace(own, learning_rate=1e-3, metric_learning_rate=1e-3)
    ours = dataclasses.replace(
        training, optimisers="one", batch_pairs=own.batch_pairs, run_length=own.run_length, copies=0
    )
    product = dataclasses.replace(paper.model, head=InnerProduct())
    return [
        Variant("paper preset, its learning rates", "the paper's network", paper.model, own),
        Variant("paper preset, learning rates of 1e-3", "the paper's network", paper.model, larger),
        Variant("paper's network, our head and losses", "the paper's network", product, ours),
    ]


def reproduce_ablations(
    folder: Path,
    config: AblationConfig | None = None,
    *,
    chosen: Callable[[Variant], bool] = lambda variant: True,
    on_step: OnStep | None = None,
) -> AblationRun:
    """Train every variant with every seed, measure it on unseen shapes, and write the report into `folder`.

    Args:
        folder: the report; pairs and models are kept in `<folder>-work` and found again by the next run.
        config: the settings; by default those of the published results.
        chosen: whether to train a variant; the full model is always trained.
        on_step: told how far each stage is.

    Raises:
        InputError: no steps or seeds, a data set that is too small, a folder that holds something else.
    """
    start, step, config = time.monotonic(), on_step or (lambda *_: None), config or AblationConfig()
    numbers = (("steps", config.steps, 1), ("seeds", config.seeds, 1), ("seed", config.seed, 0))
    folder, work = report_folders(folder, numbers)
    data = read_dataset(label_overlaps(config.data, work, config.seed, step))
    todo = [variant for variant in variants(config) if variant.name == FULL or chosen(variant)]
    measured = []
    for place, variant in enumerate(todo):
        step("ablations", place, len(todo))
        runs = [_measure_once(data, variant, config, work, seed, step) for seed in _seeds(config)]
        measured.append(Measurement(variant, *zip(*runs, strict=True)))
    if config.seeds > 1:
        measured.append(_ensemble(data, todo[0], [_folder(work, todo[0], seed) for seed in _seeds(config)]))
    minutes = (time.monotonic() - start) / 60
    facts = [
        *run_facts(_words(config, folder.name), minutes),
        Fact("training pairs", int((data.split == "train").sum())),
        Fact("training steps of each variant", config.steps),
        Fact("seeds", ", ".join(map(str, _seeds(config)))),
        *environment_facts(),
    ]
    made = report_ablations(measured, facts)
    return AblationRun(write_report(made, folder), made, tuple(measured), minutes)


def _words(config: AblationConfig, name: str) -> list[str]:
    """The command that repeats the run."""
    words = ["reproduce", "ablations", "--out", name, "--steps", str(config.steps)]
    words += ["--seeds", str(config.seeds), "--seed", str(config.seed)]
    return words if config.data.folder is None else [*words, "--dataset", str(config.data.folder)]


def _seeds(config: AblationConfig) -> range:
    return range(config.seed, config.seed + config.seeds)


def _measure_once(
    data: PairDataset, variant: Variant, config: AblationConfig, work: Path, seed: int, step: OnStep
) -> tuple[float, float, float, float]:
    """The figures of one training, in the order of `MEASURES`."""
    folder = _folder(work, variant, seed)
    fit(
        data,
        variant.model,
        dataclasses.replace(variant.training, seed=seed),
        folder,
        on_progress=lambda p: step(f"{variant.name}, seed {seed}", p.step, p.steps),
    )
    predictor = Predictor.load(folder)
    figures = measure(data, answer(predictor, data), "test")
    rows = data.rows("test")
    unseen = masks_of(data.left, np.unique([data.first[rows], data.second[rows]])[: config.shapes])
    change = motion_change(predictor, unseen, config.moved_pairs, seed)
    iou = np.mean([one.iou for one in reconstruct(predictor, unseen)])
    share = 100 * figures.mse / figures.naive_mse
    return figures.r2, share, 100 * float(np.median(change.codes)), float(iou)


def _folder(work: Path, variant: Variant, seed: int) -> Path:
    return work / f"{variant.folder}-{seed}"


def _ensemble(data: PairDataset, full: Variant, folders: Sequence[Path]) -> Measurement:
    """The mean of what several models predict, which is one product too: of their codes, concatenated."""
    answers = [answer(Predictor.load(folder), data) for folder in folders]
    value = np.mean([one.predictions.value for one in answers], axis=0)
    predictions = dataclasses.replace(answers[0].predictions, value=value)
    figures = measure(data, dataclasses.replace(answers[0], predictions=predictions), "test")
    variant = dataclasses.replace(full, name=f"ensemble of {len(folders)} models", group="ensembles")
    return Measurement(variant, (figures.r2,), (100 * figures.mse / figures.naive_mse,), (), ())


def report_ablations(measured: Sequence[Measurement], facts: Sequence[Fact]) -> Report:
    """The numbers by group of variants, and the paper's claims."""
    by_group: dict[str, list[Measurement]] = {}
    for one in measured:
        by_group.setdefault(one.variant.group, []).append(one)
    full = measured[0]
    sections = [Section("The paper's claims", tables=(_claims(measured),))]
    for group, members in by_group.items():
        rows = [full, *(one for one in members if one is not full)]
        sections.append(Section(group[0].upper() + group[1:], tables=(_table(rows),)))
    return Report(
        title="Ablations: the effect of each part",
        summary=(
            f"The full model has R\u00b2 {_spread(full.r2)} on unseen shapes after this short training. Every variant "
            "is trained on the same pairs for as many steps; the spread is the standard deviation over the seeds."
        ),
        sections=tuple(sections),
        facts=tuple(facts),
        assumptions=(
            "The networks are trained briefly, so that all variants can be trained several times: differences between "
            "variants matter, not their level.",
        ),
    )


def _table(rows: Sequence[Measurement]) -> Table:
    cells = tuple((one.variant.name, *(_spread(column) for column in one.columns())) for one in rows)
    return Table(
        "Mean and standard deviation over the seeds, on shapes that are in no training pair.",
        ("variant", *MEASURES),
        cells,
        strong_rows=(0,),
    )


def _claims(measured: Sequence[Measurement]) -> Table:
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
            text = f"{MEASURES[column]}: {_spread(with_it)} with it, {_spread(without)} without"
            rows.append((f"the {loss} loss is needed", _verdict(with_it, without, better), text))
    sizes = [one for one in measured if one is full or one.variant.group == "size of the code"]
    if len(sizes) > 1:
        best = min(sizes, key=lambda one: float(np.mean(one.mse_percent)))
        others = [one for one in sizes if one is not best]
        second = min(others, key=lambda one: float(np.mean(one.mse_percent)))
        text = f"best: {best.variant.model.latent}, {_spread(best.mse_percent)} % of naive; next: "
        text += f"{second.variant.model.latent}, {_spread(second.mse_percent)} %"
        verdict = _verdict(best.mse_percent, second.mse_percent, "less")
        holds = verdict if best.variant.model.latent == PAPER_LATENT or verdict != "yes" else "no"
        rows.append(("80 latent dimensions work best", holds, text))
    paper = by_name.get("paper preset, its learning rates")
    if paper is not None:
        text = f"MSE {_spread(paper.mse_percent)} % of naive at its own rates (published: 76 %)"
        rows.append(("the paper's network predicts better than guessing", _verdict(paper.mse_percent, None, ""), text))
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
        return "cannot be judged from one seed"
    error = float(np.sqrt(a.var(ddof=1) / len(a) + (b.var(ddof=1) / len(b) if len(b) > 1 else 0.0)))
    return "yes" if gain > 2 * error else "no" if gain < -2 * error else "no significant difference"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "not measured"
    mean = float(np.mean(values))
    digits = 4 if abs(mean) < 1.5 else 2
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f}\u00a0\u00b1\u00a0{float(np.std(values, ddof=1)):.{digits}f}"
