"""Training: what it learns, what it refuses, where it stops, and what it goes on from."""

from __future__ import annotations

import json
import math
import os
import platform
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from metricvae.core.dataset import CENSORED, GROUP, WEIGHT, PairDataset
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.transforms import unpack_bits
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import MagicAutoencoder, ModelConfig, build
from metricvae.nn.heads import InverseCosine, ProductAndDistance
from metricvae.nn.losses import deformation_loss
from metricvae.runtime.precision import autocast, multiplies_bfloat16, threads_of, trim_heap
from metricvae.training import initial, loop, step
from metricvae.training.batching import Batch, PairSampler, Side, generator_of
from metricvae.training.checkpoint import RESUME, WEIGHTS, load_model, read_tensors
from metricvae.training.config import TrainingConfig, rate_factor, seconds_left
from metricvae.training.logs import LOG, Progress, read_log
from metricvae.training.loop import train
from metricvae.training.model_document import CONFIG, read_model_document
from metricvae.training.optimisers import LOSSES, LossWeights, Muon, TrainingDiverged, orthogonal
from metricvae.training.step import augment, batch_of_step, rescale, validation_r2
from model_problem import (
    POLAR_SIDE,
    live,
    model_config,
    nudge,
    pairs_of_masks,
    polar_config,
    polar_training,
    rectangles,
    state_of,
    step_once,
    train_polar,
    train_small,
    training_config,
    turned_rectangles,
)


def result_files(folder: Path) -> dict[str, bytes | dict[str, object]]:
    """What must be equal: all but the seconds it took, and the checksum over them."""
    document = read_model_document(folder)
    del document["facts"]["seconds"]
    return {WEIGHTS: (folder / WEIGHTS).read_bytes(), LOG: (folder / LOG).read_bytes(), CONFIG: document}


# Batches


def test_unpacked_masks_are_the_packed_ones() -> None:
    masks = (np.random.default_rng(0).random((4, 5, 7)) > 0.5).astype(np.uint8)
    table = pairs_of_masks(masks, [0], [1], [2.0]).left
    assert torch.equal(table.tensor(np.array([2, 0])), torch.from_numpy(masks[[2, 0], None]).float())
    assert torch.equal(unpack_bits(torch.from_numpy(table.packed), 5, 7), torch.from_numpy(masks))
    assert table.magnitudes.tolist() == masks.sum((1, 2)).tolist()


@pytest.mark.parametrize("run_length", [1, 4, 7])
def test_an_epoch_holds_pairs_once_and_keeps_runs_together(run_length: int) -> None:
    sampler = PairSampler(103, 8, run_length, seed=0)
    first, second = (np.stack([sampler.rows(12 * epoch + step) for step in range(12)]) for epoch in range(2))
    flat = first.reshape(-1)
    assert first.shape == (12, 8)
    assert len(set(flat.tolist())) == 96
    breaks = np.flatnonzero(np.diff(flat) != 1) + 1
    assert (flat[breaks] % run_length == 0).all()
    assert not np.array_equal(first, second)
    assert np.array_equal(PairSampler(103, 8, run_length, seed=0).rows(17), second[5])
    assert np.array_equal(sampler.rows(3), first[3])


@pytest.mark.parametrize("mirror", [False, True])
def test_a_batch_is_a_graph_with_each_object_once(mirror: bool) -> None:
    data, config = rectangles(10, 200, seed=0), training_config(anchor_share=0.5, mirror=mirror)
    model = build(model_config())
    for number in (3, 40):
        generator = generator_of(number)
        batch = batch_of_step(live(data, config), number, config, generator)
        batch = augment(batch, model, data, config, generator)
        side = batch.left
        assert batch.right is side
        assert len(side.x) <= 10
        assert set(side.anchors.tolist()) <= set(batch.first.tolist())
        assert len(side.x_moved) == len(side.anchors) == round(0.5 * len(batch.first.unique()))
        assert torch.equal(side.magnitude, side.x.sum((1, 2, 3)))
        shared = (side.x[batch.first] * side.x[batch.second]).sum((1, 2, 3))
        assert torch.equal(shared, batch.value)


def test_every_other_batch_is_reflected_its_copies_with_it() -> None:
    data, config, model = rectangles(10, 200, seed=0), training_config(mirror=True), build(model_config())
    plain = batch_of_step(live(data, config), 0, config, generator_of(0))
    plain = plain.map_sides(lambda _, side: replace(side, x=side.x.cumsum(-1), x_moved=side.x_moved.cumsum(-1)))
    reflected = 0
    for seed in range(40):
        batch = augment(plain, model, data, config, generator_of(seed))
        if torch.equal(batch.left.x, plain.left.x):
            assert torch.equal(batch.left.x_moved, plain.left.x_moved)
        else:
            reflected += 1
            assert torch.equal(batch.left.x, plain.left.x.flip(-1))
            assert torch.equal(batch.left.x_moved, plain.left.x_moved.flip(-1))
        assert batch.value is plain.value
    assert 10 <= reflected <= 30


