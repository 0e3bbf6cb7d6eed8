"""The public interface, as a user of the package meets it."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import metricvae as mv
from metricvae.core.dataset import ObjectTable
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.metric import OverlapMetric


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of shapes."""
    place = tmp_path_factory.mktemp("shapes")
    for number, shape in enumerate(draw("procedural", 12, seed=8)):
        Image.fromarray(shape.mask * np.uint8(255)).save(place / f"{number:02}.png")
    return place


@pytest.fixture(scope="module")
def model() -> mv.PairModel:
    return mv.load("overlap")


def test_importing_the_package_is_quick_and_loads_nothing() -> None:
    code = "import sys, metricvae; print([m for m in ('torch', 'numpy', 'pyarrow', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_paths_arrays_and_pictures_are_the_same_objects(model: mv.PairModel, folder: Path) -> None:
    path, other = folder / "00.png", folder / "01.png"
    picture = Image.open(path)
    array = np.asarray(picture) > 127
    values = [model.predict(one, other).value for one in (path, str(path), picture, array)]
    assert values == [values[0]] * 4


def test_a_list_gives_what_single_pairs_give(model: mv.PairModel, folder: Path) -> None:
    paths = sorted(folder.iterdir())[:4]
    many = model.predict(paths[:2], paths[2:])
    assert len(many) == 2
    for place in range(2):
        one = model.predict(paths[place], paths[place + 2])
        assert one.value == pytest.approx(many.value[place], rel=1e-5)
        assert one.low <= one.value <= one.high
    similar = model.similarity(paths[:2], paths[2:])
    assert similar.shape == (2, 2)
    assert similar[1, 1].item() == pytest.approx(many.value[1], rel=1e-5)
    assert model.encode(paths).shape == (4, 128)
    with pytest.raises(mv.InputError, match="got 2 left and 1 right objects"):
        model.predict(paths[:2], paths[2:3])


def test_a_folder_is_indexed_and_searched(model: mv.PairModel, folder: Path, tmp_path: Path) -> None:
    index = model.index(folder)
    assert len(index) == 12
    hits = index.search(folder / "03.png", k=3)
    assert len(hits) == 3
    predicted = [model.predict(folder / "03.png", folder / f"{number:02}.png").value for number in range(12)]
    assert hits[0]["value"] == pytest.approx(max(predicted), rel=1e-4)
    assert [hit["value"] for hit in hits] == sorted((hit["value"] for hit in hits), reverse=True)
    model.index(folder, tmp_path / "index")
    assert (tmp_path / "index" / "index.json").is_file()


def test_the_exact_answer_is_found_by_the_kind_of_the_objects(folder: Path) -> None:
    found = mv.solve(folder / "00.png", folder / "00.png")
    area = int((np.asarray(Image.open(folder / "00.png")) > 127).sum())
    assert found.value == pytest.approx(area, rel=1e-6)
    assert found.pose.dx == pytest.approx(0, abs=1e-3)
    assert mv.solve(folder / "00.png", folder / "01.png", "overlap").value < area + 1
    with pytest.raises(mv.InputError, match="there is no metric 'taste'"):
        mv.solve(folder / "00.png", folder / "01.png", "taste")
    with pytest.raises(mv.InputError, match="no metric with an exact solver takes these objects"):
        mv.solve(folder / "00.xyz", folder / "01.xyz")
    with pytest.raises(mv.InputError, match="there is no exact solver for the metric tabular"):
        mv.solve(folder / "00.png", folder / "01.png", mv.metrics.Tabular("taste").of_kinds("silhouette"))


def test_objects_of_an_exact_answer_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, convert = [], SilhouetteKind.convert
    monkeypatch.setattr(
        SilhouetteKind, "convert", lambda kind, *given: (read.append(kind.name), convert(kind, *given))[1]
    )
    for metric in (None, "overlap"):
        read.clear()
        mv.solve(folder / "00.png", folder / "01.png", metric)
        assert read.count("silhouette") == 2


