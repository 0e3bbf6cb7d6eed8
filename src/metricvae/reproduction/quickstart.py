"""The quickstart: label pairs of built-in shapes, train, and fill Table 1, in a few minutes on two cores."""

from __future__ import annotations

import dataclasses
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metricvae.core.dataset_files import read_dataset
from metricvae.fitting.fit import fit
from metricvae.labelling.run import label
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import QuickstartConfig, Table1Config
from metricvae.reproduction.inputs import OnStep, overlap_plan
from metricvae.reproduction.table_1_run import Table1Run, check_enough, compare, train_paper
from metricvae.runtime.files import require_free_folder


@dataclass(frozen=True)
class Quickstart:
    """The result of the quickstart: a data set, two models and a report in one folder."""

    folder: Path
    run: Table1Run

    def to_json(self) -> dict[str, Any]:
        """Table 1 and the folder."""
        return {"folder": str(self.folder), **self.run.to_json()}

    def text(self) -> str:
        """Table 1, and commands to try next."""
        data = shlex.quote(str(self.folder / "data"))
        return (
            f"{self.run.text()}\n\n"
            "This model was trained for a minute or two; the one that ships, `overlap`, for\n"
            "an hour. Try it next on two pictures of yours (white shape on black, --fit\n"
            "scales and centres):\n"
            "  metricvae predict overlap A.png B.png --fit    the overlap in one shot\n"
            "  metricvae solve A.png B.png --fit              the exact answer, with the pose\n"
            "and on the pairs that were labelled here:\n"
            f"  metricvae evaluate overlap {data}"
        )


def quickstart(folder: Path, config: QuickstartConfig | None = None, on_step: OnStep | None = None) -> Quickstart:
    """Label, train and compare in `folder`; a second run resumes what the first one left.

    Args:
        folder: of data, models and report.
        config: the settings.
        on_step: told how far each stage is.

    Raises:
        InputError: the folder holds something else, or the disk is full.
    """
    start, step, config = time.monotonic(), on_step or (lambda *_: None), config or QuickstartConfig()
    require_free_folder(folder, "data", "quickstart")
    plan = overlap_plan(config.data, config.seed)
    label(plan, folder / "data", on_progress=lambda p: step(p.stage, p.done, p.total))
    data = read_dataset(folder / "data")
    table = Table1Config(batch_size=config.batch_size, seed=config.seed)
    check_enough(data, folder / "data", table)
    chosen = config.presets("overlap")
    training = dataclasses.replace(
        chosen.training, steps=config.steps, seed=config.seed, evaluate_every=config.evaluate_every
    )
    fit(
        data,
        chosen.model,
        training,
        folder / "model",
        on_prepare=lambda done, total: step("preparing shapes", done, total),
        on_progress=lambda p: step("training the overlap model", p.step, p.steps),
    )
    paper = train_paper(data, folder / "paper-model", config.presets, config.paper_steps, config.seed, step)
    run = compare(
        data,
        Predictor.load(folder / "model"),
        paper,
        folder / "report",
        table,
        start=start,
        words=["quickstart", "--seed", str(config.seed)],
        on_step=step,
    )
    return Quickstart(folder, run)
