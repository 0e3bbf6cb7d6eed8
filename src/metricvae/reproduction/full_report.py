"""All tables and figures on one page."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metricvae.reproduction.ablations import AblationRun, reproduce_ablations
from metricvae.reproduction.config import FIGURES, HalvesPairs, OverlapPairs, ReproductionConfig
from metricvae.reproduction.figures import FigureRun, reproduce_figure
from metricvae.reproduction.inputs import OnStep, label_halves, label_overlaps, report_folders, run_facts
from metricvae.reproduction.report import Report, Section, environment_facts, write_report
from metricvae.reproduction.table_1_run import Table1Run, reproduce_table_1
from metricvae.reproduction.table_2 import Table2Run, reproduce_table_2

Part = Table1Run | Table2Run | FigureRun | AblationRun


@dataclass(frozen=True)
class FullRun:
    """The result of a run of all experiments: the page, its parts, and the minutes it took."""

    page: Path
    parts: tuple[Part, ...]
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The page, and the document of each part."""
        return {
            "page": str(self.page),
            "minutes": round(self.minutes, 1),
            "parts": [part.to_json() for part in self.parts],
        }

    def text(self) -> str:
        """The path of the page."""
        return f"report: {self.page}"


def reproduce_all(folder: Path, config: ReproductionConfig | None = None, on_step: OnStep | None = None) -> FullRun:
    """All tables and figures, one after the other, and one page of them in `folder`.

    Args:
        folder: the report; everything else is kept in `<folder>-work` and found again by the next run.
        config: the settings. All overlaps come from the data of the ablations, all halves from those of Table 2.
        on_step: told how far each stage is.

    Raises:
        InputError: as its parts do.
    """
    start, step, config = time.monotonic(), on_step or (lambda *_: None), config or ReproductionConfig()
    folder, work = report_folders(folder, ())
    parts = tuple(_parts(config, work, step))
    minutes = (time.monotonic() - start) / 60
    reports = [part.report for part in parts]
    made = Report(
        title="Towards generative drug discovery: reproduction of the paper",
        summary=reports[0].summary,
        sections=tuple(_sections(reports)),
        facts=(*run_facts(_words(config, folder.name), minutes), *environment_facts()),
        assumptions=tuple(line for one in reports for line in one.assumptions),
        deviations=tuple(line for one in reports for line in one.deviations),
    )
    return FullRun(write_report(made, folder), parts, minutes)


def _parts(config: ReproductionConfig, work: Path, step: OnStep) -> Iterator[Part]:
    """Each experiment, on shared data sets."""
    data = OverlapPairs(label_overlaps(config.ablations.data, work, config.ablations.seed, step))
    yield reproduce_table_1(work / "table-1", dataclasses.replace(config.table_1, data=data), step)
    halves = HalvesPairs(label_halves(config.table_2.data, work, config.table_2.seed, step))
    yield reproduce_table_2(work / "table-2", dataclasses.replace(config.table_2, data=halves), step)
    figures = dataclasses.replace(config.figures, data=data, halves=halves)
    for which in FIGURES:
        yield reproduce_figure(which, work / which, figures, step)
    yield reproduce_ablations(work / "ablations", dataclasses.replace(config.ablations, data=data), on_step=step)


def _words(config: ReproductionConfig, name: str) -> list[str]:
    """The command that repeats the run."""
    options = {
        "--out": name,
        "--model": config.table_1.model,
        "--halves-model": config.table_2.model,
        "--steps": config.ablations.steps,
        "--paper-steps": config.table_1.paper_steps,
        "--seeds": config.ablations.seeds,
        "--seed": config.ablations.seed,
        "--dataset": config.ablations.data.folder,
        "--halves": config.table_2.data.folder,
        "--mnist": config.figures.digits.mnist,
    }
    given = {option: str(value) for option, value in options.items() if value is not None}
    return ["reproduce", "all", *(word for pair in given.items() for word in pair)]


def _sections(reports: list[Report]) -> Iterator[Section]:
    """The sections of all reports, after one that names the report where it has several; figures are numbered."""
    for number, one in enumerate(reports):
        if len(one.sections) > 1:
            yield Section(one.title, one.summary)
        for section in one.sections:
            figures = tuple(dataclasses.replace(each, name=f"{number}-{each.name}") for each in section.figures)
            text = section.text or (one.summary if len(one.sections) == 1 else "")
            yield dataclasses.replace(section, text=text, figures=figures)
