"""Measures affinities section by section, keeps what is done, and writes the report anew after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.metrics.affinity.posed_fit import PosedConfig
from metricvae.reproduction.affinity.complexes import check_complexes, entries
from metricvae.reproduction.affinity.dta import measure_split
from metricvae.reproduction.affinity.dta_data import SPLITS, check_dta, read_dta
from metricvae.reproduction.affinity.gnina import gnina_is_there, gnina_scores
from metricvae.reproduction.affinity.known_curves import METHODS, curves
from metricvae.reproduction.affinity.left_out import GNINA, NEW_PROTEINS, OURS, LeftOutAnswers, answers_of_folder
from metricvae.reproduction.affinity.ligand_series import TESTS, systems_of
from metricvae.reproduction.affinity.one_shot import SETS, measure_one_shot
from metricvae.reproduction.affinity.page import AffinityResults, report_affinity
from metricvae.reproduction.config import AFFINITY_SECTIONS, AffinityConfig
from metricvae.reproduction.inputs import OnStep, report_folders, run_facts
from metricvae.reproduction.report import PAGE, Report, environment_facts, write_report
from metricvae.runtime.files import read_json, write_json
from metricvae.runtime.process_pool import worker_pool

DTA, KNOWN, ONE_SHOT = "dta", "known", "one-shot"
"""Sections that are measured apart."""


@dataclass(frozen=True)
class AffinityRun:
    """The result of a run: the page, its content, and the minutes it took."""

    page: Path
    report: Report
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The page and its summary; `report.json` beside the page has the tables."""
        return {"page": str(self.page), "minutes": round(self.minutes, 1), "summary": self.report.summary}

    def text(self) -> str:
        """The summary, and the path of the page."""
        return f"{self.report.summary}\nreport: {self.page}"


def reproduce_affinity(
    folder: Path, config: AffinityConfig | None = None, on_step: OnStep | None = None
) -> AffinityRun:
    """Affinities beside Vina, Glide and what is simple, on one page.

    Args:
        folder: the report; features and the results of each section are kept in `<folder>-work`, and found again.
        config: what is measured.
        on_step: told how far each part is.

    Raises:
        InputError: no such section, or a folder of data without what its sections need.
    """
    began, step, config = time.monotonic(), on_step or (lambda *_: None), config or AffinityConfig()
    sections, data = chosen_sections(config), checked_data(config)
    folder, work = report_folders(folder, [("--seeds", config.seeds, 1)])
    for found in measure(data, work, config, sections, step):
        minutes = (time.monotonic() - began) / 60
        facts = (*run_facts(_words(config, folder.name), minutes), *environment_facts())
        run = AffinityRun(folder / PAGE, report_affinity(found, facts), minutes)
        write_report(run.report, folder)
    return run


def chosen_sections(config: AffinityConfig) -> tuple[str, ...]:
    """The sections to measure, in the order of the report.

    Raises:
        InputError: one that there is not.
    """
    for name in config.only:
        if name not in AFFINITY_SECTIONS:
            raise InputError(f"there is no section {name!r}: expected some of {', '.join(AFFINITY_SECTIONS)}")
    return tuple(name for name in AFFINITY_SECTIONS if name in (config.only or AFFINITY_SECTIONS))


def checked_data(config: AffinityConfig) -> Path:
    """The folder of data, with what the chosen sections need.

    Raises:
        InputError: none is given, or something is not there.
    """
    if config.data is None:
        raise InputError("got no --data: expected a folder with complexes.csv, posed.csv.gz and dta/; see docs")
    sections = chosen_sections(config)
    if set(sections) - {DTA}:
        check_complexes(config.data)
    if DTA in sections:
        check_dta(config.data, config.pair_sets)
    return config.data


