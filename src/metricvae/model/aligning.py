"""Training an aligner: the overlap itself as the objective, and the exact search's poses where they help.

For every pair of a batch a few motions are looked at: the one nearest to the exact search's, those that the curves hold
for best, and one at random. Their fields are applied, and three things are asked:

- that the overlap found is large: its gradient moves the shifts (Jaderberg et al. 2015);
- that the curves say how large it is, so that what they hold for best is best: any turn that is as good as the exact
  search's may win, as symmetric shapes need;
- that at the exact search's turn the nearest of the shifts is the exact search's, which a walk uphill may not reach.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from metricvae.errors import InputError
from metricvae.model.aligner import TURNS, Aligner, AlignerConfig, Curves, best_of, offers
from metricvae.model.autoencoder import Encoder
from metricvae.model.batches import PairData, data_facts, generator_of, graph, pairs_of_step
from metricvae.model.checkpoints import load_weights, read_tensors, write_tensors
from metricvae.model.fields import Grids, about_centroids, overlaps
from metricvae.model.optimisers import TrainingDiverged, adam_and_muon, recall, remembered
from metricvae.model.precision import Precision, autocast, threads_of
from metricvae.model.state import update_average

RESUME = "aligner-resume.safetensors"

WATCHED = 2
"""Motions of a pair that are looked at because the curves hold for them."""

NEAR = 0.3
"""Weight of the exact search's shift."""


@dataclass(frozen=True)
class AligningConfig:
    """How an aligner is trained; written to the model's `config.json`.

    Attributes:
        network: what it is built from.
        steps: steps of the optimisers.
        batch_pairs: pairs a step.
        run_length: consecutive pairs of the data that stay together in a batch, as they share objects.
        learning_rate: of Adam, which moves what is no matrix.
        matrix_learning_rate: of Muon, which moves the matrices.
        warmup_steps: steps in which the rates rise; they fall to zero along a cosine after that.
        average_decay: weights are averaged over time with this decay, and the average is kept.
        evaluate_every: steps between measurements; progress is saved then.
        evaluate_pairs: validation pairs they are made on, at most.
        precision: `auto` multiplies in bfloat16 where the machine does so natively.
        threads: threads of PyTorch; None leaves its own choice.
        seed: of the initial weights and all draws.
    """

    network: AlignerConfig = field(default_factory=AlignerConfig)
    steps: int = 6_000
    batch_pairs: int = 240
    run_length: int = 60
    learning_rate: float = 2e-3
    matrix_learning_rate: float = 4e-3
    warmup_steps: int = 100
    average_decay: float = 0.998
    evaluate_every: int = 500
    evaluate_pairs: int = 1_000
    precision: Precision = "auto"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_pairs", "run_length", "evaluate_every", "evaluate_pairs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: expected 1 or more")


@dataclass(frozen=True)
class AligningProgress:
    """Where it stands.

    Attributes:
        step, steps: steps done, steps to do.
        loss: of the last step.
        reached: share of the true overlap that the first motion reaches, on validation pairs; None before that.
        seconds_left: estimate from the pace so far.
    """

    step: int
    steps: int
    loss: float
    reached: float | None
    seconds_left: float


@dataclass(frozen=True)
class Laid:
    """n pairs and where the exact search lays the second shape.

    Attributes:
        x: (m, 1, H, W) the objects.
        first, second: (n,) int64 rows of `x`.
        value: (n,) the overlap there, in pixels.
        pose: (n, 3) `angle_deg`, `dx`, `dy` about the canvas centre.
    """

    x: Tensor
    first: Tensor
    second: Tensor
    value: Tensor
    pose: Tensor


def laid(data: PairData, poses: Tensor, rows: npt.NDArray[np.int64], device: torch.device) -> Laid:
    """Pairs of a data set; `poses` are those of all its pairs, (P, 3)."""
    objects, *ends = graph(data.first[rows], data.second[rows])
    first, second = (torch.from_numpy(end).to(device) for end in ends)
    value = torch.from_numpy(data.values[rows]).to(device)
    return Laid(data.unpack(objects, device), first, second, value, poses[torch.from_numpy(rows.copy())].to(device))


