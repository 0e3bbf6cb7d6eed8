"""Indexes of libraries: what is found is what the model says is best, from images or data sets, also after a kill."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.core.libraries import Library, ReadOptions
from metricvae.kinds.silhouette.kind import SilhouetteKind, mask_of
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.parquet import read_rows, write_table
from metricvae.search import build as indexing_module
from metricvae.search.build import build_index
from metricvae.search.index import load_for, read_index
from metricvae.search.rerank import exact_search, item_reader, rerank
from metricvae.search.search import search

COUNT = 30


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load("overlap")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "images"
    for index, shape in enumerate(draw("mixed", COUNT, seed=77)):
        (folder / f"{index % 3}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 * shape.mask).save(folder / f"{index % 3}" / f"{index:02d}.png")
    return folder


@pytest.fixture(scope="module")
def built(predictor: Predictor, images: Path) -> Path:
    folder = images.parent / "index"
    assert build_index(predictor, images, folder)["plan"]["items"] == COUNT
    return folder


def masks_in(folder: Path) -> list[Mask]:
    return list(SilhouetteKind().open_library(folder, folder, ReadOptions()).load(0).objects)


def test_the_best_hits_are_those_the_model_predicts_highest(predictor: Predictor, images: Path, built: Path) -> None:
    index, query = read_index(built), draw("glyphs", 1, seed=5)[0].mask
    hits = search(index, predictor, query, 7)
    shapes = masks_in(images)
    said = predictor.predict_objects([(query, shapes[row]) for row in range(COUNT)])
    expected = np.argsort(-said.value, kind="stable")[:7]
    assert hits.rows.tolist() == expected.tolist()
    assert hits.predictions.value == pytest.approx(said.value[expected], rel=1e-4)
    assert Path(index.paths[hits.rows[0]]).is_file()
    assert index.ids[hits.rows[0]] in index.paths[hits.rows[0]]


def test_a_shape_of_the_library_finds_itself(predictor: Predictor, images: Path, built: Path) -> None:
    index, shapes = read_index(built), masks_in(images)
    row = int(index.magnitudes.argmax())
    assert search(index, predictor, shapes[row], 1).rows[0] == row


def test_reranked_hits_stand_in_the_order_of_their_exact_overlaps(
    predictor: Predictor, images: Path, built: Path
) -> None:
    index, query = read_index(built), draw("glyphs", 1, seed=6)[0].mask
    found = search(index, predictor, query, 8)
    read = item_reader(index, found)
    hits = rerank(found, exact_search(predictor.metric, index, [query]), read)
    assert hits.exact is not None
    assert list(hits.exact) == sorted(hits.exact, reverse=True)
    assert hits.exact[0] == solve(PreparedMask(query), PreparedMask(read(int(hits.rows[0])))).area


def test_an_interrupted_index_goes_on_and_ends_the_same(
    predictor: Predictor, images: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Library, "at_once", 10)

    def stop(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(predictor, images, tmp_path / "index", on_progress=stop)
    with pytest.raises(InputError, match="so it is no finished index"):
        read_index(tmp_path / "index")
    build_index(predictor, images, tmp_path / "index")
    again, whole = read_index(tmp_path / "index"), read_index(built)
    assert again.ids == whole.ids
    assert torch.allclose(again.codes, whole.codes, atol=1e-3)
    assert {path.name for path in (tmp_path / "index").iterdir()} == {"index.json", "items-000.parquet", "skipped.txt"}


def test_a_finished_index_is_found_again_and_another_s_is_left_alone(
    predictor: Predictor, images: Path, built: Path, tmp_path: Path
) -> None:
    before = (built / "items-000.parquet").read_bytes()
    build_index(predictor, images, built)
    assert (built / "items-000.parquet").read_bytes() == before
    shutil.copytree(images, tmp_path / "others")
    (tmp_path / "others" / "0" / "00.png").unlink()
    with pytest.raises(InputError, match="another library or model"):
        build_index(predictor, tmp_path / "others", built)


@pytest.fixture(scope="module")
def pieces(halves: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the pieces of the data set of halves, without cells."""
    folder = tmp_path_factory.mktemp("pieces") / "index"
    build_index(Predictor.load(halves[1]), halves[0], folder)
    return folder


