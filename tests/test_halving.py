"""Data sets of halves: what meets what, that poses put halves together, and that a plan fixes the bytes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.core.splits import SPLITS
from metricvae.kinds.silhouette.kind import mask_of
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.labelling.run import label
from metricvae.metrics.match.labelling import MatchPlan
from metricvae.metrics.match.pairs import HALF_SCHEMA, has_too_few_pieces, pair_table
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask

PLAN = MatchPlan("mixed", 240, seed=3, cuts=("straight", "zigzag", "curved"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("halves") / "data"
    label(PLAN, path, workers=2)
    return path


def table(shapes: int, families: int, cuts: int = 2, split: str | None = None) -> pa.Table:
    """Made-up halves: the columns that pairing reads."""
    rows = []
    for shape in range(shapes):
        where = split or list(SPLITS)[shape % len(SPLITS)]
        for number in range(cuts):
            for side in "ab":
                name = f"{shape}/{number}{side}"
                row = {"id": name, "shape": str(shape), "family": str(shape % families), "split": where}
                rows.append(row | {"angle_deg": 0.0, "dx": 0.0, "dy": 0.0})
    return pa.Table.from_pylist(rows, HALF_SCHEMA)


def test_half_of_the_pairs_match_and_the_others_are_what_their_grade_says() -> None:
    pairs = pair_table(table(400, families=5), 480, seed=1).to_pylist()
    assert Counter(row["split"] for row in pairs) == {"train": 384, "validation": 24, "calibration": 24, "test": 48}
    grades = Counter(row["grade"] for row in pairs)
    assert 240 <= grades["match"] <= 242
    assert max(abs(grades[grade] - 80) for grade in ("easy", "family", "hard")) <= 12
    for row in pairs:
        (shape, first), (other, second) = (row[side].split("/") for side in "ab")
        same_family = int(shape) % 5 == int(other) % 5
        cut, other_cut = first[0], second[0]
        assert row["value"] == (row["grade"] == "match")
        assert (shape == other) == (row["grade"] in ("match", "hard"))
        assert (shape == other and cut == other_cut) == (row["grade"] == "match")
        assert same_family == (row["grade"] != "easy")
        assert {first[1], second[1]} == {"a", "b"}


def test_no_pair_stands_twice_and_sides_are_drawn() -> None:
    pairs = pair_table(table(400, families=5), 480, seed=1).to_pylist()
    assert len({frozenset((row["a"], row["b"])) for row in pairs}) == len(pairs)
    assert 0.35 < np.mean([row["a"].endswith("a") for row in pairs]) < 0.65


def test_with_one_family_easy_mismatches_are_of_any_two_shapes() -> None:
    pairs = pair_table(table(400, families=1), 480, seed=1).to_pylist()
    grades = Counter(row["grade"] for row in pairs)
    assert set(grades) == {"match", "easy", "hard"}
    assert abs(grades["easy"] - grades["hard"]) <= 12


def test_several_cuts_of_a_shape_meet_in_a_block() -> None:
    pairs = pair_table(table(200, families=5, cuts=6), 480, seed=1).to_pylist()
    hard = [row for row in pairs if row["grade"] == "hard"]
    cut_pairs = {frozenset(row[side].split("/")[1][0] for side in "ab") for row in hard}
    assert len(cut_pairs) >= 4
    assert all(row["a"].split("/")[0] == row["b"].split("/")[0] for row in hard)


def test_too_few_shapes_are_counted() -> None:
    few = table(40, families=4)
    assert has_too_few_pieces(few, 200, seed=0)
    with pytest.raises(InputError, match="the train shapes give 40 pairs of halves, and their share of 200 is 160"):
        pair_table(few, 200, seed=0)
    assert not has_too_few_pieces(table(400, families=4), 200, seed=0)


def test_the_pose_of_a_match_puts_the_halves_together(folder: Path) -> None:
    """b moved by the pose and a share next to nothing and, with the seam closed, are the whole shape moved like a."""
    data = read_dataset(folder)
    shapes = {shape.id: shape.mask for shape in draw("mixed", 400, seed=PLAN.seed)}
    rows = pq.read_table(folder / "pairs.parquet").to_pylist()
    halves = {row["id"]: row for row in pq.read_table(folder / "objects.parquet").to_pylist()}
    place = {name: index for index, name in enumerate(data.left.ids)}
    matches = [row for row in rows if row["value"] == 1][:25]
    for row in matches:
        a, b = (mask_of(data.left.tensor(np.array([place[row[side]]]))[0]).astype(float) for side in "ab")
        moved = move_mask(b, Pose(row["angle_deg"], row["dx"], row["dy"]))
        own = halves[row["a"]]
        whole = move_mask(shapes[own["shape"]], Pose(own["angle_deg"], own["dx"], own["dy"]))
        inside = whole.sum()
        assert (a * moved).sum() < 0.06 * inside
        assert np.minimum(a + moved, 1)[whole > 0.5].sum() > 0.9 * whole[whole > 0.5].sum() - (inside - whole.sum())


def test_mismatches_have_no_pose(folder: Path) -> None:
    data = read_dataset(folder)
    assert np.isnan(data.columns["angle_deg"][data.value == 0]).all()
    assert np.isfinite(data.columns["angle_deg"][data.value == 1]).all()


def test_the_card_counts_and_measures_the_baselines(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    assert card["task"] == "halves"
    assert card["otherwise"] == 0
    assert sum(card["counts"]["grades"].values()) == PLAN.pairs
    for one in card["baselines"].values():
        assert 0.2 < one["accuracy"] < 0.95
    text = (folder / "README.md").read_text()
    assert "cut along lines that are straight or zigzag or curved" in text
    assert "| boundary |" in text


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bytes_also_after_a_kill(folder: Path, tmp_path: Path) -> None:
    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(PLAN, tmp_path / "again", workers=1, on_progress=stop)
    label(PLAN, tmp_path / "again", workers=1)
    for name in ("objects.parquet", "pairs.parquet", "card.json", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.slow
def test_a_folder_of_images_is_cut_as_often_as_it_takes(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for index, shape in enumerate(draw("procedural", 80, seed=1)):
        Image.fromarray(255 * shape.mask).save(tmp_path / "own" / f"{index:03d}.png")
    card = label(MatchPlan(str(tmp_path / "own"), 300), tmp_path / "data", workers=2)
    assert card["counts"]["grades"]["match"] in (150, 151, 152)
    assert "family" not in card["counts"]["grades"]
    assert card["plan"]["objects"] == "own"


def test_bad_plans_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pairs is 0: expected at least 1"):
        label(MatchPlan("mixed", 0), tmp_path / "a")
    with pytest.raises(InputError, match="times is 1: expected at least 2"):
        label(MatchPlan("mixed", 10, times=1), tmp_path / "a")
    with pytest.raises(InputError, match="cuts is bent: expected some of straight, zigzag, curved"):
        label(MatchPlan("mixed", 10, cuts=("bent",)), tmp_path / "a")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cuts is empty"):
        label(MatchPlan("mixed", 10, cuts=()), tmp_path / "a")


def test_another_plan_s_folder_is_left_alone(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(InputError, match="another plan"):
        label(MatchPlan("mixed", 240, seed=4), tmp_path / "copy")