@pytest.mark.parametrize("side", [16, 24, 30])
@pytest.mark.parametrize("config", [model_config(), polar_config()], ids=lambda config: config.left.encoder.name)
def test_an_enlarged_batch_is_one_of_larger_objects(config: ModelConfig, side: int) -> None:
    def square(side: int) -> torch.Tensor:
        x, margin = torch.zeros(1, 1, POLAR_SIDE, POLAR_SIDE), (POLAR_SIDE - side) // 2
        x[..., margin : margin + side, margin : margin + side] = 1
        return x

    model, rows, data = build(config), torch.tensor([0]), rectangles(2, 2, seed=0)
    x, expected = (model.left.encoder.prepare(square(length)) for length in (20, side))
    shown = Side(x, x, rows, torch.tensor([400.0]))
    batch = rescale(Batch(shown, shown, rows, rows, value=torch.tensor([300.0])), model, data, side / 20)
    assert (batch.left.x - expected).abs().mean() < 0.02
    assert torch.equal(batch.left.x_moved, batch.left.x)
    assert batch.left.magnitude.item() == pytest.approx(side**2)
    assert batch.value.item() == pytest.approx(0.75 * side**2)


def test_the_size_is_drawn_between_the_two_scales() -> None:
    data, config, model = rectangles(10, 200, seed=0), training_config(scales=(0.5, 2.0)), build(model_config())
    plain = batch_of_step(live(data, config), 0, config, generator_of(0))
    drawn = [augment(plain, model, data, config, generator_of(seed)).left.magnitude for seed in range(50)]
    factors = torch.stack([(size / plain.left.magnitude)[0].sqrt() for size in drawn])
    assert 0.5 <= factors.min() < 0.7
    assert 1.8 < factors.max() <= 2.0


# What it learns


@pytest.mark.parametrize(
    "rates",
    [
        {"optimisers": "one", "learning_rate": 3e-3},
        {"optimisers": "muon", "learning_rate": 3e-3},
        {"optimisers": "two", "learning_rate": 1e-4, "metric_learning_rate": 3e-3},
    ],
    ids=["one", "muon", "two"],
)
def test_it_learns_the_overlap_and_keeps_the_best_weights(tmp_path: Path, rates: dict[str, Any]) -> None:
    seen: list[Progress] = []
    data = rectangles(300, 3000, seed=1), rectangles(60, 300, seed=2)
    config = training_config(steps=300, evaluate_every=50, **rates)
    result = train(config, model_config(), *data, tmp_path / "m", move=nudge, on_progress=seen.append)
    assert result.validation_r2 > 0.9
    assert [progress.step for progress in seen] == list(range(1, 301))
    assert seen[-1].metric < seen[0].metric / 5
    measured = [line["validation_r2"] for line in read_log(tmp_path / "m") if "validation_r2" in line]
    assert len(measured) == 6
    assert result.validation_r2 == max(measured)
    loaded = load_model(tmp_path / "m")
    assert validation_r2(loaded.model, data[1], config) == result.validation_r2
    assert loaded.facts["best_step"] == result.best_step


Problem = tuple[TrainingConfig, ModelConfig, PairDataset, PairDataset]


def dense_problem() -> Problem:
    config = training_config(steps=300, evaluate_every=50, learning_rate=3e-3)
    return config, model_config(), rectangles(300, 3000, seed=1), rectangles(60, 300, seed=2)


def polar_problem() -> Problem:
    config = polar_training(steps=50, evaluate_every=25)
    return config, polar_config(), turned_rectangles(60, 50, seed=1), turned_rectangles(60, 20, seed=2)


def shuffled(data: PairDataset) -> PairDataset:
    return replace(data, value=np.random.default_rng(0).permutation(data.value))


def beyond_the_guess(problem: Problem, folder: Path) -> float:
    """How much more of the validation values a trained model explains than the mean of the training values does."""
    config, model, learned, held_out = problem
    move = nudge if model.left.encoder.name == "dense" else None
    r2 = train(config, model, learned, held_out, folder, move=move).validation_r2
    value = held_out.value
    return r2 - (1.0 - np.square(value - learned.value.mean()).mean() / value.var())


@pytest.mark.parametrize("problem", [dense_problem, polar_problem])
def test_shuffled_labels_teach_nothing(tmp_path: Path, problem: Callable[[], Problem]) -> None:
    """Labels are shuffled on both sides: z . z' alone, untrained, goes with the overlap of like shapes."""
    config, model, learned, held_out = problem()
    assert beyond_the_guess((config, model, learned, held_out), tmp_path / "true") > 0.75
    assert beyond_the_guess((config, model, shuffled(learned), shuffled(held_out)), tmp_path / "shuffled") < 0.05


