"""Learn metrics that nobody built in, each from a table of pairs with one command, and measure them beside
baselines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.api import PairModel, fit
from metricvae.core.dataset import PairDataset
from metricvae.core.splits import SPLITS
from metricvae.evaluation.evaluate import answer
from metricvae.reproduction.any_metric.baselines import predict_baselines
from metricvae.reproduction.any_metric.data import LabelledExample, label_example, read_example
from metricvae.reproduction.any_metric.examples import EXAMPLES, chosen_examples
from metricvae.reproduction.any_metric.page import report_metrics
from metricvae.reproduction.any_metric.records import MetricExample
from metricvae.reproduction.any_metric.results import (
    BaselineResult,
    ExampleResult,
    ModelResult,
    SiameseResult,
    baselines_path,
    keep,
    model_path,
    read_results,
    siamese_path,
)
from metricvae.reproduction.any_metric.scores import score
from metricvae.reproduction.any_metric.siamese import SiameseConfig, predict_siamese
from metricvae.reproduction.config import AnyMetricConfig
from metricvae.reproduction.inputs import OnStep, run_facts
from metricvae.reproduction.report import MARKER, Fact, environment_facts, write_report
from metricvae.runtime.files import require_free_folder, write_json
from metricvae.training.presets import preset_of_data

DATA, MODELS, FIGURES_FILE = "data", "models", "any-metric.json"
"""What the folder of the report also holds: tables with their files, models, and the figures of each seed."""


@dataclass(frozen=True)
class AnyMetricRun:
    """The result of a run: the page, what was measured, and the minutes it took."""

    page: Path
    results: tuple[ExampleResult, ...]
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The figures of each metric as plain values."""
        metrics = [one.to_json() for one in self.results]
        return {"page": str(self.page), "minutes": round(self.minutes, 1), "metrics": metrics}

    def text(self) -> str:
        """The score of each metric beside that of its best baseline, and the path of the report."""
        lines = []
        for one in self.results:
            name, found = ("AUC" if one.example.binary else "R^2"), one.scores["metricvae"]
            mean = f"{np.mean(found):.4f}" if found else "not yet"
            lines.append(f"{one.example.name.ljust(18)} {name} {mean}, best baseline {one.best_baseline:.4f}")
        return "\n".join([*lines, f"report: {self.page}"])


def reproduce_any_metric(
    folder: Path, config: AnyMetricConfig | None = None, on_step: OnStep | None = None
) -> AnyMetricRun:
    """Label, import, train and measure each metric, and write the report anew after each training.

    Args:
        folder: of the report; tables, models and results are kept there, and found again by the next run.
        config: the settings; by default those of the published results.
        on_step: told how far it is.

    Raises:
        InputError: no such metric, an optional package is missing, or a folder that holds something else.
    """
    began, config, step = time.monotonic(), config or AnyMetricConfig(), on_step or (lambda *_: None)
    examples = chosen_examples(config.only)
    folder = Path(os.path.abspath(folder))
    require_free_folder(folder, MARKER, "report")
    page, results = _write(folder, config, began)
    for place, example in enumerate(examples):
        step("metrics", place, len(examples))
        for _ in measure_example(example, folder, config, step):
            page, results = _write(folder, config, began)
    step("metrics", len(examples), len(examples))
    return AnyMetricRun(page, tuple(results), (time.monotonic() - began) / 60)


def measure_example(example: MetricExample, folder: Path, config: AnyMetricConfig, step: OnStep) -> Iterator[Path]:
    """Label, import, and measure a metric; what is there already is left as it is.

    Yields:
        the file of each result once it is there: of the baselines, and of both networks with each seed.
    """
    table, name = folder / DATA / example.name, example.name
    label_example(example, table, config.pairs, config.seed, lambda n, all: step(f"{name}: labels", n, all))
    labelled = read_example(example, table)
    keep(baselines_path(folder, name), lambda: _baselines(labelled))
    yield baselines_path(folder, name)
    for seed in range(config.seed, config.seed + config.seeds):
        step(f"{name}: models", seed - config.seed, config.seeds)
        yield from _train(labelled.data, name, folder, config, seed)


def _train(data: PairDataset, name: str, folder: Path, config: AnyMetricConfig, seed: int) -> Iterator[Path]:
    """Both networks with one seed."""
    keep(model_path(folder, name, seed), lambda: _model(data, folder / MODELS / f"{name}-{seed}", config, seed))
    yield model_path(folder, name, seed)
    keep(siamese_path(folder, name, seed), lambda: _siamese(data, config, seed))
    yield siamese_path(folder, name, seed)


def _baselines(labelled: LabelledExample) -> BaselineResult:
    data = labelled.data
    true, binary = data.value[data.rows("test")], data.metric.task == "binary"
    scores = {name: score(found, true, binary) for name, found in predict_baselines(labelled).items()}
    rows = {split: data.rows(split) for split in SPLITS}
    pairs: dict[str, int] = {split: len(places) for split, places in rows.items()}
    objects: dict[str, int] = {
        split: len(np.unique([data.first[places], data.second[places]])) for split, places in rows.items()
    }
    return BaselineResult(scores, pairs, objects, labelled.seconds, tuple(true.tolist()))


def _model(data: PairDataset, folder: Path, config: AnyMetricConfig, seed: int) -> ModelResult:
    """Train by the public function, with nothing set but the seed and the time, and predict the test pairs."""
    began = time.monotonic()
    model: PairModel = fit(data, folder, seed=seed, max_minutes=config.minutes, show_progress=False)
    minutes = (time.monotonic() - began) / 60
    answers, facts = answer(model.predictor, data), model.predictor.loaded.facts
    predictions = answers.predictions
    inside = (predictions.low <= answers.value) & (answers.value <= predictions.high)
    return ModelResult(
        seed=seed,
        score=score(predictions.value, answers.value, data.metric.task == "binary"),
        coverage=float(inside.mean()),
        minutes=minutes,
        steps=int(facts["steps"]),
        stopped=str(facts["stopped"]),
        predicted=tuple(predictions.value.tolist()),
    )


def _siamese(data: PairDataset, config: AnyMetricConfig, seed: int) -> SiameseResult:
    """The same encoder and initial weights, steps, batches and time."""
    chosen = preset_of_data(data).started()
    settings = SiameseConfig(
        steps=chosen.training.steps,
        batch_pairs=chosen.training.batch_pairs,
        minutes=config.minutes,
        latent=chosen.model.latent,
        seed=seed,
    )
    found, minutes = predict_siamese(data, chosen.model, settings, chosen.start_of(chosen.model))
    true = data.value[data.rows("test")]
    return SiameseResult(seed, score(found, true, data.metric.task == "binary"), minutes)


def _write(folder: Path, config: AnyMetricConfig, began: float) -> tuple[Path, list[ExampleResult]]:
    """The report of all results in its folder, and these."""
    results = read_results(folder, EXAMPLES.values())
    facts = [
        *run_facts(_words(config, folder.name), (time.monotonic() - began) / 60),
        Fact("minutes of each training, at most", config.minutes),
        *environment_facts(),
    ]
    page = write_report(report_metrics(results, facts), folder)
    write_json(folder / FIGURES_FILE, {"metrics": [one.to_json() for one in results]})
    return page, results


def _words(config: AnyMetricConfig, name: str) -> list[str]:
    """The command that repeats the run."""
    words = ["reproduce", "any-metric", "--out", name, "--pairs", str(config.pairs), "--seeds", str(config.seeds)]
    words += ["--minutes", f"{config.minutes:g}", "--seed", str(config.seed)]
    return words if not config.only else [*words, "--only", *config.only]
