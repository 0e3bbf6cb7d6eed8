"""Everything that changes during training, and its way to and from a checkpoint."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import MagicAutoencoder
from metricvae.training.adversary import Adversary
from metricvae.training.checkpoint import RESUME, load_weights, read_tensors, write_tensors
from metricvae.training.optimisers import Optimisers


class TrainingState:
    """Weights, their average over time, the best so far, the optimisers and the counters.

    Attributes:
        adversary: the discriminator of an adversarial latent loss, None without one.
        model: the weights the optimisers move.
        averaged: the weights that are measured: their running average (EMA), or `model` itself without averaging.
        best: the averaged weights of the step with the best validation R^2.
        step: steps done.
        best_step, best_r2: when and what the best was; R^2 is None before the first measurement.
        waited: measurements since then.
        seconds: time spent in training.
    """

    def __init__(
        self, model: MagicAutoencoder, optimisers: Optimisers, adversary: Adversary | None = None, *, average: bool
    ) -> None:
        self.model = model
        self.averaged = copy.deepcopy(model) if average else model
        self.best: dict[str, Tensor] = {}
        self.optimisers = optimisers
        self.adversary = adversary
        self.step = 0
        self.best_step = 0
        self.best_r2: float | None = None
        self.waited = 0
        self.seconds = 0.0

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def judge(self, r2: float) -> None:
        """Keep the present weights if they are the best."""
        if self.best_r2 is not None and r2 <= self.best_r2:
            self.waited += 1
            return
        self.best = {name: tensor.detach().clone() for name, tensor in self.averaged.state_dict().items()}
        self.best_step, self.best_r2, self.waited = self.step, r2, 0

    def save(self, folder: Path) -> None:
        """Write all of it to the one file training goes on from."""
        tensors = named("model", self.model.state_dict()) | named("best", self.best)
        if self.averaged is not self.model:
            tensors |= named("average", self.averaged.state_dict())
        tensors |= named("optimiser", dict(self.optimisers.tensors()))
        if self.adversary is not None:
            tensors |= named("adversary", dict(self.adversary.tensors()))
        counters = ("step", "best_step", "best_r2", "waited", "seconds")
        write_tensors(folder / RESUME, tensors, {name: getattr(self, name) for name in counters})

    def load(self, folder: Path) -> None:
        """Go back to what `save` wrote; without such a file nothing happens.

        Raises:
            InputError: the file is truncated or another model's.
        """
        path = folder / RESUME
        if not path.exists():
            return
        checkpoint = read_tensors(path)
        load_weights(self.model, checkpoint.under("model"), path)
        if self.averaged is not self.model:
            load_weights(self.averaged, checkpoint.under("average"), path)
        try:
            self.optimisers.load_tensors(checkpoint.under("optimiser"))
            if self.adversary is not None:
                self.adversary.load_tensors(checkpoint.under("adversary"))
            for name in ("step", "best_step", "best_r2", "waited", "seconds"):
                setattr(self, name, checkpoint.numbers[name])
        except (KeyError, ValueError, IndexError, RuntimeError) as error:
            raise InputError(f"{path} is not a checkpoint ({error}): delete it and train again") from None
        self.best = {name: tensor.to(self.device) for name, tensor in checkpoint.under("best").items()}


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * model for weights; counters and statistics are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1.0 - decay)
    for mine, theirs in zip(average.buffers(), model.buffers(), strict=True):
        mine.copy_(theirs)


def named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}
