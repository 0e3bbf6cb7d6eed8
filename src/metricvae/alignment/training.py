"""Training an aligner: the overlap itself as the objective, and the exact search's own curves to begin from.

The scan of the exact search gives for many pairs the overlap against the turn, with the two best shifts of each turn
(`metricvae.metrics.overlap.alignment.targets`). A pair teaches three things:

- at every turn, the network's shifts are the scan's, the better the overlap the more it counts, in whichever order;
- at every turn, the curves say how large the overlap is: any turn that is as good as the best may win, as symmetric
  shapes need;
- at the turns that the curves hold for best, the fields are applied, and the overlap found is to be large: its gradient
  moves the shifts further than the coarse scan can (Jaderberg et al. 2015), and the curves are to say what it is.
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

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.alignment.network import Aligner, AlignerConfig, Curves, best_of, offers
from metricvae.metrics.overlap.alignment.targets import Lessons, make_lessons
from metricvae.metrics.overlap.alignment.warping import Grids, overlaps
from metricvae.nn.coders import Encoder
from metricvae.runtime.precision import Precision, autocast, threads_of
from metricvae.training.batching import PairData, batch_indices, data_facts, generator_of, graph
from metricvae.training.checkpoint import load_weights, read_tensors, write_tensors
from metricvae.training.config import cosine_factor
from metricvae.training.optimisers import TrainingDiverged, adam_and_muon, recall, remembered
from metricvae.training.state import named, update_average

RESUME = "aligner-resume.safetensors"

LESSONS = "aligner-lessons.safetensors"

WATCHED = 3
"""Motions of a pair whose fields are applied."""

SHARPNESS = 6
"""Power of the overlap, as a share of the pair's best, with which a shift counts."""


