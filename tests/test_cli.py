"""Every verb from end to end, and every bad input: one line that names it, status 2, nothing half-written."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import metricvae
from cli_problem import BAD_IMAGES, BAD_LISTS, SMALL_PRESETS, TRAINING, Outcome, draw_pictures
from dataset_problem import PLAN, QUICK, contents
from metricvae import cli
from metricvae.cli.train import _losses
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.silhouette.io import encode_png, read_image
from metricvae.kinds.silhouette.records import as_mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.labelling.run import label
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask
from metricvae.reproduction.config import (
    AblationConfig,
    FigureConfig,
    OverlapPairs,
    PlaneConfig,
    QuickstartConfig,
    ReassemblyConfig,
    ReproductionConfig,
    Table1Config,
    Table2Config,
)
from metricvae.runtime import files
from metricvae.training.checkpoint import load_model
from metricvae.training.model_document import write_document
from metricvae.training.optimisers import LOSSES


def process(*arguments: str | Path, **options: Any) -> Outcome:
    """Run a command in a process of its own."""
    line = [sys.executable, "-m", "metricvae", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, **options)
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_refused(outcome: Outcome, *words: object) -> None:
    """Status 2, nothing on stdout, one line on stderr that holds all the words."""
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("metricvae: ")
    assert outcome.err.endswith("\n")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert str(word) in outcome.err


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("pictures") / "pictures")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, dataset_folder) -> Path:
    """A model of the `overlap` preset that was trained for three steps; read it, do not change it."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    assert cli.main(["train", str(dataset_folder), "--out", str(folder), *TRAINING, "--json"]) == 0
    return folder


