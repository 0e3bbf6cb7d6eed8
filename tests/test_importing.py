"""The import of pairs: what becomes of rows, objects, repeated pairs, weights, bounds, direction and symmetry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import import_problem
import toy_problem
from import_problem import PlaceKind, random_rows, write_csv
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.core.importing.cells import AT_ONCE, HeldCells
from metricvae.core.importing.reading import ObjectReader
from metricvae.core.importing.request import ImportRequest, request_of
from metricvae.core.importing.run import import_table
from metricvae.core.importing.values import error_weights
from metricvae.metrics.tabular import TabularMetric

REGRESSION = TabularMetric("gap", unit="steps")
BINARY = TabularMetric("same half", task="binary")


@pytest.fixture(autouse=True)
def kinds() -> None:
    import_problem.register()
    toy_problem.register()


def read(path: Path, rows: list[Any], metric: TabularMetric | None = REGRESSION, **settings: Any) -> PairDataset:
    header = settings.pop("header", ("a", "b", "value"))
    return PairDataset.from_csv(write_csv(path / "pairs.csv", rows, header), "test-place", metric=metric, **settings)


def pairs_of(data: PairDataset) -> dict[tuple[str, str], float]:
    ends = ((data.left.ids[a], data.right.ids[b]) for a, b in zip(data.first, data.second, strict=True))
    return dict(zip(ends, data.value.tolist(), strict=True))


def numbers_of(table: ObjectTable, row: int) -> np.ndarray:
    """An object of an array kind."""
    return table.tensor(np.array([row]))[0].numpy()


def test_the_folder_holds_what_the_table_says(tmp_path: Path) -> None:
    rows = random_rows(1_000)
    table = write_csv(tmp_path / "pairs.csv", rows)
    request = request_of("test-place", "value", REGRESSION)
    card = import_table(table, request, tmp_path / "data")
    data = read_dataset(tmp_path / "data")
    assert data.card == json.loads((tmp_path / "data" / "card.json").read_text()) == card
    truth = {(a, b): float(value) for a, b, value in rows}
    assert pairs_of(data).items() <= truth.items()
    assert len(data) == 1_000 - card["import"]["dropped_across_splits"] == card["import"]["pairs"]
    numbers = data.columns["row"].tolist()
    assert [rows[number - 1][2] for number in numbers] == [f"{value:g}" for value in data.value]
    assert [numbers_of(data.left, row)[0] for row in range(3)] == [float(name) for name in data.left.ids[:3]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pairs.csv"]
    text = (tmp_path / "data" / "README.md").read_text()
    assert "What was imported: 1000 rows of `pairs.csv`" in text
    assert str(tmp_path) not in text + json.dumps(card)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "pairs.csv", random_rows(600))
    cards = [import_table(table, request_of("test-place", "value", None), tmp_path / name) for name in "xy"]
    assert cards[0]["sha256"] == cards[1]["sha256"]


def test_both_objects_of_held_out_pairs_are_unseen(tmp_path: Path) -> None:
    data = read(tmp_path, random_rows(1_200))
    assert data.card["plan"]["cold"] == "both"
    split_of: dict[str, str] = {}
    for first, second, split in zip(data.first, data.second, data.split, strict=True):
        for row in (first, second):
            group = data.left.kind.group(numbers_of(data.left, int(row)), "")
            assert split_of.setdefault(group, split) == split


# Rows that cannot be used


def test_bad_rows_are_skipped_with_their_numbers(tmp_path: Path) -> None:
    rows: list[Any] = random_rows(700)
    rows[2] = ("1", "2", "much")
    rows[4] = ("1", "2")
    rows[5] = ("", "2", "1")
    rows[7] = ("here", "2", "1")
    rows[9] = ("1", "2", "inf")
    rows[11] = ("1", "2", "nan")
    rows[12] = ("", "", "")
    rows.insert(20, ())  # an empty line is no row, but counts as a line
    skipped = read(tmp_path, rows).card["import"]["skipped"]
    assert skipped["count"] == 6
    first = {name: entry["first"] for name, entry in skipped["reasons"].items()}
    assert first["value"] == [
        "row 3 has the value 'much': expected a finite number",
        "row 10 has the value 'inf': expected a finite number",
        "row 12 has the value 'nan': expected a finite number",
    ]
    assert first["cells"] == ["row 5 has 2 cells: expected 3, as the header"]
    assert [text.split(":")[0] for text in first["object"]] == [
        "row 6 has no object in column 'a'",
        "row 8 cannot be read in column 'a'",
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("1", "2", "much"), "row 701 has the value 'much'"),
        (("1", "2"), "row 701 has 2 cells"),
        (("here", "2", "1"), "row 701 cannot be read in column 'a': 'here' is no place"),
        (("0", "1", "5"), "different values"),
    ],
)
def test_strict_refuses_them(tmp_path: Path, row: tuple[str, ...], message: str) -> None:
    rows = [*random_rows(700), row, *[("0", "1", "6")]]
    assert len(read(tmp_path, rows))
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, rows, strict=True)
    assert "\n" not in str(caught.value)


def test_values_outside_the_range_are_bad_rows(tmp_path: Path) -> None:
    metric = TabularMetric("gap", range=(1, 40))
    data = read(tmp_path, random_rows(900), metric)
    skipped = data.card["import"]["skipped"]["reasons"]["range"]
    assert skipped["count"] == sum(float(value) > 40 for _, _, value in random_rows(900))
    assert "expected the range 1 to 40" in skipped["first"][0]
    assert data.value.max() <= 40


# Objects


def test_paths_texts_and_names_stay_inside_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    for number in range(60):
        (tmp_path / f"{number}.place").write_text(str(number))
        (inner / f"{number}.place").write_text(str(number))
    names = [
        f"../{n}.place" if n % 3 == 0 else str(tmp_path / f"{n}.place") if n % 3 == 1 else f"{n}.place"
        for n in range(60)
    ]
    rows = [(names[int(a)], names[int(b)], value) for a, b, value in random_rows(900)]
    import_table(write_csv(inner / "pairs.csv", rows), request_of("test-place", "value", None), tmp_path / "data")
    data = read_dataset(tmp_path / "data")
    assert sorted(data.left.ids) == sorted(f"{number}.place" for number in range(60))
    places = [numbers_of(data.left, row)[0] for row in range(60)]
    gaps = [abs(places[a] - places[b]) for a, b in zip(data.first, data.second, strict=True)]
    assert gaps == data.value.tolist()
    for file in (tmp_path / "data").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()


def test_a_missing_file_is_not_looked_for_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0.place").write_text("0")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path)
    rows = [*random_rows(700), ("0.place", "1", "1")]
    found = read(tmp_path / "inner", rows).card["import"]["skipped"]["reasons"]["object"]
    assert found["first"] == ["row 701 cannot be read in column 'a': there is no file 0.place"]


def test_arrays_are_addressed_in_numpy_files(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    np.save(tmp_path / "stack.npy", values)
    np.savez(tmp_path / "one.npz", values)
    np.savez_compressed(tmp_path / "keyed.npz", **{f"row{number}": row for number, row in enumerate(values)})
    for number, row in enumerate(values):
        np.save(tmp_path / f"{number}.npy", row)
    forms = ("stack.npy#{}", "one.npz#{}", "keyed.npz#row{}", "{}.npy")
    tables = []
    for form in forms:
        rows = [(form.format(a), form.format(b), value) for a, b, value in random_rows(900)]
        data = PairDataset.from_csv(write_csv(tmp_path / "pairs.csv", rows), "toy-lock")
        tables.append(data)
        assert not data.card["import"]["skipped"]["count"]
    assert len({data.fingerprint() for data in tables}) == 1
    lock = tables[0].left
    assert numbers_of(lock, 0).tolist() == values[int(lock.ids[0].partition("#")[2])].tolist()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pickled.npz#0", "pickle"),
        ("pickled.npy#0", "pickle"),
        ("two.npz", r"holds 2 arrays \(x, y\): name one"),
        ("stack.npy#60", "expected a row, 0 to 59"),
        ("stack.npy#-1", "expected a row, 0 to 59"),
        ("broken.npz#0", "cannot be read as an array"),
        ("huge.npy#0", "declares 48,000,000,000,000 bytes"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path: Path, name: str, message: str) -> None:
    stack = np.random.default_rng(0).normal(size=(60, 6))
    objects = np.array([[1], "x"], object)
    np.save(tmp_path / "stack.npy", stack)
    np.save(tmp_path / "pickled.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "pickled.npz", objects)
    np.savez(tmp_path / "two.npz", x=stack[0], y=stack[1])
    (tmp_path / "broken.npz").write_bytes((tmp_path / "two.npz").read_bytes()[:-40])
    header = (tmp_path / "stack.npy").read_bytes().replace(b"(60, 6), }" + b" " * 12, b"(1000000000000, 6), }" + b" ")
    (tmp_path / "huge.npy").write_bytes(header)
    rows = [(f"stack.npy#{a}", f"stack.npy#{b}", value) for a, b, value in random_rows(900)]
    rows.append((name, "stack.npy#0", "1"))
    with pytest.raises(InputError, match=message) as caught:
        PairDataset.from_csv(write_csv(tmp_path / "pairs.csv", rows), "toy-lock", strict=True)
    assert "row 901" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_of_arrays_in_parquet(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    pairs = random_rows(900)
    first, second = (np.array([int(row[side]) for row in pairs]) for side in (0, 1))
    numbers = pa.array([float(row[2]) for row in pairs])
    table = pa.table(
        {
            "a": values[first].tolist(),
            "b": pa.FixedSizeListArray.from_arrays(values[second].ravel(), 6),
            "value": numbers,
        }
    )
    pq.write_table(table, tmp_path / "pairs.parquet", row_group_size=100)
    data = PairDataset.from_parquet(tmp_path / "pairs.parquet", "toy-lock")
    assert len(data.left) <= 60
    for number in range(0, len(data), 50):
        row = data.columns["row"][number] - 1
        assert np.allclose(numbers_of(data.left, data.first[number]), values[first[row]])
        assert np.allclose(numbers_of(data.right, data.second[number]), values[second[row]])


def test_a_kind_takes_its_settings_from_the_objects(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 4))
    pairs = random_rows(900)
    left, right = ([values[int(row[side])].copy() for row in pairs] for side in (0, 1))
    data = PairDataset.from_pairs(left, right, [float(row[2]) for row in pairs], "test-row")
    assert data.left.kind.to_json() == {"name": "test-row", "shape": [4]}
    assert len(data.left) <= 60  # equal arrays are one object
    with pytest.raises(InputError, match=r"lengths \[\(3,\), \(4,\)\]: expected one length"):
        PairDataset.from_pairs([*left[:-1], left[-1][:3]], right, [float(row[2]) for row in pairs], "test-row")


def test_objects_in_memory_are_told_apart_by_identity() -> None:
    pairs = random_rows(900)
    places = [np.array([number], np.float64) for number in range(60)]
    lists = [place.tolist() for place in places]
    value = [float(row[2]) for row in pairs]
    datasets = [
        PairDataset.from_pairs(
            [objects[int(row[0])] for row in pairs], [objects[int(row[1])] for row in pairs], value, "test-place"
        )
        for objects in (places, lists, [str(number) for number in range(60)])
    ]
    assert [data.left.packed.tolist() for data in datasets[1:]] == [datasets[0].left.packed.tolist()] * 2
    assert all(pairs_of(data) for data in datasets)
    with pytest.raises(InputError, match="899 of right"):
        PairDataset.from_pairs(lists * 15, (lists * 15)[1:], value, "test-place")


@pytest.mark.parametrize(
    ("kind", "said"), [("points", True), ({"name": "points", "invariance": "none"}, False), ("vector", False)]
)
def test_what_values_are_taken_not_to_depend_on_is_said(kind: Any, said: bool) -> None:
    random = np.random.default_rng(0)
    objects = [random.normal(size=(6, 2) if said or isinstance(kind, dict) else 6) for _ in range(400)]
    data = PairDataset.from_pairs(objects[:200], objects[200:], random.uniform(size=200).tolist(), kind=kind)
    notes = " ".join(data.card["import"]["notes"])
    assert ("not to depend on how a cloud lies; --settings.invariance none if they do" in notes) == said


def test_two_kinds_have_two_tables(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    locks, keys = random.normal(size=(40, 6)), random.normal(size=(50, 4))
    np.save(tmp_path / "locks.npy", locks)
    np.save(tmp_path / "keys.npy", keys)
    rows = [
        (f"locks.npy#{a}", f"keys.npy#{b}", f"{locks[a, 0] + keys[b, 0]:.6f}") for a in range(40) for b in range(50)
    ]
    data = PairDataset.from_csv(write_csv(tmp_path / "pairs.csv", rows), "toy-lock", right="toy-key")
    assert not data.shared
    assert not data.metric.symmetric
    for number in range(0, len(data), 100):
        sum_of = numbers_of(data.left, data.first[number])[0] + numbers_of(data.right, data.second[number])[0]
        assert sum_of == pytest.approx(data.value[number], abs=1e-5)
    unseen = [set(data.first[data.split == name]) for name in ("train", "test")]
    assert not unseen[0] & unseen[1]
    unseen = [set(data.second[data.split == name]) for name in ("train", "test")]
    assert not unseen[0] & unseen[1]


@pytest.mark.parametrize("kind", ["test-place", PlaceKind(), {"name": "test-place"}, '{"name": "test-place"}'])
def test_a_kind_is_a_name_an_instance_or_a_document(kind: Any) -> None:
    assert request_of(kind, "value", None).kinds == (PlaceKind(), PlaceKind())


# Repeated pairs


def with_splits(rows: list[Any]) -> list[Any]:
    names = ("train", "train", "train", "validation", "calibration", "test")
    return [(*row, names[number % 6]) for number, row in enumerate(rows)]


def read_split(tmp_path: Path, rows: list[Any], metric: TabularMetric = REGRESSION, **settings: Any) -> PairDataset:
    """With splits of the table's own, so that no pair is dropped."""
    header = ("a", "b", "value", *settings.pop("more", ()), "s")
    return read(tmp_path, with_splits(rows), metric, split="s", header=header, **settings)


