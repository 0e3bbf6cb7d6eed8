"""Leak-free splits of imported pairs: nothing is lost where the graph falls apart, and little where it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from metricvae.core.errors import InputError
from metricvae.core.importing.splitting import SplitConfig, SplitPairs, complete_splits, split_pairs

Ends = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def random_pairs(objects: int, pairs: int) -> Ends:
    ends = np.random.default_rng(0).integers(0, objects, (2, pairs))
    return ends[0], ends[1]


def blocks(count: int, side: int, pairs: int) -> Ends:
    random = np.random.default_rng(0)
    block = random.integers(0, count, pairs) * side
    return block + random.integers(0, side, pairs), block + random.integers(0, side, pairs)


def complete(objects: int) -> Ends:
    first, second = np.triu_indices(objects, 1)
    return first, second


GRAPHS: dict[str, Callable[[], Ends]] = {
    "sparse": lambda: random_pairs(5_000, 10_000),
    "dense": lambda: random_pairs(300, 6_000),
    "complete": lambda: complete(120),
    "blocks": lambda: blocks(60, 12, 5_000),
    "stars": lambda: (np.arange(6_000) % 100, 100 + np.arange(6_000)),
    "disjoint": lambda: (np.arange(400), 400 + np.arange(400)),
    "small": lambda: random_pairs(60, 400),
}


def split(ends: Ends, seed: int = 0, together: npt.NDArray[np.object_] | None = None) -> SplitPairs:
    names = tuple(map(str, range(int(max(ends[0].max(), ends[1].max())) + 1)))
    return split_pairs((names, names), *ends, seed, together)


def objects_of(ends: Ends, found: SplitPairs, name: str) -> set[int]:
    rows = found.kept[found.split == name]
    return {*ends[0][rows].tolist(), *ends[1][rows].tolist()}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_object_of_a_split_is_in_another(name: str, seed: int) -> None:
    ends = GRAPHS[name]()
    found = split(ends, seed)
    assert found.cold == "both"
    assert len(found.split) == len(found.kept)
    parts = {one: objects_of(ends, found, one) for one in ("train", "validation", "calibration", "test")}
    assert sum(map(len, parts.values())) == len(set.union(*parts.values()))
    assert min((found.split == one).sum() for one in parts) >= 20


@pytest.mark.parametrize("name", ["blocks", "stars", "disjoint"])
def test_components_are_kept_whole(name: str) -> None:
    ends = GRAPHS[name]()
    assert len(split(ends).kept) == len(ends[0])


@pytest.mark.parametrize(("name", "most"), [("sparse", 0.25), ("dense", 0.45), ("complete", 0.5)])
def test_fewer_pairs_are_dropped_than_by_random_groups(name: str, most: float) -> None:
    ends = GRAPHS[name]()
    found = split(ends)
    assert len(found.kept) > (1 - most) * len(ends[0])
    objects = int(max(ends[0].max(), ends[1].max())) + 1
    shares = [len(objects_of(ends, found, one)) / objects for one in ("train", "validation", "calibration", "test")]
    assert len(found.kept) > sum(share**2 for share in shares) * len(ends[0]) * 0.99


def test_nearly_separate_blocks_lose_few_pairs() -> None:
    first, second = blocks(40, 50, 8_000)
    second[:80] = np.random.default_rng(1).integers(0, 2_000, 80)
    assert len(split((first, second)).kept) > 0.97 * 8_000


def test_splits_depend_on_the_seed_alone() -> None:
    ends = GRAPHS["dense"]()
    one, same, other = split(ends, 3), split(ends, 3), split(ends, 4)
    assert np.array_equal(one.split, same.split)
    assert not np.array_equal(one.kept, other.kept)


def test_objects_of_a_group_stay_together() -> None:
    ends = random_pairs(400, 3_000)
    groups = tuple(str(number % 80) for number in range(400))
    found = split_pairs((groups, groups), *ends, 0)
    parts = [{one % 80 for one in objects_of(ends, found, name)} for name in ("train", "test", "calibration")]
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_one_large_group_is_trained_on() -> None:
    alone = np.full(4_000, 999)
    first, second = blocks(60, 12, 3_000)
    ends = np.concatenate([first, alone]), np.concatenate([second, alone])
    assert 999 in objects_of(ends, split(ends), "train")


def test_two_tables_are_cold_on_both_sides() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(0, 80, 4_000), random.integers(0, 80, 4_000)
    sides = tuple(map(str, range(80))), tuple(map(str, range(80)))
    found = split_pairs(sides, first, second, 0)
    assert found.cold == "both"
    for ends in (first, second):
        parts = [set(ends[found.kept[found.split == name]].tolist()) for name in ("train", "test")]
        assert not parts[0] & parts[1]


def test_too_few_objects_leave_one_side_cold() -> None:
    ends = random_pairs(30, 200)
    found = split(ends)
    assert found.cold == "left"
    assert len(found.kept) == 200
    left = [set(ends[0][found.split == name].tolist()) for name in ("train", "validation", "calibration", "test")]
    assert sum(map(len, left)) == len(set.union(*left))


def test_the_right_side_is_cold_where_the_left_one_is_too_small() -> None:
    first, second = np.arange(600) % 2, np.arange(600) // 2
    found = split_pairs((("x", "y"), tuple(map(str, range(300)))), first, second, 0)
    assert found.cold == "right"


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="give more pairs of more objects"):
        split((np.arange(50), 50 + np.arange(50)))


def test_groups_of_a_ranking_are_kept_whole_where_that_is_possible() -> None:
    first, second = blocks(60, 12, 5_000)
    together = np.array([str(number // 24) for number in first], object)
    found = split((first, second), together=together)
    parts = [set(together[found.kept[found.split == name]]) for name in ("train", "validation", "calibration", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts))
    mixed = split((first, second), together=np.array([str(number % 3) for number in range(5_000)], object))
    assert len(mixed.kept) == 5_000  # one component: groups are split rather than pairs dropped


def test_sizes_of_held_out_splits_follow_the_number_of_pairs() -> None:
    config = SplitConfig()
    assert [config.sizes(pairs)["test"] for pairs in (100, 300, 3_000, 20_000, 10**6)] == [20, 30, 300, 1_000, 2_000]


def test_own_splits_without_calibration_get_some_of_training() -> None:
    ends = random_pairs(500, 3_000)
    names = tuple(map(str, range(500)))
    given = np.array(["train", "train", "test"])[np.arange(3_000) % 3]
    found = complete_splits(given, (names, names), *ends, 0)
    assert set(found.split) == {"train", "validation", "calibration", "test"}
    assert ((found.split == "test") == (given[found.kept] == "test")).all()
    whole = np.array(["train", "validation", "calibration", "test"])[np.arange(3_000) % 4]
    assert np.array_equal(complete_splits(whole, (names, names), *ends, 0).split, whole)
    with pytest.raises(InputError, match="no training pair"):
        complete_splits(np.full(3_000, "test"), (names, names), *ends, 0)