def measure(
    data: Path, work: Path, config: AffinityConfig, sections: tuple[str, ...], step: OnStep
) -> Iterator[AffinityResults]:
    """Measure what is not measured yet.

    Yields:
        what is there, each time that something is added.
    """
    found = AffinityResults(sections)
    seeds = range(config.seed, config.seed + config.seeds)
    if set(sections) - {DTA, ONE_SHOT}:
        for seed in seeds:
            found = replace(found, answers=(*found.answers, _answers(data, work, config, seed, step)))
            yield found
        if gnina_is_there():
            scores = _gnina(data, work, found.answers[0].ids, step)
            found = replace(found, answers=tuple(one.with_given(GNINA, scores) for one in found.answers))
            yield found
    for name in SETS if ONE_SHOT in sections else ():
        path = work / "results" / f"one-shot-{name.replace(' ', '-')}-{config.seed}.json"
        made = kept(path, partial(_one_shot, data, work, name, config.seed, step))
        found = replace(found, one_shot={**found.one_shot, name: made})
        yield found
    if KNOWN in sections:
        for place, name in enumerate(TESTS):
            step("known ligands", place, len(TESTS))
            path = work / "results" / f"known-{name}-{config.repeats}.json"
            made = kept(path, partial(_known, data, name, config, found.answers[0]))
            found = replace(found, known={**found.known, name: made})
            yield found
    if DTA in sections:
        for one in _dta(data, work, config, seeds, step):
            found = replace(found, dta=(*found.dta, one))
            yield found


def _answers(data: Path, work: Path, config: AffinityConfig, seed: int, step: OnStep) -> LeftOutAnswers:
    def make() -> dict[str, Any]:
        posed = PosedConfig(seed=seed, trees=config.trees)
        with worker_pool(None) as pool:
            return answers_of_folder(data, work / "features", posed, pool, step).to_json()

    return LeftOutAnswers.from_json(kept(work / "results" / f"answers-{config.trees}-{seed}.json", make))


def _gnina(data: Path, work: Path, ids: Sequence[str], step: OnStep) -> dict[str, float | None]:
    """Scores by id."""
    wanted = set(ids)
    chosen = [one for one in entries(data) if one.id in wanted]
    with worker_pool(None) as pool:
        return gnina_scores(data, chosen, work / "gnina", pool, step)


def _one_shot(data: Path, work: Path, name: str, seed: int, step: OnStep) -> dict[str, Any]:
    with worker_pool(None) as pool:
        return measure_one_shot(data, work, name, seed, pool, step)


def _known(data: Path, name: str, config: AffinityConfig, answers: LeftOutAnswers) -> dict[str, Any]:
    means = dict(zip(answers.ids, answers.said[NEW_PROTEINS][OURS].tolist(), strict=True))
    series = systems_of(data, name, means)
    return {"curves": curves(series, list(METHODS), config.repeats), "ligands": sum(len(one.pk) for one in series)}


def _dta(data: Path, work: Path, config: AffinityConfig, seeds: range, step: OnStep) -> Iterator[dict[str, Any]]:
    total, done = len(config.pair_sets) * len(SPLITS) * len(seeds), 0
    for name in config.pair_sets:
        pairs = read_dta(data, name)
        for seed in seeds:
            for split in SPLITS:
                step("pairs of sequence and molecule", done, total)
                path = work / "results" / f"dta-{name}-{split.replace(' ', '-')}-{config.pair_steps}-{seed}.json"
                yield kept(path, partial(measure_split, pairs, split, config.pair_steps, seed))
                done += 1


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A document from its file, made and written before where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, make())
    found: dict[str, Any] = read_json(path)
    return found


def _words(config: AffinityConfig, name: str) -> list[str]:
    """The command that repeats the run."""
    words = ["reproduce", "affinity", "--data", "FOLDER", "--out", name, "--seeds", str(config.seeds)]
    words += ["--seed", str(config.seed), "--repeats", str(config.repeats), "--pair-steps", str(config.pair_steps)]
    words += ["--pair-sets", *config.pair_sets]
    return words if not config.only else [*words, "--only", *config.only]