@pytest.fixture
def model_copy(tmp_path, trained) -> Path:
    """A copy of the trained model, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


@pytest.fixture
def dataset_copy(tmp_path, dataset_folder) -> Path:
    """A copy of the data set, to be spoilt."""
    return Path(shutil.copytree(dataset_folder, tmp_path / "dataset"))


@pytest.fixture
def small_experiments(monkeypatch):
    """Experiments with tiny networks, on the plan of the shared data set, in batches of four."""
    presets = SMALL_PRESETS.__getitem__
    pairs = OverlapPairs(count=PLAN.pairs, search=QUICK)
    small = ReproductionConfig(
        table_1=Table1Config(data=pairs, batch_size=4, presets=presets),
        table_2=Table2Config(batch_size=4, fitted=20, examples=2, reassembly=ReassemblyConfig(listed=5, drawn=2)),
        figures=FigureConfig(data=pairs, plane=PlaneConfig(60, side=16, pairs=200, points=3), presets=presets),
        ablations=AblationConfig(data=pairs, latents=(2, 4), shapes=6, presets=presets),
        quickstart=QuickstartConfig(data=pairs, steps=2, paper_steps=1, batch_size=4, presets=presets),
    )
    monkeypatch.setattr("metricvae.cli.reproduce.DEFAULTS", small)


# Help


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_says_what_a_verb_takes(command, verb):
    said = command(verb, "--help")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"usage: metricvae {verb} ")
    assert "--json" in said.out
    assert "null" not in said.out.partition("how it is trained")[0]


def test_help_of_training_gives_the_reason_for_each_field(command):
    said = command("train", "--help").out
    assert "<class" not in said
    assert re.search(r"--training\.batch_pairs BATCH_PAIRS\s+pairs a step; the paper's batches have 24\.", said)
    assert "default: 24)" in command("train", "--preset=paper", "--help").out


def test_help_names_every_verb(command):
    said = command("--help")
    assert (said.status, said.err) == (0, "")
    assert all(f"\n  {verb} " in said.out for verb in cli.VERBS)
    assert max(map(len, said.out.splitlines())) <= 90


def test_version(command):
    assert command("--version") == Outcome(0, f"metricvae {metricvae.__version__}\n", "")


def test_help_and_solve_start_without_torch(pictures):
    script = (
        "import sys; from metricvae.cli import main; main(sys.argv[1:]); "
        "print([name for name in ('torch', 'matplotlib', 'rich') if name in sys.modules])"
    )
    for arguments in (["--help"], ["predict", "--help"], ["solve", pictures / "l.png", pictures / "moved.png"]):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


# Verbs


def test_solve_finds_the_overlap_that_the_pose_gives(command, pictures):
    found = command("solve", pictures / "l.png", pictures / "moved.png", "--json").document
    assert list(found) == ["overlap", "angle_deg", "dx", "dy", "area_a", "area_b"]
    assert found["overlap"] == pytest.approx(found["area_a"], rel=2e-3)
    moved = move_mask(read_image(pictures / "moved.png"), Pose(found["angle_deg"], found["dx"], found["dy"]))
    assert (moved * read_image(pictures / "l.png")).sum() == pytest.approx(found["overlap"], rel=1e-4)


def test_solve_proves_its_answer(command, pictures):
    found = command("solve", pictures / "small.png", pictures / "large.png", "--certify", "0.01", "--json").document
    assert found["proven"] is True
    assert found["overlap"] <= found["upper"] <= found["overlap"] * 1.01
    assert found["upper"] <= found["area_a"]


def test_solve_says_how_far_a_proof_got(command, pictures):
    pair = (pictures / "l.png", pictures / "small.png")
    said = command("solve", *pair, "--certify", "0.001", "--cells", "20")
    assert said.status == 0
    assert "give more --cells" in said.out
    found = command("solve", *pair, "--certify", "0.001", "--cells", "20", "--json").document
    assert found["proven"] is False
    assert found["gap"] > 0.001


def test_proofs_that_cannot_be_given_are_refused(command, pictures):
    pair = (pictures / "l.png", pictures / "large.png")
    assert_refused(command("solve", *pair, "--certify", "0"), "--certify is 0", "above 0")
    assert_refused(command("solve", *pair, "--certify", "0.1", "--cells", "0"), "--cells is 0: expected at least 1")


def test_solve_in_a_process_of_its_own(pictures):
    said = process("solve", "small.png", "large.png", cwd=pictures)
    area = int(read_image(pictures / "small.png").sum())
    assert (said.status, said.err) == (0, "")
    assert re.search(rf"^overlap +{area}\.00$", said.out, re.MULTILINE)
    assert re.search(rf"^area_a +{area}\.00$", said.out, re.MULTILINE)


def test_the_console_script_and_the_module_are_one(pictures):
    script = Path(sys.executable).with_name("metricvae")
    if not script.exists():
        pytest.skip("the package is not installed in this environment")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == process("--version").out


def test_solve_takes_other_sizes_with_fit(command, pictures):
    found = command("solve", pictures / "wide.png", pictures / "wide.png", "--fit", "--json").document
    assert found["area_a"] == pytest.approx(np.pi * 80**2, rel=0.02)
    assert found["overlap"] == found["area_a"]


def test_solve_answers_a_list_as_it_answers_pairs(command, pictures, tmp_path):
    out = tmp_path / "new" / "out.csv"
    assert command("solve", "--pairs", pictures / "pairs.csv", "--out", out, "--json").document == {
        "pairs": 3,
        "out": str(out),
    }
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["a", "b", "overlap", "angle_deg", "dx", "dy"]
    assert [(row["a"], row["b"]) for row in rows] == [
        ("small.png", "large.png"),
        ("l.png", "moved.png"),
        ("large.png", "small.png"),
    ]
    single = command("solve", pictures / "l.png", pictures / "moved.png", "--json").document
    assert {name: float(rows[1][name]) for name in ("overlap", "dx")} == pytest.approx(
        {"overlap": single["overlap"], "dx": single["dx"]}, abs=0.006
    )


def test_solve_answers_a_long_list_in_its_own_processes(command, pictures, tmp_path):
    (tmp_path / "long.csv").write_text("a,b\n" + f"{pictures}/small.png,{pictures}/large.png\n" * 40)
    command("solve", "--pairs", tmp_path / "long.csv", "--out", tmp_path / "out.csv", "--workers", "1")
    with open(tmp_path / "out.csv", newline="") as file:
        overlaps = [float(row["overlap"]) for row in csv.DictReader(file)]
    assert overlaps == [read_image(pictures / "small.png").sum()] * 40


def test_label_makes_a_data_set_and_finds_it_again(command, tmp_path):
    plan = ("label", "overlap", "--objects", "procedural", "--pairs", "20", "--seed", "2", "--workers", "1")
    card = command(*plan, "--out", tmp_path / "data", "--json").document
    assert card == json.loads((tmp_path / "data" / "card.json").read_text())
    assert sum(card["counts"]["pairs"].values()) == 20
    before = contents(tmp_path)
    again = command(*plan, "--out", tmp_path / "data")
    assert again.out == f"20 labelled pairs; next: metricvae train {tmp_path}/data --out MODEL\n"
    assert contents(tmp_path) == before
    assert_refused(
        command(*plan, "--seed", "3", "--out", tmp_path / "data"), tmp_path / "data", "choose another folder"
    )


def test_label_takes_a_folder_of_pictures_of_any_size_with_fit(command, tmp_path):
    (tmp_path / "shapes").mkdir()
    for number in range(60):
        side = 90 + number
        values = np.zeros((side, 120), np.uint8)
        values[10 : 40 + number // 2, 20 : 60 + number % 7] = 255
        Image.fromarray(values).save(tmp_path / "shapes" / f"{number}.png")
    plan = ("label", "overlap", "--objects", tmp_path / "shapes", "--pairs", "10", "--workers", "1")
    assert_refused(command(*plan, "--out", tmp_path / "data"), tmp_path / "shapes" / "0.png", "--fit")
    assert not (tmp_path / "data").exists()
    assert command(*plan, "--out", tmp_path / "data", "--fit", "--json").document["plan"]["objects"] == "shapes"


def test_train_writes_a_model(trained):
    assert {path.name for path in trained.iterdir()} == {
        *(
            "config.json",
            "model.safetensors",
            "novelty.safetensors",
            "latent_prior.safetensors",
            "shapes.parquet",
            "log.jsonl",
            "README.md",
        )
    }
    assert load_model(trained).facts["steps"] == 3


def test_train_writes_for_tensorboard_where_asked_to(command, dataset_folder, trained, tmp_path):
    said = command("train", dataset_folder, "--out", tmp_path / "model", *TRAINING, "--tensorboard")
    assert (said.status, said.err) == (0, "")
    events = [path for path in (tmp_path / "model" / "tensorboard").iterdir() if "tfevents" in path.name]
    assert sum(path.stat().st_size for path in events) > 500
    for name in ("log.jsonl", "model.safetensors"):
        assert (tmp_path / "model" / name).read_bytes() == (trained / name).read_bytes()


def test_tensorboard_asked_for_and_not_installed_is_said_before_anything_is_written(
    command, dataset_folder, tmp_path, hide_package
):
    hide_package("tensorboard")
    said = command("train", dataset_folder, "--out", tmp_path / "model", *TRAINING, "--tensorboard")
    assert_refused(said, "a TensorBoard log needs tensorboard", 'pip install "metricvae[track]"')
    assert not (tmp_path / "model").exists()


def test_an_aligner_has_no_log_for_tensorboard(command, dataset_folder, model_copy):
    said = command("train", dataset_folder, "--aligner", model_copy, "--tensorboard")
    assert_refused(said, "--tensorboard", "leave it out")


def test_an_interrupted_training_goes_on_when_the_command_is_run_again(
    command, dataset_folder, trained, tmp_path, monkeypatch
):
    seen = []

    def interrupt(now: Any) -> str:
        seen.append(now.step)
        if now.step == 2 and seen.count(2) == 1:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr("metricvae.cli.train._losses", interrupt)
    arguments = ("train", dataset_folder, "--out", tmp_path / "model", *TRAINING)
    said = command(*arguments)
    assert said == Outcome(130, "", "metricvae: interrupted; run the same command again\n")
    assert_refused(command("evaluate", tmp_path / "model", dataset_folder), tmp_path / "model", "train` again")
    said = command(*arguments)
    assert (said.status, said.err) == (0, "")
    assert said.out.endswith(f"after 3 steps; next: metricvae evaluate {tmp_path}/model {dataset_folder}\n")
    assert seen == [1, 2, 2, 3]
    weights = "model.safetensors"
    assert (tmp_path / "model" / weights).read_bytes() == (trained / weights).read_bytes()


def test_a_finished_training_is_found_again(command, dataset_folder, model_copy):
    before = contents(model_copy)
    facts = command("train", dataset_folder, "--out", model_copy, *TRAINING, "--json").document
    assert facts["steps"] == 3
    assert contents(model_copy) == before


def test_evaluate_measures_a_split(command, dataset_folder, trained):
    figures = command("evaluate", trained, dataset_folder, "--json").document
    assert {"n", "mse", "r2", "mape", "naive_mse", "magnitudes_mse", "interval_coverage"} <= set(figures)
    assert figures["n"] == 60
    assert figures["mse"] > 0
    said = command("evaluate", trained, dataset_folder, "--split", "all")
    assert (said.status, said.err) == (0, "")
    assert re.search(r"^n +600$", said.out, re.MULTILINE)


def test_predict_answers_a_pair_and_a_list_alike(command, pictures, trained, tmp_path):
    a, b = pictures / "small.png", pictures / "large.png"
    answer = command("predict", trained, a, b, "--json").document
    assert list(answer) == ["predicted", "low", "high", "novelty", "novel"]
    assert answer["novel"] == (answer["novelty"] > 1)
    assert 0 <= answer["low"] <= answer["predicted"] <= answer["high"] <= read_image(a).sum()
    text = command("predict", trained, a, b).out
    assert text.splitlines()[0] == (
        f"predicted maximum overlap {answer['predicted']:.0f} pixels, "
        f"90% interval {answer['low']:.0f} to {answer['high']:.0f}"
    )
    assert ("unlike those of the training" in text) == answer["novel"]
    lists = ("predict", trained, "--pairs", pictures / "pairs.csv", "--out", tmp_path / "out.csv")
    assert command(*lists).status == 0
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == "a,b,predicted,low,high"
    assert command(*lists, "--novelty").status == 0
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["a", "b", "predicted", "low", "high", "novelty"]
    numbers = {name: answer[name] for name in answer if name != "novel"}
    assert {name: float(rows[0][name]) for name in numbers} == pytest.approx(numbers, rel=1e-3, abs=0.006)
    assert rows[0]["predicted"] == pytest.approx(rows[2]["predicted"])


def test_predict_takes_other_sizes_with_fit(command, pictures, trained):
    assert command("predict", trained, pictures / "wide.png", pictures / "l.png", "--fit", "--json").document


def test_quickstart_leaves_data_models_and_a_report_and_finds_them_again(
    command, dataset_folder, small_experiments, tmp_path
):
    out = tmp_path / "new" / "my quickstart"
    shutil.copytree(dataset_folder, out / "data")
    arguments = ("quickstart", "--out", out, "--seed", str(PLAN.seed))
    said = command(*arguments)
    assert (said.status, said.err) == (0, "")
    assert {path.name for path in out.iterdir()} == {"data", "model", "paper-model", "report"}
    assert said.out.startswith("Table 1: mean squared error")
    next_commands = re.findall(r"^  metricvae (\w+)", said.out, re.MULTILINE)
    assert next_commands == ["predict", "solve", "evaluate"]
    assert said.out.rstrip().endswith(f"evaluate overlap '{out}/data'")
    models = {name: contents(out / name) for name in ("data", "model", "paper-model")}
    document = command(*arguments, "--json").document
    assert Path(document["page"]) == out / "report" / "index.html"
    assert {name: contents(out / name) for name in models} == models
    assert_refused(command("quickstart", "--out", out, "--seed", "4"), out / "data", "choose another folder")


def test_reproduce_writes_a_report_beside_what_took_long(command, dataset_folder, trained, small_experiments, tmp_path):
    out = tmp_path / "report"
    arguments = ("--dataset", dataset_folder, "--model", trained, "--paper-steps", "1")
    document = command("reproduce", "table-1", "--out", out, *arguments, "--json").document
    assert document["page"] == str(out / "index.html")
    assert [row["batch"] for row in document["rows"]] == ["1", "2", "3", "4", "5", "6", "large"]
    assert json.loads((out / "report.json").read_text())["title"].startswith("Table 1")
    assert {path.name for path in tmp_path.iterdir()} == {"report", "report-work"}


@pytest.mark.parametrize("number", ["1.2", "1.3", "1.4", "1.5"])
def test_reproduce_draws_one_figure(command, dataset_folder, halves, trained, small_experiments, tmp_path, number):
    data = halves[0] if number == "1.5" else dataset_folder
    arguments = ("--dataset", data, "--model", trained, "--steps", "2")
    said = command("reproduce", f"figure-{number}", "--out", tmp_path / "report", *arguments)
    assert said.status == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["title"].startswith(f"Figure {number}")
    figures = [figure["file"] for section in report["sections"] for figure in section["figures"]]
    assert figures
    assert all((tmp_path / "report" / name).read_bytes().startswith(b"\x89PNG") for name in figures)


@pytest.mark.slow
def test_reproduce_all_is_one_page_of_every_table_and_figure(
    command, dataset_folder, trained, halves, small_experiments, tmp_path
):
    out = tmp_path / "report"
    arguments = ("--dataset", dataset_folder, "--model", trained, "--paper-steps", "1", "--steps", "2", "--seeds", "2")
    of_halves = ("--halves", halves[0], "--halves-model", halves[1])
    said = command("reproduce", "all", "--out", out, *arguments, *of_halves)  # long enough to show how far it is
    assert (said.status, said.out) == (0, f"report: {out / 'index.html'}\n")
    report = json.loads((out / "report.json").read_text())
    titles = [section["title"] for section in report["sections"]]
    for title in (
        "Errors by batch",
        "Figure 1.1: the plane of digits",
        "Figure 1.2: the network",
        "Figure 1.4: the plane of codes",
        "Table 2: which halves match",
        "Retrieval of partners",
        "The missing half",
        "Figure 1.5: the metric loss in training",
        "The paper's claims",
    ):
        assert title in titles
    figures = [figure["file"] for section in report["sections"] for figure in section["figures"]]
    assert len(figures) == len(set(figures)) >= 7
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in figures)
    table = next(section for section in report["sections"] if section["title"] == "Losses")["tables"][0]
    names = [row[0] for row in table["rows"]]
    assert names == ["full model", *(f"no {loss} loss" for loss in LOSSES), "adversarial latent loss"]
    ensemble = next(section for section in report["sections"] if section["title"] == "Ensembles")["tables"][0]
    assert [row[0] for row in ensemble["rows"]] == ["full model", "ensemble of 2 models"]
    again = command("reproduce", "figure-1.3", "--out", tmp_path / "pair", *arguments[:4])
    assert again.status == 0
    assert (tmp_path / "pair" / "pair.png").is_file()


def test_index_and_search_find_shapes(command, pictures, trained, tmp_path):
    said = command("index", trained, pictures, "--out", tmp_path / "index", "--fit")
    assert said.out == f"5 items indexed; next: metricvae search {tmp_path / 'index'} QUERY\n"
    found = command("search", tmp_path / "index", pictures / "l.png", "-k", "2", "--json").document["hits"]
    assert [list(hit) for hit in found] == [["id", "path", "predicted"]] * 2
    exact = command("search", tmp_path / "index", pictures / "l.png", "-k", "2", "--exact", "5", "--json").document[
        "hits"
    ]
    assert [list(hit) for hit in exact] == [["id", "path", "predicted", "overlap", "angle_deg", "dx", "dy"]] * 2
    assert exact[0]["overlap"] >= exact[1]["overlap"]
    text = command("search", tmp_path / "index", pictures / "l.png", "-k", "3").out
    assert len(text.splitlines()) == 3
    few = command("search", tmp_path / "index", pictures / "l.png", "--exact", "3")
    assert_refused(few, "--exact is 3", "expected at least k, 10")
    drawn = command("search", tmp_path / "index", pictures / "l.png", "--picture", tmp_path / "hit.png")
    assert_refused(drawn, "--picture draws what the exact search found", "give --exact N")
    assert_refused(command("search", pictures, pictures / "l.png"), pictures, "no finished index")


def test_halves_are_joined_and_found_in_a_heap(command, halves, tmp_path):
    pieces = cut(draw("procedural", 1, seed=4)[0].mask, "zigzag", np.random.default_rng(0))
    for name, piece in zip("ab", pieces, strict=True):
        (tmp_path / f"{name}.png").write_bytes(encode_png(piece))
    pair = tmp_path / "a.png", tmp_path / "b.png"
    joined = command("solve", *pair, "--join", "--json").document
    assert list(joined) == ["fit", "contact", "angle_deg", "dx", "dy"]
    assert abs((joined["angle_deg"] + 180) % 360 - 180) < 3
    assert command("solve", *pair, "--join").out.startswith("fit")
    assert command("index", halves[1], halves[0], "--out", tmp_path / "index").status == 0
    asked = ("search", tmp_path / "index", pair[0], "-k", "2", "--exact", "4", "--picture", tmp_path / "hit.png")
    found = command(*asked, "--json").document["hits"]
    assert [list(hit) for hit in found] == [["id", "path", "predicted", "fit", "angle_deg", "dx", "dy"]] * 2
    chances = [math.log(hit["predicted"] / (1 - hit["predicted"])) for hit in found]
    assert found[0]["fit"] + chances[0] >= found[1]["fit"] + chances[1]
    assert (tmp_path / "hit.png").read_bytes().startswith(b"\x89PNG")


def test_label_halves_says_what_it_made(command, tmp_path):
    arguments = ("label", "halves", "--objects", "glyphs", "--pairs", "80", "--cuts", "straight", "--middle")
    said = command(*arguments, "--out", tmp_path / "data", "--json", "--workers", "1")
    assert said.document["plan"]["cuts"] == ["straight"]
    assert said.document["plan"]["middle"]
    assert sum(said.document["counts"]["grades"].values()) == 80
    assert (
        f"80 labelled pairs; next: metricvae train {tmp_path / 'data'}"
        in command(*arguments, "--out", tmp_path / "data").out
    )


def test_training_takes_several_data_sets(command, dataset_folder, tmp_path):
    said = command("train", dataset_folder, dataset_folder, "--out", tmp_path / "model", *TRAINING, "--json")
    pairs = len(read_dataset(dataset_folder).rows("train"))
    assert said.document["pairs"] == 2 * pairs
    card = (tmp_path / "model" / "README.md").read_text()
    source = "silhouettes from `mixed`, seed 3"
    assert f"{2 * pairs} training pairs of {source} and of {source}; labels" in card


def test_training_starts_from_a_model(command, trained, dataset_folder, tmp_path):
    said = command("train", dataset_folder, "--out", tmp_path / "model", "--start", trained, *TRAINING, "--json")
    assert said.document["start"]["model"] == trained.name
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"| model `{trained.name}`: 3 steps" in card
    assert "; from there 3 steps" in card
    missing = command("train", dataset_folder, "--out", tmp_path / "other", "--start", tmp_path / "none", *TRAINING)
    assert_refused(missing, "none is not a model")
    networks = "--model.latent", 16, *TRAINING
    other = command("train", dataset_folder, "--out", tmp_path / "other", "--start", trained, *networks)
    assert_refused(other, "has other networks than the one to train")
    random = command("train", dataset_folder, "--out", tmp_path / "random", "--start", "none", *TRAINING, "--json")
    assert "start" not in random.document


# What JSON cannot say


def test_numbers_that_json_lacks_become_null(command, monkeypatch):
    document = {"r2": float("nan"), "rows": [1.0, float("inf")], "name": "x"}
    verb = dataclasses.replace(cli.VERBS["solve"], run=lambda options: document)
    monkeypatch.setitem(cli.VERBS, "solve", verb)
    assert command("solve", "--json").document == {"r2": None, "rows": [1.0, None], "name": "x"}


def test_lines_below_the_training_bar_fit_a_terminal():
    now = {"reconstruction": 31295.4, "latent": 1234.5, "deformation": 2.345e-5, "metric": 0.0012345}
    lines = _losses(SimpleNamespace(**now, validation_r2=-1234.5)).splitlines()
    assert lines == [
        "reconstruction 31,295  latent 1,234  deformation 2.35e-05  metric 0.00123",
        "validation R^2 -1234.5000",
    ]
    assert _losses(SimpleNamespace(**now, validation_r2=None)).endswith("not measured yet")


# Bad pictures and lists


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_bad_picture_is_named(command, pictures, trained, tmp_path, kind):
    make, words = BAD_IMAGES[kind]
    make(tmp_path / "bad.png")
    before = contents(tmp_path)
    assert_refused(command("solve", pictures / "l.png", tmp_path / "bad.png"), tmp_path / "bad.png", words)
    assert_refused(command("predict", trained, tmp_path / "bad.png", pictures / "l.png", "--json"), "bad.png", words)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", sorted(set(BAD_IMAGES) - {"missing", "folder"}))
def test_a_bad_picture_in_a_list_or_folder_is_named(command, pictures, trained, tmp_path, kind):
    make, words = BAD_IMAGES[kind]
    folder = shutil.copytree(pictures, tmp_path / "pictures", ignore=shutil.ignore_patterns("wide.png"))
    make(folder / "z.png")
    (folder / "pairs.csv").write_text("a,b\nl.png,moved.png\nl.png,z.png\n")
    before = contents(tmp_path)
    listed = ("--pairs", folder / "pairs.csv", "--out", tmp_path / "out.csv")
    assert_refused(command("solve", *listed), folder / "z.png", words)
    assert_refused(command("predict", trained, *listed), folder / "z.png", words)
    labelled = ("label", "overlap", "--objects", folder, "--pairs", "10", "--out", tmp_path / "data")
    assert_refused(command(*labelled), folder / "z.png", words)
    assert contents(tmp_path) == before
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", BAD_LISTS)
def test_a_bad_list_is_named_with_its_row(command, pictures, trained, tmp_path, kind):
    text, words = BAD_LISTS[kind]
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    (folder / "pairs.csv").write_text(text)
    before = contents(tmp_path)
    listed = ("--pairs", folder / "pairs.csv", "--out", tmp_path / "out.csv")
    assert_refused(command("solve", *listed), folder / "pairs.csv", words)
    assert_refused(command("predict", trained, *listed), folder / "pairs.csv", words)
    assert contents(tmp_path) == before


def test_a_list_that_is_not_there_or_no_text_is_named(command, tmp_path):
    listed = ("--pairs", tmp_path / "pairs.csv", "--out", tmp_path / "out.csv")
    assert_refused(command("solve", *listed), tmp_path / "pairs.csv", "give the path of a CSV with columns a,b")
    (tmp_path / "pairs.csv").write_bytes(b"a,b\n\xff\xfe,\x00\n")
    assert_refused(command("solve", *listed), tmp_path / "pairs.csv", "give a CSV with columns a,b")


def test_not_a_number_in_an_array_is_one_line():
    values = np.zeros((200, 200))
    values[50:90, 50:90] = 1
    values[60, 60] = np.nan
    with pytest.raises(InputError, match=r"^the array has NaN or infinite pixels: expected numbers from 0 to 1$"):
        as_mask(values)


# Bad data sets and models


@pytest.mark.parametrize("name", ["objects.parquet", "pairs.parquet", "card.json"])
def test_a_data_set_with_a_changed_byte_is_named(command, dataset_copy, trained, tmp_path, name):
    content = bytearray((dataset_copy / name).read_bytes())
    content[len(content) // 2] ^= 0x80
    (dataset_copy / name).write_bytes(bytes(content))
    before = contents(tmp_path)
    for arguments in (
        ("evaluate", trained, dataset_copy),
        ("train", dataset_copy, "--out", tmp_path / "new", *TRAINING),
        ("reproduce", "table-1", "--out", tmp_path / "report", "--model", trained, "--dataset", dataset_copy),
    ):
        assert_refused(command(*arguments), dataset_copy / name, "again")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("key", ["metric", "plan", "objects", "seed", "sha256"])
def test_a_card_with_a_changed_key_is_named_before_the_work_begins(command, dataset_copy, tmp_path, key):
    card = (dataset_copy / "card.json").read_text()
    (dataset_copy / "card.json").write_text(card.replace(f'"{key}"', f'"_{key[1:]}"'))
    before = contents(tmp_path)
    said = command("train", dataset_copy, "--out", tmp_path / "new", *TRAINING)
    assert_refused(said, dataset_copy / "card.json", "make the data set again")
    assert contents(tmp_path) == before


def test_a_folder_that_is_no_data_set_is_named(command, trained, tmp_path):
    assert_refused(command("evaluate", trained, tmp_path / "gone"), tmp_path / "gone", "metricvae label")
    assert_refused(command("evaluate", trained, tmp_path), tmp_path, "metricvae label")


def test_a_split_that_is_not_there_is_named(command, dataset_folder, trained):
    said = command("evaluate", trained, dataset_folder, "--split", "exam")
    assert_refused(said, "exam", "train, validation, calibration, test, all")


@pytest.fixture
def few(tmp_path) -> Path:
    """A data set of 60 pairs: three to calibrate with."""
    label(OverlapPlan("procedural", 60, search=QUICK), tmp_path / "few", workers=1)
    return tmp_path / "few"


def test_a_data_set_that_is_too_small_is_named_before_the_work_begins(command, few, dataset_folder, trained, tmp_path):
    before = contents(tmp_path)
    small = ("--training.batch_pairs", "24", "--training.steps", "1")
    assert_refused(command("train", few, "--out", tmp_path / "new", *small), few, "3 calibration pairs", "label more")
    large = ("--training.batch_pairs", "481")
    said = command("train", dataset_folder, "--out", tmp_path / "new", *large)
    assert_refused(said, dataset_folder, "480 pairs, expected at least 481", "label more")
    reproduce = ("reproduce", "table-1", "--model", trained, "--out", tmp_path / "report", "--dataset")
    assert_refused(command(*reproduce, few), few, "3 calibration pairs", "label more")
    assert_refused(command(*reproduce, dataset_folder), dataset_folder, "60 test pairs, expected at least 146")
    assert contents(tmp_path) == before


def spoil_truncated(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def spoil_foreign(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")


def spoil_foreign_with_its_checksum(model: Path) -> None:
    spoil_foreign(model)
    config = json.loads((model / "config.json").read_text())
    config["weights"]["sha256"] = files.sha256_of(model / "model.safetensors")
    write_document(model, config)


def spoil_missing(model: Path) -> None:
    (model / "model.safetensors").unlink()


def spoil_config(model: Path) -> None:
    (model / "config.json").write_text((model / "config.json").read_text()[:-40])


def spoil_dimensions(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["model"]["latent"] += 1
    write_document(model, config)


@pytest.mark.parametrize(
    ("spoil", "name", "words"),
    [
        (spoil_truncated, "model.safetensors", "restore it"),
        (spoil_foreign, "model.safetensors", "restore it"),
        (spoil_foreign_with_its_checksum, "config.json", "restore it"),
        (spoil_missing, "model.safetensors", "restore it"),
        (spoil_config, "config.json", "restore it"),
        (spoil_dimensions, "config.json", "restore it"),
    ],
)
def test_a_model_that_was_changed_is_named(command, dataset_folder, pictures, model_copy, tmp_path, spoil, name, words):
    spoil(model_copy)
    before = contents(tmp_path)
    for arguments in (
        ("predict", model_copy, pictures / "l.png", pictures / "moved.png"),
        ("evaluate", model_copy, dataset_folder),
        ("reproduce", "table-1", "--out", tmp_path / "report", "--model", model_copy, "--dataset", dataset_folder),
    ):
        assert_refused(command(*arguments), model_copy / name, words)
    assert contents(tmp_path) == before


def test_a_model_without_intervals_is_named(command, pictures, model_copy):
    config = json.loads((model_copy / "config.json").read_text())
    write_document(model_copy, config | {"calibration": {}})
    said = command("predict", model_copy, pictures / "l.png", pictures / "moved.png")
    assert_refused(said, model_copy, "train it again")


def test_a_model_that_does_not_ship_is_named(command, pictures):
    said = command("predict", "overlpa", pictures / "l.png", pictures / "moved.png")
    assert_refused(said, "overlpa is not a model", "expected a folder with config.json, or a model that ships")


# Bad options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "expected a verb: quickstart, solve"),
        ("slove a.png b.png", "there is no verb 'slove' (did you mean solve?): expected quickstart, solve"),
        ("solve a.png b.png --fast", "--fast (did you mean --fit?) (see metricvae solve --help)"),
        ("solve a.png", "give A and B"),
        ("solve a.png b.png --out c.csv", "--out goes with --pairs"),
        ("solve a.png b.png --pairs c.csv --out d.csv", "give one or the other"),
        ("solve --pairs c.csv", "--pairs needs --out"),
        ("solve --pairs c.csv --out c.csv", "c.csv is the list of pairs itself"),
        ("solve --pairs c.csv --out .", ". is a folder: name the CSV"),
        ("solve --pairs c.csv --out d.csv --join", "--join takes two images"),
        ("solve a.png b.png --join --certify 0.1", "--join takes two images"),
        ("solve --pairs c.csv --out d.csv --certify 0.01", "--certify takes its time for one pair A B"),
        ("predict overlap a.png", "give A and B"),
        ("label overlap --pairs 10 --out d", "objects (see metricvae label --help)"),
        ("label area --objects mixed --pairs 10 --out d", "'area' (choose from"),
        ("label overlap --objects mixed --pairs 0 --out d", "pairs is 0: expected at least 1"),
        ("label halves --objects mixed --pairs 0 --out d", "pairs is 0: expected at least 1"),
        ("label halves --objects mixed --pairs 9 --out d --cuts bent", "cuts is bent: expected some of straight"),
        ("label halves --objects mixed --pairs 9 --out d --partners 3", "and molecules-colour, got halves"),
        ("label overlap --objects mixed --pairs 9 --out d --middle", "--middle is for halves, got overlap"),
        ("label overlap --objects mixed --pairs -5 --out d", "pairs is -5: expected at least 1"),
        ("label overlap --objects mixed --pairs ten --out d", "pairs: expected int, got ten"),
        ("label overlap --objects mixed --pairs 10 --seed -1 --out d", "seed is -1: expected at least 0"),
        ("label overlap --objects mixed --pairs 10 --workers 0 --out d", "workers is 0: expected at least 1"),
        ("label overlap --objects gylphs --pairs 10 --out d", "gylphs is not a folder: give glyphs, procedural, mixed"),
        (
            "train d --out m --preset ovrelap",
            "there is no preset 'ovrelap' (did you mean overlap?): expected one of overlap, overlap-adversarial, paper",
        ),
        ("train d --out m --pres paper", "--pres paper (did you mean --preset?) (see metricvae train --help)"),
        (
            "train d --out m --training.stepz 3",
            "--training.stepz 3 (did you mean --training.steps?) (see metricvae train --help)",
        ),
        ("train d --out m --training.steps 3.5", "training.steps: expected int, got 3.5 (see"),
        ("train d --out m --training.steps 0", "steps is 0: expected 1 or more"),
        ("train d --out m --training.seed -1", "seed is -1: expected 0 or more"),
        ("train d --out m --training.scales 3", "training.scales: cannot take 3 (see"),
        ("train d --out m --training.schedule fast", "expected one of 'constant', 'cosine', got fast"),
        ("train d --out m --training.weights.metric x", "training.weights.metric: expected float, got x"),
        ("train d --out m --training gone.yaml", "gone.yaml"),
        (
            "label overlap --objects mixed --pairs 10 --out o --device gpu",
            "device 'gpu' is not to be had here: use cpu or auto",
        ),
        ("train d --out m --device gpu", "device 'gpu' is not to be had here: use cpu or auto"),
        ("train d --out m --device meta", "device 'meta' is not to be had here: use cpu or auto"),
        ("evaluate m d --device cuda:99", "device 'cuda:99' is not to be had here: use cpu or auto"),
        ("reproduce table-7 --out r", "'table-7' (choose from"),
        ("reproduce ablations --out r --seeds 0", "seeds is 0: expected at least 1"),
        ("reproduce figure-1.5 --out r --steps 0", "steps is 0: expected at least 1"),
        ("reproduce table-1 --out r --paper-steps 0", "paper-steps is 0: expected at least 1"),
        ("reproduce table-1 --out r --seed -1", "seed is -1: expected at least 0"),
        ("quickstart --out q --seed -1", "seed is -1: expected at least 0"),
    ],
)
def test_a_bad_option_is_named(command, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert_refused(command(*arguments.split()), words)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_option_in_a_process_of_its_own(tmp_path):
    assert_refused(process("train", "--training.steps", "x", "d", "--out", "m", cwd=tmp_path), "training.steps")
    assert list(tmp_path.iterdir()) == []


# Bad places to write to


WRITERS = {
    "label": lambda out, dataset, model: ("label", "overlap", "--objects", "mixed", "--pairs", "10", "--out", out),
    "train": lambda out, dataset, model: ("train", dataset, "--out", out, *TRAINING),
    "reproduce": lambda out, dataset, model: (
        *("reproduce", "table-1", "--out", out, "--dataset", dataset, "--model", model),
    ),
    "quickstart": lambda out, dataset, model: ("quickstart", "--out", out),
}


@pytest.mark.parametrize("verb", WRITERS)
def test_a_folder_that_holds_something_else_is_left_alone(command, dataset_folder, trained, tmp_path, verb):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    (tmp_path / "file").write_text("precious")
    before = contents(tmp_path)
    for place in ("mine", "file"):
        said = command(*WRITERS[verb](tmp_path / place, dataset_folder, trained))
        assert_refused(said, tmp_path / place, "choose an")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("verb", WRITERS)
def test_a_full_disk_is_named(command, dataset_folder, trained, small_experiments, tmp_path, monkeypatch, verb):
    monkeypatch.setattr(files, "_flush", full_disk)
    said = command(*WRITERS[verb](tmp_path / "out", dataset_folder, trained))
    assert_refused(said, tmp_path / "out", "the disk is full", "free space")
    assert contents(tmp_path) == {}


def full_disk(path: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_a_full_disk_is_named_by_verbs_that_write_a_list(command, pictures, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_flush", full_disk)
    listed = ("--pairs", pictures / "pairs.csv", "--out", tmp_path / "out.csv")
    for verb in (("solve",), ("predict", trained)):
        assert_refused(command(*verb, *listed), tmp_path / "out.csv", "the disk is full", "free space")
    assert contents(tmp_path) == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "metricvae", "--help"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "metricvae: the output: No space left on device; mend that and run it again"
    ]


def test_a_reader_that_has_enough_is_no_fault():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run([sys.executable, "-m", "metricvae", "--help"], stdout=closed, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


# Interruptions


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="sends Ctrl-C to a process group")
def test_interrupted_work_on_all_cores_says_one_line(tmp_path):
    """Ctrl-C in a terminal reaches the workers too; only their parent may speak."""
    plan = ["label", "overlap", "--objects", "mixed", "--pairs", "5000", "--workers", "2", "--out", str(tmp_path / "d")]
    running = subprocess.Popen(
        [sys.executable, "-m", "metricvae", *plan],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore Ctrl-C
    )
    while not (tmp_path / "d" / ".parts" / "plan.json").exists() and running.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)  # the workers are on their way, and would tell where they were
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, b"")
    assert err.decode() == "metricvae: interrupted; run the same command again\n"


# Names of files


def test_a_folder_with_spaces_is_quoted_in_what_to_do_next(command, dataset_folder, tmp_path):
    said = command("train", dataset_folder, "--out", tmp_path / "my model", *TRAINING)
    assert f"metricvae evaluate '{tmp_path}/my model' {dataset_folder}" in said.out
