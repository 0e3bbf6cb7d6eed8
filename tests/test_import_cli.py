"""`metricvae import`: one command from a table to a data set, and one line for every table that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import import_problem
import toy_problem
from cli_problem import TRAINING, Command
from import_problem import random_rows, write_csv
from metricvae.core.dataset_files import read_dataset
from metricvae.runtime import process_pool


@pytest.fixture(autouse=True)
def kinds() -> None:
    import_problem.register()
    toy_problem.register()


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROWS = random_rows(900)
"""Pairs of places with their distances."""


def test_a_table_becomes_a_data_set(command: Command, work: Path) -> None:
    write_csv(work / "pairs.csv", [*ROWS, ("1", "2", "x")], ("left", "right", "gap"))
    names = ("--a", "left", "--b", "right", "--value", "gap")
    options = ("--kind", "test-place", *names, "--unit", "m", "--range", "0..", "--title", "gap of places")
    done = command("import", "pairs.csv", *options, "--seed", "3", "--out", "data")
    assert (done.status, done.err) == (0, "")
    assert "row 901 has the value 'x'" in done.out
    assert "next: metricvae train data --out MODEL" in done.out
    data = read_dataset(work / "data")
    assert data.metric.to_json() | {"similarity": None} == {
        "name": "tabular",
        "title": "gap of places",
        "unit": "m",
        "range": [0.0, None],
        "task": "regression",
        "symmetric": True,
        "similarity": None,
        "left": "test-place",
        "right": "test-place",
    }
    assert data.card["plan"]["seed"] == 3


def test_a_metric_may_be_named(command: Command, work: Path) -> None:
    write_csv(work / "pairs.csv", ROWS)
    named = ("import", "pairs.csv", "--kind", "test-place", "--metric")
    done = command(*named, "overlap", "--out", "data")
    assert done.status == 2
    assert "the metric overlap is between silhouette and silhouette" in done.err
    done = command(*named, "tabular", "--unit", "m", "--out", "data")
    assert done.status == 2
    assert "--metric tabular and --unit" in done.err
    assert command(*named, "tabular", "--out", "data").status == 0
    assert read_dataset(work / "data").metric.name == "tabular"


def test_json_is_the_card(command: Command, work: Path) -> None:
    write_csv(work / "pairs.csv", ROWS)
    document = command("import", "pairs.csv", "--kind", "test-place", "--distance", "--out", "data", "--json").document
    assert document == json.loads((work / "data" / "card.json").read_text())
    assert document["metric"]["similarity"] is False


def test_two_kinds_and_all_columns(command: Command, work: Path) -> None:
    np.save(work / "locks.npy", np.random.default_rng(0).normal(size=(60, 6)))
    np.save(work / "keys.npy", np.random.default_rng(1).normal(size=(60, 4)))
    names = ("train", "train", "val", "cal", "test")
    rows = [
        (f"locks.npy#{a}", f"keys.npy#{b}", value, names[n % 5], n % 7, 1 + n % 2, 0.1, "><="[n % 3])
        for n, (a, b, value) in enumerate(ROWS)
    ]
    write_csv(work / "pairs.csv", rows, ("a", "b", "value", "s", "g", "w", "e", "c"))
    columns = ("--split", "s", "--group", "g", "--weight", "w", "--error", "e", "--censored", "c")
    kinds = ("--kind", "toy-lock", "--right", "toy-key")
    assert command("import", "pairs.csv", *kinds, *columns, "--task", "ranking", "--out", "data").status == 0
    data = read_dataset(work / "data")
    assert len(data) == 900
    assert data.metric.task == "ranking"
    assert not data.metric.symmetric
    assert data.group is not None
    assert set(data.censored) == {-1, 0, 1}
    assert data.weight.max() == pytest.approx(2 * data.weight.min())
    assert set(data.columns) == {"group", "weight", "censored", "standard_error", "row"}


def test_settings_of_kinds_are_options(command: Command, work: Path) -> None:
    np.save(work / "rows.npy", np.random.default_rng(0).normal(size=(60, 3)))
    rows = [(f"rows.npy#{a}", f"rows.npy#{b}", value) for a, b, value in ROWS]
    write_csv(work / "pairs.csv", rows)
    options = ("--kind", "toy-lock", "--settings.shape", "[3]", "--out", "data")
    assert command("import", "pairs.csv", *options).status == 0
    assert read_dataset(work / "data").left.kind.to_json() == {"name": "toy-lock", "shape": [3]}


def test_an_imported_data_set_is_trained_on(command: Command, work: Path) -> None:
    np.save(work / "locks.npy", np.random.default_rng(0).normal(size=(60, 6)))
    write_csv(work / "pairs.csv", [(f"locks.npy#{a}", f"locks.npy#{b}", value) for a, b, value in ROWS])
    assert command("import", "pairs.csv", "--kind", "toy-lock", "--out", "data").status == 0
    done = command("train", "data", "--out", "model", *TRAINING)
    assert done.status == 0, done.err
    assert command("evaluate", "model", "data").status == 0


def test_molecules_are_given_as_smiles(command: Command, work: Path) -> None:
    pytest.importorskip("rdkit")
    smiles = ["C" * n + end for n in range(4, 14) for end in ("O", "N", "C(=O)O", "c1ccccc1", "C1CCCCC1")]
    pairs = [(smiles[int(a)], smiles[int(b)], value) for a, b, value in ROWS if int(a) < 50 and int(b) < 50]
    pairs.append(("nonsense", "CCCCO", "1"))
    write_csv(work / "pairs.csv", pairs)
    done = command("import", "pairs.csv", "--kind", "molecule-2d", "--out", "data")
    assert done.status == 0, done.err
    assert f"row {len(pairs)} cannot be read in column 'a'" in done.out
    assert set(read_dataset(work / "data").left.ids) <= set(smiles)


# Bad input


def constant(value: str) -> list[Any]:
    return [(a, b, value) for a, b, _ in ROWS]


TABLES: dict[str, tuple[str, list[Any], str]] = {
    "missing column": ("a,b,gap", ROWS, "lacks the column 'value': it has a, b, gap"),
    "no names": ("0,1,2", ROWS, "lacks the column 'a': it has 0, 1, 2"),
    "text": ("a,b,value", constant("much"), "row 1 has the value 'much': expected a finite number; row 2"),
    "infinite": ("a,b,value", constant("-inf"), "row 1 has the value '-inf'"),
    "one object": ("a,b,value", [("1", "1", str(n)) for n in range(100)], "names one object only"),
    "self pairs": ("a,b,value", [(str(n), str(n), str(n)) for n in range(100)], "an object with itself only"),
    "equal": ("a,b,value", constant("5"), "all 900 values of pairs.csv are 5, so there is nothing to learn"),
    "8 rows": ("a,b,value", ROWS[:8], "has 8 usable rows: expected at least 80"),
    "few objects": (
        "a,b,value",
        [(str(n % 3), str(n % 4), str(n)) for n in range(100)],
        "give more pairs of more objects",
    ),
    "not read": ("a,b,value", [("x" + a, b, v) for a, b, v in ROWS], "no place: write a number"),
    "long texts": ("a,b,value", [("G" * 100_000, "A" * 100_000, n) for n in range(90)], "could be read as places"),
    "header alone": ("a,b,value", [], "holds no pairs"),
    "twice": ("a,b,value,value", [(*row, "1") for row in ROWS], "two of which are 'value': rename one"),
    "one column": ("a", [("1",)] * 90, "lacks the column 'b': it has a"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_used_is_one_line(command: Command, work: Path, name: str) -> None:
    header, rows, message = TABLES[name]
    write_csv(work / "pairs.csv", rows, header.split(","))
    refused(command, work, message, "pairs.csv", "--kind", "test-place")


def refused(command: Command, work: Path, message: str, *arguments: str) -> None:
    before = sorted(path.name for path in work.iterdir())
    done = command("import", *arguments, "--out", "data")
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert len(done.err) < 600
    assert done.out == ""
    assert sorted(path.name for path in work.iterdir()) == before


FILES = {
    "empty": (b"", "is empty"),
    "binary": (bytes(range(1, 256)) * 9, "is not UTF-8 text"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "holds NUL bytes"),
    "NUL": (b"a,b,value\n1,\0002,3\n", "holds NUL bytes"),
    "UTF-16": ("a,b,value\n1,2,3\n".encode("utf-16"), "NUL bytes"),
    "broken text": (b"a,b,value\n" + b"1,2,3\n" * 180_000 + b"1,\xff\xfe,3\n", "cannot be read as CSV"),
    "quotes": (b'a,b,value\n"1,2,3\n4,5,6\n' * 90, "pairs.csv"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_table_is_one_line(command: Command, work: Path, name: str) -> None:
    content, message = FILES[name]
    (work / "pairs.csv").write_bytes(content)
    refused(command, work, message, "pairs.csv", "--kind", "test-place")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.csv", "--kind", "test-place"], "there is no file gone.csv"),
        ([".", "--kind", "test-place"], ". is a folder"),
        (["pairs.csv", "--kind", "nothing"], "there is no kind 'nothing': expected one of silhouette, "),
        (["pairs.csv", "--kind", "test-place", "--right", "nothing"], "there is no kind 'nothing'"),
        (["pairs.csv"], "the following arguments are required: kind"),
        (["pairs.csv", "--kind", "test-place", "--range", "3"], "--range is 3: expected LO..HI"),
        (["pairs.csv", "--kind", "test-place", "--range", "3..1"], "the range is 3 to 1"),
        (["pairs.csv", "--kind", "test-place", "--range", "900..999"], "900 of 900 rows of pairs.csv cannot be used"),
        (["pairs.csv", "--kind", "test-place", "--task", "guess"], "--task"),
        (["pairs.csv", "--kind", "test-place", "--task", "binary"], "expected 0 or 1 of a binary metric"),
        (["pairs.csv", "--kind", "test-place", "--similarity", "--distance"], "got --similarity and --distance"),
        (["pairs.csv", "--kind", "test-place", "--symmetric", "--asymmetric"], "got --symmetric and --asymmetric"),
        (["pairs.csv", "--kind", "test-place", "--split", "value"], "expected one of train, validation"),
        (["pairs.csv", "--kind", "test-place", "--settings.size", "3"], "Option 'size' is not accepted"),
        (["pairs.csv", "--kind", "test-place", "--settings.shape", "much"], "settings: shape: expected tuple"),
        (["pairs.csv", "--kind", "silhouette"], "no object of pairs.csv could be read as silhouettes"),
        (["pairs.parquet", "--kind", "test-place"], "cannot be read as Parquet"),
    ],
)
def test_arguments_that_cannot_be_used_are_one_line(
    command: Command, work: Path, arguments: list[str], message: str
) -> None:
    write_csv(work / "pairs.csv", ROWS)
    (work / "pairs.parquet").write_text("a,b,value\n")
    refused(command, work, message, *arguments)


def test_objects_that_do_not_go_together_are_one_line(command: Command, work: Path) -> None:
    for number in range(60):
        np.save(work / f"{number}.npy", np.zeros(3 + (number == 7)))
    write_csv(work / "pairs.csv", [(f"{a}.npy", f"{b}.npy", value) for a, b, value in ROWS])
    refused(command, work, "expected one length", "pairs.csv", "--kind", "test-row")


def test_folders_above_are_made_and_removed(command: Command, work: Path) -> None:
    write_csv(work / "pairs.csv", ROWS[:8])
    assert command("import", "pairs.csv", "--kind", "test-place", "--out", "new/one/data").status == 2
    assert not (work / "new").exists()
    write_csv(work / "pairs.csv", ROWS)
    assert command("import", "pairs.csv", "--kind", "test-place", "--out", "new/one/data").status == 0


def test_a_folder_that_is_there_is_kept(command: Command, work: Path) -> None:
    write_csv(work / "pairs.csv", ROWS)
    (work / "data").mkdir()
    (work / "data" / "thesis.txt").write_text("mine")
    refused(command, work, "is there already and is not empty", "pairs.csv", "--kind", "test-place")
    assert (work / "data" / "thesis.txt").read_text() == "mine"
    (work / "data" / "thesis.txt").unlink()
    assert command("import", "pairs.csv", "--kind", "test-place", "--out", "data").status == 0


def test_an_interrupted_import_leaves_nothing(command: Command, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    write_csv(work / "pairs.csv", ROWS)
    monkeypatch.setattr("metricvae.core.importing.run.write_dataset", stop)
    assert command("import", "pairs.csv", "--kind", "test-place", "--out", "data").status == 130
    assert [path.name for path in work.iterdir()] == ["pairs.csv"]


def test_objects_that_take_long_are_read_by_processes(
    command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib
    from concurrent.futures import ThreadPoolExecutor

    pools = []

    @contextlib.contextmanager
    def threads(workers: int | None) -> Any:
        pools.append(workers)
        with ThreadPoolExecutor(workers) as pool:
            yield pool

    assert process_pool.worker_pool is not threads
    monkeypatch.setattr("metricvae.core.importing.reading.worker_pool", threads)
    write_csv(work / "pairs.csv", random_rows(9_000, 300))
    options = ("--kind", "test-place", "--workers", "2")
    assert command("import", "pairs.csv", *options, "--out", "one").status == 0
    assert pools == []
    monkeypatch.setattr("metricvae.core.importing.reading.LOOKED_AT", 0.0)
    monkeypatch.setattr("metricvae.core.importing.reading.WORTH_PROCESSES", 0.0)
    assert command("import", "pairs.csv", *options, "--out", "two").status == 0
    assert pools == [2]
    same = [json.loads((work / name / "card.json").read_text())["sha256"] for name in ("one", "two")]
    assert same[0] == same[1]