def test_shuffled_labels_would_betray_a_leak(tmp_path: Path) -> None:
    leaked = shuffled(rectangles(100, 60, seed=1))
    assert beyond_the_guess((*dense_problem()[:2], leaked, leaked), tmp_path / "m") > 0.3


@pytest.mark.parametrize("seed", range(3))
def test_an_untrained_polar_model_is_all_but_still_under_motions(seed: int) -> None:
    x = turned_rectangles(30, 1, seed=5).left.tensor(np.arange(30))
    moved = SilhouetteKind(POLAR_SIDE, POLAR_SIDE).move(x, generator_of(0))
    wide = {"height": POLAR_SIDE, "width": POLAR_SIDE}
    coders = replace(model_config().left.encoder, **wide), replace(model_config().left.decoder, **wide)  # type: ignore[type-var]
    dense_config = replace(model_config(), left=replace(polar_config().left, encoder=coders[0], decoder=coders[1]))

    def deformation(config: ModelConfig) -> tuple[float, float]:
        """The loss, and the loss as a share of what it is between different objects."""
        model = build(config, seed).left
        z = model.code(x)
        loss = deformation_loss(z, model.code(moved)).item()
        return loss, loss / deformation_loss(z, z.roll(1, 0)).item()

    (polar, polar_share), (dense, dense_share) = deformation(polar_config()), deformation(dense_config)
    assert polar < 0.01 * dense
    assert polar_share < 0.02 < 0.3 < dense_share


def test_the_paper_s_head_trains_in_its_gauge(tmp_path: Path) -> None:
    data = rectangles(300, 3000, seed=1), rectangles(60, 300, seed=2)
    rates = {"learning_rate": 1e-4, "metric_learning_rate": 3e-3}
    config = training_config(steps=300, evaluate_every=50, optimisers="two", **rates)
    result = train(config, model_config(InverseCosine()), *data, tmp_path / "m", move=nudge)
    assert result.validation_r2 > 0.6


def after_steps(kind: Literal["one", "two"], rates: tuple[float, float], weights: LossWeights) -> MagicAutoencoder:
    model, data = build(model_config()), rectangles(30, 100, seed=0)
    state = state_of(model, kind, *rates, weights=weights)
    for _ in range(3):
        step_once(state, data, training_config(average_decay=None))
    return model


def moved_parts(model: MagicAutoencoder) -> set[str]:
    before = build(model_config()).state_dict()
    return {name.split(".")[2] for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}


def test_two_optimisers_move_the_decoder_by_equation_1_alone() -> None:
    model, data = build(model_config()), rectangles(30, 100, seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    step_once(state_of(model, "two", 0.0, 1e-2), data, training_config(average_decay=None))
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {name for name in before if name.startswith("towers.left.encoder.")}
    assert moved_parts(after_steps("two", (1e-2, 0.0), LossWeights())) == {"encoder", "decoder"}
    assert moved_parts(after_steps("one", (1e-2, 0.0), LossWeights())) == {"encoder", "decoder"}


@pytest.mark.parametrize(
    ("rates", "weights"),
    [((1e-3, 1e-2), LossWeights(metric=0.0)), ((1e-2, 1e-3), LossWeights(0.0, 0.0, 0.0))],
    ids=["equation 1 alone", "equation 2 alone"],
)
def test_two_optimisers_are_one_where_one_equation_is_silent(rates: tuple[float, float], weights: LossWeights) -> None:
    two, one = after_steps("two", rates, weights), after_steps("one", (1e-3, 0.0), weights)
    assert all(torch.equal(a, b) for a, b in zip(two.parameters(), one.parameters(), strict=True))


@pytest.mark.parametrize(("natively", "off"), [(True, 0.0), (False, 1e-3)])
def test_muon_is_that_of_pytorch_and_in_float32_close_to_it(
    monkeypatch: pytest.MonkeyPatch, natively: bool, off: float
) -> None:
    monkeypatch.setattr("metricvae.training.optimisers.multiplies_bfloat16", lambda device: natively)
    chance = torch.Generator().manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape, generator=chance)) for shape in ((30, 70), (70, 30), (30, 40))]
    theirs = [torch.nn.Parameter(parameter.detach().clone()) for parameter in ours]
    muon = Muon(ours)
    other = torch.optim.Muon(theirs, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for optimiser in (muon, other):
        optimiser.param_groups[0]["lr"] = 0.02
    for _ in range(4):
        for one, same in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=chance)
            same.grad = one.grad.clone()
        before = [parameter.detach().clone() for parameter in ours]
        muon.step()
        other.step()
        for one, same, was in zip(ours, theirs, before, strict=True):
            assert (one - same).abs().max() <= off
            values = torch.linalg.svdvals((one - was).detach()) / (0.02 * 0.2 * max(one.shape) ** 0.5)
            assert values.min() > 0.2
            assert values.max() < 1.4


