"""One optimiser or two: the paper's two loss groups, the NaN guard, and the optimisers' memory as plain tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import MagicAutoencoder
from metricvae.runtime.precision import multiplies_bfloat16
from metricvae.training.batching import LossTerms

OptimiserKind = Literal["one", "two", "muon"]

LOSSES = tuple(field.name for field in fields(LossTerms))

WIDE = 2.0
"""The ratio of a matrix's sides from which on steps of Newton and Schulz are multiplied into one."""


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
    """One optimiser on the weighted sum of the losses, or two Adams as in the paper: equation (1), then equation (2).

    With two, both gradients are taken at the same weights; then the first Adam moves all weights and the second, which
    has its own moments, the encoder's, the only ones equation (2) depends on. With `muon`, the matrices of the network
    are moved by Muon (K. Jordan 2024: momentum made orthogonal, so that no direction of a matrix learns more slowly
    than another), everything else by Adam.
    """

    def __init__(
        self,
        model: MagicAutoencoder,
        kind: OptimiserKind,
        weights: LossWeights,
        learning_rate: float,
        other_learning_rate: float,
        clip_norm: float | None = None,
    ) -> None:
        self.kind = kind
        self.clip_norm = clip_norm
        self.weights = weights
        self.parameters = [list(model.parameters())]
        if kind == "two":
            self.parameters.append(model.encoder_parameters())
            self.members = [
                [_Member(_adam(group), rate)]
                for group, rate in zip(self.parameters, (learning_rate, other_learning_rate), strict=True)
            ]
        elif kind == "muon":
            adam, muon = adam_and_muon(model)
            self.members = [[_Member(muon, other_learning_rate), _Member(adam, learning_rate)]]
        else:
            self.members = [[_Member(_adam(self.parameters[0]), learning_rate)]]

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
        for members, parameters, group in zip(self.members, self.parameters, gradients.values(), strict=True):
            for parameter, gradient in zip(parameters, group, strict=True):
                parameter.grad = gradient
            for optimiser, rate in members:
                optimiser.param_groups[0]["lr"] = rate * rate_factor
                optimiser.step()
                optimiser.zero_grad()

    def _gradients(self, terms: LossTerms) -> dict[str, tuple[Tensor | None, ...]]:
        first, second = self.weights.equation_1(terms), self.weights.equation_2(terms)
        if self.kind != "two":
            return {"the sum of the losses": torch.autograd.grad(first + second, self.parameters[0], allow_unused=True)}
        return {
            "the losses of equation (1)": torch.autograd.grad(
                first, self.parameters[0], retain_graph=True, allow_unused=True
            ),
            "the metric loss": torch.autograd.grad(second, self.parameters[1], allow_unused=True),
        }

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Everything the optimisers remember, named `<optimiser>.<parameter>.<what>`."""
        return remembered(self._optimisers)

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        recall(self._optimisers, tensors)

    @property
    def _optimisers(self) -> list[torch.optim.Optimizer]:
        return [member.optimiser for member in itertools.chain(*self.members)]


class Muon(torch.optim.Muon):
    """PyTorch's Muon, in float32 where the machine does not multiply bfloat16 natively.

    PyTorch's makes momentum orthogonal in bfloat16 on all machines; on a processor that only imitates it, a step of the
    larger presets takes seconds that way. Without weight decay; rates are in Adam's unit.
    """

    def __init__(self, matrices: Iterable[Tensor]) -> None:
        super().__init__(matrices, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                memory = self.state[matrix]
                if not memory:
                    memory["momentum_buffer"] = torch.zeros_like(matrix.grad)
                momentum = memory["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
                ahead = matrix.grad.lerp(momentum, group["momentum"])
                if multiplies_bfloat16(matrix.device):
                    ahead = ahead.bfloat16()
                moved = orthogonal(ahead, group["ns_coefficients"], group["ns_steps"])
                matrix.add_(moved, alpha=-group["lr"] * 0.2 * math.sqrt(max(matrix.shape)))


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """About U V^T of a matrix U S V^T, in its own type: steps of Newton and Schulz, (a + b X X^T + c (X X^T)^2) X.

    Of a wide matrix in float32 the steps are multiplied into one, as polynomials of the small X X^T: for 512 rows of
    1,968 numbers that takes 0.6 of the time. In bfloat16 powers of it would lose too much.
    """
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    wide = x.dtype == torch.float32 and x.shape[1] >= WIDE * x.shape[0]
    x = _in_one(x, coefficients, steps) if wide else _in_steps(x, coefficients, steps)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def _in_steps(x: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    a, b, c = coefficients
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _in_one(x: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    a, b, c = coefficients
    gram, together = x @ x.T, torch.eye(len(x), device=x.device)
    for number in range(steps):
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal().add_(a)
        together = polynomial @ together if number else polynomial
        if number + 1 < steps:
            gram = polynomial @ gram @ polynomial
    return together @ x


def adam_and_muon(model: nn.Module) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices of a network, Adam for everything else, and for layers whose `muon` is False."""
    layers = [m for m in model.modules() if isinstance(m, nn.Linear) and getattr(m, "muon", True)]
    matrices = {id(layer.weight): layer.weight for layer in layers}
    others = [parameter for parameter in model.parameters() if id(parameter) not in matrices]
    return _adam(others), Muon(matrices.values())


def remembered(optimisers: Sequence[torch.optim.Optimizer]) -> Iterator[tuple[str, Tensor]]:
    """Everything that optimisers remember, named `<optimiser>.<parameter>.<what>`."""
    for number, optimiser in enumerate(optimisers):
        for index, memory in optimiser.state_dict()["state"].items():
            for what, tensor in memory.items():
                yield f"{number}.{index}.{what}", tensor


def recall(optimisers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Give optimisers back what `remembered` gave."""
    states: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimisers]
    for name, tensor in tensors.items():
        number, index, what = name.split(".")
        states[int(number)].setdefault(int(index), {})[what] = tensor
    for optimiser, state in zip(optimisers, states, strict=True):
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


class _Member(NamedTuple):
    """An optimiser and its learning rate."""

    optimiser: torch.optim.Optimizer
    rate: float


def _adam(parameters: list[nn.Parameter]) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, fused=True)


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
