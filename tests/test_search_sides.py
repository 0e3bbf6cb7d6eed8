"""Search between two kinds of objects: items of either side, answers those of brute force, foreign objects refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cli_problem import Command
from metricvae.core.dataset_library import open_library
from metricvae.core.errors import InputError
from metricvae.core.libraries import ReadOptions
from metricvae.core.metric import Metric
from metricvae.core.object_files import LazyObjects, read_file
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.heads import CosineTanimoto, Head, InnerProduct, SignedInverseCosine
from metricvae.prediction import predictor as predictor_module
from metricvae.prediction.calibration.conformal import Conformal
from metricvae.prediction.predictor import Predictor
from metricvae.search import build as build_module
from metricvae.search.build import build_index
from metricvae.search.encoding import Placement, encode_part, packed_model
from metricvae.search.index import read_index
from metricvae.search.rerank import exact_search, item_reader, rerank, solver_of
from metricvae.search.search import search
from metricvae.training.checkpoint import annotate, begin_model, finish_model
from toy_problem import KEY, LOCK, FitMetric, FitSolver, KeyKind, LockKind, register

COUNT = 25
SIDES = ("left", "right")
KIND_OF = {"left": LockKind(), "right": KeyKind()}


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register()


@pytest.fixture(scope="module")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Predictor]:
    """A model of random weights with two towers."""

    def make(metric: Metric, head: Head, seed: int = 3) -> Predictor:
        folder = tmp_path_factory.mktemp("model")
        towers = (TowerConfig.of_kind(KIND_OF[side]) for side in SIDES)
        config = ModelConfig(metric, *towers, latent=12, head=head)
        begin_model(folder, config, {}, {})
        finish_model(folder, build(config, seed).state_dict(), "float32", {})
        annotate(folder, calibration=Conformal(0.9, (), (0.1,)).to_json())
        return Predictor.load(folder)

    return make


@pytest.fixture(scope="module")
def predictor(make_model: Callable[..., Predictor]) -> Predictor:
    return make_model(FitMetric(), InnerProduct(scale=0.2))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, np.ndarray]]:
    """A folder of locks for the left side, one of keys for the right, and the arrays in them."""
    random = np.random.default_rng(4)
    found = {}
    for side, width in zip(SIDES, (LOCK, KEY), strict=True):
        folder = tmp_path_factory.mktemp(side)
        arrays = random.normal(size=(COUNT, width)).astype(np.float32)
        for number, array in enumerate(arrays):
            np.save(folder / f"{number:02d}.npy", array)
        found[side] = folder, arrays
    return found


def other(side: str) -> str:
    return "left" if side == "right" else "right"


def values_of_all_pairs(predictor: Predictor, objects: dict[str, tuple[Path, np.ndarray]]) -> np.ndarray:
    """(locks, keys) predicted one pair at a time."""
    (_, locks), (_, keys) = objects["left"], objects["right"]
    return np.array([predictor.predict_objects([(lock, key) for key in keys]).value for lock in locks])


@pytest.mark.parametrize("side", SIDES)
def test_hits_are_those_of_brute_force(predictor: Predictor, objects, tmp_path: Path, side: str) -> None:
    every = values_of_all_pairs(predictor, objects)
    build_index(predictor, objects[side][0], tmp_path / "index", side=side)
    index = read_index(tmp_path / "index")
    assert (index.side, index.kind) == (side, KIND_OF[side])
    for number, query in enumerate(objects[other(side)][1][:5]):
        expected = every[number] if side == "right" else every[:, number]
        hits = search(index, predictor, query, 7)
        order = np.argsort(-expected, kind="stable")[:7]
        assert hits.rows.tolist() == order.tolist()
        np.testing.assert_allclose(hits.predictions.value, expected[order], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_exact_answers_are_of_left_and_right_in_their_order(
    predictor: Predictor, objects, tmp_path: Path, side: str
) -> None:
    folder, items = objects[side]
    build_index(predictor, folder, tmp_path / "index", side=side)
    index, query = read_index(tmp_path / "index"), objects[other(side)][1][0]
    found = search(index, predictor, query, 9)
    hits = rerank(found, exact_search(predictor.metric, index, [query]), item_reader(index, found))
    pairs = [(query, items[row]) if side == "right" else (items[row], query) for row in hits.rows]
    assert hits.exact is not None
    solver = FitSolver()
    assert hits.exact.tolist() == [solver.solve(*map(solver.prepare, pair)).score for pair in pairs]
    assert list(hits.exact) == sorted(hits.exact, reverse=True)
    assert sorted(hits.rows) == sorted(found.rows)


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("head", [InnerProduct(scale=2.0, offset=5.0), CosineTanimoto()])
@pytest.mark.parametrize("similarity", [False, True])
def test_a_distance_puts_the_smallest_values_first(
    make_model, objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: bool, head: Head, similarity: bool
) -> None:
    metric = TabularMetric("distance", left="toy-lock", right="toy-key", unit="px", similarity=similarity)
    predictor = make_model(metric, head)
    monkeypatch.setattr(build_module, "WORTHWHILE", 10 if cells else 1_000)
    build_index(predictor, objects["right"][0], tmp_path / "index")
    index = read_index(tmp_path / "index")
    assert (index.cells is not None) == cells
    every = values_of_all_pairs(predictor, objects)
    for number, query in enumerate(objects["left"][1][:5]):
        hits = search(index, predictor, query, 6)
        order = np.argsort(every[number] * (-1 if similarity else 1), kind="stable")[:6]
        np.testing.assert_allclose(hits.predictions.value, every[number][order], rtol=0, atol=5e-3)
        np.testing.assert_allclose(every[number][hits.rows], every[number][order], rtol=0, atol=5e-3)


def test_a_head_without_vectors_is_searched_through_all_codes(
    make_model, objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = TabularMetric("charge", left="toy-lock", right="toy-key")
    predictor = make_model(metric, SignedInverseCosine())
    monkeypatch.setattr(build_module, "WORTHWHILE", 10)
    build_index(predictor, objects["right"][0], tmp_path / "index")
    hits = search(read_index(tmp_path / "index"), predictor, objects["left"][1][0], 6)
    expected = values_of_all_pairs(predictor, objects)[0]
    assert hits.rows.tolist() == np.argsort(-expected, kind="stable")[:6].tolist()


def test_a_metric_without_a_solver_has_no_exact_search() -> None:
    metric = TabularMetric("Hausdorff distance", left="toy-lock", right="toy-key", unit="px")
    with pytest.raises(InputError, match=r"no exact search for tabular \(px\): leave --exact out"):
        solver_of(metric)


def test_objects_of_the_other_side_are_refused(predictor: Predictor, objects, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the shape \(6,\): expected \(4,\)"):
        build_index(predictor, objects["left"][0], tmp_path / "index", side="right")


def test_the_index_keeps_what_exact_answers_need(predictor: Predictor, objects, tmp_path: Path) -> None:
    build_index(predictor, objects["right"][0], tmp_path / "kept")
    columns = pq.read_schema(tmp_path / "kept" / "items-000.parquet").names
    assert columns == ["id", "path", "library", "values", "magnitude", "novelty", "length", "code"]
    index = read_index(tmp_path / "kept")
    hits = search(index, predictor, objects["left"][1][0], 4)
    gone = index.document | {"plan": index.plan | {"library": "gone"}}
    read = item_reader(replace(index, document=gone), hits)
    for row in hits.rows.tolist():
        assert np.array_equal(read(row), objects["right"][1][row])


def test_a_task_encodes_the_part_that_this_process_encodes(predictor: Predictor, objects, tmp_path: Path) -> None:
    folder, _ = objects["left"]
    build_index(predictor, folder, tmp_path / "index", side="left")
    (tmp_path / "model.zip").write_bytes(packed_model(predictor.loaded.folder, Placement("left")))
    library = LockKind().open_library(folder, tmp_path)
    encode_part(library.loader, tmp_path / "model.zip", library.item(0), tmp_path / "part.parquet")
    part, whole = (
        pq.read_table(path) for path in (tmp_path / "part.parquet", tmp_path / "index" / "items-000.parquet")
    )
    assert part.drop_columns("code") == whole.drop_columns("code")
    assert torch.equal(*(torch.tensor(table["code"].to_pylist()) for table in (part, whole)))


def test_a_worker_uses_the_model_it_was_sent_last(make_model, objects, tmp_path: Path) -> None:
    """Also where it lies at the path of the one before."""
    library, packed = LockKind().open_library(objects["left"][0], tmp_path), tmp_path / "model.zip"
    for seed in (3, 4):
        predictor = make_model(FitMetric(), InnerProduct(), seed)
        packed.write_bytes(packed_model(predictor.loaded.folder, Placement("left")))
        encode_part(library.loader, packed, library.item(0), tmp_path / "part.parquet")
        codes = torch.tensor(pq.read_table(tmp_path / "part.parquet")["code"].to_pylist())
        torch.testing.assert_close(codes, predictor.encode(objects["left"][1], "left").codes)


# The command line


def test_the_command_line_searches_from_either_side(command: Command, predictor: Predictor, objects, tmp_path) -> None:
    every, model = values_of_all_pairs(predictor, objects), predictor.loaded.folder
    assert command("index", model, objects["left"][0], "--out", tmp_path / "locks", "--side", "left").status == 0
    key = objects["right"][0] / "03.npy"
    found = command("search", tmp_path / "locks", key, "-k", "2", "--json").document["hits"]
    order = np.argsort(-every[:, 3], kind="stable")[:2]
    assert [hit["id"] for hit in found] == [f"{row:02d}.npy" for row in order]
    assert [hit["predicted"] for hit in found] == pytest.approx(every[order, 3].tolist(), rel=1e-5)
    exact = command("search", tmp_path / "locks", key, "-k", "2", "--exact", "5", "--json").document["hits"]
    assert [list(hit) for hit in exact] == [["id", "path", "predicted", "fit"]] * 2
    refused = command("search", tmp_path / "locks", key, "--exact", "10", "--picture", tmp_path / "hits.png")
    assert (refused.status, "no picture of locks" in refused.err) == (2, True)
    refused = command("search", tmp_path / "locks", objects["left"][0] / "03.npy")
    assert (refused.status, "expected (4,)" in refused.err) == (2, True)


def test_the_command_line_predicts_pairs_of_two_kinds(
    command: Command, predictor: Predictor, objects, tmp_path
) -> None:
    every, model = values_of_all_pairs(predictor, objects), predictor.loaded.folder
    (locks, _), (keys, _) = objects["left"], objects["right"]
    answer = command("predict", model, locks / "02.npy", keys / "05.npy", "--json").document
    assert list(answer) == ["predicted", "low", "high", "novelty", "novel"]
    assert answer["predicted"] == pytest.approx(every[2, 5], rel=1e-5)
    text = command("predict", model, locks / "02.npy", keys / "05.npy").out
    assert text == (
        f"predicted fit {answer['predicted']:.4g}, 90% interval {answer['low']:.4g} to {answer['high']:.4g}\n"
    )
    pairs = [(2, 5), (0, 1), (2, 0), (7, 5)]
    lines = [f"{locks}/{a:02d}.npy,{keys}/{b:02d}.npy" for a, b in pairs]
    (tmp_path / "pairs.csv").write_text("\n".join(["a,b", *lines]))
    assert command("predict", model, "--pairs", tmp_path / "pairs.csv", "--out", tmp_path / "out.csv").status == 0
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["predicted"]) for row in rows] == pytest.approx([every[pair] for pair in pairs], rel=1e-4)


def test_files_of_a_list_are_read_a_few_at_a_time(predictor: Predictor, objects, monkeypatch) -> None:
    folder, arrays = objects["right"]
    lazy = LazyObjects(KeyKind(), sorted(folder.iterdir()))
    assert len(lazy) == COUNT
    assert np.array_equal(lazy[4], arrays[4])
    assert [one.tolist() for one in lazy[3:5]] == arrays[3:5].tolist()
    read = []
    whole = KeyKind.read
    monkeypatch.setattr(
        KeyKind, "read", lambda kind, path, options: read.append(path.name) or whole(kind, path, options)
    )
    monkeypatch.setattr(predictor_module, "ENCODED_AT_ONCE", {"cpu": 4})
    seen: list[int] = []
    predictor.encode(lazy, "right", on_progress=lambda done, total: seen.append(len(read)))
    assert seen == [4, 8, 12, 16, 20, 24, 25]


def test_files_of_another_kind_are_named_with_both_kinds(tmp_path: Path) -> None:
    for kind, name, words in (
        (SilhouetteKind(), "a.sdf.gz", "a file of molecules, and the model takes silhouettes"),
        (MoleculeKind(), "b.PNG", "a file of silhouettes, and the model takes molecules"),
    ):
        with pytest.raises(InputError, match=words):
            read_file(kind, tmp_path / name)
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=words):
            open_library(kind, tmp_path / name, tmp_path / "work", ReadOptions())
    with pytest.raises(InputError, match="a folder, and a library of molecules is a file"):
        open_library(MoleculeKind(), tmp_path, tmp_path / "work", ReadOptions())
