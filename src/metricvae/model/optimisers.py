"""Adam once or twice: the two loss groups of the paper, the NaN guard, and the optimisers' memory as plain tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from metricvae.errors import InputError
from metricvae.model.autoencoder import MagicAutoencoder
from metricvae.model.batches import LossTerms

LOSSES = tuple(field.name for field in fields(LossTerms))


class TrainingDiverged(InputError):
    """A loss, its gradient or the validation R^2 is not finite; no weight has moved since, no file was written.

    Attributes:
        term: which one.
        step: in which step, counted from 1.
    """

    def __init__(self, term: str, step: int) -> None:
        super().__init__(
            f"the {term} is not finite in step {step}, expected a number: training stopped there and kept none of it; "
            "train into a new folder with lower learning rates"
        )
        self.term = term
        self.step = step


@dataclass(frozen=True)
class LossWeights:
    """Factors of the four losses. All 1 is the paper."""

    reconstruction: float = 1.0
    latent: float = 1.0
    deformation: float = 1.0
    metric: float = 1.0

    def equation_1(self, terms: LossTerms) -> Tensor:
        return (
            self.reconstruction * terms.reconstruction
            + self.latent * terms.latent
            + self.deformation * terms.deformation
        )

    def equation_2(self, terms: LossTerms) -> Tensor:
        return self.metric * terms.metric


class Optimisers:
    """One Adam on the weighted sum of the losses, or two as in the paper: equation (1), then equation (2).

    With two, both gradients are taken at the same weights; then the first Adam moves all weights and the second, which
    has its own moments, the encoder's, the only ones equation (2) depends on.
    """

    def __init__(
        self,
        model: MagicAutoencoder,
        kind: Literal["two", "one"],
        weights: LossWeights,
        learning_rate: float,
        metric_learning_rate: float,
        clip_norm: float | None = None,
    ) -> None:
        self.kind = kind
        self.clip_norm = clip_norm
        self.weights = weights
        self.rates = [learning_rate] if kind == "one" else [learning_rate, metric_learning_rate]
        self.parameters = [list(model.parameters())]
        if kind == "two":
            self.parameters.append(list(model.encoder.parameters()))
        self.adams = [
            torch.optim.Adam(parameters, lr=rate, fused=True)
            for parameters, rate in zip(self.parameters, self.rates, strict=True)
        ]

    def step(self, terms: LossTerms, step: int, rate_factor: float) -> None:
        """Move the weights once, down the gradients of `terms`.

        Raises:
            TrainingDiverged: a gradient is not finite; no weight has moved.
        """
        gradients = self._gradients(terms)
        for name, group in gradients.items():
            present = [gradient for gradient in group if gradient is not None]
            total = torch.nn.utils.get_total_norm(present)
            if not math.isfinite(total.item()):
                raise TrainingDiverged(f"gradient of {name}", step)
            if self.clip_norm is not None:
                torch._foreach_mul_(present, (self.clip_norm / (total + 1e-12)).clamp(max=1.0))
        for adam, rate, parameters, group in zip(
            self.adams, self.rates, self.parameters, gradients.values(), strict=True
        ):
            adam.param_groups[0]["lr"] = rate * rate_factor
            for parameter, gradient in zip(parameters, group, strict=True):
                parameter.grad = gradient
            adam.step()
            adam.zero_grad()

    def _gradients(self, terms: LossTerms) -> dict[str, tuple[Tensor | None, ...]]:
        first, second = self.weights.equation_1(terms), self.weights.equation_2(terms)
        if self.kind == "one":
            return {"the sum of the losses": torch.autograd.grad(first + second, self.parameters[0], allow_unused=True)}
        return {
            "the losses of equation (1)": torch.autograd.grad(
                first, self.parameters[0], retain_graph=True, allow_unused=True
            ),
            "the metric loss": torch.autograd.grad(second, self.parameters[1], allow_unused=True),
        }

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Everything the Adams remember, named `<adam>.<parameter>.<what>`."""
        for number, adam in enumerate(self.adams):
            for index, memory in adam.state_dict()["state"].items():
                for what, tensor in memory.items():
                    yield f"{number}.{index}.{what}", tensor

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.adams]
        for name, tensor in tensors.items():
            number, index, what = name.split(".")
            states[int(number)].setdefault(int(index), {})[what] = tensor
        for adam, state in zip(self.adams, states, strict=True):
            adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})


def require_finite(terms: LossTerms, step: int) -> list[float]:
    """The four losses as numbers, in the order of `LOSSES`; one transfer from the device.

    Raises:
        TrainingDiverged: one of them is NaN or infinite.
    """
    values: list[float] = torch.stack([getattr(terms, name).detach() for name in LOSSES]).tolist()
    for name, value in zip(LOSSES, values, strict=True):
        if not math.isfinite(value):
            raise TrainingDiverged(f"{name} loss", step)
    return values
