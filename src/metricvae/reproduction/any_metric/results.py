"""What is measured of each metric, kept in files so that an interrupted run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.reproduction.any_metric.records import MetricExample
from metricvae.runtime.files import read_json, write_json

RESULTS = "results"
"""The folder of the files, within that of the report."""


@dataclass(frozen=True)
class ModelResult:
    """One training of a model.

    Attributes:
        seed: of the training.
        score: R^2 on the test pairs, or the AUC of a binary metric.
        coverage: share of the true values inside their 90 % intervals; of a binary metric, of the true answers inside
            their sets.
        minutes: from the imported data to the calibrated model.
        steps: of the training.
        stopped: why it ended.
        predicted: (n,) values for the test pairs.
    """

    seed: int
    score: float
    coverage: float
    minutes: float
    steps: int
    stopped: str
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class SiameseResult:
    """One training of the siamese network: its seed, its score, and the minutes it took."""

    seed: int
    score: float
    minutes: float


@dataclass(frozen=True)
class BaselineResult:
    """What needs no training of networks.

    Attributes:
        scores: of each baseline by name.
        pairs, objects: how many there are in each split.
        labelling_seconds: that the labels took.
        true: (n,) values of the test pairs.
    """

    scores: Mapping[str, float]
    pairs: Mapping[str, int]
    objects: Mapping[str, int]
    labelling_seconds: float
    true: tuple[float, ...]


@dataclass(frozen=True)
class ExampleResult:
    """All that is known of one metric so far."""

    example: MetricExample
    baselines: BaselineResult
    models: tuple[ModelResult, ...] = ()
    siamese: tuple[SiameseResult, ...] = ()

    @property
    def scores(self) -> dict[str, tuple[float, ...]]:
        """The scores of each method, of one seed or more; the model's last."""
        found: dict[str, tuple[float, ...]] = {name: (value,) for name, value in self.baselines.scores.items()}
        found["siamese network"] = tuple(one.score for one in self.siamese)
        found["metricvae"] = tuple(one.score for one in self.models)
        return found

    @property
    def goal(self) -> float:
        """The score to reach."""
        return 0.97 if self.example.binary else 0.95

    @property
    def reached(self) -> bool:
        """Whether the mean score reaches the goal."""
        return bool(self.models) and float(np.mean(self.scores["metricvae"])) >= self.goal

    @property
    def best_baseline(self) -> float:
        """The highest mean score of a baseline."""
        return max(float(np.mean(scores)) for name, scores in self.scores.items() if name != "metricvae" and scores)

    @property
    def ahead(self) -> bool:
        """Whether the mean score is above that of every baseline."""
        return bool(self.models) and float(np.mean(self.scores["metricvae"])) > self.best_baseline

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values, without the predictions."""
        models = [{name: value for name, value in asdict(one).items() if name != "predicted"} for one in self.models]
        baselines = {name: value for name, value in asdict(self.baselines).items() if name != "true"}
        return {
            "name": self.example.name,
            "kind": dict(self.example.kind),
            "labeller": self.example.labeller,
            "score": "AUC" if self.example.binary else "R2",
            "scores": {name: list(scores) for name, scores in self.scores.items()},
            "reached": self.reached,
            "ahead": self.ahead,
            "models": models,
            "siamese": [asdict(one) for one in self.siamese],
            "baselines": baselines,
        }


def keep(path: Path, make: Callable[[], Any]) -> None:
    """Make a record and write it as JSON, unless the file is there."""
    if not path.exists():
        write_json(path, asdict(make()))


def baselines_path(folder: Path, name: str) -> Path:
    """The file of a metric's baselines, in the folder of the report."""
    return folder / RESULTS / name / "baselines.json"


def model_path(folder: Path, name: str, seed: int) -> Path:
    """The file of a training of the model."""
    return folder / RESULTS / name / f"model-{seed}.json"


def siamese_path(folder: Path, name: str, seed: int) -> Path:
    """The file of a training of the siamese network."""
    return folder / RESULTS / name / f"siamese-{seed}.json"


def read_results(folder: Path, examples: Iterable[MetricExample]) -> list[ExampleResult]:
    """What the folder of a report holds of some metrics; those of which there is nothing yet are left out.

    Raises:
        InputError: a damaged file.
    """
    return [_read_result(folder, one) for one in examples if baselines_path(folder, one.name).exists()]


def _read_result(folder: Path, example: MetricExample) -> ExampleResult:
    place = folder / RESULTS / example.name
    models = sorted((ModelResult(**_record(path)) for path in place.glob("model-*.json")), key=lambda one: one.seed)
    usual = sorted((SiameseResult(**_record(path)) for path in place.glob("siamese-*.json")), key=lambda one: one.seed)
    baselines = BaselineResult(**_record(baselines_path(folder, example.name)))
    return ExampleResult(example, baselines, tuple(models), tuple(usual))


def _record(path: Path) -> dict[str, Any]:
    """The document in a file, with tuples for lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in read_json(path).items()}
