"""Table 1 as a run: label pairs, train the paper's network, predict, compare, and write the report.

Pairs and the paper's network are kept in a folder beside the report and found again by the next run.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.baselines import LabelledMagnitudes
from metricvae.evaluation.evaluate import Answers, answer, labelled_magnitudes
from metricvae.fitting.fit import fit
from metricvae.metrics.overlap.drawing import ExamplePair
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask
from metricvae.prediction.calibration import conformal
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import PresetSource, Table1Config
from metricvae.reproduction.inputs import OnStep, label_overlaps, pose_at, report_folders, run_facts
from metricvae.reproduction.report import Fact, Report, environment_facts, write_report
from metricvae.reproduction.table_1 import LARGE_SIZE, METHODS, Indices, Table1, Table1Data, draw_batches, table_1
from metricvae.reproduction.table_1_report import Agreement, report_table_1

ASSUMPTIONS = (
    "The paper trains its network by two Adams, at 1e-8 and 1e-10: the first rate is taken "
    "to be that of equation (1), the second that of equation (2).",
    "In equation (1), n is taken to be the size of a code, and the equation is taken over the objects that stand first "
    "in a pair. Equation (2) is taken to be squared.",
    "The metric m of equation (2) is sqrt(area of one * area of the other) / overlap: at the scale of pixels the "
    "equation has a gradient of millions, and an inverse cosine is never below 1.",
)
"""What is assumed where the paper does not specify its network; see the preset `paper`."""


@dataclass(frozen=True)
class Table1Run:
    """The result of a run of Table 1.

    Attributes:
        page: the HTML page.
        report: its content.
        table: the numbers.
        minutes: the time it took.
    """

    page: Path
    report: Report
    table: Table1
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The rows as plain numbers."""
        return {
            "page": str(self.page),
            "minutes": round(self.minutes, 2),
            "rows": [dataclasses.asdict(row) for row in (*self.table.rows, self.table.large)],
            "r2": dataclasses.asdict(self.table.r2),
            "tests": [dataclasses.asdict(test) for test in self.table.tests],
        }

    def text(self) -> str:
        """Table 1 as plain text, less than 80 columns wide."""
        titles = [str(name).split() for name in METHODS.in_order()]
        above, names = zip(("", "batch"), ("", "pairs"), *titles, strict=True)
        lines = [list(above), list(names)]
        for row in (*self.table.rows, self.table.large):
            lines.append([row.batch, str(row.pairs), *(_figure(value) for value in row.errors.in_order())])
        lines.append(["R^2", "", *("-" if value is None else f"{value:.4f}" for value in self.table.r2.in_order())])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
        return f"Table 1: mean squared error in pixels^2\n{body}\nreport: {self.page}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def reproduce_table_1(folder: Path, config: Table1Config | None = None, on_step: OnStep | None = None) -> Table1Run:
    """Table 1 on unseen `mixed` shapes (or on the test split of a given data set), written as a report into `folder`.

    All input is checked before the work begins.

    Args:
        folder: the report; pairs and the paper's network are kept in `<folder>-work`.
        config: the settings; by default those of the published results.
        on_step: told how far each stage is.

    Raises:
        InputError: a data set with too few test pairs, a model that cannot be read, a folder that holds something else.
    """
    start, step, config = time.monotonic(), on_step or (lambda *_: None), config or Table1Config()
    folder, work = report_folders(folder, (("paper-steps", config.paper_steps, 1), ("seed", config.seed, 0)))
    predictor = Predictor.load(config.model)
    dataset = label_overlaps(config.data, work, config.seed, step)
    data = read_dataset(dataset)
    check_enough(data, dataset, config)
    paper = train_paper(data, work / "paper-model", config.presets, config.paper_steps, config.seed, step)
    words = ["reproduce", "table-1", "--out", folder.name, "--model", config.model, "--seed", str(config.seed)]
    words += ["--paper-steps", str(config.paper_steps)]
    words += [] if config.data.folder is None else ["--dataset", str(config.data.folder)]
    return compare(data, predictor, paper, folder, config, start=start, words=words, on_step=step)


def check_enough(data: PairDataset, folder: Path, config: Table1Config) -> None:
    """Raise InputError, naming the folder the data came from, when its splits are too small for Table 1."""
    try:
        conformal.check_enough(len(data.rows("calibration")))
        draw_batches(len(data.rows("test")), seed=config.seed, size=config.batch_size)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