def test_one_pair_in_several_rows_is_one_pair(tmp_path: Path) -> None:
    rows = [("70", "71", "1"), ("71", "70", "1"), ("70", "71", "1"), *random_rows(100)]
    data = read_split(tmp_path, rows)
    facts = data.card["import"]
    assert facts["duplicates"] == {"count": 1, "first": ["rows 1 (1), 2 (1), 3 (1)"]}
    assert facts["mirrored"] == 1
    assert not facts["asymmetric"]["count"]
    assert len(data) == 101
    assert data.weight is None


def test_contradictions_are_averaged_and_count_as_often(tmp_path: Path) -> None:
    rows = [("70", "71", "1"), ("71", "70", "1"), ("70", "71", "4"), *random_rows(100)]
    data = read_split(tmp_path, rows, symmetric=True)
    facts = data.card["import"]
    assert facts["contradictions"] == {"count": 1, "first": ["rows 1 (1), 2 (1), 3 (4)"], "dropped": 0}
    assert pairs_of(data)["70", "71"] == 2
    weight = dict(zip(pairs_of(data), data.weight, strict=True))
    assert weight["70", "71"] == pytest.approx(3 * min(data.weight))
    assert data.weight.mean() == pytest.approx(1)


def test_contradictions_of_a_binary_metric_are_dropped(tmp_path: Path) -> None:
    rows = [(a, b, str(int(int(a) < 30))) for a, b, _ in random_rows(100)]
    rows += [("70", "71", "1"), ("70", "71", "0"), ("70", "72", "True"), ("70", "73", "false")]
    data = read_split(tmp_path, rows, BINARY)
    assert ("70", "71") not in pairs_of(data)
    assert pairs_of(data)["70", "72"] == 1
    assert pairs_of(data)["70", "73"] == 0
    assert data.card["import"]["contradictions"]["dropped"] == 1


