"""Layers that several networks share, most of them on a circle.

A linear layer is trained by Muon unless it says otherwise: an attribute `muon = False` of its class leaves its weights
to Adam where a training uses both (`metricvae.training.optimisers`).
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

CPU = torch.device("cpu")


class CircularConv1d(nn.Module):
    """A circular convolution with a kernel of `width` positions, as one matrix: (m, s, c) -> (m, s, c')."""

    def __init__(self, channels: int, out: int, width: int = 3) -> None:
        super().__init__()
        self.margin = width // 2
        self.layer = nn.Linear(channels * width, out)

    def forward(self, x: Tensor) -> Tensor:
        neighbours = [x.roll(-k, 1) if k else x for k in range(-self.margin, self.margin + 1)]
        convolved: Tensor = self.layer(torch.cat(neighbours, dim=-1) if self.margin else x)
        return convolved


class CircularResidual(nn.Module):
    """x + f(x) with two circular convolutions; f starts small, so no norm is needed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = CircularConv1d(channels, channels), CircularConv1d(channels, channels)
        scale_initial_weights(self.second.layer)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(x)))


class ResidualBlock(nn.Module):
    """x + f(x) with two linear layers after a layer normalisation, (m, c) -> (m, c); f starts small.

    Args:
        width: c.
        factor: of the initial weights of the second layer.
    """

    def __init__(self, width: int, factor: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        scale_initial_weights(self.second, factor)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.second(functional.silu(self.first(self.norm(x))))
        return x + added


class WideLinear(nn.Linear):
    """A linear layer of many inputs, which Adam moves: a step of Muon on it costs as much as all the rest."""

    muon: ClassVar[bool] = False


class FixedProjection(nn.Module):
    """Random orthogonal projections (m, n) -> (m, d), n outputs each, not learned but for a factor of each output.

    Mean products of outputs estimate mean products of inputs, of inputs unlike those of the training too; those of n
    outputs of one projection are the same, with fewer the error is the smaller the more there are.

    Args:
        inputs, outputs: n and d.
        factor: initial factor of the outputs, which for inputs of variance 1 have its square as their variance.
    """

    weight: Tensor

    def __init__(self, inputs: int, outputs: int, factor: float = 0.5) -> None:
        super().__init__()
        sizes = [min(inputs, outputs - first) for first in range(0, outputs, inputs)]
        blocks = [nn.init.orthogonal_(torch.empty(size, inputs)) for size in sizes]
        self.register_buffer("weight", torch.cat(blocks))
        self.factor = nn.Parameter(torch.full((outputs,), factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * functional.linear(x, self.weight)


class LinearShortcut(nn.Linear):
    """A linear layer past a network, dominated by its first input at the start of a training.

    All outputs start with the same weight of the first input, so the mean product of two outputs starts as
    `first_weight`^2 times the product of their first inputs. This initialisation has one strong direction on purpose;
    Muon, which makes all directions alike, would undo it.

    Args:
        inputs, outputs: (m, inputs) -> (m, outputs).
        first_weight: initial weight of the first input in every output.
        std: standard deviation of all other initial weights.
    """

    muon: ClassVar[bool] = False

    def __init__(self, inputs: int, outputs: int, first_weight: float = math.sqrt(0.7), std: float = 0.01) -> None:
        super().__init__(inputs, outputs)
        with torch.no_grad():
            self.weight.normal_(std=std)
            self.weight[:, 0] = first_weight
            self.bias.zero_()


def circular_stages(widths: Sequence[int]) -> list[nn.Sequential]:
    """One residual block for each width, after a change of channels where the width changes."""
    before = [widths[0], *widths]
    return [
        nn.Sequential(*([] if a == b else [CircularConv1d(a, b, 1)]), CircularResidual(b))
        for a, b in zip(before, widths, strict=False)
    ]


def hidden_layers(*sizes: int) -> nn.Sequential:
    """Linear layers of the given sizes, each followed by layer normalisation and SiLU."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.SiLU()]
    return nn.Sequential(*layers)


@contextlib.contextmanager
def seeded_weights(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Draw what networks draw in the block without a generator of their own from a seed: initial weights, on the CPU,
    and what they leave out of a training step, on their `device`; the global random states are left as they were."""
    gpus = [] if device.type != "cuda" else [torch.cuda.current_device() if device.index is None else device.index]
    with torch.random.fork_rng(devices=gpus):
        for generator in (torch.default_generator, *(torch.cuda.default_generators[gpu] for gpu in gpus)):
            generator.manual_seed(seed)  # not `torch.manual_seed`, which reseeds every GPU
        yield


def scale_initial_weights(layer: nn.Linear, factor: float = 0.1) -> None:
    """Multiply a layer's weights by `factor` and set its biases to zero, so that a residual branch starts small."""
    with torch.no_grad():
        layer.weight.mul_(factor)
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)


def neighbours(x: Tensor, width: int, stride: int = 1) -> Tensor:
    """(m, s, c) -> (m, ceil(s / stride), c * width): each place with those around it, zeros beyond the ends. A linear
    layer on it is a convolution whose weights are a matrix, as Muon takes them."""
    margin = width // 2
    padded = functional.pad(x, (0, 0, margin, width - 1 - margin))
    return padded.unfold(1, width, stride).flatten(2)


def average_pairs(x: Tensor) -> Tensor:
    """(m, s, c) -> (m, s / 2, c): means of neighbours on a circle; hardly depends on which two are paired."""
    return x.unflatten(1, (-1, 2)).mean(2)


def circular_pad(x: Tensor, margin: int) -> Tensor:
    """`x` with `margin` positions of the other end before and behind: the last dimension is a circle."""
    return torch.cat([x[..., -margin:], x, x[..., :margin]], dim=-1) if margin else x


def frequency_amplitudes(x: Tensor, frequencies: int) -> Tensor:
    """(m, c, s) -> (m, c, frequencies): amplitudes of frequencies 1 and up along a circle, the same for any roll."""
    spectrum = torch.fft.rfft(x.float(), norm="forward")[..., 1 : frequencies + 1]
    return (spectrum.real.square() + spectrum.imag.square() + 1e-6).sqrt()
