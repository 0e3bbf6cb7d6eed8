"""Every table and figure on one page."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metricvae.reproduction import FIGURES, HALVES_MODEL, OVERLAP_MODEL, PAPER_STEPS, SEEDS, STEPS
from metricvae.reproduction.ablations import PAIRS, AblationRun, reproduce_ablations
from metricvae.reproduction.figures import FigureRun, reproduce_figure
from metricvae.reproduction.report import Fact, Report, Section, environment_facts, write_report
from metricvae.reproduction.reproduce import OnStep, Table1Run, claim, halved, labelled, reproduce_table_1
from metricvae.reproduction.table_2 import Table2Run, reproduce_table_2

Part = Table1Run | Table2Run | FigureRun | AblationRun


@dataclass(frozen=True)
class Everything:
    """What a run leaves: the page, its parts, and what it cost."""

    page: Path
    parts: tuple[Part, ...]
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The page, and what each part says."""
        return {
            "page": str(self.page),
            "minutes": round(self.minutes, 1),
            "parts": [part.to_json() for part in self.parts],
        }

    def text(self) -> str:
        """Where it is."""
        return f"report: {self.page}"


def reproduce_all(
    folder: Path,
    *,
    dataset: Path | None = None,
    halves: Path | None = None,
    model: str = OVERLAP_MODEL,
    halves_model: str = HALVES_MODEL,
    steps: int = STEPS,
    mnist: Path | None = None,
    paper_steps: int = PAPER_STEPS,
    seeds: int = SEEDS,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Everything:
    """All tables and figures, one after the other, and one page of them in `folder`.

    Args:
        folder: the report; everything else is kept in `<folder>-work` and found again by the next run.
        dataset: labelled pairs; None labels 40,000.
        halves: pairs of halves, for Table 2 and figure 1.5; None cuts 22,000.
        model: folder or name of the model beside the paper's.
        halves_model: the same for Table 2.
        steps: of the trainings of figures and ablations.
        mnist: file of digits for figure 1.1; None for scikit-learn's.
        paper_steps: of the paper's network in Table 1.
        seeds: trainings of each variant of the ablations.
        seed: of everything.

    Raises:
        InputError: as its parts do.
    """
    start, step = time.monotonic(), on_step or (lambda *_: None)
    folder, work = claim(folder, ())
    given = [] if dataset is None else ["--dataset", str(dataset)]
    given += [] if halves is None else ["--halves", str(halves)]
    dataset = labelled(dataset, work, PAIRS, seed, step)
    parts: list[Part] = [
        reproduce_table_1(
            *(work / "table-1",), dataset=dataset, model=model, paper_steps=paper_steps, seed=seed, on_step=step
        )
    ]
    halves = halved(halves, work, seed, step)
    parts.append(reproduce_table_2(work / "table-2", dataset=halves, model=halves_model, seed=seed, on_step=step))
    for which in FIGURES:
        pairs = halves if which == "figure-1.5" else dataset
        parts.append(
            reproduce_figure(
                *(which, work / which), dataset=pairs, model=model, mnist=mnist, steps=steps, seed=seed, on_step=step
            )
        )
    parts.append(
        reproduce_ablations(work / "ablations", dataset=dataset, steps=steps, seeds=seeds, seed=seed, on_step=step)
    )
    minutes = (time.monotonic() - start) / 60
    words = ["metricvae", "reproduce", "all", "--out", folder.name, "--model", model, "--halves-model", halves_model]
    words += ["--steps", str(steps), "--paper-steps", str(paper_steps)]
    words += ["--seeds", str(seeds), "--seed", str(seed), *given]
    words += [] if mnist is None else ["--mnist", str(mnist)]
    facts = [Fact("command", shlex.join(words)), Fact("minutes of this run", f"{max(minutes, 0.1):.1f}")]
    reports = [part.report for part in parts]
    made = Report(
        title="Towards generative drug discovery: the paper, made anew",
        summary=reports[0].summary,
        sections=tuple(_sections(reports)),
        facts=(*facts, *environment_facts()),
        assumptions=tuple(line for one in reports for line in one.assumptions),
        deviations=tuple(line for one in reports for line in one.deviations),
    )
    return Everything(write_report(made, folder), tuple(parts), minutes)


def _sections(reports: list[Report]) -> Iterator[Section]:
    """The sections of all reports; where a report has several, a first one names it. Figures get names of their own."""
    for number, one in enumerate(reports):
        if len(one.sections) > 1:
            yield Section(one.title, one.summary)
        for section in one.sections:
            figures = tuple(dataclasses.replace(each, name=f"{number}-{each.name}") for each in section.figures)
            text = section.text or (one.summary if len(one.sections) == 1 else "")
            yield dataclasses.replace(section, text=text, figures=figures)