def test_steps_of_newton_and_schulz_in_one_are_those_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.Generator().manual_seed(0)
    for falls_to in (0, -6):  # singular values of one size, and over six orders of magnitude
        wide = torch.randn(40, 150, generator=chance) * torch.logspace(0, falls_to, 150)
        found = []
        for ratio in (2.0, 1e9):
            monkeypatch.setattr("metricvae.training.optimisers.WIDE", ratio)
            found.append(orthogonal(wide, (3.4445, -4.7750, 2.0315), 5))
        assert not torch.equal(*found)
        torch.testing.assert_close(*found, rtol=0.0, atol=1e-4)


def test_muon_moves_matrices_alike_in_all_directions_and_leaves_the_rest_to_adam() -> None:
    """A matrix's first move has many singular values near its largest; what Adam moves, it moves as it always does."""
    data = turned_rectangles(30, 20, seed=0)
    config = polar_training(average_decay=None)

    def moves(kind: str) -> dict[str, torch.Tensor]:
        model = build(polar_config())
        step_once(state_of(model, kind), data, config, model)
        before = build(polar_config()).state_dict()
        return {name: tensor - before[name] for name, tensor in model.state_dict().items()}

    muon, adam = moves("muon"), moves("one")
    for name in (
        "towers.left.encoder.head.3.weight",
        "towers.left.encoder.stages.1.0.second.layer.weight",
        "towers.left.decoder.start.weight",
    ):
        spread = [torch.linalg.svdvals(moved[name]) for moved in (muon, adam)]
        rank_of_muon, rank_of_adam = (float(values.square().sum() / values.max() ** 2) for values in spread)
        assert rank_of_muon > 2 * rank_of_adam
    for name in (
        "towers.left.encoder.direct.weight",
        "towers.left.encoder.first.layer.bias",
        "towers.left.encoder.head.1.weight",
    ):
        assert muon[name].abs().max() > 0
        torch.testing.assert_close(muon[name], adam[name])


def gradients_given(clip_norm: float | None, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """All that the optimiser is given in a first step, as one vector."""
    model, data, given = build(model_config()), rectangles(30, 100, seed=0), []
    state = state_of(model)
    state.optimisers.clip_norm = clip_norm
    monkeypatch.setattr(
        state.optimisers.members[0][0].optimiser,
        "step",
        lambda: given.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])),
    )
    step_once(state, data, training_config(average_decay=None))
    return given[0]


def test_long_gradients_are_cut_and_short_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gradients_given(None, monkeypatch)
    assert torch.equal(gradients_given(2 * float(whole.norm()), monkeypatch), whole)
    cut = gradients_given(float(whole.norm()) / 5, monkeypatch)
    torch.testing.assert_close(cut, whole / 5)


def test_the_learning_rate_rises_and_falls() -> None:
    config = TrainingConfig(steps=110, warmup_steps=10, schedule="cosine")
    factors = [rate_factor(config, step, 0.0) for step in range(111)]
    assert factors[9] < factors[10] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[110] == pytest.approx(0.0)
    assert rate_factor(replace(config, max_minutes=1.0), 10, 30.0) == rate_factor(config, 10, 30.0)
    assert rate_factor(replace(config, max_minutes=1.0), 10, 45.0) == pytest.approx(0.5)
    assert rate_factor(replace(config, schedule="constant"), 110, 0.0) == 1.0


def test_the_time_left_is_the_lesser_of_steps_and_minutes() -> None:
    state = state_of(build(model_config()))
    state.step, state.seconds = 10, 20.0
    assert seconds_left(state, TrainingConfig(steps=110), 2.0) == 200.0
    assert seconds_left(state, TrainingConfig(steps=110, max_minutes=1.0), 2.0) == 40.0
    assert seconds_left(state, TrainingConfig(steps=110, max_minutes=0.1), 2.0) == 0.0


def test_training_leaves_the_global_random_states_and_threads_alone(tmp_path: Path) -> None:
    def states() -> list[object]:
        legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - to see that nobody uses it
        return [torch.get_rng_state().tolist(), str(legacy), random.getstate()]

    before, threads = states(), torch.get_num_threads()
    train_small(tmp_path / "dense", threads=threads + 1, steps=2)
    train_polar(tmp_path / "polar", steps=2)
    assert states() == before
    assert torch.get_num_threads() == threads