def test_asymmetric_values_are_found(tmp_path: Path) -> None:
    rows = random_rows(100)
    mirrored = [(b, a, str(-float(value))) for a, b, value in rows[:20]]
    data = read_split(tmp_path, rows + mirrored)
    assert not data.metric.symmetric
    assert data.card["import"]["asymmetric"]["count"] == 20
    assert len(data) == 120
    assert any("asymmetric" in note for note in data.card["import"]["notes"])
    averaged = read_split(tmp_path, rows + mirrored, symmetric=True)
    assert averaged.metric.symmetric
    assert len(averaged) == 100
    assert pairs_of(averaged)[rows[0][:2]] == 0


def test_rounding_and_rare_faults_make_no_metric_asymmetric(tmp_path: Path) -> None:
    rows = random_rows(100)
    mirrored = [(b, a, f"{float(value) + 1e-6:.6f}") for a, b, value in rows]
    assert read_split(tmp_path, rows + mirrored).metric.symmetric
    mirrored[0] = (*mirrored[0][:2], "99")
    data = read_split(tmp_path, rows + mirrored)
    assert data.metric.symmetric
    assert data.card["import"]["contradictions"]["count"] == 1
    own = read_split(tmp_path, rows + mirrored, symmetric=False)
    assert not own.metric.symmetric
    assert len(own) == 200