def aligning_loss(
    curves: Curves, grids: Grids, first: Tensor, second: Tensor, turn: Tensor, shift: Tensor, generator: torch.Generator
) -> Tensor:
    """What the head of this module says, mean over n pairs.

    Args:
        curves: of the pairs.
        grids: of their shapes.
        first, second: (n,) int64, which of them.
        turn, shift: (n,) radians and (n, 2) pixels about the centroids, the exact search's.
        generator: on the CPU.
    """
    looked = _looked_at(curves, turn, shift, generator)
    offered = curves.shift.flatten(1, 2).gather(1, looked[..., None].expand(-1, -1, 2))
    said = curves.share.flatten(1).gather(1, looked).clamp(1e-5, 1 - 1e-5)
    least = torch.minimum(grids.size[first], grids.size[second])[:, None]
    share = overlaps(grids, first, second, (looked % TURNS) * (math.tau / TURNS), offered) / least
    said_right = functional.binary_cross_entropy(said, share.detach().clamp(0, 1))
    near = functional.smooth_l1_loss(offered[:, 0] / 10, shift / 10, beta=0.5)
    return (1 - share).mean() + said_right + NEAR * near


@torch.no_grad()
def _looked_at(curves: Curves, turn: Tensor, shift: Tensor, generator: torch.Generator) -> Tensor:
    """(n, 2 + WATCHED) places in the flat curves: nearest to the exact search, the curves' favourites, any."""
    count, shifts, turns = curves.share.shape
    here = (turn * (turns / math.tau)).round().long() % turns
    offered = curves.shift[torch.arange(count, device=here.device), :, here]
    nearest = (offered - shift[:, None]).norm(dim=-1).argmin(1)
    any_one = torch.randint(shifts * turns, (count, 1), generator=generator).to(here.device)
    return torch.cat([(nearest * turns + here)[:, None], best_of(curves.share, WATCHED), any_one], dim=1)


class _State:
    """Weights, their average, the optimisers and the counters."""

    def __init__(self, config: AligningConfig, device: torch.device | str) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = Aligner(config.network).to(device)
        self.kept = copy.deepcopy(self.network)
        rates = config.learning_rate, config.matrix_learning_rate
        self.optimisers, self.rates = adam_and_muon(self.network), rates
        self.step, self.seconds = 0, 0.0
        self.reached: float | None = None

    def save(self, path: Path, begun: Mapping[str, Any]) -> None:
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"kept/{name}": tensor for name, tensor in self.kept.state_dict().items()}
        tensors |= {f"optimiser/{name}": tensor for name, tensor in remembered(self.optimisers)}
        counters = {"step": self.step, "seconds": self.seconds, "reached": self.reached}
        write_tensors(path, tensors, {"begun": begun, **counters})

    def load(self, path: Path, begun: Mapping[str, Any]) -> None:
        if not path.exists():
            return
        checkpoint = read_tensors(path)
        if checkpoint.numbers.get("begun") != begun:
            raise InputError(f"{path} is of a training with other settings or data: give the same again, or delete it")
        load_weights(self.network, checkpoint.under("network"), path)
        load_weights(self.kept, checkpoint.under("kept"), path)
        try:
            recall(self.optimisers, checkpoint.under("optimiser"))
            self.step, self.seconds, self.reached = (checkpoint.numbers[k] for k in ("step", "seconds", "reached"))
        except (KeyError, ValueError, IndexError, RuntimeError) as error:
            raise InputError(f"{path} is not a checkpoint ({error}): delete it and train again") from None


