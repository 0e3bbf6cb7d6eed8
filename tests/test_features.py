"""What the encoder is fed: originals, moved copies, and who is moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metricvae.core.dataset import PairDataset
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.encoders.polar_pictures import polar_pictures
from metricvae.nn.autoencoder import ModelConfig, build
from metricvae.training import features
from metricvae.training.batching import Batch, Side, complete_pairs, generator_of, graph_of
from metricvae.training.features import LiveFeatures, StoredFeatures, features_for, prepare_features
from model_problem import (
    CPU,
    SIDE,
    model_config,
    nudge,
    pairs_of_masks,
    polar_config,
    rectangles,
    training_config,
    turned_rectangles,
)

EVERYTHING = np.arange(10)


def dots() -> PairDataset:
    """Ten objects, each a pixel of its own."""
    masks = np.eye(10, 16, dtype=np.uint8).reshape(10, 4, 4)
    return pairs_of_masks(masks, EVERYTHING, EVERYTHING[::-1], np.arange(10.0))


def as_it_is(x: torch.Tensor) -> torch.Tensor:
    return x


def stand_still(x: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    return x


class Fading:
    """A motion that tells which copy it made: a fifth darker each time, starting anew after `copies`."""

    def __init__(self, copies: int) -> None:
        self.calls, self.copies = 0, copies

    def __call__(self, x: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        self.calls += 1
        return x * (1 - 0.2 * ((self.calls - 1) % self.copies + 1))


ENCODER = build(model_config()).left.encoder
"""Its features are the pixels."""


def stored_dots(copies: int) -> StoredFeatures:
    return prepare_features(dots().left, EVERYTHING, ENCODER, Fading(copies), CPU, copies=copies, seed=0)


def object_and_pose(x: torch.Tensor) -> tuple[list[int], list[int]]:
    """Which pixel is lit, and how many fifths are missing."""
    light, pixel = x.flatten(1).max(1)
    assert ((x > 0).sum((1, 2, 3)) == 1).all()
    return pixel.tolist(), (5 * (1 - light)).round().int().tolist()


def test_where_all_other_pairs_are_known_a_batch_has_them_all() -> None:
    side, ends = side_of(4), (torch.tensor([0, 3]), torch.tensor([2, 1]))
    batch = complete_pairs(Batch(side, side, *ends, torch.tensor([1.0, 0.5])), 0.0)
    assert pairs_of(batch) == {
        (0, 1): (0, False),
        (0, 2): (1, True),
        (0, 3): (0, False),
        (1, 2): (0, False),
        (1, 3): (0.5, True),
        (2, 3): (0, False),
    }


def test_where_all_other_pairs_of_two_sides_are_known_a_batch_has_them_all() -> None:
    ends = torch.tensor([0, 1]), torch.tensor([2, 1])
    batch = complete_pairs(Batch(side_of(2), side_of(3), *ends, torch.tensor([1.0, 0.5])), -1.0)
    assert pairs_of(batch) == {
        (0, 0): (-1, False),
        (0, 1): (-1, False),
        (0, 2): (1, True),
        (1, 0): (-1, False),
        (1, 1): (0.5, True),
        (1, 2): (-1, False),
    }


def test_pairs_that_are_only_known_to_be_there_count_once_and_as_they_are() -> None:
    """Weights, bounds and groups are those of the listed pairs."""
    side, ends = side_of(3), (torch.tensor([0, 2]), torch.tensor([1, 1]))
    columns = torch.tensor([2.0, 0.5]), torch.tensor([0, 1], dtype=torch.int8), torch.tensor([4, 5])
    batch = complete_pairs(Batch(side, side, *ends, torch.tensor([1.0, 0.5]), None, *columns), 0.0)
    assert pairs_of(batch) == {(0, 1): (1, True), (0, 2): (0, False), (1, 2): (0.5, True)}
    assert batch.weight is not None
    assert batch.censored is not None
    assert batch.group is not None
    assert batch.weight.tolist() == [2.0, 1.0, 0.5]
    assert batch.censored.tolist() == [0, 0, 1]
    assert batch.group.tolist() == [4, -1, 5]
    found = batch.facts(torch.tensor([0.0, 0.0, 0.9])).weight
    assert found is not None
    assert found.tolist() == [2.0, 1.0, 0.0]  # at least 0.5 holds


def side_of(count: int) -> Side:
    x = torch.zeros(count, 1)
    return Side(x, x, torch.arange(count), torch.ones(count))


def pairs_of(batch: Batch) -> dict[tuple[int, int], tuple[float, bool]]:
    """Values of the pairs of a batch, and whether the data list them."""
    assert batch.listed is not None
    pairs = zip(batch.first.tolist(), batch.second.tolist(), strict=True)
    found = dict(zip(pairs, zip(batch.value.tolist(), batch.listed.tolist(), strict=True), strict=True))
    assert len(found) == len(batch.value)
    return found


def test_a_graph_has_each_object_once_and_one_set_where_one_tower_encodes_both() -> None:
    data = dots().select(np.array([2, 3, 7]))
    one = graph_of(data, one_tower=True)
    assert one.shared
    assert one.left.tolist() == [2, 3, 6, 7]
    two = graph_of(data, one_tower=False)
    assert not two.shared
    assert (two.left.tolist(), two.right.tolist()) == ([2, 3, 7], [2, 6, 7])
    for graph in (one, two):
        assert graph.left[graph.first].tolist() == data.first.tolist()
        assert graph.right[graph.second].tolist() == data.second.tolist()


@pytest.mark.parametrize("config", [model_config(), polar_config()], ids=lambda config: config.left.encoder.name)
def test_stored_features_are_the_live_ones_to_a_255th(config: ModelConfig) -> None:
    data = rectangles(30, 60, seed=0) if config.left.encoder.name == "dense" else turned_rectangles(30, 4, seed=0)
    encoder, objects = build(config).left.encoder, np.unique(data.first)
    anchors = torch.tensor([0, 2, 5])
    stored = prepare_features(data.left, objects, encoder, stand_still, CPU, copies=1, seed=0)
    live = LiveFeatures(data.left, encoder.prepare, stand_still, CPU)
    for mine, exact in zip(
        stored.pairs_of(objects, anchors, generator_of(1)),
        live.pairs_of(objects, anchors, generator_of(1)),
        strict=True,
    ):
        assert mine.dtype == exact.dtype == torch.float32
        assert mine.shape == exact.shape
        assert (mine - exact).abs().max() <= 0.5001 / 255
    assert stored.stored.dtype == torch.uint8


def test_a_moved_copy_is_the_same_object_in_another_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features.AT_ONCE, "cpu", 4)
    stored, poses, moved_poses = stored_dots(3), set(), set()
    objects, anchors = np.array([1, 2, 3, 5, 7, 8, 9]), torch.tensor([0, 2, 3, 6])
    for seed in range(20):
        x, x_moved = stored.pairs_of(objects, anchors, generator_of(seed))
        shown, pose = object_and_pose(x)
        moved, other = object_and_pose(x_moved)
        assert shown == objects.tolist()
        assert moved == objects[anchors].tolist()
        assert all(a != b for a, b in zip(torch.tensor(pose)[anchors].tolist(), other, strict=True))
        poses.update(pose)
        moved_poses.update(other)
    assert poses == moved_poses == {0, 1, 2, 3}


def test_live_copies_are_moved_when_they_are_asked_for() -> None:
    live = LiveFeatures(dots().left, as_it_is, Fading(copies=2), CPU)
    objects, anchors = np.array([4, 6, 8]), torch.tensor([0, 2])
    for pose in (1, 2, 1):
        x, x_moved = live.pairs_of(objects, anchors, generator_of(0))
        assert object_and_pose(x) == ([4, 6, 8], [0, 0, 0])
        assert object_and_pose(x_moved) == ([4, 8], [pose, pose])


def test_only_objects_that_stand_in_a_pair_are_prepared() -> None:
    used = np.array([3, 7, 9])
    stored = features_for(training_config(copies=1), dots().left, used, ENCODER, Fading(1), CPU)
    assert isinstance(stored, StoredFeatures)
    assert len(stored.stored) == 3
    assert object_and_pose(stored.pairs_of(used, torch.tensor([1]), generator_of(0))[0])[0] == [3, 7, 9]
    assert stored.place.tolist() == [-1, -1, -1, 0, -1, -1, -1, 1, -1, 2]


def test_copies_are_a_function_of_the_seed() -> None:
    table, encoder = turned_rectangles(20, 3, seed=0).left, build(polar_config()).left.encoder
    one, same, other = (
        prepare_features(table, np.arange(20), encoder, table.kind.move, CPU, copies=2, seed=seed).stored
        for seed in (4, 4, 5)
    )
    assert torch.equal(one, same)
    assert torch.equal(one[:, 0], other[:, 0])
    assert not torch.equal(one[:, 1], other[:, 1])
    assert not torch.equal(one[:, 1], one[:, 2])


@pytest.mark.parametrize("copies", [0, 2])
def test_what_is_shown_is_a_function_of_the_generator(copies: int) -> None:
    data, encoder = rectangles(10, 40, seed=0), build(model_config()).left.encoder
    source = features_for(training_config(copies=copies), data.left, EVERYTHING, encoder, nudge, CPU)
    shown = [
        source.pairs_of(np.unique(data.first), torch.tensor([1, 3]), generator_of(seed)) for seed in (1, 1, 2, 3, 4)
    ]
    for part in (0, 1):
        assert torch.equal(shown[0][part], shown[1][part])
    assert not all(torch.equal(shown[0][1], moved) for _, moved in shown[2:])


def test_randomness_of_the_copies_is_not_that_of_any_step() -> None:
    seeds: set[int] = set()

    def spy(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seeds.add(generator.initial_seed())
        return x

    prepare_features(dots().left, EVERYTHING, ENCODER, spy, CPU, copies=2, seed=3)
    assert len(seeds) == 1
    assert seeds.isdisjoint(generator_of(3, step).initial_seed() for step in range(1000))


def test_preparing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features.AT_ONCE, "cpu", 4)
    seen: list[tuple[int, int]] = []
    for copies in (0, 1):
        config = training_config(copies=copies)
        features_for(config, dots().left, EVERYTHING, ENCODER, nudge, CPU, lambda *now: seen.append(now))
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_a_random_motion_moves_the_object_and_keeps_it_whole() -> None:
    table = turned_rectangles(20, 1, seed=0).left
    x = table.tensor(np.arange(20))
    moved = table.kind.move(x, generator_of(0))
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(moved.sum((1, 2, 3)), x.sum((1, 2, 3)), rtol=0.1)
    assert all(not torch.equal(a, b) for a, b in zip(x, moved, strict=True))


def test_a_polar_picture_read_backwards_is_that_of_the_reflected_object() -> None:
    x = torch.rand(3, 1, SIDE, SIDE, generator=generator_of(0))
    grid = PolarEncoderConfig().grid
    reflected = polar_pictures(x, grid).flip(-1).roll(1 - grid.sectors // 2, -1)
    assert torch.allclose(polar_pictures(x.flip(-1), grid), reflected, atol=1e-4)
