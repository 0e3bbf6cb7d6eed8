"""Settings of experiments: frozen, checked, and the same on the command line and in the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from metricvae.cli import parser_of
from metricvae.cli.reproduce import _config
from metricvae.reproduction.config import AnyMetricConfig, ReproductionConfig


def config_of(*words: str) -> ReproductionConfig:
    return _config(parser_of("reproduce").parse_args([*words, "--out", "report"]))


@pytest.mark.parametrize("what", ["table-1", "table-2", "figure-1.3", "ablations", "any-metric", "all"])
def test_without_options_the_settings_are_those_of_the_published_results(what: str) -> None:
    assert config_of(what) == ReproductionConfig()


@pytest.mark.parametrize("what", ["table-2", "figure-1.5"])
def test_the_data_set_of_an_experiment_on_halves_is_one_of_halves(what: str) -> None:
    config = config_of(what, "--dataset", "pairs", "--halves", "others")
    assert config.table_2.data.folder == config.figures.halves.folder == Path("pairs")


def test_all_experiments_share_their_data_sets_and_their_seed() -> None:
    config = config_of("all", "--dataset", "pairs", "--halves", "halves", "--model", "mine", "--seed", "3")
    overlaps = config.table_1.data, config.figures.data, config.ablations.data
    assert {one.folder for one in overlaps} == {Path("pairs")}
    assert config.table_2.data.folder == config.figures.halves.folder == Path("halves")
    assert {one.seed for one in (config.table_1, config.table_2, config.figures, config.ablations)} == {3}
    assert (config.table_1.model, config.figures.model, config.table_2.model) == ("mine", "mine", "halves")


def test_steps_and_seeds_reach_the_trainings() -> None:
    config = config_of("all", "--steps", "7", "--paper-steps", "8", "--seeds", "9")
    assert (config.figures.steps, config.ablations.steps) == (7, 7)
    assert (config.table_1.paper_steps, config.ablations.seeds) == (8, 9)


def test_settings_of_any_metric_reach_it() -> None:
    words = ["--only", "dtw", "chamfer", "--pairs", "4000", "--minutes", "2", "--seeds", "1", "--seed", "5"]
    assert config_of("any-metric", *words).any_metric == AnyMetricConfig(("dtw", "chamfer"), 4_000, 1, 2.0, 5)
