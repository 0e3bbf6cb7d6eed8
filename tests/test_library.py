"""Indexes of libraries: what is found is what the model says is best, from images or data sets, also after a kill."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from metricvae.search.sources import ImageFolder
from PIL import Image

from metricvae.core.dataset import read_dataset
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import sha256_of
from metricvae.search import build as indexing_module
from metricvae.search import sources as libraries_module
from metricvae.search.build import build_index
from metricvae.search.index import exact_search, item_reader, load_for, read_index, rerank, search

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


def test_the_best_hits_are_those_the_model_predicts_highest(predictor: Predictor, images: Path, built: Path) -> None:
    index, query = read_index(built), draw("glyphs", 1, seed=5)[0].mask
    hits = search(index, predictor, query, 7)
    shapes = ImageFolder(images, fit=False).load(0).objects
    said = predictor.predict_masks([(query, shapes[row]) for row in range(COUNT)])
    expected = np.argsort(-said.value, kind="stable")[:7]
    assert hits.rows.tolist() == expected.tolist()
    assert hits.said.value == pytest.approx(said.value[expected], rel=1e-4)
    assert Path(index.paths[hits.rows[0]]).is_file()
    assert index.ids[hits.rows[0]] in index.paths[hits.rows[0]]


def test_a_shape_of_the_library_finds_itself(predictor: Predictor, images: Path, built: Path) -> None:
    index, shapes = read_index(built), ImageFolder(images, fit=False).load(0).objects
    row = int(index.sizes.argmax())
    assert search(index, predictor, shapes[row], 1).rows[0] == row


def test_reranked_hits_stand_in_the_order_of_their_exact_overlaps(
    predictor: Predictor, images: Path, built: Path
) -> None:
    index, query = read_index(built), draw("glyphs", 1, seed=6)[0].mask
    found = search(index, predictor, query, 8)
    read = item_reader(index, found)
    hits = rerank(found, exact_search("overlap", query), read)
    assert hits.exact is not None
    assert list(hits.exact) == sorted(hits.exact, reverse=True)
    assert hits.exact[0] == solve(PreparedMask(query), PreparedMask(read(int(hits.rows[0])))).area


def test_an_interrupted_index_goes_on_and_ends_the_same(
    predictor: Predictor, images: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (libraries_module, indexing_module):
        monkeypatch.setattr(module, "ITEMS_A_PART", 10)

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
    assert {path.name for path in (tmp_path / "index").iterdir()} == {"index.json", "items.parquet", "skipped.txt"}


def test_a_finished_index_is_found_again_and_another_s_is_left_alone(
    predictor: Predictor, images: Path, built: Path, tmp_path: Path
) -> None:
    before = (built / "items.parquet").read_bytes()
    build_index(predictor, images, built)
    assert (built / "items.parquet").read_bytes() == before
    shutil.copytree(images, tmp_path / "others")
    (tmp_path / "others" / "0" / "00.png").unlink()
    with pytest.raises(InputError, match="another library or model"):
        build_index(predictor, tmp_path / "others", built)


def test_data_sets_are_libraries(halves: tuple[Path, Path], tmp_path: Path) -> None:
    predictor = Predictor.load(halves[1])
    build_index(predictor, halves[0], tmp_path / "index")
    index = read_index(tmp_path / "index")
    hits = search(index, predictor, read_dataset(halves[0]).mask(3), 5)
    assert hits.said.match is not None
    assert list(hits.said.value) == sorted(hits.said.value, reverse=True)
    assert load_for(index).loaded.sha256 == predictor.loaded.sha256
    with pytest.raises(InputError, match="not the one the index was made with"):
        load_for(index, "overlap")


def test_cells_give_the_probabilities_that_all_codes_give(
    halves: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, predictor = read_dataset(halves[0]), Predictor.load(halves[1])
    build_index(predictor, halves[0], tmp_path / "plain")
    monkeypatch.setattr(indexing_module, "WORTHWHILE", 10)
    build_index(predictor, halves[0], tmp_path / "cells")
    plain, cells = read_index(tmp_path / "plain"), read_index(tmp_path / "cells")
    assert plain.cells is None
    assert cells.codes is None
    hits = search(cells, predictor, data.mask(0), 5)
    every = search(plain, predictor, data.mask(0), len(plain.ids))
    place = {row: at for at, row in enumerate(every.rows.tolist())}
    expected = every.said.value[[place[row] for row in hits.rows.tolist()]]
    np.testing.assert_allclose(hits.said.value, expected, atol=2e-3)


def test_an_index_of_an_older_version_is_named(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "old")
    items = pq.read_table(tmp_path / "old" / "items.parquet").drop_columns("length")
    pq.write_table(items, tmp_path / "old" / "items.parquet")
    document = json.loads((tmp_path / "old" / "index.json").read_text())
    document["sha256"]["items.parquet"] = sha256_of(tmp_path / "old" / "items.parquet")
    (tmp_path / "old" / "index.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="older version: make it again"):
        read_index(tmp_path / "old")


def test_damage_is_named(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "copy")
    (tmp_path / "copy" / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"items\.parquet"):
        read_index(tmp_path / "copy")
    (tmp_path / "copy" / "index.json").write_text("{}")
    with pytest.raises(InputError, match=r"index\.json is damaged"):
        read_index(tmp_path / "copy")


def test_no_hits_asked_for(predictor: Predictor, built: Path) -> None:
    with pytest.raises(InputError, match="k is 0: expected at least 1"):
        search(read_index(built), predictor, draw("glyphs", 1, seed=5)[0].mask, 0)