def test_what_fails_leaves_no_temporary_folder(
    model: mv.PairModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(mv.InputError):
        model.index(tmp_path / "missing")
    table = ObjectTable.from_objects(SilhouetteKind(), [shape.mask for shape in draw("procedural", 3, seed=1)])
    ends = [0, 1, 2], [1, 2, 0]
    with pytest.raises(mv.InputError, match="no calibration pairs"):
        mv.fit(mv.PairDataset.from_objects(OverlapMetric(), table, *ends, [5.0, 6.0, 7.0]), show_progress=False)
    assert list(tmp_path.iterdir()) == []


def table_of_pairs(folder: Path, path: Path, pairs: int = 600) -> Path:
    """Heights of two shapes together, which nothing of ours would label."""
    random = np.random.default_rng(0)
    heights = {}
    for image in sorted(folder.iterdir()):
        rows = np.flatnonzero((np.asarray(Image.open(image)) > 127).any(axis=1))
        heights[image.name] = float(np.ptp(rows)) + 1
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["left", "right", "height", "part"])
        for number in range(pairs):
            a, b = random.choice(list(heights), 2)
            part = ("train", "train", "validation", "calibration", "calibration", "test")[number % 6]
            writer.writerow([f"shapes/{a}", f"shapes/{b}", heights[a] + heights[b], part])
    return path


def test_a_table_of_pairs_becomes_a_model(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shapes").symlink_to(folder)
    table = table_of_pairs(folder, tmp_path / "pairs.csv")
    metric = mv.metrics.Tabular("joint height", unit="pixels", range=(0, None))
    data = mv.PairDataset.from_csv(
        table, kind="silhouette", value="height", metric=metric, columns=("left", "right"), split="part"
    )
    assert 50 < len(data) <= 78  # distinct pairs of 12 shapes, and each with itself
    assert data.card["import"]["rows"] == 600
    assert data.metric.description.value == "joint height"
    assert len(data.left) == 12
    model = mv.fit(
        data, tmp_path / "model", steps=25, batch_pairs=16, evaluate_every=25, threads=1, show_progress=False
    )
    assert "joint height" in model.card
    about_start, *others = (line for line in model.card.splitlines() if "overlap" in line)
    assert about_start.startswith("| training | model `overlap`: ")  # whose networks it starts from
    assert not others
    prediction = model.predict(folder / "00.png", folder / "01.png")
    assert prediction.low >= 0
    model.save(tmp_path / "copy")
    assert mv.load(tmp_path / "copy").predict(folder / "00.png", folder / "01.png") == prediction
    with pytest.raises(mv.InputError, match="is there already"):
        model.save(tmp_path / "copy")


def test_splits_of_a_table_are_cold(folder: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    ends = random.integers(0, 300, (6_000, 2)).tolist()
    rows, distinct = [f"{a},{b},{a + b}" for a, b in ends], {frozenset(pair) for pair in ends}
    (tmp_path / "pairs.csv").write_text("a,b,value\n" + "\n".join(rows) + "\n")
    places = tmp_path / "numbers"
    places.mkdir()
    from dataclasses import dataclass

    from metricvae.core.kind import KINDS
    from metricvae.kinds.arrays import ArrayKind

    @dataclass(frozen=True)
    class Number(ArrayKind):
        name = "test-number"
        title = "numbers"

        def convert(self, value: object, options: object = None) -> np.ndarray:
            return np.array([float(str(value))], np.float32)

    KINDS.register("test-number", Number)
    data = mv.PairDataset.from_csv(tmp_path / "pairs.csv", kind="test-number")
    assert data.card["plan"]["cold"] == "both"
    assert data.card["plan"]["pairs_across_splits"] == len(distinct) - len(data)
    split_of: dict[int, str] = {}
    for first, second, split in zip(data.first, data.second, data.split, strict=True):
        for row in (first, second):
            assert split_of.setdefault(int(row), split) == split


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\nx,y\n", "lacks the column 'value': it has a, b"),
        ("a,b,value\n00.png,01.png,much\n", "row 1 has the value 'much': expected a finite number"),
        ("a,b,value\n00.png,01.png,inf\n", "row 1 has the value 'inf'"),
        ("a,b,value\n", "holds no pairs"),
        ("a,b,value\n" + "00.png,gone.png,1\n00.png,gone.png,2\n" * 40, "gone.png"),
        ("a,b,value\n" + "00.png,01.png,1\n" * 8, "give more pairs of more objects"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(folder: Path, text: str, message: str) -> None:
    (folder / "bad.csv").write_text(text)
    with pytest.raises(mv.InputError, match=message) as caught:
        mv.PairDataset.from_csv(folder / "bad.csv", kind="silhouette")
    assert "\n" not in str(caught.value)
    (folder / "bad.csv").unlink()