def train_paper(
    data: PairDataset, folder: Path, presets: PresetSource, steps: int, seed: int, on_step: OnStep
) -> Predictor:
    """The paper's network at its own learning rates."""
    chosen = presets("paper")
    training = dataclasses.replace(chosen.training, steps=steps, seed=seed, evaluate_every=max(1, steps // 4))
    fit(
        data,
        chosen.model,
        training,
        folder,
        on_progress=lambda p: on_step("training the paper's network", p.step, p.steps),
    )
    return Predictor.load(folder)


def compare(
    data: PairDataset,
    overlap: Predictor,
    paper: Predictor,
    folder: Path,
    config: Table1Config,
    *,
    start: float,
    words: list[str],
    on_step: OnStep,
) -> Table1Run:
    """Fill Table 1 from the test split and write its report.

    Args:
        data: the labelled pairs.
        overlap, paper: the two models.
        folder: of the report.
        config: the settings.
        start: when the run began, as `time.monotonic` has it.
        words: of the command that repeats the run.
        on_step: told how far it is.
    """
    answers = answer(overlap, data, "test", lambda done, total: on_step("encoding shapes", done, total))
    predicted = answers.predictions
    batches, large = draw_batches(len(answers.value), seed=config.seed, size=config.batch_size)
    train, test = labelled_magnitudes(data, data.rows("train")), labelled_magnitudes(data, answers.rows)
    numbers = table_1(
        Table1Data(train, test, batches, large, config.seed),
        overlap=predicted.value,
        paper=answer(paper, data, "test").predictions.value,
    )
    minutes = (time.monotonic() - start) / 60
    made = report_table_1(
        numbers,
        examples=example_pairs(data, answers, large[: config.examples]),
        agreement=Agreement(
            answers.value[large], predicted.value[large], predicted.low[large], predicted.high[large], predicted.level
        ),
        facts=[*run_facts(words, minutes), *_facts(answers, train, overlap, paper), *environment_facts()],
        assumptions=ASSUMPTIONS,
        deviations=_deviations(len(large)),
    )
    return Table1Run(write_report(made, folder), made, numbers, minutes)


def _facts(answers: Answers, train: LabelledMagnitudes, overlap: Predictor, paper: Predictor) -> list[Fact]:
    return [
        Fact("test pairs", len(answers.value)),
        Fact("training pairs of the baselines and the paper's network", len(train)),
        Fact("training steps of the paper's network", paper.loaded.facts["steps"]),
        Fact("training pairs of the overlap model", overlap.loaded.facts["pairs"]),
        Fact("training steps of the overlap model", overlap.loaded.facts["steps"]),
    ]


def _deviations(pairs: int) -> list[str]:
    return [] if pairs >= LARGE_SIZE else [f"A small run: the large batch has {pairs} pairs, not {LARGE_SIZE:,}."]


def example_pairs(data: PairDataset, answers: Answers, chosen: Indices) -> list[ExamplePair]:
    """Pairs of a data set as pictures show them, the second shape at its optimal pose.

    Args:
        data: pairs of silhouettes with their poses.
        answers: of a model for some of them.
        chosen: (k,) places among the answers.
    """
    return [_example(data, answers, place) for place in chosen.tolist()]


def _example(data: PairDataset, answers: Answers, place: int) -> ExamplePair:
    row, predicted = int(answers.rows[place]), answers.predictions
    return dataclasses.replace(
        labelled_example(data, row),
        predicted=float(predicted.value[place]),
        low=float(predicted.low[place]),
        high=float(predicted.high[place]),
    )


def labelled_example(data: PairDataset, row: int) -> ExamplePair:
    """A pair of a data set with its true value, the second shape at its optimal pose."""
    first, second = int(data.first[row]), int(data.second[row])
    mask, pose = data.right.object(second), pose_at(data, row) or Pose(0.0, 0.0, 0.0)
    return ExamplePair(
        first_id=data.left.ids[first],
        second_id=data.right.ids[second],
        first=data.left.object(first),
        second=mask,
        second_moved=np.clip(move_mask(mask, pose), 0, 1),
        pose=pose,
        value=float(data.value[row]),
    )
