"""The main job, small: label pairs of embedded shapes, train, and print Table 1, in a few minutes on two cores."""

from __future__ import annotations

import dataclasses
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metricvae.core.dataset import read_dataset
from metricvae.fitting.fit import fit
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.labelling.run import label
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.reproduce import OnStep, Table1Run, check_enough, compare, train_paper
from metricvae.runtime.files import require_free_folder
from metricvae.training.presets import preset

PAIRS = 6_000
STEPS = 400
PAPER_STEPS = 50


@dataclass(frozen=True)
class Quickstart:
    """What the quickstart leaves: a data set, two models and a report in one folder."""

    folder: Path
    run: Table1Run

    def to_json(self) -> dict[str, Any]:
        """Table 1 and where things are."""
        return {"folder": str(self.folder), **self.run.to_json()}

    def text(self) -> str:
        """Table 1, and what to try next."""
        data = shlex.quote(str(self.folder / "data"))
        return (
            f"{self.run.text()}\n\n"
            "This model learned for a minute or two; the one that ships, `overlap`, learned\n"
            "for an hour. Try it next on two pictures of yours (white shape on black, --fit\n"
            "scales and centres):\n"
            "  metricvae predict overlap A.png B.png --fit    the overlap in one shot\n"
            "  metricvae solve A.png B.png --fit              the exact answer, with the pose\n"
            "and on the pairs that were labelled here:\n"
            f"  metricvae evaluate overlap {data}"
        )


def quickstart(folder: Path, *, seed: int, on_step: OnStep) -> Quickstart:
    """Label, train and compare in `folder`; a second run finds what the first one finished, or goes on with it.

    Raises:
        InputError: the folder holds something else, or the disk is full.
    """
    start = time.monotonic()
    require_free_folder(folder, "data", "quickstart")
    plan = OverlapPlan("mixed", PAIRS, seed)
    label(plan, folder / "data", on_progress=lambda p: on_step(p.stage, p.done, p.total))
    data = read_dataset(folder / "data")
    check_enough(data, folder / "data", seed)
    chosen = preset("overlap")
    training = dataclasses.replace(chosen.training, steps=STEPS, seed=seed, evaluate_every=100)
    fit(
        data,
        chosen.model,
        training,
        folder / "model",
        on_prepare=lambda done, total: on_step("preparing shapes", done, total),
        on_progress=lambda p: on_step("training the overlap model", p.step, p.steps),
    )
    paper = train_paper(data, folder / "paper-model", PAPER_STEPS, seed, on_step)
    run = compare(
        data,
        Predictor.load(folder / "model"),
        paper,
        folder / "report",
        seed=seed,
        start=start,
        command=f"metricvae quickstart --seed {seed}",
        on_step=on_step,
    )
    return Quickstart(folder, run)