def test_bounds_give_way_to_values_and_to_tighter_bounds(tmp_path: Path) -> None:
    rows = [
        *[("70", "71", ">3"), ("70", "71", ">= 5")],
        *[("70", "72", "<9"), ("70", "72", "<4")],
        *[("70", "73", "<9"), ("70", "73", "4")],
        *[("70", "74", "<9"), ("70", "74", ">4")],
        *random_rows(100),
    ]
    data = read_split(tmp_path, rows)
    found = pairs_of(data)
    assert [found["70", name] for name in ("71", "72", "73")] == [5, 4, 4]
    assert ("70", "74") not in found
    marks = dict(zip(found, data.censored.tolist(), strict=True))
    assert [marks["70", name] for name in ("71", "72", "73")] == [1, -1, 0]
    assert data.card["import"]["censored"] == {"at_least": 1, "at_most": 1}
    assert data.censored.dtype == np.int8


def test_a_column_of_bounds(tmp_path: Path) -> None:
    marks = ["", "=", "<", ">", "-1", "1", "0"]
    rows = [(*row, marks[number % 7]) for number, row in enumerate(random_rows(700))]
    data = read_split(tmp_path, rows, censored="relation", more=("relation",))
    expected = {row[:2]: (0, 0, -1, 1, -1, 1, 0)[number % 7] for number, row in enumerate(random_rows(700))}
    assert dict(zip(pairs_of(data), data.censored.tolist(), strict=True)) == expected