@dataclass(frozen=True)
class AligningConfig:
    """How an aligner is trained; written to the model's `config.json`.

    Attributes:
        network: what it is built from.
        lessons: pairs that are scanned for it.
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
    lessons: int = 150_000
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
        for name in ("lessons", "steps", "batch_pairs", "run_length", "evaluate_every", "evaluate_pairs"):
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
class Met:
    """n pairs of m objects.

    Attributes:
        x: (m, 1, H, W) the objects.
        first, second: (n,) int64 rows of `x`.
        value: (n,) the overlap of each, in pixels.
    """

    x: Tensor
    first: Tensor
    second: Tensor
    value: Tensor


def met(data: PairData, rows: npt.NDArray[np.int64], device: torch.device) -> Met:
    """Pairs of a data set."""
    objects, *ends = graph(data.first[rows], data.second[rows])
    first, second = (torch.from_numpy(end).to(device) for end in ends)
    return Met(data.unpack(objects, device), first, second, torch.from_numpy(data.values[rows]).to(device))


def aligning_loss(curves: Curves, grids: Grids, first: Tensor, second: Tensor, area: Tensor, shift: Tensor) -> Tensor:
    """What the head of this module says, mean over n pairs.

    Args:
        curves: of the pairs, with two shifts at each turn.
        grids: of their shapes.
        first, second: (n,) int64, which of them.
        area: (n, rotations, 2) the scan's overlaps as shares of the smaller area.
        shift: (n, rotations, 2, 2) the scan's shifts in pixels.
    """
    area, shift = area.transpose(1, 2), shift.transpose(1, 2)
    worth = (area / area.amax((1, 2), keepdim=True).clamp(min=1e-3)) ** SHARPNESS
    off = functional.smooth_l1_loss(curves.shift / 10, shift / 10, beta=0.5, reduction="none").sum(-1)
    crossed = functional.smooth_l1_loss(curves.shift.flip(1) / 10, shift / 10, beta=0.5, reduction="none").sum(-1)
    exchanged = ((crossed - off) * worth).sum(1, keepdim=True) < 0
    near = (torch.where(exchanged, crossed, off) * worth).sum() / worth.sum()
    said_all = torch.where(exchanged, curves.share.flip(1), curves.share)
    said = _cross_entropy(said_all, area)
    with torch.no_grad():
        looked = best_of(curves.share, WATCHED)
    offered = curves.shift.flatten(1, 2).gather(1, looked[..., None].expand(-1, -1, 2))
    rotations = curves.share.shape[-1]
    least = torch.minimum(grids.size[first], grids.size[second])[:, None]
    share = overlaps(grids, first, second, (looked % rotations) * (math.tau / rotations), offered) / least
    applied = _cross_entropy(curves.share.flatten(1).gather(1, looked), share.detach())
    return near + said + applied + (1 - share).mean()


def _cross_entropy(said: Tensor, share: Tensor) -> Tensor:
    """Mean cross-entropy in nats, above the least that it can be: that of saying the share itself.

    (Not `binary_cross_entropy`, which does not let NaN through to where it is noticed.)
    """
    share, said = share.clamp(1e-5, 1 - 1e-5), said.clamp(1e-5, 1 - 1e-5)
    above = share * (share / said).log() + (1 - share) * ((1 - share) / (1 - said)).log()
    return above.mean()


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
        tensors = named("network", self.network.state_dict()) | named("kept", self.kept.state_dict())
        tensors |= named("optimiser", dict(remembered(self.optimisers)))
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
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    on_lessons: Callable[[int, int], None] | None = None,
    on_progress: Callable[[AligningProgress], None] | None = None,
) -> tuple[Aligner, dict[str, Any]]:
    """Train an aligner, going on from where an interrupted training in `folder` stopped.

    Args:
        encoder: whose pictures of the objects it reads; its weights do not count.
        data_train, data_validation: pairs whose metric is the overlap.
        folder: where progress is saved, in files that `sweep_aligning` removes when the result is safe.

    Returns:
        the averaged weights on the CPU, in evaluation mode, and facts of the training.

    Raises:
        InputError: too few pairs, or progress of another training.
        TrainingDiverged: a loss is not finite.
    """
    data_train.check("training", at_least=config.batch_pairs)
    data_validation.check("validation", at_least=2)
    begun = {"config": asdict(config), "data": data_facts(data_train, data_validation)}
    device, resume = torch.device(device), folder / RESUME
    lessons = make_lessons(
        *(data_train, config.lessons, config.run_length, config.seed, folder / LESSONS, begun["data"]),
        rotations=config.network.rotations,
        on_progress=on_lessons,
    )
    if len(lessons.rows) < config.batch_pairs:
        raise InputError(f"{len(lessons.rows)} lessons do not fill a batch of {config.batch_pairs}: ask for more")
    with threads_of(config.threads):
        state = _State(config, device)
        state.load(resume, begun)
        began, first, start = state.seconds, state.step, time.perf_counter()
        while state.step < config.steps:
            loss = _step(state, config, encoder, data_train, lessons, device)
            state.seconds = began + time.perf_counter() - start
            if state.step % config.evaluate_every == 0 or state.step == config.steps:
                state.reached = _reached(state.kept, config, encoder, data_validation, device)
                state.save(resume, begun)
            if on_progress is not None:
                left = (state.seconds - began) / (state.step - first) * (config.steps - state.step)
                on_progress(AligningProgress(state.step, config.steps, loss, state.reached, left))
    facts = {"steps": state.step, "reached": state.reached, "seconds": round(state.seconds, 1)}
    return state.kept.cpu().eval(), facts | {"pairs": len(data_train), "device": str(device)}


def _step(
    state: _State, config: AligningConfig, encoder: Encoder, data: PairData, lessons: Lessons, device: torch.device
) -> float:
    generator = generator_of(config.seed, state.step)
    epoch, row = divmod(state.step, len(lessons.rows) // config.batch_pairs)
    places = batch_indices(len(lessons.rows), config.batch_pairs, config.run_length, config.seed, epoch)[row]
    seen = met(data, lessons.rows.numpy()[places], device)
    area, shift = lessons.of(places, device)
    if torch.rand((), generator=generator) < 0.5:
        seen, area, shift = _reflected(seen, area, shift)
    grids = Grids.of(seen.x)
    with autocast(config.precision, device):
        curves = state.network(encoder.pictures(encoder.prepare(seen.x)), seen.first, seen.second, grids.size)
    loss = aligning_loss(curves, grids, seen.first, seen.second, area, shift)
    if not math.isfinite(value := loss.item()):
        raise TrainingDiverged("loss of the aligner", state.step + 1)
    state.network.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    factor = cosine_factor(state.step, config.steps, config.warmup_steps)
    for optimiser, rate in zip(state.optimisers, state.rates, strict=True):
        optimiser.param_groups[0]["lr"] = rate * factor
        optimiser.step()
    state.step += 1
    update_average(state.kept, state.network, min(config.average_decay, state.step / (10 + state.step)))
    return value


def _reflected(seen: Met, area: Tensor, shift: Tensor) -> tuple[Met, Tensor, Tensor]:
    """The same lessons with left and right exchanged."""
    rotations = area.shape[1]
    back = -torch.arange(rotations, device=area.device) % rotations
    mirrored = shift[:, back] * torch.tensor([-1.0, 1.0], device=shift.device)
    return replace(seen, x=seen.x.flip(-1)), area[:, back], mirrored


@torch.inference_mode()
def _reached(network: Aligner, config: AligningConfig, encoder: Encoder, data: PairData, device: torch.device) -> float:
    """Share of the true overlap that the curves' favourite reaches, mean over validation pairs from the first on."""
    shares = []
    for start in range(0, min(len(data), config.evaluate_pairs), 100):
        seen = met(data, np.arange(start, min(start + 100, len(data))), device)
        grids = Grids.of(seen.x)
        with autocast(config.precision, device):
            curves = network(encoder.pictures(encoder.prepare(seen.x)), seen.first, seen.second, grids.size)
        turn, shift, _ = offers(curves, 1)
        shares.append(overlaps(grids, seen.first, seen.second, turn, shift)[:, 0] / seen.value)
    return float(torch.cat(shares).mean())


def sweep_aligning(folder: Path) -> None:
    """Remove what a training that is done needed to go on."""
    for name in (RESUME, LESSONS):
        (folder / name).unlink(missing_ok=True)
