"""Make a table of the paper from nothing: label, train, predict, compare, report.

What takes long (pairs, the paper's network) is kept in a folder beside the report and found again by the next run.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.dataset import DataSet, read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import Answers, answer, labelled_magnitudes
from metricvae.fitting.fit import fit
from metricvae.labelling.plans import HalvesPlan, LabelPlan
from metricvae.labelling.run import label
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask
from metricvae.plotting.pairs import ExamplePair
from metricvae.prediction.calibration import conformal
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction import OVERLAP_MODEL, PAPER_STEPS
from metricvae.reproduction.report import MARKER, Fact, Report, environment_facts, write_report
from metricvae.reproduction.table_1 import LARGE_SIZE, METHODS, Indices, Table1, Table1Data, draw_batches, table_1
from metricvae.reproduction.table_1_report import Agreement
from metricvae.reproduction.table_1_report import report as table_1_report
from metricvae.runtime.files import require_free_folder
from metricvae.training.presets import preset

OnStep = Callable[[str, int, int], None]

PAIRS = 22_000
"""A tenth of them are test pairs: six batches of 24 and a large one of 2,000."""

EXAMPLES = 8

ASSUMPTIONS = (
    "The paper trains its network by two Adams, at 1e-8 and 1e-10: the first rate is taken "
    "to be that of equation (1), the second that of equation (2).",
    "In equation (1), n is taken to be the size of a code, and the equation is taken over the objects that stand first "
    "in a pair. Equation (2) is taken to be squared.",
    "The metric m of equation (2) is sqrt(area of one * area of the other) / overlap: at the scale of pixels the "
    "equation has a slope of millions, and an inverse cosine is never below 1.",
)
"""Where the paper is silent on its network; see `preset`."""


@dataclass(frozen=True)
class Table1Run:
    """What a run of Table 1 leaves.

    Attributes:
        page: the HTML page.
        report: what is on it.
        table: the numbers.
        minutes: what it cost.
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
        above, names = zip(
            ("", "batch"), ("", "pairs"), *(str(name).split() for name in METHODS.in_order()), strict=True
        )
        lines = [list(above), list(names)]
        for row in (*self.table.rows, self.table.large):
            lines.append([row.batch, str(row.pairs), *(_figure(value) for value in row.errors.in_order())])
        lines.append(["R^2", "", *("-" if value is None else f"{value:.4f}" for value in self.table.r2.in_order())])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
        return f"Table 1: mean squared error in pixels^2\n{body}\nreport: {self.page}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def reproduce_table_1(
    folder: Path,
    *,
    dataset: Path | None = None,
    model: str = OVERLAP_MODEL,
    paper_steps: int = PAPER_STEPS,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Table1Run:
    """Table 1 on unseen `mixed` shapes (or on the test split of `dataset`), written as a report into `folder`.

    Whatever can be at fault is looked at before anything that takes long.

    Args:
        folder: the report; what takes long is kept in `<folder>-work`.
        dataset: labelled pairs; None labels 22,000.
        model: folder or name of the model beside the paper's.
        paper_steps: steps the paper's network is trained for.
        seed: of the pairs, the batches, the random guess, the bootstrap and the paper's network.

    Raises:
        InputError: a data set with too few test pairs, a model that cannot be read, a folder that holds something else.
    """
    start, step = time.monotonic(), on_step or (lambda *_: None)
    folder, work = claim(folder, (("paper-steps", paper_steps, 1), ("seed", seed, 0)))
    predictor = Predictor.load(model)
    given = [] if dataset is None else ["--dataset", str(dataset)]
    dataset = labelled(dataset, work, PAIRS, seed, step)
    data = read_dataset(dataset)
    check_enough(data, dataset, seed)
    paper = train_paper(data, work / "paper-model", paper_steps, seed, step)
    words = ["metricvae", "reproduce", "table-1", "--out", folder.name, "--model", model, "--seed", str(seed)]
    words += ["--paper-steps", str(paper_steps), *given]
    return compare(data, predictor, paper, folder, seed=seed, start=start, command=shlex.join(words), on_step=step)


def claim(folder: Path, numbers: Sequence[tuple[str, int, int]]) -> tuple[Path, Path]:
    """The folder of a report, absolute, and beside it the one for what takes long.

    Args:
        folder: absent, empty, or an earlier report.
        numbers: options, what they are and the least they may be.

    Raises:
        InputError: a number is too small, or the folder holds something else.
    """
    folder = Path(os.path.abspath(folder))
    for name, number, least in numbers:
        if number < least:
            raise InputError(f"{name} is {number}: expected at least {least}")
    require_free_folder(folder, MARKER, "report")
    return folder, folder.with_name(f"{folder.name}-work")