def test_data_sets_are_libraries(halves: tuple[Path, Path], pieces: Path) -> None:
    predictor, index = Predictor.load(halves[1]), read_index(pieces)
    query = mask_of(read_dataset(halves[0]).left.tensor([3])[0])
    hits = search(index, predictor, query, 5)
    assert hits.predictions.match is not None
    assert list(hits.predictions.value) == sorted(hits.predictions.value, reverse=True)
    read = item_reader(index, hits)
    data = read_dataset(halves[0])
    for row in hits.rows.tolist():
        assert np.array_equal(read(row), mask_of(data.left.tensor([row])[0]))
    assert load_for(index).loaded.sha256 == predictor.loaded.sha256
    with pytest.raises(InputError, match="not the one the index was made with"):
        load_for(index, "overlap")


def test_cells_give_the_probabilities_that_all_codes_give(
    halves: tuple[Path, Path], pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, predictor = mask_of(read_dataset(halves[0]).left.tensor([0])[0]), Predictor.load(halves[1])
    monkeypatch.setattr(indexing_module, "WORTHWHILE", 10)
    build_index(predictor, halves[0], tmp_path / "cells")
    plain, cells = read_index(pieces), read_index(tmp_path / "cells")
    assert plain.cells is None
    assert cells.codes is None
    hits = search(cells, predictor, query, 5)
    every = search(plain, predictor, query, len(plain.ids))
    place = {row: at for at, row in enumerate(every.rows.tolist())}
    expected = every.predictions.value[[place[row] for row in hits.rows.tolist()]]
    np.testing.assert_allclose(hits.predictions.value, expected, atol=2e-3)


@pytest.mark.parametrize(("version", "age"), [(None, "an older"), (2, "an older"), (4, "a later")])
def test_an_index_of_another_version_is_named(
    predictor: Predictor, images: Path, built: Path, tmp_path: Path, version: int | None, age: str
) -> None:
    shutil.copytree(built, tmp_path / "old")
    document = json.loads((tmp_path / "old" / "index.json").read_text())
    document |= {"format": version}
    if version is None:
        del document["format"]
    (tmp_path / "old" / "index.json").write_text(json.dumps(document))
    for use in (read_index, lambda folder: build_index(predictor, images, folder)):
        with pytest.raises(InputError, match=f"made by {age} version: make it again"):
            use(tmp_path / "old")


def test_damage_is_named(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "copy")
    (tmp_path / "copy" / "items-000.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"items-000\.parquet"):
        read_index(tmp_path / "copy")
    (tmp_path / "copy" / "index.json").write_text("{}")
    with pytest.raises(InputError, match=r"index\.json is damaged"):
        read_index(tmp_path / "copy")


def test_no_hits_asked_for(predictor: Predictor, built: Path) -> None:
    with pytest.raises(InputError, match="k is 0: expected at least 1"):
        search(read_index(built), predictor, draw("glyphs", 1, seed=5)[0].mask, 0)


def test_one_tower_answers_alike_whichever_side_the_items_stand_on(
    predictor: Predictor, images: Path, built: Path, tmp_path: Path
) -> None:
    build_index(predictor, images, tmp_path / "left", side="left")
    right, left = read_index(built), read_index(tmp_path / "left")
    assert (right.side, right.query_side, left.side, left.query_side) == ("right", "left", "left", "right")
    query = draw("glyphs", 1, seed=5)[0].mask
    here, there = (search(index, predictor, query, 7) for index in (right, left))
    assert here.rows.tolist() == there.rows.tolist()
    np.testing.assert_allclose(here.predictions.value, there.predictions.value, rtol=1e-6)
    exact = [exact_search(predictor.metric, index, [query]).answers([masks_in(images)[3]]) for index in (right, left)]
    assert exact[0] == exact[1]


def test_an_image_that_is_gone_is_named(predictor: Predictor, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "images")
    build_index(predictor, tmp_path / "images", tmp_path / "index")
    index = read_index(tmp_path / "index")
    hits = search(index, predictor, draw("glyphs", 1, seed=5)[0].mask, 2)
    (tmp_path / "images" / index.ids[hits.rows[0]]).unlink()
    with pytest.raises(InputError, match="does not exist"):
        item_reader(index, hits)(int(hits.rows[0]))


def test_rows_of_a_table_are_read_from_their_groups_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [pa.table({"a": range(start, start + 4), "b": ["x"] * 4}) for start in (0, 4, 8)]
    write_table(tmp_path / "t.parquet", parts, parts[0].schema)
    seen = []
    whole = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda file, group, **o: seen.append(group) or whole(file, group, **o)
    )
    assert read_rows(tmp_path / "t.parquet", [9, 1, 8, 1], ["a"]).to_pydict() == {"a": [9, 1, 8, 1]}
    assert seen == [0, 2]
    empty = read_rows(tmp_path / "t.parquet", [], ["b"])
    assert (len(empty), empty.column_names) == (0, ["b"])