def teach(
    config: AligningConfig,
    encoder: Encoder,
    data_train: PairData,
    data_validation: PairData,
    poses: tuple[Tensor, Tensor],
    resume: Path,
    *,
    device: torch.device | str = "cpu",
    on_progress: Callable[[AligningProgress], None] | None = None,
) -> tuple[Aligner, dict[str, Any]]:
    """Train an aligner, going on from where an interrupted training with `resume` stopped.

    Args:
        encoder: whose pictures of the objects it reads; its weights do not count.
        data_train, data_validation: pairs whose metric is the overlap.
        poses: of all their pairs, (P, 3) each: `angle_deg`, `dx`, `dy` as the exact search gives them.
        resume: file that progress is saved in; the caller removes it when the result is safe.

    Returns:
        the averaged weights on the CPU, in evaluation mode, and facts of the training.

    Raises:
        InputError: too few pairs, or progress of another training.
        TrainingDiverged: a loss is not finite.
    """
    data_train.check("training", at_least=config.batch_pairs)
    data_validation.check("validation", at_least=2)
    begun = {"config": asdict(config), "data": data_facts(data_train, data_validation)}
    device = torch.device(device)
    with threads_of(config.threads):
        state = _State(config, device)
        state.load(resume, begun)
        began, first, start = state.seconds, state.step, time.perf_counter()
        while state.step < config.steps:
            loss = _step(state, config, encoder, data_train, poses[0], device)
            state.seconds = began + time.perf_counter() - start
            if state.step % config.evaluate_every == 0 or state.step == config.steps:
                state.reached = _reached(state.kept, config, encoder, data_validation, poses[1], device)
                state.save(resume, begun)
            if on_progress is not None:
                left = (state.seconds - began) / (state.step - first) * (config.steps - state.step)
                on_progress(AligningProgress(state.step, config.steps, loss, state.reached, left))
    facts = {"steps": state.step, "reached": state.reached, "seconds": round(state.seconds, 1)}
    return state.kept.cpu().eval(), facts | {"pairs": len(data_train), "device": str(device)}


def _step(
    state: _State, config: AligningConfig, encoder: Encoder, data: PairData, poses: Tensor, device: torch.device
) -> float:
    generator = generator_of(config.seed, state.step)
    rows = pairs_of_step(
        data, state.step, batch_pairs=config.batch_pairs, run_length=config.run_length, seed=config.seed
    )
    seen = _varied(laid(data, poses, rows, device), generator)
    grids = Grids.of(seen.x)
    turn, shift = about_centroids(seen.pose, grids.centre[seen.first], grids.centre[seen.second])
    with autocast(config.precision, device):
        curves = state.network(encoder.pictures(encoder.prepare(seen.x)), seen.first, seen.second, grids.size)
    loss = aligning_loss(curves, grids, seen.first, seen.second, turn, shift, generator)
    if not math.isfinite(value := loss.item()):
        raise TrainingDiverged("loss of the aligner", state.step + 1)
    state.network.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    done = max(0, state.step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    factor = min(1.0, (state.step + 1) / (config.warmup_steps + 1)) * 0.5 * (1 + math.cos(math.pi * done))
    for optimiser, rate in zip(state.optimisers, state.rates, strict=True):
        optimiser.param_groups[0]["lr"] = rate * factor
        optimiser.step()
    state.step += 1
    update_average(state.kept, state.network, min(config.average_decay, state.step / (10 + state.step)))
    return value


def _varied(seen: Laid, generator: torch.Generator) -> Laid:
    """Every other batch reflected."""
    if torch.rand((), generator=generator) < 0.5:
        return seen
    pose = seen.pose * torch.tensor([-1.0, -1.0, 1.0], device=seen.pose.device)
    return replace(seen, x=seen.x.flip(-1), pose=pose)


@torch.inference_mode()
def _reached(
    network: Aligner, config: AligningConfig, encoder: Encoder, data: PairData, poses: Tensor, device: torch.device
) -> float:
    """Share of the true overlap that the curves' favourite reaches, mean over validation pairs from the first on."""
    shares = []
    for start in range(0, min(len(data), config.evaluate_pairs), 100):
        seen = laid(data, poses, np.arange(start, min(start + 100, len(data))), device)
        grids = Grids.of(seen.x)
        with autocast(config.precision, device):
            curves = network(encoder.pictures(encoder.prepare(seen.x)), seen.first, seen.second, grids.size)
        turn, shift, _ = offers(curves, 1)
        shares.append(overlaps(grids, seen.first, seen.second, turn, shift)[:, 0] / seen.value)
    return float(torch.cat(shares).mean())