def labelled(dataset: Path | None, work: Path, pairs: int, seed: int, on_step: OnStep) -> Path:
    """The data set given, or a new one of so many `mixed` pairs in `work`, of a seed that no shipped model learned."""
    if dataset is not None:
        return dataset
    plan = LabelPlan("mixed", pairs, 1_000_000 + seed)
    label(plan, work / "pairs", on_progress=lambda p: on_step(p.stage, p.done, p.total))
    return work / "pairs"


def halved(dataset: Path | None, work: Path, seed: int, on_step: OnStep) -> Path:
    """The pairs of halves given, or new ones in `work` in the paper's setting, of a seed that no shipped model learned:
    simple shapes, cut straight through the middle."""
    if dataset is not None:
        return dataset
    plan = HalvesPlan("procedural", PAIRS, 1_000_000 + seed, cuts=("straight",), middle=True)
    label(plan, work / "halves", on_progress=lambda p: on_step(p.stage, p.done, p.total))
    return work / "halves"


def check_enough(data: DataSet, folder: Path, seed: int) -> None:
    """Raise InputError, naming the folder the data came from, when its splits are too small for Table 1."""
    try:
        conformal.check_enough(len(data.rows("calibration")))
        draw_batches(len(data.rows("test")), seed=seed)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


def train_paper(data: DataSet, folder: Path, steps: int, seed: int, on_step: OnStep) -> Predictor:
    """The paper's network at its own learning rates."""
    chosen = preset("paper")
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
    data: DataSet,
    overlap: Predictor,
    paper: Predictor,
    folder: Path,
    *,
    seed: int,
    start: float,
    command: str,
    on_step: OnStep,
) -> Table1Run:
    """Fill Table 1 from the test split and write its report."""
    said = answer(overlap, data, "test", lambda done, total: on_step("encoding shapes", done, total))
    theirs = answer(paper, data, "test").predictions.value
    batches, large = draw_batches(len(said.value), seed=seed)
    train, test = labelled_magnitudes(data, data.rows("train")), labelled_magnitudes(data, said.rows)
    numbers = table_1(Table1Data(train, test, batches, large, seed), overlap=said.predictions.value, paper=theirs)
    minutes = (time.monotonic() - start) / 60
    facts = [
        Fact("command", command),
        Fact("minutes of this run", f"{max(minutes, 0.1):.1f}"),
        Fact("test pairs", len(said.value)),
        Fact("training pairs of the baselines and the paper's network", len(train)),
        Fact("training steps of the paper's network", paper.loaded.facts["steps"]),
        Fact("training pairs of the overlap model", overlap.loaded.facts["pairs"]),
        Fact("training steps of the overlap model", overlap.loaded.facts["steps"]),
        *environment_facts(),
    ]
    deviations = (
        [] if len(large) >= LARGE_SIZE else [f"A small run: the large batch has {len(large)} pairs, not 2,000."]
    )
    agreement = Agreement(
        said.value[large],
        said.predictions.value[large],
        said.predictions.low[large],
        said.predictions.high[large],
        said.predictions.level,
    )
    made = table_1_report(
        numbers,
        examples=examples(data, said, large[:EXAMPLES]),
        agreement=agreement,
        facts=facts,
        assumptions=ASSUMPTIONS,
        deviations=deviations,
    )
    return Table1Run(write_report(made, folder), made, numbers, minutes)


def examples(data: DataSet, answers: Answers, chosen: Indices) -> list[ExamplePair]:
    """Pairs of a data set as pictures show them, the second shape at its optimal pose."""
    return [_example(data, answers, int(place)) for place in chosen]


def _example(data: DataSet, answers: Answers, place: int) -> ExamplePair:
    row = int(answers.rows[place])
    first, second = int(data.first[row]), int(data.second[row])
    pose, said = Pose(*(float(value) for value in data.pose[row])), answers.predictions
    return ExamplePair(
        first_id=data.ids[first],
        second_id=data.ids[second],
        first=data.mask(first),
        second=data.mask(second),
        second_moved=np.clip(move_mask(data.mask(second), pose), 0, 1),
        pose=pose,
        value=float(answers.value[place]),
        predicted=float(said.value[place]),
        low=float(said.low[place]),
        high=float(said.high[place]),
    )
