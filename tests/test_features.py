"""What the encoder is fed: originals, moved copies, and who is moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.encoders.polar_pictures import polar_pictures
from metricvae.nn.autoencoder import ModelConfig, build
from metricvae.training import features
from metricvae.training.batching import PairData, completed, generator_of
from metricvae.training.features import KeptFeatures, LiveFeatures, features_for, move_randomly
from model_problem import CPU, SIDE, model_config, nudge, polar_config, rectangles, training_config, turned_rectangles

EVERYTHING = np.arange(10)


def dots() -> PairData:
    """Ten objects, each a pixel of its own."""
    masks = np.eye(10, 16, dtype=np.uint8).reshape(10, 4, 4)
    return PairData.from_masks(masks, EVERYTHING, EVERYTHING[::-1], np.arange(10.0))


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


ENCODER = build(model_config()).encoder
"""Its features are the pixels."""


def kept_dots(copies: int) -> KeptFeatures:
    return KeptFeatures(dots(), ENCODER, Fading(copies), CPU, copies=copies, seed=0)


def object_and_pose(x: torch.Tensor) -> tuple[list[int], list[int]]:
    """Which pixel is lit, and how many fifths are missing."""
    light, pixel = x.flatten(1).max(1)
    assert ((x > 0).sum((1, 2, 3)) == 1).all()
    return pixel.tolist(), (5 * (1 - light)).round().int().tolist()


def test_where_all_other_pairs_are_known_a_batch_has_them_all() -> None:
    first, second, value = torch.tensor([0, 3]), torch.tensor([2, 1]), torch.tensor([1.0, 0.5])
    *ends, values, listed = (part.tolist() for part in completed(first, second, value, 4, 0.0))
    assert dict(zip(zip(*ends, strict=True), zip(values, listed, strict=True), strict=True)) == {
        (0, 1): (0, False),
        (0, 2): (1, True),
        (0, 3): (0, False),
        (1, 2): (0, False),
        (1, 3): (0.5, True),
        (2, 3): (0, False),
    }


@pytest.mark.parametrize("config", [model_config(), polar_config()], ids=lambda config: config.encoder)
def test_kept_features_are_the_live_ones_to_a_255th(config: ModelConfig) -> None:
    data = rectangles(30, 60, seed=0) if config.encoder == "flat" else turned_rectangles(30, 4, seed=0)
    encoder, objects = build(config).encoder, np.unique(data.first)
    anchors = torch.tensor([0, 2, 5])
    kept = KeptFeatures(data, encoder, stand_still, CPU, copies=1, seed=0)
    live = LiveFeatures(data, encoder.prepare, stand_still, CPU)
    for mine, exact in zip(
        kept.pairs_of(objects, anchors, generator_of(1)), live.pairs_of(objects, anchors, generator_of(1)), strict=True
    ):
        assert mine.dtype == exact.dtype == torch.float32
        assert mine.shape == exact.shape
        assert (mine - exact).abs().max() <= 0.5001 / 255
    assert kept.kept.dtype == torch.uint8


def test_a_moved_copy_is_the_same_object_in_another_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features.AT_ONCE, "cpu", 4)
    kept, poses, moved_poses = kept_dots(3), set(), set()
    objects, anchors = np.array([1, 2, 3, 5, 7, 8, 9]), torch.tensor([0, 2, 3, 6])
    for seed in range(20):
        x, x_moved = kept.pairs_of(objects, anchors, generator_of(seed))
        shown, pose = object_and_pose(x)
        moved, other = object_and_pose(x_moved)
        assert shown == objects.tolist()
        assert moved == objects[anchors].tolist()
        assert all(a != b for a, b in zip(torch.tensor(pose)[anchors].tolist(), other, strict=True))
        poses.update(pose)
        moved_poses.update(other)
    assert poses == moved_poses == {0, 1, 2, 3}


def test_live_copies_are_moved_when_they_are_asked_for() -> None:
    live = LiveFeatures(dots(), as_it_is, Fading(copies=2), CPU)
    objects, anchors = np.array([4, 6, 8]), torch.tensor([0, 2])
    for pose in (1, 2, 1):
        x, x_moved = live.pairs_of(objects, anchors, generator_of(0))
        assert object_and_pose(x) == ([4, 6, 8], [0, 0, 0])
        assert object_and_pose(x_moved) == ([4, 8], [pose, pose])


def test_only_objects_that_stand_in_a_pair_are_prepared() -> None:
    few = replace(dots(), first=np.array([7, 3]), second=np.array([3, 9]), values=np.array([1, 2], np.float32))
    kept = KeptFeatures(few, ENCODER, Fading(1), CPU, copies=1, seed=0)
    assert len(kept.kept) == 3
    assert object_and_pose(kept.pairs_of(np.array([3, 7, 9]), torch.tensor([1]), generator_of(0))[0])[0] == [3, 7, 9]


def test_copies_are_a_function_of_the_seed() -> None:
    data = turned_rectangles(20, 3, seed=0)
    one, same, other = (
        KeptFeatures(data, build(polar_config()).encoder, move_randomly, CPU, copies=2, seed=seed).kept
        for seed in (4, 4, 5)
    )
    assert torch.equal(one, same)
    assert torch.equal(one[:, 0], other[:, 0])
    assert not torch.equal(one[:, 1], other[:, 1])
    assert not torch.equal(one[:, 1], one[:, 2])


@pytest.mark.parametrize("copies", [0, 2])
def test_what_is_shown_is_a_function_of_the_generator(copies: int) -> None:
    data, encoder = rectangles(10, 40, seed=0), build(model_config()).encoder
    source = features_for(training_config(copies=copies), data, encoder, nudge, CPU)
    shown = [
        source.pairs_of(np.unique(data.first), torch.tensor([1, 3]), generator_of(seed)) for seed in (1, 1, 2, 3, 4)
    ]
    for part in (0, 1):
        assert torch.equal(shown[0][part], shown[1][part])
    assert not all(torch.equal(shown[0][1], moved) for _, moved in shown[2:])


def test_chance_of_the_copies_is_not_that_of_any_step() -> None:
    seeds: set[int] = set()

    def spy(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seeds.add(generator.initial_seed())
        return x

    KeptFeatures(dots(), ENCODER, spy, CPU, copies=2, seed=3)
    assert len(seeds) == 1
    assert seeds.isdisjoint(generator_of(3, step).initial_seed() for step in range(1000))


def test_preparing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features.AT_ONCE, "cpu", 4)
    seen: list[tuple[int, int]] = []
    data, encoder = dots(), build(model_config()).encoder
    for copies in (0, 1):
        features_for(training_config(copies=copies), data, encoder, nudge, CPU, lambda *now: seen.append(now))
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_a_random_motion_moves_the_object_and_keeps_it_whole() -> None:
    x = turned_rectangles(20, 1, seed=0).unpack(np.arange(20))
    moved = move_randomly(x, generator_of(0))
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(moved.sum((1, 2, 3)), x.sum((1, 2, 3)), rtol=0.1)
    assert all(not torch.equal(a, b) for a, b in zip(x, moved, strict=True))


def test_a_polar_picture_read_backwards_is_that_of_the_reflected_object() -> None:
    x = torch.rand(3, 1, SIDE, SIDE, generator=generator_of(0))
    grid = PolarEncoderConfig().grid
    reflected = polar_pictures(x, grid).flip(-1).roll(1 - grid.sectors // 2, -1)
    assert torch.allclose(polar_pictures(x.flip(-1), grid), reflected, atol=1e-4)
