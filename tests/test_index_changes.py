"""An index that changes: items added and deleted, and what a kill at any moment leaves."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cli_problem import Command
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.fragments import draw
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.calibration.conformal import Conformal
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import read_json, write_json
from metricvae.runtime.locks import held
from metricvae.search import build as build_module
from metricvae.search import update as update_module
from metricvae.search.build import build_index
from metricvae.search.encoding import Placement, encode_part, packed_model
from metricvae.search.filters import ItemFilter
from metricvae.search.index import Index, read_index
from metricvae.search.rerank import exact_search, item_reader, rerank
from metricvae.search.search import search
from metricvae.search.update import append_to_index, delete_items
from metricvae.training.checkpoint import annotate, begin_model, finish_model
from toy_problem import KEY, LOCK, FitMetric, KeyKind, LockKind, register


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register()


def make_model(folder: Path, seed: int = 3) -> Predictor:
    """A model of random weights with two towers."""
    config = ModelConfig(
        FitMetric(), *map(TowerConfig.of_kind, (LockKind(), KeyKind())), latent=12, head=InnerProduct()
    )
    begin_model(folder, config, {}, {})
    finish_model(folder, build(config, seed).state_dict(), "float32", {})
    annotate(folder, calibration=Conformal(0.9, (), (0.1,)).to_json())
    return Predictor.load(folder)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of keys: `first` of numbers 0 to 29, `second` of 20 to 49, and `both` of all."""
    arrays = np.random.default_rng(4).normal(size=(50, KEY)).astype(np.float32)
    found = {}
    for name, numbers in {"first": range(30), "second": range(20, 50), "both": range(50)}.items():
        found[name] = tmp_path_factory.mktemp(name)
        for number in numbers:
            np.save(found[name] / f"{number:02d}.npy", arrays[number])
    return found


