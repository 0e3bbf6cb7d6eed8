"""An encoder of rows of descriptors and counts, with dropout: for few objects and many numbers of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.coders import Picture
from metricvae.nn.kernel_components import KernelComponents
from metricvae.nn.known_views import KnowingEncoder, KnowingEncoderConfig, KnownCounts, columns_beside
from metricvae.nn.layers import WideLinear
from metricvae.nn.scaling import Standardise

MOST_LANDMARKS = 4_096
"""Objects that a kernel compares with, at most."""

COMPONENTS_LOG_VARIANCE = -6.0
"""Of q(z | x) for kernel components, which are known exactly."""

COMPONENTS_DROPOUT = 0.5
"""Share of the kernel components that a training step leaves out: else metrics with few values are learned by heart."""


@dataclass(frozen=True)
class DescriptorEncoderConfig(KnowingEncoderConfig):
    """Hyperparameters of `DescriptorEncoder`.

    Attributes:
        inputs: numbers of an object.
        width: of the hidden layers.
        members: perceptrons side by side, each of which gives an equal part of the code.
        dropout: share of the hidden numbers that a training step leaves out.
        input_dropout: share of the descriptors that a training step leaves out.
        bound: standardised numbers beyond this grow as a logarithm.
        plain: numbers of the code, the last, that come of a perceptron which leaves nothing out: for what is a function
            of the descriptors and not a guess; 0 for none.
        components: numbers of the code, before the plain ones, that are principal components of a kernel, see
            `KernelComponents`: for what few objects have values of; 0 for none.
        landmarks: objects that the kernel compares with, at most.
        counts: columns at which blocks of counts of features begin, and that at which the last ends, see `KnownCounts`;
            one number where there are none.
    """

    name: ClassVar[str] = "descriptors"
    inputs: int = 1
    width: int = 256
    members: int = 4
    dropout: float = 0.3
    input_dropout: float = 0.1
    bound: float = 4.0
    plain: int = 0
    components: int = 0
    landmarks: int = 500
    counts: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.dropout < 1 and self.input_dropout < 1):
            raise InputError(f"got dropout {self.dropout} and {self.input_dropout}: expected less than 1")
        if list(self.counts) != sorted({*self.counts}) or self.counts[-1] > self.inputs:
            raise InputError(f"got counts {self.counts}: expected columns of the {self.inputs}, in order")
        if not self.components <= self.landmarks <= MOST_LANDMARKS:
            raise InputError(
                f"got {self.components} components of {self.landmarks} landmarks: expected at most as many, "
                f"and up to {MOST_LANDMARKS}"
            )

    @property
    def picture(self) -> Picture:
        return "numbers", self.inputs

    def build(self, latent: int) -> DescriptorEncoder:
        return DescriptorEncoder(self, latent)


class DescriptorEncoder(KnowingEncoder):
    """(m, inputs) numbers -> mean and log-variance (m, d).

    Numbers enter as sign(x) log(1 + |x|), standardised by the training rows. The perceptrons share nothing, and each
    leaves out other numbers in a training step, so a product of two codes is the mean of as many models' products.

    Args:
        config: its hyperparameters.
        latent: size d of the code, a multiple of the members.
    """

    config: DescriptorEncoderConfig
    described: Tensor

    def __init__(self, config: DescriptorEncoderConfig, latent: int) -> None:
        super().__init__()
        parted = latent - config.plain - config.components
        if parted % config.members or parted <= 0:
            raise InputError(f"codes of {parted} numbers: expected a multiple of the {config.members} members")
        self.config, self.width = config, latent
        self.scale = Standardise(config.inputs, config.bound)
        self.members = nn.ModuleList(_perceptron(config, 2 * parted // config.members) for _ in range(config.members))
        self.plain = _perceptron(config, 2 * config.plain, 0.0) if config.plain else None
        kernel = config.inputs, config.counts, config.components, config.landmarks
        self.kernel = KernelComponents(*kernel) if config.components else None
        self.register_buffer("described", columns_beside(config.inputs, config.counts), persistent=False)
        self.known = KnownCounts(config.inputs, latent, config.counts, config.bound) if config.known else None

    def prepare(self, x: Tensor) -> Tensor:
        """sign(x) log(1 + |x|) of each number, (m, inputs)."""
        return x.sign() * x.abs().log1p()

    def fit_scaling(self, features: Tensor) -> None:
        """Means and standard deviations of the columns."""
        self.scale.fit(features)
        if self.kernel is not None:
            self.kernel.fit(*self._compared(features, self.scale(features)))
        self.fit_known(features)

    def numbers(self, features: Tensor) -> Tensor:
        """The numbers as they were before `prepare`."""
        return features.sign() * features.abs().expm1()

    def learned(self) -> Iterable[Tensor]:
        """The part of the last layer of each perceptron that gives means."""
        last = [member[-1] for member in (*self.members, *filter(None, [self.plain]))]
        return [weight.chunk(2)[0] for layer in last for weight in layer.parameters()]

    def pack(self, features: Tensor) -> Tensor:
        """As they are: nothing is known of their range."""
        return features

    def unpack(self, packed: Tensor) -> Tensor:
        return packed

    def pictures(self, features: Tensor) -> Tensor:
        """Standardised and squashed into [0, 1], (m, 1, inputs)."""
        return self.scale(features).sigmoid()[:, None]

    def descriptors(self, features: Tensor) -> Tensor:
        """The standardised numbers."""
        scaled: Tensor = self.scale(features)
        return scaled

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        rows, share = self.scale(features), self.config.input_dropout
        codes = [member(_without(rows, share) if self.training else rows).chunk(2, dim=1) for member in self.members]
        if self.kernel is not None:
            components = self.kernel(*self._compared(features, rows))
            components = functional.dropout(components, COMPONENTS_DROPOUT, self.training)
            codes.append((components, torch.full_like(components, COMPONENTS_LOG_VARIANCE)))
        if self.plain is not None:
            codes.append(self.plain(rows).chunk(2, dim=1))
        mean, log_variance = zip(*codes, strict=True)
        return self.with_known(torch.cat(mean, dim=1), features), torch.cat(log_variance, dim=1)

    def _compared(self, features: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What the kernel compares: descriptors among the standardised rows, and counts."""
        first, last = self.config.counts[0], self.config.counts[-1]
        return rows[:, self.described], self.numbers(features[:, first:last]).round()


def _without(rows: Tensor, share: float) -> Tensor:
    """Rows with a share of their numbers at the mean of their columns, 0; the others stay as they are."""
    return rows * (torch.rand_like(rows) >= share)


def _perceptron(config: DescriptorEncoderConfig, outputs: int, dropout: float | None = None) -> nn.Sequential:
    width, share = config.width, config.dropout if dropout is None else dropout
    return nn.Sequential(
        WideLinear(config.inputs, width),
        nn.LayerNorm(width),
        nn.SiLU(),
        nn.Dropout(share),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Dropout(share),
        nn.Linear(width, outputs),
    )
