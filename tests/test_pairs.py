"""Labelled data sets: which pairs, the same bytes however they are made, and every way of spoiling one."""

from __future__ import annotations

import csv
import dataclasses
import errno
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import dataset_problem
from dataset_problem import PLAN, QUICK, contents
from metricvae.core.dataset import CENSORED, WEIGHT, PairDataset
from metricvae.core.dataset_files import CARD, OBJECTS, PAIRS, read_dataset
from metricvae.core.dataset_merge import merge
from metricvae.core.errors import InputError
from metricvae.core.pair_list import read_pair_list, write_rows
from metricvae.core.sampling import lacking_splits, objects_needed, plan_blocks
from metricvae.core.splits import SPLITS, split_of
from metricvae.kinds.silhouette.io import decode_png, encode_png
from metricvae.kinds.silhouette.kind import mask_of
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.labelling.run import label
from metricvae.labelling.steps import PARTS, LabelProgress
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.records import Overlap, Pose
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, overlap_area, solve
from metricvae.runtime import files


def mask(data: PairDataset, row: int) -> npt.NDArray[np.uint8]:
    """One mask of the left table."""
    return mask_of(data.left.tensor(np.array([row]))[0])


FILES = {CARD, OBJECTS, PAIRS, "README.md"}


# Which objects meet which


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 400), st.integers(1, 12), st.integers(0, 10**6))
def test_blocks_hold_as_many_distinct_pairs_as_asked_within_splits(pairs: int, partners: int, seed: int) -> None:
    splits = [split for split, share in SPLITS.items() for _ in range(10 + int(60 * share))]
    blocks = plan_blocks(splits, pairs, partners, seed)
    chosen = np.concatenate(list(itertools.chain.from_iterable(blocks.values())))
    assert len(chosen) == pairs
    assert len({frozenset(pair) for pair in chosen.tolist()}) == pairs
    assert (chosen[:, 0] != chosen[:, 1]).all()
    for split, of_split in blocks.items():
        assert {splits[i] for block in of_split for i in block.ravel()} <= {split}
        assert all(len(np.unique(block)) <= partners + 1 for block in of_split)
    again = plan_blocks(splits, pairs, partners, seed)
    assert all(map(np.array_equal, itertools.chain(*blocks.values()), itertools.chain(*again.values())))


def test_splits_get_their_share_and_seeds_differ() -> None:
    splits = [split for split in SPLITS for _ in range(60)]
    blocks = plan_blocks(splits, 1000, 7, seed=1)
    counts = {split: sum(map(len, of_split)) for split, of_split in blocks.items()}
    assert counts == {split: 1000 * share for split, share in SPLITS.items()}
    assert not np.array_equal(blocks["train"][0], plan_blocks(splits, 1000, 7, seed=2)["train"][0])
    first = np.concatenate(blocks["train"])
    assert 0.4 < (first[:, 0] < first[:, 1]).mean() < 0.6


def test_all_pairs_there_are_can_be_had() -> None:
    splits = [split_of(str(i)) for i in range(60)]
    train = splits.count("train")
    everything = train * (train - 1) // 2
    assert len(np.concatenate(plan_blocks(["train"] * 9, 1, 3, 0)["train"])) == 1
    found = plan_blocks(["train"] * train + ["test"] * 400 + ["validation", "calibration"] * 200, everything, 7, 0)
    chosen = np.concatenate(found["train"])
    assert len(chosen) == len(np.unique(np.sort(chosen, axis=1), axis=0))


def test_too_few_objects_is_one_line() -> None:
    with pytest.raises(InputError, match=r"12 objects .*train 12.* cannot form 100 distinct pairs with .* in train"):
        plan_blocks(["train"] * 12, 100, 7, 0)
    with pytest.raises(InputError, match="2 in calibration"):
        plan_blocks(["train"] * 20 + ["validation"] * 4 + ["calibration"] * 2 + ["test"] * 9, 50, 7, 0)


# Labelling