def test_training_does_not_depend_on_the_global_random_states(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 2):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - to see that nobody uses it
            random.seed(seed)
            train_polar(tmp_path / str(seed), steps=3, metric_on="sample")
    assert result_files(tmp_path / "1") == result_files(tmp_path / "2")


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    for seed in (1, 2):
        train_polar(tmp_path / str(seed), steps=2, seed=seed)
    assert (tmp_path / "1" / WEIGHTS).read_bytes() != (tmp_path / "2" / WEIGHTS).read_bytes()


def test_the_c_library_is_opened_when_the_heap_is_trimmed_not_before() -> None:
    code = (
        "import torch, ctypes\n"
        "def refuse(*_): raise AssertionError('opened at import')\n"
        "ctypes.CDLL = refuse\n"
        "import metricvae.runtime.precision"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_trimming_gives_back_what_a_heap_in_pieces_has_free() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    pieces = [bytearray(30_000) for _ in range(4_000)]
    del pieces[:-1]  # the last one holds the end of the heap
    before = resident()
    trim_heap()
    assert before - resident() > 60_000_000


def test_reduced_precision_is_used_where_asked_for() -> None:
    device = torch.device("cpu")
    for precision, expected in (("float32", False), ("bfloat16", True), ("auto", multiplies_bfloat16(device))):
        with autocast(precision, device):  # type: ignore[arg-type]
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if expected else torch.float32)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("stored_as", ["float32", "float16", "bfloat16"])
def test_the_r2_reported_is_that_of_the_weights_on_disk(
    tmp_path: Path, precision: Literal["float32", "bfloat16"], stored_as: Literal["float32", "float16", "bfloat16"]
) -> None:
    result = train_polar(tmp_path / "m", steps=25, evaluate_every=25, precision=precision, stored_as=stored_as)
    loaded = load_model(tmp_path / "m")
    held_out = turned_rectangles(16, 4, seed=2)
    with threads_of(1):  # as in the training: sums in another order differ
        assert validation_r2(loaded.model, held_out, polar_training(precision="float32")) == result.validation_r2
    measured = read_log(tmp_path / "m")[-1]["validation_r2"]
    assert result.validation_r2 == pytest.approx(measured, abs=0.01)
    assert (result.validation_r2 == measured) == (precision == stored_as == "float32")


