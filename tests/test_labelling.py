"""The labelling pipeline for any metric: a third party's kinds and metrics, two tables, plans, cards, and no memory of
what lay at a path before."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_problem import QUICK, contents
from metricvae.core.dataset_files import CARD, read_dataset
from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS
from metricvae.core.metric import METRICS
from metricvae.core.plan import MetricPlan, Plan
from metricvae.core.sampling import plan_bipartite_blocks, quotas
from metricvae.core.splits import SPLITS, split_of
from metricvae.kinds.silhouette.io import encode_png
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.labelling.run import label
from metricvae.metrics.match.labelling import MatchPlan
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.shape.labelling import ShapePlan
from toy_metric import DifferenceMetric, LengthMetric, NumberKind, WordKind, files_of

NUMBERS = [math.sqrt(number) for number in range(90)]
WORDS = ["x" * (number % 7 + 1) for number in range(70)]


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy kinds and metrics are registered while a test runs."""
    for registry in (KINDS, METRICS):
        monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))
    for kind in (NumberKind, WordKind):
        KINDS.register(kind.name, kind)
    for metric in (DifferenceMetric, LengthMetric):
        METRICS.register(metric.name, metric)


# Which objects of two tables meet


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 300), st.integers(1, 9), st.integers(0, 10**6), st.sampled_from(["both", "left", "right"]))
def test_blocks_of_two_tables_hold_distinct_pairs_within_splits(pairs: int, size: int, seed: int, cold: str) -> None:
    left = [split for split, share in SPLITS.items() for _ in range(6 + int(40 * share))]
    right = [split for split, share in SPLITS.items() for _ in range(5 + int(30 * share))]
    blocks = plan_bipartite_blocks(left, right, pairs, size, seed, cold)
    chosen = np.concatenate(list(itertools.chain.from_iterable(blocks.values())))
    assert len(np.unique(chosen, axis=0)) == len(chosen) == pairs
    assert {split: sum(map(len, of_split)) for split, of_split in blocks.items()} == quotas(pairs)
    for split, of_split in blocks.items():
        for block in of_split:
            assert all(len(np.unique(side)) <= size for side in block.T)
            assert cold == "right" or {left[row] for row in block[:, 0]} == {split}
            assert cold == "left" or {right[row] for row in block[:, 1]} == {split}
    again = plan_bipartite_blocks(left, right, pairs, size, seed, cold)
    assert all(map(np.array_equal, itertools.chain(*blocks.values()), itertools.chain(*again.values())))


def test_all_pairs_of_two_tables_can_be_had() -> None:
    left, right = [split for split in SPLITS for _ in range(40)], [split for split in SPLITS for _ in range(2)]
    found = plan_bipartite_blocks(left, right, 100, 3, 0)
    assert sum(map(len, found["train"])) == 80 == 40 * 2
    with pytest.raises(InputError, match=r"160 left and 8 right objects .*cannot form 101 .*in train: give more"):
        plan_bipartite_blocks(left, right, 101, 3, 0)


# A third party's metric


def test_a_registered_metric_is_labelled_by_the_command_line(command, tmp_path: Path) -> None:
    numbers = files_of(tmp_path / "numbers", ".num", NUMBERS)
    out = tmp_path / "data"
    plan = ("label", "difference", "--objects", numbers, "--pairs", "100", "--out", out, "--workers", "1")
    assert command(*plan).status == 0
    data = read_dataset(out)
    assert isinstance(data.metric, DifferenceMetric)
    assert data.shared
    values = np.array([NUMBERS[int(name[:3])] for name in data.left.ids])
    assert data.value == pytest.approx(np.abs(values[data.first] - values[data.second]))
    assert data.columns["closeness"] == pytest.approx(-data.value)
    assert data.columns["by"] == pytest.approx(values[data.first] - values[data.second])
    assert data.columns["steps"].tolist() == np.floor(data.value).astype(int).tolist()
    card = json.loads((out / CARD).read_text())
    assert (card["format"], card["task"], card["unit"]) == (2, "difference", "steps")
    assert card["metric"] == {"name": "difference"}
    assert card["objects"] == {"left": {"kind": {"name": "number"}, "file": "objects.parquet"}}
    assert card["plan"]["objects"] == "numbers"
    text = (out / "README.md").read_text()
    assert "# difference: 100 labelled pairs of 90 numbers" in text
    assert "value: difference, steps" in text
    assert "pixel" not in text
    assert "area" not in text


