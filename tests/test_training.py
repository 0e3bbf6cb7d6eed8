"""Training: what it learns, what it refuses, where it stops, and what it goes on from."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metricvae.errors import InputError
from metricvae.model.autoencoder import build
from metricvae.model.batches import PairData, batch_indices, batch_of_step
from metricvae.model.checkpoints import CONFIG, RESUME, WEIGHTS, load_model, read_tensors
from metricvae.model.logs import LOG, Progress, read_log
from metricvae.model.metrics import InverseCosine
from metricvae.model.optimisers import LossWeights, Optimisers, TrainingDiverged
from metricvae.model.precision import autocast, multiplies_bfloat16
from metricvae.model.state import TrainingState
from metricvae.model.training import TrainingConfig, rate_factor, train, training_step, validation_r2
from model_problem import model_config, nudge, rectangles, train_small, training_config


def result_files(folder: Path) -> dict[str, bytes | dict[str, object]]:
    """What must be equal: all but the seconds it took."""
    document = json.loads((folder / CONFIG).read_text())
    del document["facts"]["seconds"]
    return {WEIGHTS: (folder / WEIGHTS).read_bytes(), LOG: (folder / LOG).read_bytes(), CONFIG: document}


# Batches


def test_unpacked_masks_are_the_packed_ones() -> None:
    masks = (np.random.default_rng(0).random((4, 5, 7)) > 0.5).astype(np.uint8)
    data = PairData.from_masks(masks, [0], [1], [2.0])
    assert torch.equal(data.unpack(np.array([2, 0])), torch.from_numpy(masks[[2, 0], None]).float())
    assert data.sizes.tolist() == masks.sum((1, 2)).tolist()


@pytest.mark.parametrize("run_length", [1, 4, 7])
def test_an_epoch_holds_pairs_once_and_keeps_runs_together(run_length: int) -> None:
    batches = batch_indices(103, 8, run_length, seed=0, epoch=0)
    flat = batches.reshape(-1)
    assert batches.shape == (12, 8)
    assert len(set(flat.tolist())) == 96
    breaks = np.flatnonzero(np.diff(flat) != 1) + 1
    assert (flat[breaks] % run_length == 0).all()
    assert not np.array_equal(batches, batch_indices(103, 8, run_length, seed=0, epoch=1))
    assert np.array_equal(batches, batch_indices.__wrapped__(103, 8, run_length, 0, 0))


@pytest.mark.parametrize("mirror", [False, True])
def test_a_batch_is_a_graph_with_each_object_once(mirror: bool) -> None:
    data = rectangles(10, 200, seed=0)
    settings = {"run_length": 1, "anchor_share": 0.5, "mirror": mirror, "seed": 0, "device": "cpu"}
    for step in (3, 40):
        generator = torch.Generator().manual_seed(step)
        batch = batch_of_step(data, step, batch_pairs=16, generator=generator, move=nudge, **settings)
        assert len(batch.x) <= 10
        assert set(batch.anchors.tolist()) <= set(batch.first.tolist())
        assert len(batch.x_moved) == len(batch.anchors) == round(0.5 * len(batch.first.unique()))
        assert torch.equal(batch.size, batch.x.sum((1, 2, 3)))
        shared = (batch.x[batch.first] * batch.x[batch.second]).sum((1, 2, 3))
        assert torch.equal(shared, batch.value)


# What it learns


@pytest.mark.parametrize(
    "rates",
    [
        {"optimisers": "one", "learning_rate": 3e-3},
        {"optimisers": "two", "learning_rate": 1e-4, "metric_learning_rate": 3e-3},
    ],
    ids=["one", "two"],
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


def test_shuffled_labels_teach_nothing(tmp_path: Path) -> None:
    data = [
        replace(data, values=np.random.default_rng(0).permutation(data.values))
        for data in (rectangles(300, 3000, seed=1), rectangles(60, 300, seed=2))
    ]
    config = training_config(steps=300, evaluate_every=50, learning_rate=3e-3)
    assert train(config, model_config(), *data, tmp_path / "m", move=nudge).validation_r2 < 0.05


def test_the_paper_s_head_trains_in_its_gauge(tmp_path: Path) -> None:
    data = rectangles(300, 3000, seed=1), rectangles(60, 300, seed=2)
    rates = {"learning_rate": 1e-4, "metric_learning_rate": 3e-3}
    config = training_config(steps=300, evaluate_every=50, optimisers="two", **rates)
    result = train(config, model_config(InverseCosine()), *data, tmp_path / "m", move=nudge)
    assert result.validation_r2 > 0.6


def test_two_optimisers_move_the_decoder_by_equation_1_alone() -> None:
    model = build(model_config())
    optimisers = Optimisers(model, "two", LossWeights(), learning_rate=0.0, metric_learning_rate=1e-2)
    state = TrainingState(model, optimisers, average=False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    training_step(state, rectangles(30, 100, seed=0), training_config(average_decay=None), nudge)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {name for name in before if name.startswith("encoder.")}


def test_the_learning_rate_rises_and_falls() -> None:
    config = TrainingConfig(steps=110, warmup_steps=10, schedule="cosine")
    factors = [rate_factor(config, step, 0.0) for step in range(111)]
    assert factors[9] < factors[10] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[110] == pytest.approx(0.0)
    assert rate_factor(replace(config, max_minutes=1.0), 10, 30.0) == pytest.approx(0.5)
    assert rate_factor(replace(config, schedule="constant"), 110, 0.0) == 1.0


def test_training_leaves_the_global_random_state_and_threads_alone(tmp_path: Path) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train_small(tmp_path / "m", threads=threads + 1, steps=2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_reduced_precision_is_used_where_asked_for() -> None:
    device = torch.device("cpu")
    for precision, expected in (("float32", False), ("bfloat16", True), ("auto", multiplies_bfloat16(device))):
        with autocast(precision, device):  # type: ignore[arg-type]
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if expected else torch.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_it_trains_on_a_gpu(tmp_path: Path) -> None:
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    train(training_config(precision="auto"), model_config(), *data, tmp_path / "m", move=nudge, device="cuda")
    assert load_model(tmp_path / "m").facts["device"].startswith("cuda")


def test_random_motions_are_the_default_move(tmp_path: Path) -> None:
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    assert train(training_config(steps=4), model_config(), *data, tmp_path / "m").steps == 4


# Where it stops


def test_patience_stops_early(tmp_path: Path) -> None:
    result = train_small(tmp_path / "m", learning_rate=0.0, patience=2, average_decay=None, evaluate_every=10)
    assert (result.stopped, result.steps, result.best_step) == ("patience", 30, 10)


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


class _FlatAtTheEnd(InverseCosine):
    """A head with a finite score whose gradient is NaN."""

    def score(self, z: torch.Tensor, z_other: torch.Tensor) -> torch.Tensor:
        return (z - z.detach()).square().sum(-1).sqrt()


@pytest.mark.parametrize(("optimisers", "name"), [("one", "the sum of the losses"), ("two", "the metric loss")])
def test_a_gradient_that_is_not_a_number_stops_the_step_too(optimisers: str, name: str) -> None:
    model = build(model_config(_FlatAtTheEnd()))
    state = TrainingState(model, Optimisers(model, optimisers, LossWeights(), 1e-3, 1e-3), average=False)  # type: ignore[arg-type]
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(TrainingDiverged, match=f"gradient of {name} is not finite in step 1"):
        training_step(state, rectangles(30, 100, seed=0), training_config(average_decay=None), nudge)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


# What it refuses


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: replace(data, values=data.values[:3]), "3 pairs, expected at least 16"),
        (lambda data: replace(data, values=np.full_like(data.values, 7)), "every pair .* value 7"),
        (lambda data: replace(data, values=np.where(data.values > 50, np.nan, data.values)), "NaN"),
        (lambda data: replace(data, first=data.first + 1000), "names an object outside"),
    ],
)
def test_data_without_anything_to_learn_is_refused(tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    good = rectangles(100, 1000, seed=1)
    with pytest.raises(InputError, match=message):
        train(training_config(), model_config(), spoil(good), good, tmp_path / "m", move=nudge)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("change", [{"steps": 0}, {"batch_pairs": 0}, {"anchor_share": 0.0}, {"anchor_share": 1.5}])
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        TrainingConfig(**change)  # type: ignore[arg-type]


# What it goes on from


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimisers": "two"}, {"average_decay": None, "schedule": "constant"}, {"stored_as": "float16"}],
    ids=str,
)
@pytest.mark.parametrize("interruptions", [[7], [20, 39, 40, 59]], ids=str)
def test_interrupted_training_ends_bit_equal(tmp_path: Path, changes: dict[str, str], interruptions: list[int]) -> None:
    train_small(tmp_path / "whole", **changes)
    data = rectangles(100, 1000, seed=1), rectangles(40, 200, seed=2)
    for step in interruptions:

        def interrupt(progress: Progress, step: int = step) -> None:
            if progress.step == step:
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


def kill_until_finished(folder: Path, steps: int, kills: int, random: np.random.Generator) -> None:
    """Train in a process of its own, kill it with SIGKILL at random moments, start it again."""
    here = Path(__file__).parent
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, str(here / "model_problem.py"), str(folder), str(steps)]
    for _ in range(kills):
        before = (folder / RESUME).stat().st_mtime_ns if (folder / RESUME).exists() else 0
        with subprocess.Popen(command, env=environment) as process:
            while process.poll() is None:
                if (folder / RESUME).exists() and (folder / RESUME).stat().st_mtime_ns != before:
                    time.sleep(random.uniform(0.0, 0.2))
                    process.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.005)
    subprocess.run(command, env=environment, check=True)


def test_training_killed_at_random_moments_ends_bit_equal(tmp_path: Path) -> None:
    train_small(tmp_path / "whole", steps=200, evaluate_every=5, optimisers="two")
    kill_until_finished(tmp_path / "killed", steps=200, kills=2, random=np.random.default_rng(0))
    assert result_files(tmp_path / "killed") == result_files(tmp_path / "whole")
    assert not [path for path in (tmp_path / "killed").iterdir() if path.suffix == ".tmp"]


@pytest.mark.slow
def test_training_killed_many_times_ends_bit_equal(tmp_path: Path) -> None:
    train_small(tmp_path / "whole", steps=1000, evaluate_every=5, optimisers="two")
    kill_until_finished(tmp_path / "killed", steps=1000, kills=15, random=np.random.default_rng(1))
    assert result_files(tmp_path / "killed") == result_files(tmp_path / "whole")


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