@pytest.mark.parametrize("most", [2**28, 250_000, 0])
def test_validation_objects_are_prepared_once_as_far_as_they_may_be_kept(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    data, config, model = rectangles(150, 400, seed=2), training_config(), build(model_config())
    expected, encoder, prepared = validation_r2(model, data, config), model.left.encoder, []
    prepare = encoder.prepare
    monkeypatch.setattr(encoder, "prepare", lambda x: prepared.append(len(x)) or prepare(x))
    monkeypatch.setattr(step, "MOST_KEPT", most)
    kept = step.KeptFeatures()
    assert [validation_r2(model, data, config, kept) for _ in range(3)] == [expected] * 3
    objects, held = len(np.union1d(data.first, data.second)), sum(map(len, kept.parts.values()))
    assert kept.bytes <= most
    assert sum(prepared) == held + 3 * (objects - held)
    assert (held == objects, held == 0) == (most > 250_000, most == 0)


def test_weights_too_large_for_their_storage_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lopsided(config: ModelConfig, seed: int) -> MagicAutoencoder:
        """The same function, with numbers in one layer that float16 does not reach."""
        model = build(config, seed)
        weights = model.left.encoder.state_dict()
        for name in ("layers.0.weight", "layers.0.bias"):
            weights[name].mul_(2.0**24)
        weights["layers.2.weight"].mul_(2.0**-24)
        return model

    monkeypatch.setattr(initial, "build", lopsided)
    with pytest.raises(TrainingDiverged, match=r"validation R\^2 of the weights stored as float16 is not finite"):
        train_small(tmp_path / "half", learning_rate=0.0, stored_as="float16")
    assert not (tmp_path / "half" / WEIGHTS).exists()
    assert train_small(tmp_path / "whole", learning_rate=0.0).steps == 60


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("training_of", [train_small, train_polar])
def test_it_trains_on_a_gpu(tmp_path: Path, training_of: Callable[..., Any]) -> None:
    before = torch.cuda.get_rng_state()
    training_of(tmp_path / "m", precision="auto", device="cuda")
    assert load_model(tmp_path / "m").facts["device"].startswith("cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_random_motions_are_the_default_move(tmp_path: Path) -> None:
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    assert train(training_config(steps=4), model_config(), *data, tmp_path / "m").steps == 4


# Where it stops


def test_patience_stops_early(tmp_path: Path) -> None:
    result = train_small(tmp_path / "m", learning_rate=0.0, patience=2, average_decay=None, evaluate_every=10)
    assert (result.stopped, result.steps, result.best_step) == ("patience", 30, 10)


def test_patience_counts_from_the_best_and_survives_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {5: 0.1, 10: 0.5, 15: 0.4, 20: 0.6, 25: 0.3, 30: 0.6, 35: 0.5}
    steps, real = iter([*measured, 20]), validation_r2

    def scripted(model: MagicAutoencoder, *arguments: Any) -> float:
        assert math.isfinite(real(model, *arguments))
        return measured[next(steps)]

    def interrupt(progress: Progress) -> None:
        if progress.step == 28:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "validation_r2", scripted)
    with pytest.raises(KeyboardInterrupt):
        train_small(tmp_path / "m", evaluate_every=5, patience=3, on_progress=interrupt)
    result = train_small(tmp_path / "m", evaluate_every=5, patience=3)
    assert (result.stopped, result.steps, result.best_step, result.validation_r2) == ("patience", 35, 20, 0.6)


def test_time_stops_training_wherever_it_is(tmp_path: Path) -> None:
    result = train_small(tmp_path / "m", steps=10**6, max_minutes=0.005)
    assert result.stopped == "time"
    assert result.steps < 10**6
    assert load_model(tmp_path / "m").facts["stopped"] == "time"


def test_a_loss_that_is_not_a_number_stops_the_step_before_the_weights_move(tmp_path: Path) -> None:
    steps = iter(range(1, 100))

    def spoilt(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return x * float("nan") if next(steps) == 7 else x

    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    with pytest.raises(TrainingDiverged, match="deformation loss is not finite in step 7") as caught:
        train(training_config(evaluate_every=3), model_config(), *data, tmp_path / "m", move=spoilt)
    assert (caught.value.term, caught.value.step) == ("deformation loss", 7)
    assert not (tmp_path / "m" / WEIGHTS).exists()
    checkpoint = read_tensors(tmp_path / "m" / RESUME)
    assert checkpoint.numbers["step"] == 6
    assert all(tensor.isfinite().all() for tensor in checkpoint.tensors.values())


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("optimisers", ["one", "two", "muon"])
@pytest.mark.parametrize("term", LOSSES)
def test_any_loss_that_is_not_a_number_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, term: str, optimisers: str, wrong: float
) -> None:
    def stop_after_7(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    changes = {"optimisers": optimisers, "evaluate_every": 3}
    with pytest.raises(KeyboardInterrupt):
        train_small(tmp_path / "sound", on_progress=stop_after_7, **changes)

    steps, loss = iter(range(1, 100)), getattr(step, f"{term}_loss")
    monkeypatch.setattr(
        step, f"{term}_loss", lambda *arguments: loss(*arguments) * (wrong if next(steps) == 7 else 1.0)
    )
    with pytest.raises(TrainingDiverged, match=f"the {term} loss is not finite in step 7") as caught:
        train_small(tmp_path / "spoilt", **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "spoilt" / WEIGHTS).exists()
    assert json.loads((tmp_path / "spoilt" / CONFIG).read_text())["status"] == "unfinished"
    sound, spoilt = (read_tensors(tmp_path / name / RESUME) for name in ("sound", "spoilt"))
    assert sound.numbers["step"] == spoilt.numbers["step"] == 6
    assert sound.tensors.keys() == spoilt.tensors.keys()
    assert all(torch.equal(sound.tensors[name], spoilt.tensors[name]) for name in sound.tensors)


@pytest.mark.parametrize("term", LOSSES)
def test_no_weight_moves_in_the_step_of_a_loss_that_is_not_a_number(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    model, data = build(model_config()), rectangles(30, 100, seed=0)
    loss = getattr(step, f"{term}_loss")
    monkeypatch.setattr(step, f"{term}_loss", lambda *arguments: loss(*arguments) * math.nan)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(TrainingDiverged, match=f"{term} loss"):
        step_once(state_of(model, "two"), data, training_config(average_decay=None))
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_a_validation_r2_that_is_not_a_number_stops_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "validation_r2", lambda *arguments: math.nan)
    with pytest.raises(TrainingDiverged, match=r"validation R\^2 is not finite in step 20"):
        train_small(tmp_path / "m")
    assert sorted(path.name for path in (tmp_path / "m").iterdir() if path.is_file()) == [CONFIG, LOG]


class _FlatAtTheEnd(InverseCosine):
    """A head with a finite score whose gradient is NaN."""

    def score(self, z: torch.Tensor, z_other: torch.Tensor) -> torch.Tensor:
        return (z - z.detach()).square().sum(-1).sqrt()


@pytest.mark.parametrize(
    ("optimisers", "name"),
    [("one", "the sum of the losses"), ("muon", "the sum of the losses"), ("two", "the metric loss")],
)
def test_a_gradient_that_is_not_a_number_stops_the_step_too(optimisers: str, name: str) -> None:
    model, data = build(model_config(_FlatAtTheEnd())), rectangles(30, 100, seed=0)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(TrainingDiverged, match=f"gradient of {name} is not finite in step 1"):
        step_once(state_of(model, optimisers), data, training_config(average_decay=None))
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


# What it refuses


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data.select(np.arange(3)), "3 pairs, expected at least 16"),
        (lambda data: replace(data, value=np.full_like(data.value, 7)), "every pair .* value 7"),
        (lambda data: replace(data, value=np.where(data.value > 50, np.nan, data.value)), "NaN"),
        (lambda data: replace(data, first=data.first + 1000), "names an object outside"),
    ],
)
def test_data_without_anything_to_learn_is_refused(tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    good = rectangles(100, 1000, seed=1)
    with pytest.raises(InputError, match=message):
        train(training_config(), model_config(), spoil(good), good, tmp_path / "m", move=nudge)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"batch_pairs": 0},
        {"anchor_share": 0.0},
        {"anchor_share": 1.5},
        {"copies": -1},
        {"patience": 0},
        {"threads": 0},
        {"seed": -1},
        {"learning_rate": math.nan},
        {"metric_learning_rate": -1e-3},
        {"average_decay": 1.0},
        {"max_minutes": 0.0},
        {"clip_norm": 0.0},
        {"clip_norm": math.nan},
        {"scales": (1.2, 0.8)},
        {"scales": (0.0, 1.0)},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        TrainingConfig(**change)