def test_a_metric_between_two_kinds_is_labelled_by_the_command_line(command, tmp_path: Path) -> None:
    numbers, words = files_of(tmp_path / "numbers", ".num", NUMBERS), files_of(tmp_path / "words", ".word", WORDS)
    out = tmp_path / "data"
    plan = ("label", "length", "--objects", numbers, "--pairs", "120", "--out", out, "--workers", "1")
    said = command(*plan)
    assert said.status == 2
    assert "length is between numbers and words: give the latter as --right-objects" in said.err
    assert command(*plan, "--right-objects", words).status == 0
    data = read_dataset(out)
    assert (data.left.kind, data.right.kind) == (NumberKind(), WordKind())
    left = np.array([NUMBERS[int(name[:3])] for name in data.left.ids])
    right = np.array([len(WORDS[int(name[:3])]) for name in data.right.ids])
    assert data.value == pytest.approx(np.abs(left[data.first] - right[data.second]))
    for rows, table in ((data.first, data.left), (data.second, data.right)):
        assert [split_of(table.ids[row]) for row in rows] == data.split.tolist()
    card = data.card
    assert card["objects"]["right"] == {"kind": {"name": "word"}, "file": "right.parquet"}
    assert set(card["sha256"]) == {"left.parquet", "right.parquet", "pairs.parquet"}
    assert sum(card["counts"]["left"].values()) == 90
    assert card["counts"]["objects"]["train"] == card["counts"]["left"]["train"] + card["counts"]["right"]["train"]
    assert {path.name for path in out.iterdir()} == {*card["sha256"], "card.json", "README.md"}


