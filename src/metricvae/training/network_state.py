"""What changes while a network beside a finished model is trained, and its way to and from a file."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from metricvae.core.errors import InputError
from metricvae.training.checkpoint import load_weights, read_tensors, write_tensors
from metricvae.training.config import cosine_factor
from metricvae.training.optimisers import TrainingDiverged, adam_and_muon, recall, remembered
from metricvae.training.state import named, update_average


@dataclass(frozen=True)
class NetworkProgress:
    """The state of a training.

    Attributes:
        step, steps: steps done, steps to do.
        loss: of the last step.
        measured: what the last evaluation found; None before the first.
        seconds_left: estimate from the pace so far.
    """

    step: int
    steps: int
    loss: float
    measured: float | None
    seconds_left: float


def weights_sha256(network: nn.Module) -> str:
    """What tells the weights of a network from those of another."""
    digest = hashlib.sha256()
    for name, part in network.state_dict().items():
        digest.update(name.encode())
        digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class NetworkState:
    """Weights, their average, the optimisers and the counters.

    Args:
        network: to be trained.
        rates: of Adam and of Muon.

    Attributes:
        network: whose weights move.
        averaged: their running average.
        step, seconds: done.
        measured: what the last evaluation found; None before the first.
    """

    def __init__(self, network: nn.Module, rates: tuple[float, float]) -> None:
        self.network, self.averaged = network, copy.deepcopy(network)
        self.optimisers, self.rates = adam_and_muon(network), rates
        self.step, self.seconds = 0, 0.0
        self.measured: float | None = None

    def move(self, loss: Tensor, name: str, steps: int, warmup_steps: int, average_decay: float) -> float:
        """One step down the gradient of a loss, which is returned.

        Raises:
            TrainingDiverged: the loss, which `name` tells, is not finite; no weight has moved.
        """
        value = loss.item()
        if not torch.isfinite(loss):
            raise TrainingDiverged(name, self.step + 1)
        self.network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        factor = cosine_factor(self.step, steps, warmup_steps)
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor
            optimiser.step()
        self.step += 1
        update_average(self.averaged, self.network, min(average_decay, self.step / (10 + self.step)))
        return value

    def save(self, path: Path, begun: Mapping[str, Any]) -> None:
        """Write all of it, and what tells this training from another."""
        tensors = named("network", self.network.state_dict()) | named("averaged", self.averaged.state_dict())
        tensors |= named("optimiser", dict(remembered(self.optimisers)))
        counters = {"step": self.step, "seconds": self.seconds, "measured": self.measured}
        write_tensors(path, tensors, {"begun": begun, **counters})

    def load(self, path: Path, begun: Mapping[str, Any]) -> None:
        """Go on from a file that `save` wrote, if there is one.

        Raises:
            InputError: it is of another training, or no such file.
        """
        if not path.exists():
            return
        checkpoint = read_tensors(path)
        if checkpoint.numbers.get("begun") != begun:
            raise InputError(f"{path} is of a training with other settings or data: give the same again, or delete it")
        load_weights(self.network, checkpoint.under("network"), path)
        load_weights(self.averaged, checkpoint.under("averaged"), path)
        try:
            recall(self.optimisers, checkpoint.under("optimiser"))
            self.step, self.seconds, self.measured = (checkpoint.numbers[k] for k in ("step", "seconds", "measured"))
        except (KeyError, ValueError, IndexError, RuntimeError) as error:
            raise InputError(f"{path} is not a checkpoint ({error}): delete it and train again") from None


def run_training(
    state: NetworkState,
    steps: int,
    evaluate_every: int,
    path: Path,
    begun: Mapping[str, Any],
    *,
    step: Callable[[NetworkState], float],
    measure: Callable[[nn.Module], float],
    on_progress: Callable[[NetworkProgress], None] | None = None,
) -> None:
    """Train a network to the end, going on from where an interrupted training stopped.

    Args:
        state: at the beginning; at the end when it returns.
        steps: to do.
        evaluate_every: steps between measurements; progress is saved then.
        path: where it is saved.
        begun: what tells this training from another.
        step: moves the weights once, and returns the loss.
        measure: of the averaged weights.
        on_progress: told the state after each step.

    Raises:
        InputError: progress of another training.
    """
    state.load(path, begun)
    before, first, start = state.seconds, state.step, time.perf_counter()
    while state.step < steps:
        loss = step(state)
        state.seconds = before + time.perf_counter() - start
        if state.step % evaluate_every == 0 or state.step == steps:
            state.measured = measure(state.averaged)
            state.save(path, begun)
        if on_progress is not None:
            left = (state.seconds - before) / (state.step - first) * (steps - state.step)
            on_progress(NetworkProgress(state.step, steps, loss, state.measured, left))