# What it goes on from


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimisers": "two"},
        {"optimisers": "muon"},
        {"latent_loss": "adversarial"},
        {"average_decay": None, "schedule": "constant"},
        {"stored_as": "float16"},
    ],
    ids=str,
)
@pytest.mark.parametrize("interruptions", [[7], [20, 39, 40, 59]], ids=str)
def test_interrupted_training_ends_bit_equal(tmp_path: Path, changes: dict[str, str], interruptions: list[int]) -> None:
    train_small(tmp_path / "whole", **changes)
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    for last in interruptions:

        def interrupt(progress: Progress, last: int = last) -> None:
            if progress.step == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(
                training_config(**changes),
                model_config(),
                *data,
                tmp_path / "broken",
                move=nudge,
                on_progress=interrupt,
            )
    train_small(tmp_path / "broken", **changes)
    assert result_files(tmp_path / "broken") == result_files(tmp_path / "whole")
    assert not (tmp_path / "broken" / RESUME).exists()


def kill_until_finished(problem: str, folder: Path, steps: int, kills: int, chance: np.random.Generator) -> None:
    """Train in a process of its own, kill it with SIGKILL at random moments, start it again."""
    here = Path(__file__).parent
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, str(here / "model_problem.py"), problem, str(folder), str(steps)]
    killed = 0
    for _ in range(kills):
        before = (folder / RESUME).stat().st_mtime_ns if (folder / RESUME).exists() else 0
        with subprocess.Popen(command, env=environment) as process:
            while process.poll() is None:
                if (folder / RESUME).exists() and (folder / RESUME).stat().st_mtime_ns != before:
                    time.sleep(chance.uniform(0.0, 0.2))
                    process.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.005)
        killed += process.returncode == -signal.SIGKILL
    assert killed
    subprocess.run(command, env=environment, check=True)


def check_kills(problem: str, folder: Path, *, steps: int, kills: int) -> None:
    """Killed and resumed, a training ends in the bytes of one that was left in peace."""
    undisturbed = {"dense": train_small, "polar": train_polar}[problem]
    undisturbed(folder / "whole", steps=steps, evaluate_every=5, optimisers="two")
    kill_until_finished(problem, folder / "killed", steps=steps, kills=kills, chance=np.random.default_rng(kills))
    assert result_files(folder / "killed") == result_files(folder / "whole")
    assert not [path for path in (folder / "killed").iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize(
    ("problem", "steps"), [("dense", 40), pytest.param("polar", 40, marks=pytest.mark.slow)], ids=["dense", "polar"]
)
def test_training_killed_at_random_moments_ends_bit_equal(tmp_path: Path, problem: str, steps: int) -> None:
    check_kills(problem, tmp_path, steps=steps, kills=1)


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "steps"), [("dense", 1000), ("polar", 100)])
def test_training_killed_many_times_ends_bit_equal(tmp_path: Path, problem: str, steps: int) -> None:
    check_kills(problem, tmp_path, steps=steps, kills=8)