@pytest.mark.slow
def test_two_tables_are_the_same_bytes_on_any_number_of_workers_and_after_a_stop(tmp_path: Path) -> None:
    numbers, words = files_of(tmp_path / "numbers", ".num", NUMBERS), files_of(tmp_path / "words", ".word", WORDS)
    plan = MetricPlan(str(numbers), 120, 3, right_objects=str(words), cold="left", metric=LengthMetric())
    label(plan, tmp_path / "one", workers=1)
    label(plan, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    for stage in ("reading objects", "labelling pairs"):

        def stop(progress, stage=stage) -> None:
            if progress.stage == stage and progress.done:
                raise KeyboardInterrupt

        folder = tmp_path / stage
        with pytest.raises(KeyboardInterrupt):
            label(plan, folder, workers=1, on_progress=stop)
        label(plan, folder, workers=1)
        assert contents(folder) == contents(tmp_path / "one")
    data = read_dataset(tmp_path / "one")
    assert [split_of(data.left.ids[row]) for row in data.first] == data.split.tolist()
    assert len({split for split in map(split_of, (data.right.ids[row] for row in data.second))}) > 1


@pytest.mark.slow
def test_overlaps_of_two_folders_are_those_of_one(tmp_path: Path) -> None:
    """The left and the right masks of two tables give what they give in one."""
    plan = OverlapPlan("procedural", 24, 5, right_objects="procedural", cold="left", partners=3, search=QUICK)
    label(plan, tmp_path / "two", workers=1)
    label(replace(plan, batched=True), tmp_path / "batched", workers=1, device="cpu")
    two, batched = (read_dataset(tmp_path / name) for name in ("two", "batched"))
    assert batched.value == pytest.approx(two.value, rel=0.02)
    same = [row for row in range(len(two)) if two.left.ids[two.first[row]] == two.right.ids[two.second[row]]]
    for row in same:
        assert two.value[row] == pytest.approx(two.left.magnitudes[two.first[row]], rel=0.01)


@pytest.mark.slow
def test_objects_that_cannot_be_read_leave_the_folder_free(tmp_path: Path) -> None:
    numbers = files_of(tmp_path / "numbers", ".num", [*NUMBERS, "seven"])
    plan = MetricPlan(str(numbers), 20, metric=DifferenceMetric())
    with pytest.raises(InputError, match=r"090\.num holds no number: write one"):
        label(plan, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
    (numbers / "090.num").write_text("7")
    with pytest.raises(InputError, match="cannot form 9000 distinct pairs"):
        label(replace(plan, pairs=9000), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
    assert sum(label(plan, tmp_path / "out", workers=1)["counts"]["objects"].values()) == 91


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("difference --partners 0", "partners is 0: expected at least 1"),
        ("difference --cold left", "cold is left without right objects: give --right-objects, or leave it out"),
        ("difference --right-objects . --cold up", "cold is 'up': expected both, left or right"),
        ("difference --cuts straight", "--cuts is for halves, got difference: leave it out"),
        ("difference --device cpux", "device 'cpux' is not to be had here"),
        ("tabular", "the metric tabular has no exact solver, or needs settings: import its values with the pairs"),
    ],
)
def test_plans_of_any_metric_are_refused_in_one_line(command, tmp_path: Path, words: str, message: str) -> None:
    task, *rest = words.split()
    said = command("label", task, "--objects", tmp_path, "--pairs", "9", "--out", tmp_path / "out", *rest)
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert message in said.err
    assert not (tmp_path / "out").exists()


# No memory of a path


def pictures(folder: Path, seed: int) -> None:
    """100 pictures, in the place of those that were there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, shape in enumerate(draw("procedural", 100, seed)):
        (folder / f"{number}.png").write_bytes(encode_png(shape.mask))


FRESH = """
import sys
from pathlib import Path
from dataset_problem import QUICK
from metricvae.labelling.run import label
from metricvae.metrics.overlap.labelling import OverlapPlan
if __name__ == "__main__":
    label(OverlapPlan(sys.argv[1], 20, search=QUICK, batched=True), Path(sys.argv[2]), workers=1, device="cpu")
"""


@pytest.mark.slow
def test_changed_pictures_are_labelled_as_a_fresh_process_labels_them(tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    plan = OverlapPlan(str(folder), 20, search=QUICK, batched=True)
    for seed in (8, 9):
        pictures(folder, seed)
        shutil.rmtree(out, ignore_errors=True)
        label(plan, out, workers=1, device="cpu")
    (tmp_path / "fresh.py").write_text(FRESH)
    paths = {"PYTHONPATH": ":".join(filter(None, [str(Path(__file__).parent), *sys.path]))}
    subprocess.run([sys.executable, tmp_path / "fresh.py", folder, tmp_path / "fresh"], check=True, env=paths)
    assert pq.read_table(out / "pairs.parquet") == pq.read_table(tmp_path / "fresh" / "pairs.parquet")


# Data sets of version 1


@pytest.mark.parametrize(("name", "magnitude"), [("overlap", "area"), ("halves", "area"), ("molecules", "area")])
def test_a_data_set_of_version_1_is_read(name: str, magnitude: str) -> None:
    folder = Path(__file__).parent / "data" / f"format-1-{name}"
    card = json.loads((folder / CARD).read_text())
    assert "format" not in card
    data = read_dataset(folder)
    objects, pairs = pq.read_table(folder / "objects.parquet"), pq.read_table(folder / "pairs.parquet")
    assert data.metric.name == {"overlap": "overlap", "halves": "match", "molecules": "shape"}[name]
    assert data.left.magnitudes.tolist() == objects[magnitude].to_pylist()
    assert data.value.tolist() == pairs["value"].to_pylist()
    assert [data.left.ids[row] for row in data.first] == pairs["a"].to_pylist()
    assert data.unlisted == (0.0 if name == "halves" else None)
    low, high = data.metric.limits(*data.magnitudes())
    assert ((low <= data.value) & (data.value <= high * (1 + 1e-6))).all()


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("overlap", OverlapPlan("shapes", 12, seed=1)),
        ("halves", MatchPlan("shapes", 10, seed=1)),
        ("molecules", ShapePlan("fragments", 10, seed=1, molecules=14)),
    ],
)
def test_a_plan_stands_in_cards_as_it_did_in_version_1(name: str, plan: Plan) -> None:
    """A finished data set of version 1 is given back, and not labelled again."""
    folder = Path(__file__).parent / "data" / f"format-1-{name}"
    assert plan.facts() == read_dataset(folder).card["plan"]
    assert label(plan, folder) == read_dataset(folder).card