@pytest.fixture(scope="module")
def copy(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Copies of the data set, to spoil."""
    numbers = itertools.count()
    place = tmp_path_factory.mktemp("copies")
    return lambda: Path(shutil.copytree(dataset_folder, place / str(next(numbers))))


def test_a_finished_data_set_is_four_files(dataset_folder: Path) -> None:
    assert contents(dataset_folder).keys() == FILES
    assert {path.name for path in dataset_folder.iterdir()} == FILES


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter(dataset_folder: Path, tmp_path: Path) -> None:
    seen: list[LabelProgress] = []
    card = label(PLAN, tmp_path, workers=2, on_progress=seen.append)
    assert contents(tmp_path) == contents(dataset_folder)
    assert card == json.loads((tmp_path / CARD).read_text())
    for stage in ("drawing silhouettes", "labelling pairs"):
        done = [progress.done for progress in seen if progress.stage == stage]
        total = {progress.total for progress in seen if progress.stage == stage}
        assert done == sorted(done)
        assert total == {done[-1]}


def test_what_was_drawn_is_what_is_read(dataset: PairDataset) -> None:
    shapes = draw("mixed", objects_needed(PLAN.pairs, PLAN.partners), PLAN.seed)
    assert dataset.left.ids == tuple(shape.id for shape in shapes)
    assert dataset.left.families == tuple(shape.family for shape in shapes)
    assert dataset.left.magnitudes.tolist() == [shape.area for shape in shapes]
    assert all(np.array_equal(mask(dataset, i), shape.mask) for i, shape in enumerate(shapes))
    assert all(split_of(shapes[i].group) == split for i, split in zip(dataset.first, dataset.split, strict=True))
    assert all(split_of(shapes[i].group) == split for i, split in zip(dataset.second, dataset.split, strict=True))


def test_counts_add_up(dataset: PairDataset) -> None:
    counts = {split: len(dataset.rows(split)) for split in SPLITS}
    assert counts == dataset.card["counts"]["pairs"] == {"train": 480, "validation": 30, "calibration": 30, "test": 60}
    assert sum(dataset.card["counts"]["objects"].values()) == len(dataset.left.ids)
    assert len(dataset.rows("all")) == PLAN.pairs
    with pytest.raises(InputError, match="split 'tset': expected one of train"):
        dataset.rows("tset")
    with pytest.raises(InputError, match="has no test pairs"):
        replace(dataset, split=np.array(["train"] * PLAN.pairs)).rows("test")


def test_values_are_the_solver_s_and_poses_give_them(dataset: PairDataset) -> None:
    for row in np.random.default_rng(0).choice(PLAN.pairs, 20, replace=False):
        a, b = (mask(dataset, int(side[row])) for side in (dataset.first, dataset.second))
        found: Overlap = solve(PreparedMask(a), PreparedMask(b), QUICK)
        assert dataset.value[row] == pytest.approx(found.area, abs=6e-4)
        pose = Pose(*(float(dataset.columns[name][row]) for name in ("angle_deg", "dx", "dy")))
        assert overlap_area(a, b, pose) == pytest.approx(dataset.value[row], rel=2e-3)


def test_other_tools_can_read_it(dataset_folder: Path, dataset: PairDataset) -> None:
    objects, pairs = pq.read_table(dataset_folder / OBJECTS), pq.read_table(dataset_folder / PAIRS)
    features = json.loads(objects.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert objects.schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert objects.column_names == ["id", "image", "source", "family", "group", "area", "split"]
    assert pairs.column_names == ["a", "b", "value", "angle_deg", "dx", "dy", "split"]
    assert np.array_equal(decode_png(objects["image"][5]["bytes"].as_py()), mask(dataset, 5))
    assert objects["id"].to_pylist() == list(dataset.left.ids)


def test_cards_name_the_search_configuration_as_those_of_version_0_1_do(dataset: PairDataset) -> None:
    names = ("angles", "waves", "climbs", "finishes")
    assert dataset.card["plan"]["effort"] == dict(zip(names, dataclasses.astuple(QUICK), strict=True))
    assert "search" not in dataset.card["plan"]


def test_the_readme_has_front_matter_that_names_the_files(dataset_folder: Path) -> None:
    text = (dataset_folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    configs = {config["config_name"]: config for config in yaml.safe_load(front)["configs"]}
    assert configs["pairs"]["data_files"] == PAIRS
    assert configs["pairs"]["default"] is True
    assert configs["objects"]["data_files"] == OBJECTS
    assert all((dataset_folder / config["data_files"]).is_file() for config in configs.values())
    assert "| calibration | " in body
    assert "600 labelled pairs" in body


def test_the_smallest_data_sets_have_objects_enough(tmp_path: Path) -> None:
    """Splits are drawn by chance: a seed whose first shapes leave a split short draws more of them."""
    first = objects_needed(50, 7)
    seed = next(
        seed
        for seed in itertools.count()
        if lacking_splits([split_of(shape.group) for shape in draw("procedural", first, seed)], 50)
    )
    card = label(OverlapPlan("procedural", 50, seed, search=QUICK), tmp_path, workers=1)
    assert sum(card["counts"]["pairs"].values()) == 50
    assert sum(card["counts"]["objects"].values()) > first
    data = read_dataset(tmp_path)
    assert data.left.ids == tuple(shape.id for shape in draw("procedural", len(data.left.ids), seed))


def test_two_data_sets_are_taken_as_one(dataset: PairDataset) -> None:
    both = merge([dataset, replace(dataset, card={"task": "overlap", "plan": {"objects": "others", "seed": 5}})])
    assert merge([dataset]) is dataset
    assert (len(both.left.ids), len(both.value)) == (2 * len(dataset.left.ids), 2 * len(dataset.value))
    for split in ("train", "test"):
        rows, here = both.rows(split), dataset.rows(split)
        assert rows.tolist() == [*here, *(here + len(dataset.value))]
    for row in range(0, len(both.value), 97):
        there = row % len(dataset.value)
        assert both.value[row] == dataset.value[there]
        for side in ("first", "second"):
            place, one = int(getattr(both, side)[row]), int(getattr(dataset, side)[there])
            assert place // len(dataset.left.ids) == row // len(dataset.value)  # each part names objects of its own
            assert np.array_equal(mask(both, place), mask(dataset, one))
            assert both.left.magnitudes[place] == dataset.left.magnitudes[one]
    assert both.card["task"] == "overlap"
    assert [plan["objects"] for plan in both.card["plan"]["parts"]] == ["mixed", "others"]
    assert merge([both, dataset]).card["plan"]["parts"] == [*both.card["plan"]["parts"], dataset.card["plan"]]


def test_pairs_without_weights_or_bounds_count_as_usual_beside_those_with(dataset: PairDataset) -> None:
    weighted = replace(dataset, columns=dataset.columns | {WEIGHT: np.full(len(dataset), 2.0)})
    bounded = replace(dataset, columns=dataset.columns | {CENSORED: np.ones(len(dataset), np.int8)})
    both = merge([weighted, bounded])
    assert both.weight is not None
    assert both.censored is not None
    assert both.weight.tolist() == [2.0] * len(dataset) + [1.0] * len(dataset)
    assert both.censored.tolist() == [0] * len(dataset) + [1] * len(dataset)


def test_data_sets_of_two_tasks_are_not_taken_as_one(dataset: PairDataset, halves: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="of the metrics overlap, match: expected one metric"):
        merge([dataset, read_dataset(halves[0])])


def test_the_card_says_how_values_areas_and_angles_lie(dataset: PairDataset) -> None:
    spread, shares = dataset.card["distributions"], dataset.card["distributions"]["quantiles"]
    smaller = np.minimum(dataset.left.magnitudes[dataset.first], dataset.left.magnitudes[dataset.second])
    assert spread["value"] == pytest.approx(np.quantile(dataset.value, shares).tolist(), abs=1e-4)
    assert spread["area"] == pytest.approx(np.quantile(dataset.left.magnitudes, shares).tolist(), abs=1e-4)
    assert spread["covered"] == pytest.approx(np.quantile(dataset.value / smaller, shares).tolist(), abs=1e-4)
    assert max(spread["covered"]) <= 1
    assert sum(spread["angle_classes"]) == len(dataset.value)
    assert (
        spread["angle_classes"][0]
        == ((dataset.columns["angle_deg"] >= -180) & (dataset.columns["angle_deg"] < -150)).sum()
    )
    assert dataset.card["label_error"] is None


def test_copies_of_a_picture_are_counted(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number, shape in enumerate(draw("procedural", 160, 2)):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(encode_png(shape.mask))
    for number in (3, 17):
        shutil.copy(tmp_path / "pictures" / f"{number}.png", tmp_path / "pictures" / f"copy-{number}.png")
    card = label(OverlapPlan(str(tmp_path / "pictures"), 30, search=QUICK), tmp_path / "data", workers=1)
    assert card["distributions"]["duplicate_objects"] == 2


@pytest.mark.slow
def test_labels_are_checked_against_the_dense_search(tmp_path: Path) -> None:
    plan = OverlapPlan("procedural", 30, 5, search=QUICK, check=2)
    card = label(plan, tmp_path / "one", workers=1)
    assert card["label_error"]["pairs"] == 2
    assert -0.1 < card["label_error"]["mean_shortfall_percent"] <= card["label_error"]["worst_shortfall_percent"]
    assert "2 of the pairs were also given to the dense search" in (tmp_path / "one" / "README.md").read_text()
    assert label(plan, tmp_path / "two", workers=2) == card
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_bad_labels_show_in_the_check(tmp_path: Path) -> None:
    blind = SearchConfig(angles=2, frequencies=6, local_optimisations=1, refinements=1)
    card = label(OverlapPlan("procedural", 30, 5, search=blind, check=2), tmp_path, workers=1)
    assert card["label_error"]["worst_shortfall_percent"] > 2


@pytest.mark.slow
def test_a_batched_plan_gives_the_same_pairs_and_nearly_the_same_labels(tmp_path: Path) -> None:
    plan = OverlapPlan("procedural", 30, 5, search=QUICK)
    card = label(replace(plan, batched=True), tmp_path / "batched", workers=1, device="cpu")
    label(plan, tmp_path / "plain", workers=1)
    batched, plain = (pq.read_table(tmp_path / name / "pairs.parquet") for name in ("batched", "plain"))
    assert card["plan"]["batched"]
    assert batched.select(["a", "b", "split"]) == plain.select(["a", "b", "split"])
    assert batched["value"].to_numpy() == pytest.approx(plain["value"].to_numpy(), rel=0.02)


# Killed and resumed

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")


def start(folder: Path, *death: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, dataset_problem.__file__, str(folder), *death]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)


def kill_at(folder: Path, seconds: float) -> bool:
    """Label in a process group of its own and kill all of it after a while; False if it was done before."""
    process = start(folder)
    try:
        _, complaints = process.communicate(timeout=seconds)
        assert process.returncode == 0, complaints.decode()
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True


@pytest.mark.slow
@linux
def test_killed_at_one_rename_after_the_other_it_resumes(dataset_folder: Path, tmp_path: Path) -> None:
    """The plan, the shapes, the joined pairs, the card that says finished: before they are there, and just after."""
    moments = [("plan.json", "before"), (OBJECTS, "before"), (PAIRS, "before"), (CARD, "before"), (CARD, "after")]
    for name, moment in moments:
        process = start(tmp_path, name, moment)
        process.communicate(timeout=100)
        assert process.returncode == -signal.SIGKILL
        assert contents(tmp_path).keys() - FILES, "a killed run leaves something to tidy"
        assert (tmp_path / CARD).exists() == (moment == "after")
    label(PLAN, tmp_path, workers=1)
    assert contents(tmp_path) == contents(dataset_folder)
    assert not (tmp_path / PARTS).exists()


@linux
def test_killed_at_any_moment_it_resumes(dataset_folder: Path, tmp_path: Path) -> None:
    for seconds in (1.4, 2.3):
        kill_at(tmp_path, seconds)
    label(PLAN, tmp_path, workers=1)
    assert contents(tmp_path) == contents(dataset_folder)


@linux
@pytest.mark.slow
@pytest.mark.parametrize("trial", range(10))
def test_killed_at_many_moments_it_resumes(dataset_folder: Path, tmp_path: Path, trial: int) -> None:
    chance, killed = random.Random(trial), 0
    while killed < 10:
        if not kill_at(tmp_path, chance.uniform(0.5, 5)):
            assert contents(tmp_path) == contents(dataset_folder)
            shutil.rmtree(tmp_path)
        else:
            killed += 1
    label(PLAN, tmp_path, workers=2)
    assert contents(tmp_path) == contents(dataset_folder)


def alive_in_group(group: int) -> list[int]:
    """Processes of a process group that are not yet dead."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = stat.read_text().replace("(", ")").split(")")
        except (OSError, ValueError):
            continue
        state, _, its_group = rest.split()[:3]
        if int(its_group) == group and state not in "ZX":
            alive.append(int(number))
    return alive