def test_interrupted_polar_training_ends_bit_equal(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    train_polar(tmp_path / "whole", steps=10, evaluate_every=5)
    with pytest.raises(KeyboardInterrupt):
        train_polar(tmp_path / "broken", steps=10, evaluate_every=5, on_progress=interrupt)
    train_polar(tmp_path / "broken", steps=10, evaluate_every=5)
    assert result_files(tmp_path / "broken") == result_files(tmp_path / "whole")


def test_a_finished_model_is_left_as_it_is(tmp_path: Path) -> None:
    first = train_small(tmp_path / "m")
    before = result_files(tmp_path / "m")
    assert train_small(tmp_path / "m") == first
    assert result_files(tmp_path / "m") == before


def test_a_folder_begun_with_other_settings_is_refused(tmp_path: Path) -> None:
    train_small(tmp_path / "m")
    with pytest.raises(InputError, match=r"other training settings .*steps is 60, expected 40"):
        train_small(tmp_path / "m", steps=40)
    with pytest.raises(InputError, match="other data settings"):
        train(
            training_config(),
            model_config(),
            rectangles(100, 1000, seed=5),
            rectangles(40, 200, seed=2),
            tmp_path / "m",
            move=nudge,
        )


def test_weights_bounds_and_groups_tell_data_apart(tmp_path: Path) -> None:
    data, held_out = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    numbers = np.arange(len(data))
    columns = {WEIGHT: 1.0 + numbers % 2, CENSORED: (numbers % 2).astype(np.int8), GROUP: numbers.astype(str)}
    others = [replace(data, columns={name: column}) for name, column in columns.items()]
    others += [replace(data, columns={name: column[::-1]}) for name, column in columns.items()]
    assert len({one.fingerprint() for one in (data, *others)}) == 7
    assert replace(data, columns={"hard": numbers}).fingerprint() == data.fingerprint()
    train_small(tmp_path / "m", steps=2)
    with pytest.raises(InputError, match="other data settings"):
        train(training_config(steps=2), model_config(), others[0], held_out, tmp_path / "m", move=nudge)


def test_the_digest_of_data_stays_what_it_is_and_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rectangles(20, 40, seed=1)
    assert data.fingerprint() == "6a9a5467cb23e7c6e9d1f914950a918fedb004a5c84e33572cfa841b910b850c"
    assert data.fingerprint(splits=True) != replace(data, split=np.full(40, "test")).fingerprint(splits=True)
    monkeypatch.setattr(np, "ascontiguousarray", None)
    assert data.fingerprint() == "6a9a5467cb23e7c6e9d1f914950a918fedb004a5c84e33572cfa841b910b850c"


def test_training_starts_from_the_weights_of_another_model(tmp_path: Path) -> None:
    train_small(tmp_path / "first", steps=20)
    start, data = load_model(tmp_path / "first"), (rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2))
    still = training_config(steps=1, learning_rate=0.0, evaluate_every=1, average_decay=None)
    train(still, model_config(), *data, tmp_path / "second", move=nudge, start=start)
    train(still, model_config(), *data, tmp_path / "random", move=nudge)
    first, second, random = (load_model(tmp_path / name).model.state_dict() for name in ("first", "second", "random"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], random[name]) for name in first)
    document = json.loads((tmp_path / "second" / CONFIG).read_text())
    assert document["start"] == {"model": "first", "sha256": start.sha256}
    with pytest.raises(InputError, match="begun with other start settings"):
        train(still, model_config(), *data, tmp_path / "second", move=nudge)


def test_a_start_of_other_networks_is_refused(tmp_path: Path) -> None:
    train_small(tmp_path / "first", steps=2)
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    other = replace(model_config(), latent=9)
    with pytest.raises(InputError, match="has other networks than the one to train"):
        train(training_config(), other, *data, tmp_path / "second", start=load_model(tmp_path / "first"))
    assert not (tmp_path / "second").exists()


def test_a_model_of_another_metric_starts_from_the_networks_of_one(tmp_path: Path) -> None:
    train_small(tmp_path / "first", steps=2)
    begun = load_model(tmp_path / "first")
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    other = replace(model_config(), metric=TabularMetric("other", left="silhouette"), head=ProductAndDistance())
    parts = [replace(one, metric=other.metric) for one in data]
    slow = replace(training_config(), steps=1, learning_rate=1e-12, matrix_learning_rate=1e-12, average_decay=None)
    train(slow, other, parts[0], parts[1], tmp_path / "second", start=begun)
    found = load_model(tmp_path / "second").model.state_dict()
    for name, weights in begun.model.state_dict().items():
        assert torch.allclose(found[name].float(), weights.float(), atol=1e-3), name


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something that is not a model"):
        train_small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 25:
            raise KeyboardInterrupt

    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    with pytest.raises(KeyboardInterrupt):
        train(training_config(), model_config(), *data, tmp_path / "m", move=nudge, on_progress=interrupt)
    with pytest.raises(InputError, match="is unfinished: run `metricvae train` again"):
        load_model(tmp_path / "m")
    path = tmp_path / "m" / RESUME
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"resume\.safetensors is not a whole safetensors file"):
        train_small(tmp_path / "m")