def test_pairs_in_several_splits_are_reported(tmp_path: Path) -> None:
    rows = [*with_splits(random_rows(300)), (*random_rows(1)[0], "test")]
    data = read(tmp_path, rows, split="s", header=("a", "b", "value", "s"))
    found = data.card["import"]["in_several_splits"]
    assert found == {"count": 1, "first": ["rows 1 (train), 301 (test)"]}
    assert data.split[data.columns["row"] == 1] == "train"


# Weights and groups


def test_weights_have_the_mean_1(tmp_path: Path) -> None:
    rows = [(*row, str(1 + number % 3)) for number, row in enumerate(random_rows(300))]
    data = read_split(tmp_path, rows, weight="w", more=("w",))
    assert data.weight.mean() == pytest.approx(1)
    weight = dict(zip(pairs_of(data), data.weight, strict=True))
    assert weight[rows[1][:2]] == pytest.approx(2 * weight[rows[0][:2]])
    rows[0] = (*rows[0][:3], "0")
    with pytest.raises(InputError, match="row 1 has the weight '0': expected a finite number above 0"):
        read_split(tmp_path, rows, weight="w", more=("w",), strict=True)


def test_standard_errors_become_weights(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [(*row, f"{random.uniform(0.1, 3):.4f}") for row in random_rows(300)]
    rows[0] = (*rows[0][:3], "0")
    data = read_split(tmp_path, rows, error="error", more=("error",))
    error, value = (np.array([float(row[place]) for row in rows]) for place in (3, 2))
    deviation = 1.4826 * np.median(np.abs(value - np.median(value)))
    weight = 1 / (error**2 + np.median(error) ** 2 + (deviation / 20) ** 2)
    found = dict(zip(pairs_of(data), data.weight, strict=True))
    assert np.allclose([found[row[:2]] for row in rows], weight / weight.mean())
    assert sorted(data.columns["standard_error"].tolist()) == sorted(error.tolist())


def test_no_error_makes_a_pair_count_more_than_all_others() -> None:
    value = np.random.default_rng(0).normal(size=101)
    weight = error_weights(np.r_[0.0, np.full(100, 0.5)], value)
    assert weight[0] < 2 * weight[1]
    assert np.allclose(error_weights(np.zeros(101), value), error_weights(np.zeros(101), value)[0])
    assert error_weights(np.zeros(3), np.ones(3)).tolist() == [1, 1, 1]


def test_a_ranking_has_groups(tmp_path: Path) -> None:
    ranking = TabularMetric("rank", task="ranking")
    rows = random_rows(900)
    made = read_split(tmp_path, rows, ranking)
    assert [made.left.ids[row] for row in made.first] == made.group.tolist()
    own = [(*row, f"g{int(row[0]) % 3}") for row in rows]
    given = read_split(tmp_path, own, ranking, group="g", more=("g",))
    assert set(given.group) == {"g0", "g1", "g2"}
    alone = [(str(2 * number), str(2 * number + 1), str(number)) for number in range(300)]
    assert read_split(tmp_path, alone, ranking).group is None


def test_one_pair_in_two_groups_is_two_pairs(tmp_path: Path) -> None:
    rows = [(*row, group) for row in random_rows(300) for group in ("x", "y")]
    rows[1] = (*rows[1][:2], "77", "y")
    data = read_split(tmp_path, rows, TabularMetric("rank", task="ranking"), group="g", more=("g",))
    assert len(data) == 600
    assert not data.card["import"]["contradictions"]["count"]


# Direction


@pytest.mark.parametrize(
    ("own", "title", "similarity"),
    [("0", "x", False), ("99", "distance", True), (None, "x", True), (None, "RMSD in A", False), ("5", "x", True)],
)
def test_the_direction_is_decided_from_values_and_title(
    tmp_path: Path, own: str | None, title: str, similarity: bool
) -> None:
    rows = random_rows(300) + [(str(number), str(number), own) for number in range(60) if own is not None]
    header = ("a", "b", title)
    data = read(tmp_path, with_splits(rows), None, value=title, header=(*header, "s"), split="s")
    assert data.metric.similarity is similarity
    assert data.card["import"]["self_pairs"] == (0 if own is None else 60)
    for wish in (True, False):
        told = read(tmp_path, with_splits(rows), None, value=title, header=(*header, "s"), split="s", similarity=wish)
        assert told.metric.similarity is wish


def test_values_of_0_and_1_are_pointed_out(tmp_path: Path) -> None:
    rows = [(a, b, str(int(int(a) < 30))) for a, b, _ in random_rows(300)]
    notes = read_split(tmp_path, rows).card["import"]["notes"]
    assert any("--task binary" in note for note in notes)
    assert not any("--task binary" in note for note in read_split(tmp_path, rows, BINARY).card["import"]["notes"])


# Splits of the table's own


def test_missing_splits_come_from_training_pairs(tmp_path: Path) -> None:
    rows = [(*row, "test" if number % 5 == 0 else "Training") for number, row in enumerate(random_rows(1_500, 400))]
    data = read(tmp_path, rows, split="s", header=("a", "b", "value", "s"))
    assert set(data.split) == {"train", "validation", "calibration", "test"}
    assert (data.split == "test").sum() == 300
    assert data.card["plan"]["cold"] == "as given; calibration and validation from training pairs"
    held_out = {one for name in ("validation", "calibration") for one in data.first[data.split == name]}
    assert not held_out & set(data.first[data.split == "train"])


def test_a_request_names_each_column_once() -> None:
    request = request_of("test-place", "value", None, weight="w", error="w")
    assert isinstance(request, ImportRequest)
    assert request.columns.needed == ("a", "b", "value", "w")


# Reading of objects


class CountedList(list[Any]):
    """Counts how often it is gone through from its start."""

    scans = 0

    def __iter__(self) -> Iterator[Any]:
        self.scans += 1
        return super().__iter__()


@pytest.mark.parametrize(("workers", "scans"), [(1, 0), (2, 1)])
def test_whether_processes_help_is_asked_once(workers: int, scans: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are not sent to processes, which is known after one look at all cells."""
    monkeypatch.setattr("metricvae.core.importing.reading.LOOKED_AT", -1.0)
    monkeypatch.setattr("metricvae.core.importing.reading.WORTH_PROCESSES", -1.0)
    cells = HeldCells()
    for number in range(5 * AT_ONCE):
        cells.add(np.array([number], np.float32))
    cells.items = CountedList(cells.items)
    reader = ObjectReader(cells, Path(), np.ones(len(cells), bool), workers, lambda *_: None)
    assert len(list(reader.read(PlaceKind((1,)), "reading"))) == 5
    assert cells.items.scans == scans