def wait_until(happens: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@linux
def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert wait_until(lambda: any(tmp_path.rglob("objects-*.parquet")), 60)
    assert len(alive_in_group(process.pid)) >= 2
    process.kill()
    process.wait()
    gone = wait_until(lambda: not alive_in_group(process.pid), 20)
    if not gone:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert gone


# What is in the folder already


def test_a_finished_data_set_is_given_back(copy: Callable[[], Path]) -> None:
    folder = copy()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert label(PLAN, folder) == json.loads((folder / CARD).read_text())
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("change", [{"seed": 4}, {"pairs": 601}, {"objects": "glyphs"}, {"partners": 8}])
def test_another_plan_needs_another_folder(dataset_folder: Path, change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="holds a finished data set of another plan"):
        label(replace(PLAN, **change), dataset_folder)  # type: ignore[arg-type]


def test_another_unfinished_plan_needs_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch)
    with pytest.raises(InputError, match="disk is full"):
        label(PLAN, tmp_path)
    monkeypatch.undo()
    files.write_json(tmp_path / PARTS / "plan.json", {"seed": 4})
    with pytest.raises(InputError, match="holds an unfinished data set of another plan"):
        label(PLAN, tmp_path)


def test_other_people_s_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="holds something that is not a data set"):
        label(PLAN, tmp_path)
    with pytest.raises(InputError, match=r"thesis\.tex is a file; expected a folder"):
        label(PLAN, tmp_path / "thesis.tex")
    assert contents(tmp_path) == {"thesis.tex": b"x"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": 0}, "pairs is 0: expected at least 1"),
        ({"pairs": -5}, "pairs is -5"),
        ({"partners": 0}, "partners is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"check": -1}, "check is -1"),
        ({"objects": "no/such/folder"}, "no/such/folder is not a folder: give glyphs, procedural, mixed or"),
    ],
)
def test_plans_that_cannot_be_leave_nothing(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        label(replace(PLAN, **change), tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_no_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers is 0: expected at least 1"):
        label(PLAN, tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


# A folder of images


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """48 pictures in a folder and one below it, of which every split has three or more."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for number, shape in enumerate(draw("procedural", 48, 8)):
        (folder / ("more" if number % 2 else ".") / f"{number}.png").write_bytes(encode_png(shape.mask))
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_of_images(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = OverlapPlan(str(pictures), 20, search=QUICK)
    card = label(plan, tmp_path / "out", workers=1)
    data = read_dataset(tmp_path / "out")
    assert (
        sorted(data.left.ids)
        == list(data.left.ids)
        == sorted({p.relative_to(pictures).as_posix() for p in pictures.rglob("*.png")})
    )
    assert card["plan"]["objects"] == "pictures"
    monkeypatch.chdir(pictures)
    assert label(replace(plan, objects="."), tmp_path / "out") == card


def test_too_few_images_leave_the_folder_free(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"48 objects .* cannot form 9000 distinct pairs .* ask for fewer"):
        label(OverlapPlan(str(pictures), 9000), tmp_path / "out")
    (pictures / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"broken\.png is not a picture"):
        label(OverlapPlan(str(pictures), 20), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# A full disk


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)


@pytest.mark.parametrize("write", [files.write_json, files.write_text, lambda p, c: write_rows(p, ["a"], [[c]])])
def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, str], None]
) -> None:
    (tmp_path / "file").write_text("old")
    full_disk(monkeypatch)
    with pytest.raises(InputError, match="file: the disk is full; it is as it was, free space"):
        write(tmp_path / "file", "new")
    assert contents(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize(
    ("code", "reason"), [(errno.EDQUOT, "quota"), (errno.EROFS, "read-only"), (errno.EACCES, "Permission denied")]
)
def test_disks_that_refuse_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match=reason):
        files.write_text(tmp_path / "file", "new")
    assert contents(tmp_path) == {}


@pytest.mark.slow
def test_labelling_goes_on_when_there_is_space_again(
    dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, flushed = os.fsync, itertools.count()

    def full_after_three(handle: int) -> None:
        if next(flushed) >= 3:
            raise OSError(errno.ENOSPC, "full")
        flush(handle)

    monkeypatch.setattr(os, "fsync", full_after_three)  # in this process, which joins the parts
    with pytest.raises(InputError, match="disk is full"):
        label(PLAN, tmp_path, workers=2)
    assert not list(tmp_path.rglob("*.tmp"))
    assert not (tmp_path / CARD).exists()
    with pytest.raises(InputError, match=f"has no {CARD}, so it is no finished data set"):
        read_dataset(tmp_path)
    monkeypatch.undo()
    label(PLAN, tmp_path, workers=2)
    assert contents(tmp_path) == contents(dataset_folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB, where one may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes rights that this user lacks")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*\.parquet: the disk is full") as caught:
        label(PLAN, small_disk / "out", workers=1)
    assert "\n" not in str(caught.value)
    assert not list(small_disk.rglob("*.tmp"))


# Reading


def flip(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return spoil


def forge(folder: Path) -> None:
    """Pairs that name an object which is not there, by someone who made the checksum agree."""
    pairs = pq.read_table(folder / PAIRS)
    names = pa.array(["nobody", *pairs["a"].to_pylist()[1:]])
    pq.write_table(pairs.set_column(0, "a", names), folder / PAIRS)
    card = json.loads((folder / CARD).read_text())
    card["sha256"][PAIRS] = files.sha256_of(folder / PAIRS)
    (folder / CARD).write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flip(OBJECTS), f"{OBJECTS} was changed after it was written"),
        (flip(PAIRS), f"{PAIRS} was changed after it was written"),
        (lambda folder: (folder / PAIRS).unlink(), f"{PAIRS} is missing"),
        (lambda folder: (folder / CARD).unlink(), f"has no {CARD}, so it is no finished data set"),
        (lambda folder: (folder / CARD).write_text("{"), f"{CARD} is not a readable JSON file"),
        (lambda folder: (folder / CARD).write_bytes(b"\xff\xfe\x00"), f"{CARD} is not a readable JSON file"),
        (lambda folder: (folder / CARD).write_text("[]"), f"{CARD} lacks checksums"),
        (lambda folder: (folder / CARD).write_text('{"sha256": {}}'), f"{CARD} lacks checksums"),
        (forge, "names an object 'nobody'"),
        (shutil.rmtree, "is not a folder"),
    ],
)
def test_a_spoilt_data_set_is_one_line(copy: Callable[[], Path], spoil: Callable[[Path], None], message: str) -> None:
    folder = copy()
    spoil(folder)
    with pytest.raises(InputError, match=message) as caught:
        read_dataset(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


# Lists of pairs


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with a.png, b.png and sub/c.png; the list is to be list.csv."""
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "b.png", "sub/c.png"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\na.png,b.png\nb.png,sub/c.png\n",
        "\ufeffa,b\r\na.png,b.png\r\nb.png,sub/c.png\r\n",
        "note,b,a\n1,b.png,a.png\n2,sub/c.png,b.png",
        'a,b\n"a.png","b.png"\n\nb.png,sub/c.png,more\n',
    ],
)
def test_a_list_of_pairs(beside: Path, text: str) -> None:
    (beside / "list.csv").write_bytes(text.encode())
    listed = read_pair_list(beside / "list.csv")
    assert listed.names == (("a.png", "b.png"), ("b.png", "sub/c.png"))
    assert listed.files == (beside / "a.png", beside / "b.png", beside / "sub/c.png")
    assert (listed.first.tolist(), listed.second.tolist()) == ([0, 1], [1, 2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,c\na.png,b.png\n", "has columns a, c: expected a and b"),
        (b"a.png,b.png\n", "has columns a.png, b.png: expected a and b"),
        (b"", "has columns none"),
        (b"a,b\n", "holds no pairs"),
        (b"a,b\na.png,b.png\na.png,missing.png\n", r"list\.csv row 2: there is no file 'missing\.png' beside the CSV"),
        (b"a,b\na.png,sub\n", "row 1: there is no file 'sub'"),
        (b"a,b\na.png\n", "row 1 lacks a file name"),
        (b"a,b\na.png,b.png\n,b.png\n", "row 2 lacks a file name"),
        (b"a,b\na.png," + b"x" * 5000 + b"\n", "row 1: there is no file 'xxx"),
        (b"a,b\na.png,b\x00.png\n", "holds NUL bytes, so it is no text"),
        (b'a,b\na.png,"' + b"x" * 200_000 + b'"\n', "cannot be read as CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "is not UTF-8 text"),
        (bytes(range(128)) * 4, "holds NUL bytes, so it is no text"),
    ],
)
def test_a_bad_list_is_one_line_that_names_the_row(beside: Path, content: bytes, message: str) -> None:
    (beside / "list.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_pair_list(beside / "list.csv")
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there(beside: Path) -> None:
    with pytest.raises(InputError, match=r"list\.csv does not exist: give the path of a CSV with columns a,b"):
        read_pair_list(beside / "list.csv")
    with pytest.raises(InputError, match="is not a file"):
        read_pair_list(beside / "sub")


def test_rows_come_back(tmp_path: Path) -> None:
    rows = [["a, with comma.png", 'b"quoted".png', 1.5], ["ä.png", "b\nline.png", 2]]
    write_rows(tmp_path / "out" / "rows.csv", ["a", "b", "value"], rows)
    with open(tmp_path / "out" / "rows.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a", "b", "value"], *([str(cell) for cell in row] for row in rows)]
