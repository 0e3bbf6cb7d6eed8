"""Options of the command line: numbers outside their range are refused, defaults are those of the library."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from metricvae import cli
from metricvae.alignment.predictor import Aligner
from metricvae.autocomplete.records import AutocompleteConfig
from metricvae.autocomplete.run import autocomplete
from metricvae.core.importing.request import Columns, ImportRequest
from metricvae.core.libraries import ReadOptions
from metricvae.evaluation.evaluate import evaluate
from metricvae.fitting.fit import fit, fit_aligner
from metricvae.fitting.fit_jointly import fit_jointly
from metricvae.generation.evolution import EvolutionConfig, evolve
from metricvae.generation.generate import generate
from metricvae.labelling.run import label
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.match.labelling import MatchPlan
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.certify import certify
from metricvae.metrics.overlap.solver.files import solve_files
from metricvae.metrics.shape.labelling import ShapePlan
from metricvae.metrics.tabular import TabularMetric
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import (
    AblationConfig,
    AffinityConfig,
    AnyMetricConfig,
    DigitsConfig,
    FigureConfig,
    HalvesPairs,
    OverlapPairs,
    QuickstartConfig,
    Table1Config,
    Table2Config,
)
from metricvae.search.build import build_index
from metricvae.search.filters import ItemFilter
from metricvae.search.search import search
from metricvae.search.update import append_to_index, delete_items
from metricvae.training.config import TrainingConfig
from metricvae.training.presets import preset, preset_of_folder
from metricvae.web.settings import ServerSettings

OUT_OF_RANGE = {
    "quickstart": {"--seed": -1},
    "solve a.png b.png": {"--cells": 0, "--workers": 0, "--certify": 0},
    "solve a.sdf b.sdf": {"--workers": 0, "--certify": 0},
    "index overlap library --out index": {"--workers": 0},
    "search index a.png": {"-k": 0, "--k": -2, "--exact": 0},
    "align overlap a.png b.png": {"--tries": 0, "--steps": -1},
    "generate overlap -r plausible --out answers": {"-n": 0, "--n": -1, "--seconds": 0, "--seed": -1},
    "generate overlap --around a.png --out answers": {"-n": 0, "--seconds": "nan", "--seed": 2**63},
    "generate molecules-2d -r qed>=0.5 --out answers": {"--evaluations": 0},
    "autocomplete rec.pdb --out made": {"-n": 0, "--seconds": 0, "--evaluations": 0, "--seed": -1},
    "reproduce table-1 --out report": {"--paper-steps": 0, "--steps": 0, "--seeds": 0, "--seed": -1},
    "reproduce any-metric --out report": {"--pairs": 999, "--minutes": 0, "--seeds": 0, "--seed": -1},
    "reproduce figure-1.4 --out report": {"--paper-steps": 0, "--steps": 0, "--seeds": 0, "--seed": -1},
    "label overlap --objects mixed --pairs 8 --out data": {
        "--partners": 0,
        "--workers": 0,
        "--check": -1,
        "--seed": -1,
    },
    "import pairs.csv --kind image --out data": {"--seed": -1, "--workers": 0},
    "label halves --objects mixed --pairs 8 --out data": {"--times": 0, "--workers": 0},
    "label molecules --objects fragments --pairs 8 --out data": {"--partners": 0, "--conformers": 0, "--molecules": 0},
}
"""Commands, and numbers of their options that are outside the range."""


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [(words, option, value) for words, cases in OUT_OF_RANGE.items() for option, value in cases.items()],
)
def test_a_number_outside_its_range_is_refused_not_dropped(command, tmp_path, monkeypatch, words, option, value):
    monkeypatch.chdir(tmp_path)
    said = command(*words.split(), option, value)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"{option.lstrip('-')} is {value}: expected" in said.err
    assert ("at least" in said.err) or ("above 0" in said.err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("search index a.png -k ten", "--k is ten: expected a whole number, at least 1"),
        ("align overlap a.png b.png --steps 1.5", "--steps is 1.5: expected a whole number, at least 0"),
        ("generate overlap -r plausible --out o --seconds soon", "--seconds is soon: expected a number above 0"),
    ],
)
def test_what_is_no_number_is_refused_with_the_range(command, words, expected):
    said = command(*words.split())
    assert said.status == 2
    assert said.err.startswith(f"metricvae: {expected} (see metricvae")


def test_a_number_of_zero_that_is_in_range_is_taken(command, tmp_path):
    said = command("label", "halves", "--objects", "mixed", "--pairs", "8", "--out", tmp_path / "data", "--check", "0")
    assert "--check is for overlap, molecules and molecules-colour, got halves: leave it out" in said.err


SHARED: dict[str, dict[str, list[tuple[Callable[..., Any], str]]]] = {
    "quickstart": {"seed": [(QuickstartConfig, "seed")]},
    "solve": {"cells": [(certify, "max_cells")], "workers": [(solve_files, "workers")], "fit": [(solve_files, "fit")]},
    "label": {
        "seed": [(OverlapPlan, "seed"), (MatchPlan, "seed"), (ShapePlan, "seed")],
        "fit": [(OverlapPlan, "fit"), (MatchPlan, "fit")],
        "middle": [(MatchPlan, "middle")],
        "workers": [(label, "workers")],
        "ray": [(label, "ray")],
    },
    "train": {
        "tensorboard": [(fit, "tensorboard")],
        "start": [(fit, "start")],
        "aligning": [(fit_aligner, "config")],
        "joint": [(fit_jointly, "config")],
    },
    "import": {
        "a": [(Columns, "left")],
        "b": [(Columns, "right")],
        "value": [(Columns, "value")],
        "unit": [(TabularMetric, "unit")],
        "task": [(TabularMetric, "task")],
        "seed": [(ImportRequest, "seed")],
        "strict": [(ImportRequest, "strict")],
        "fit": [(ImportRequest, "fit")],
    },
    "evaluate": {"split": [(evaluate, "split")]},
    "predict": {},
    "align": {
        "tries": [(Aligner.align, "tries"), (Aligner.align_all, "tries")],
        "steps": [(Aligner.align, "steps"), (Aligner.align_all, "steps")],
        "fit": [(ReadOptions, "fit")],
    },
    "kinds": {},
    "completion": {},
    "metrics": {},
    "models": {},
    "index": {
        "conformers": [(ReadOptions, "conformers")],
        "side": [(build_index, "side")],
        "fit": [(ReadOptions, "fit")],
        "workers": [(build_index, "workers")],
        "ray": [(build_index, "ray")],
    },
    "append": {
        "conformers": [(ReadOptions, "conformers")],
        "fit": [(ReadOptions, "fit")],
        "workers": [(append_to_index, "workers")],
        "ray": [(append_to_index, "ray")],
    },
    "delete": {"compact": [(delete_items, "compact")]},
    "search": {
        "k": [(search, "count")],
        "where": [(ItemFilter, "where")],
        "diverse": [(ItemFilter, "diverse")],
    },
    "dock": {name: [(DockingConfig, name)] for name in ("poses", "seed", "engine", "exhaustiveness")},
    "autocomplete": {
        **{name: [(AutocompleteConfig, name)] for name in ("n", "seconds", "engine", "evaluations")},
        "library": [(autocomplete, "library")],
        "seed": [(AutocompleteConfig, "seed")],
    },
    "generate": {
        "n": [(generate, "n")],
        "seconds": [(generate, "seconds"), (EvolutionConfig, "seconds")],
        "evaluations": [(EvolutionConfig, "evaluations")],
        "library": [(evolve, "library")],
        "improve": [(EvolutionConfig, "improve")],
    },
    "reproduce": {
        "steps": [(AblationConfig, "steps"), (FigureConfig, "steps")],
        "seeds": [(config, "seeds") for config in (AblationConfig, AffinityConfig, AnyMetricConfig)],
        "repeats": [(AffinityConfig, "repeats")],
        "pair_steps": [(AffinityConfig, "pair_steps")],
        "pairs": [(AnyMetricConfig, "pairs")],
        "minutes": [(AnyMetricConfig, "minutes")],
        "paper_steps": [(Table1Config, "paper_steps")],
        "halves_model": [(Table2Config, "model")],
        "seed": [
            (config, "seed") for config in (AblationConfig, AnyMetricConfig, FigureConfig, Table1Config, Table2Config)
        ],
        "dataset": [(OverlapPairs, "folder"), (HalvesPairs, "folder")],
        "mnist": [(DigitsConfig, "mnist")],
    },
    "serve": {"workers": [(ServerSettings, "workers")]},
}
"""Options of every verb that are arguments of the library."""

OF_THE_COMMAND_LINE = {
    "device": "auto takes a GPU where there is one; the library is told its device",
    "out": "the library is told where to write",
    "preset": "the library is told its configuration",
    "training": "of the preset",
    "generate seed": "the library takes a generator",
    "only": "the library is told a tuple of names",
    "pair_sets": "the library is told a tuple of names",
    "json": "printing",
    "progress": "printing",
    "port": "the server is told where to listen",
    "host": "the server is told where to listen",
}
"""Options whose default is the command line's alone, and why."""