@pytest.fixture(params=[10_000, 10], ids=["plain", "cells"])
def folder(
    predictor: Predictor, keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> Path:
    for module in (build_module, update_module):
        monkeypatch.setattr(module, "WORTHWHILE", request.param)
    build_index(predictor, keys["first"], tmp_path / "index")
    return tmp_path / "index"


LOCKS = np.random.default_rng(9).normal(size=(3, LOCK)).astype(np.float32)


def answers(index: Index, predictor: Predictor, wanted: ItemFilter = ItemFilter()) -> list[dict[str, float]]:  # noqa: B008
    """Of some locks: what is predicted for all keys of an index, by their ids."""
    found = []
    for lock in LOCKS:
        hits = search(index, predictor, lock, 100, wanted)
        found.append(
            {index.ids[row]: float(value) for row, value in zip(hits.rows, hits.predictions.value, strict=True)}
        )
    return found


def assert_same(one: list[dict[str, float]], other: list[dict[str, float]]) -> None:
    for here, there in zip(one, other, strict=True):
        assert here.keys() == there.keys()
        assert [here[name] for name in sorted(here)] == pytest.approx([there[name] for name in sorted(there)], abs=5e-3)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


def test_what_is_added_is_found_as_if_it_had_been_there(
    folder: Path, predictor: Predictor, keys: dict[str, Path], tmp_path: Path
) -> None:
    before = (folder / "items-000.parquet").read_bytes()
    done = append_to_index(folder, keys["second"], predictor)
    assert (done.added, done.known, done.skipped, done.items) == (20, 10, 0, 50)
    assert (folder / "items-000.parquet").read_bytes() == before
    build_index(predictor, keys["both"], tmp_path / "whole")
    index, whole = read_index(folder), read_index(tmp_path / "whole")
    assert (len(index), index.ids) == (50, whole.ids)
    assert (index.cells is None) == (whole.cells is None)
    assert_same(answers(index, predictor), answers(whole, predictor))
    query = LOCKS[0]
    hits = search(index, predictor, query, 50)
    ranked = rerank(hits, exact_search(predictor.metric, index, [query]), item_reader(index, hits))
    assert len(ranked) == 50


def test_adding_the_same_again_adds_nothing(folder: Path, predictor: Predictor, keys: dict[str, Path]) -> None:
    append_to_index(folder, keys["second"], predictor)
    before, document = files(folder), (folder / "index.json").read_bytes()
    done = append_to_index(folder, keys["second"], predictor)
    assert (done.added, done.known, done.items) == (0, 30, 50)
    assert (files(folder), (folder / "index.json").read_bytes()) == (before, document)
    assert build_index(predictor, keys["first"], folder)["rows"] == 50


def test_what_is_deleted_is_not_found(folder: Path, predictor: Predictor) -> None:
    every = answers(read_index(folder), predictor)
    done = delete_items(folder, ["03.npy", "07.npy", "nobody"])
    assert (done.deleted, done.unknown, done.items, done.compacted) == (2, 1, 28, False)
    index = read_index(folder)
    assert len(index) == 28
    left = [{name: value for name, value in one.items() if name not in ("03.npy", "07.npy")} for one in every]
    assert_same(answers(index, predictor), left)
    again = delete_items(folder, ["03.npy"])
    assert (again.deleted, again.unknown, again.items) == (0, 1, 28)
    assert not {"03.npy"} & answers(index, predictor, ItemFilter("novelty > -1"))[0].keys()


def test_a_condition_deletes(folder: Path, predictor: Predictor) -> None:
    done = delete_items(folder, where="id in ('01.npy', '02.npy') or id == '09.npy'")
    assert (done.deleted, done.items) == (3, 27)
    with pytest.raises(InputError, match="no property 'weight'"):
        delete_items(folder, where="weight > 3")


def test_what_was_deleted_can_be_added_again(folder: Path, predictor: Predictor, keys: dict[str, Path]) -> None:
    every = answers(read_index(folder), predictor)
    delete_items(folder, ["03.npy"])
    done = append_to_index(folder, keys["first"], predictor)
    assert (done.added, done.known, done.items) == (1, 29, 30)
    assert_same(answers(read_index(folder), predictor), every)


def test_an_index_of_which_half_is_deleted_is_written_anew(
    folder: Path, predictor: Predictor, keys: dict[str, Path]
) -> None:
    append_to_index(folder, keys["second"], predictor)
    every = answers(read_index(folder), predictor)
    gone = {f"{number:02d}.npy" for number in range(5, 31)}
    done = delete_items(folder, sorted(gone))
    assert (done.deleted, done.compacted) == (26, True)
    document = json.loads((folder / "index.json").read_text())
    assert [segment["rows"] for segment in document["segments"]] == [24]
    assert document["deleted"] is None
    assert files(folder) == {"index.json", "skipped.txt", *document["sha256"]}
    index = read_index(folder)
    assert_same(answers(index, predictor), [{k: v for k, v in one.items() if k not in gone} for one in every])
    hits = search(index, predictor, LOCKS[0], 24)
    assert len({tuple(item_reader(index, hits)(row)) for row in hits.rows.tolist()}) == 24


def test_compaction_by_request_and_deletion_of_all(folder: Path, predictor: Predictor, keys: dict[str, Path]) -> None:
    append_to_index(folder, keys["second"], predictor)
    assert delete_items(folder, compact=True).compacted
    assert len(read_index(folder).segments) == 1
    assert not delete_items(folder, compact=True).compacted
    assert delete_items(folder, where="1 < 2").items == 0
    assert answers(read_index(folder), predictor) == [{}, {}, {}]
    assert append_to_index(folder, keys["first"], predictor).items == 30


def test_cells_are_found_anew_when_an_index_has_grown(
    predictor: Predictor, keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "WORTHWHILE", 10)
    build_index(predictor, keys["first"], tmp_path / "index")
    for growth, learned_from in ((2, 30), (1.2, 50)):
        shutil.copytree(tmp_path / "index", tmp_path / f"{growth}")
        monkeypatch.setattr(build_module, "GROWTH", growth)
        append_to_index(tmp_path / f"{growth}", keys["second"], predictor)
        index = read_index(tmp_path / f"{growth}")
        assert index.document["cells"]["learned_from"] == learned_from
        assert index.cells is not None
        assert index.cells.index.ntotal == 50
    assert_same(*(answers(read_index(tmp_path / name), predictor) for name in ("2", "1.2")))


class Killed(BaseException):
    """What stands for a kill."""


CHANGES: dict[str, Callable[[Path, Predictor, dict[str, Path]], Any]] = {
    "append": lambda folder, predictor, keys: append_to_index(folder, keys["second"], predictor),
    "delete": lambda folder, predictor, keys: delete_items(folder, ["03.npy", "05.npy"]),
    "compact": lambda folder, predictor, keys: delete_items(folder, [f"{n:02d}.npy" for n in range(20)]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_between_any_two_steps_leaves_the_old_or_the_new_index(
    folder: Path, predictor: Predictor, keys: dict[str, Path], tmp_path: Path, change: str, monkeypatch
) -> None:
    shutil.copytree(folder, tmp_path / "done")
    CHANGES[change](tmp_path / "done", predictor, keys)
    old, new = (answers(read_index(place), predictor) for place in (folder, tmp_path / "done"))
    replace, seen = os.replace, []
    for step in range(20):
        place = tmp_path / f"killed-{step}"
        shutil.copytree(folder, place)
        steps = iter(range(step))

        def stopping(*paths: Any, steps: Any = steps) -> None:
            if next(steps, None) is None:
                raise Killed
            replace(*paths)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", stopping)
            try:
                CHANGES[change](place, predictor, keys)
                break
            except Killed:
                pass
        found = answers(read_index(place), predictor)
        seen.append(found[0].keys() == new[0].keys())
        assert_same(found, new if seen[-1] else old)
        CHANGES[change](place, predictor, keys)  # again, to the end
        assert_same(answers(read_index(place), predictor), new)
        named = json.loads((place / "index.json").read_text())["sha256"]
        assert files(place) == {"index.json", "skipped.txt", *named}
    assert seen == sorted(seen)
    assert not seen[0]


def test_two_processes_do_not_change_an_index_at_once(
    folder: Path, predictor: Predictor, keys: dict[str, Path]
) -> None:
    for change in CHANGES.values():
        with (
            held(folder, "index"),
            pytest.raises(InputError, match=r"another process \(\d+ on .+\) is writing the index"),
        ):
            change(folder, predictor, keys)
    assert delete_items(folder, ["03.npy"]).deleted == 1


def test_an_index_of_another_model_takes_nothing(folder: Path, keys: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the one the index was made with"):
        append_to_index(folder, keys["second"], make_model(tmp_path / "other", seed=5))


def _moved_out(document: dict[str, Any]) -> None:
    document["segments"][0]["file"] = "../items-000.parquet"
    document["sha256"]["../items-000.parquet"] = document["sha256"].pop("items-000.parquet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document["plan"]["model"].pop("name"), "index.json is damaged"),
        (lambda document: document["segments"][0].update(rows=10**15), "counts other rows"),
        (lambda document: document["sha256"].clear(), "index.json is damaged"),
        (lambda document: document.update(segments=[]), "index.json is damaged"),
        (_moved_out, "leads out of"),
    ],
)
def test_an_index_of_a_stranger_is_one_line(
    folder: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    document = read_json(folder / "index.json")
    change(document)
    write_json(folder / "index.json", document)
    with pytest.raises(InputError, match=said):
        read_index(folder)


def test_an_older_index_is_refused(folder: Path, predictor: Predictor, keys: dict[str, Path]) -> None:
    document = json.loads((folder / "index.json").read_text()) | {"format": 2}
    (folder / "index.json").write_text(json.dumps(document))
    for change in CHANGES.values():
        with pytest.raises(InputError, match="made by an older version: make it again"):
            change(folder, predictor, keys)


def test_the_command_line_adds_and_deletes(
    command: Command, folder: Path, predictor: Predictor, keys: dict[str, Path], tmp_path: Path
) -> None:
    said = command("append", folder, keys["second"])
    assert said.out == "20 items added, 10 were there already (by their ids); the index has 50\n"
    assert command("append", folder, keys["second"], "--json").document["known"] == 30
    (tmp_path / "gone.txt").write_text("03.npy\n\n04.npy\n")
    said = command("delete", folder, "--ids", "05.npy", "nobody", "--ids-from", tmp_path / "gone.txt")
    assert said.out == "3 items deleted, 1 ids that the index does not have; the index has 47 items\n"
    assert command("delete", folder, "--where", "id == '06.npy'", "--compact", "--json").document == {
        **{"deleted": 1, "unknown": 0, "items": 46, "compacted": True}
    }
    for words, expected in (
        (("delete", folder), "got nothing to delete"),
        (("delete", folder, "--ids-from", tmp_path / "none.txt"), "does not exist"),
        (("delete", tmp_path, "--ids", "a"), "no finished index"),
        (("append", tmp_path, keys["second"]), "no finished index"),
        (("append", folder, tmp_path / "nowhere"), "nowhere"),
    ):
        refused = command(*words)
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert expected in refused.err


def test_a_task_of_a_cluster_leaves_out_what_is_known(
    predictor: Predictor, keys: dict[str, Path], tmp_path: Path
) -> None:
    library = KeyKind().open_library(keys["second"], tmp_path)
    known = Placement("right", 1, frozenset(f"{number:02d}.npy" for number in range(30)))
    (tmp_path / "model.zip").write_bytes(packed_model(predictor.loaded.folder, known))
    encode_part(library.loader, tmp_path / "model.zip", library.item(0), tmp_path / "part.parquet")
    part = pq.read_table(tmp_path / "part.parquet")
    assert part["id"].to_pylist() == [f"{number:02d}.npy" for number in range(30, 50)]
    assert set(part["library"].to_pylist()) == {1}


def test_records_of_added_files_that_are_left_out_are_named(tmp_path: Path) -> None:
    predictor = Predictor.load("molecules-2d")
    for name, seed in (("a.smi", 1), ("b.smi", 2)):
        lines = [f"{one.smiles} {name}{number}" for number, one in enumerate(draw(4, seed=seed))]
        (tmp_path / name).write_text("\n".join([*lines, "oops bad"]))
    build_index(predictor, tmp_path / "a.smi", tmp_path / "index", workers=1)
    done = append_to_index(tmp_path / "index", tmp_path / "b.smi", predictor, workers=1)
    assert (done.added, done.skipped) == (4, 1)
    notes = (tmp_path / "index" / "skipped.txt").read_text().splitlines()
    assert [note.split(":")[0] for note in notes] == ["line 5 (bad)", "b.smi, line 5 (bad)"]
    assert json.loads((tmp_path / "index" / "index.json").read_text())["skipped"] == 2
    delete_items(tmp_path / "index", ["a.smi0"], compact=True)
    assert (tmp_path / "index" / "skipped.txt").read_text().splitlines() == notes
    index = read_index(tmp_path / "index")
    assert index.whole(["mw"])["mw"].null_count == 0
    assert torch.equal(index.magnitudes > 0, torch.ones(7, dtype=torch.bool))


def _append(folder: Path, library: Path, model: Path) -> None:
    register()
    append_to_index(folder, library, Predictor.load(model), workers=1)


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_the_old_or_the_new_index(
    predictor: Predictor, keys: dict[str, Path], tmp_path: Path
) -> None:
    build_index(predictor, keys["first"], tmp_path / "index")
    context, model = multiprocessing.get_context("spawn"), predictor.loaded.folder
    shutil.copytree(tmp_path / "index", tmp_path / "timed")
    start = time.monotonic()
    process = context.Process(target=_append, args=(tmp_path / "timed", keys["second"], model))
    process.start()
    process.join()
    needed = time.monotonic() - start
    for number, share in enumerate(np.linspace(0.3, 1.0, 12)):
        place = shutil.copytree(tmp_path / "index", tmp_path / f"killed-{number}")
        process = context.Process(target=_append, args=(place, keys["second"], model))
        process.start()
        process.join(needed * share)
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
        assert len(read_index(place)) in (30, 50)
        assert append_to_index(place, keys["second"], predictor, workers=1).items == 50