def defaults_of(verb: str) -> dict[str, Any]:
    parser = cli.parser_of(verb)
    return {action.dest: action.default for action in parser._actions if action.dest not in ("help", "print_shtab")}


def library_default(where: Callable[..., Any], parameter: str) -> Any:
    return inspect.signature(where).parameters[parameter].default


@pytest.mark.parametrize("verb", cli.VERBS)
def test_defaults_of_the_command_line_are_those_of_the_library(verb):
    shown = defaults_of(verb)
    for option, places in SHARED[verb].items():
        for where, parameter in places:
            default = library_default(where, parameter)
            if default is not inspect.Parameter.empty:  # else the library has none, and cannot disagree
                assert shown[option] == default, (option, where)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_no_default_escapes_the_comparison(verb):
    told = {option for option, value in defaults_of(verb).items() if value not in (None, False, "==SUPPRESS==")}
    told = {option for option in told if "." not in option and f"{verb} {option}" not in OF_THE_COMMAND_LINE}
    assert told <= SHARED[verb].keys() | OF_THE_COMMAND_LINE.keys()


def test_the_chosen_preset_is_what_training_options_are_taken_from(dataset_folder):
    def shown(*arguments):
        return cli.parser_of("train", [str(word) for word in arguments]).get_defaults().training

    assert shown()["steps"] == TrainingConfig().steps
    for name in ("overlap", "paper"):
        assert shown("--preset", name)["steps"] == preset(name).training.steps
        assert shown(f"--preset={name}")["learning_rate"] == preset(name).training.learning_rate
    assert shown(dataset_folder)["steps"] == preset_of_folder(dataset_folder).training.steps


def test_models_of_the_reports_are_those_of_the_library():
    for report in (Table1Config, FigureConfig):
        assert library_default(report, "model") == "overlap"
    assert Predictor.load(library_default(Table2Config, "model")).loaded.folder.name == "halves"


def test_help_of_label_names_the_defaults_of_its_plans():
    text = " ".join(cli.parser_of("label").format_help().split())
    assert f"default: {OverlapPlan.partners} for overlap, {ShapePlan.partners} for molecules" in text
    assert f"some of them; default: {','.join(MatchPlan.cuts)}" in text
    assert f"at least; default: {MatchPlan.times}" in text


@pytest.mark.parametrize("verb", ["solve", "label", "align", "generate", "autocomplete", "reproduce", "search"])
def test_help_comes_without_pytorch(verb):
    code = f"import sys\nfrom metricvae.cli import main\nmain(['{verb}', '--help'])\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
