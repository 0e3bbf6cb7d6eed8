"""An encoder of rows of descriptors and counts, with dropout: for few objects and many numbers of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from metricvae.core.errors import InputError
from metricvae.nn.coders import Picture
from metricvae.nn.known_views import KnowingEncoder, KnowingEncoderConfig, KnownCounts
from metricvae.nn.layers import WideLinear
from metricvae.nn.scaling import Standardise


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
    counts: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.dropout < 1 and self.input_dropout < 1):
            raise InputError(f"got dropout {self.dropout} and {self.input_dropout}: expected less than 1")
        if list(self.counts) != sorted({*self.counts}) or self.counts[-1] > self.inputs:
            raise InputError(f"got counts {self.counts}: expected columns of the {self.inputs}, in order")

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

    def __init__(self, config: DescriptorEncoderConfig, latent: int) -> None:
        super().__init__()
        parted = latent - config.plain
        if parted % config.members or parted <= 0:
            raise InputError(f"codes of {parted} numbers: expected a multiple of the {config.members} members")
        self.config, self.width = config, latent
        self.scale = Standardise(config.inputs, config.bound)
        self.members = nn.ModuleList(_perceptron(config, 2 * parted // config.members) for _ in range(config.members))
        self.plain = _perceptron(config, 2 * config.plain, 0.0) if config.plain else None
        self.known = KnownCounts(config.inputs, latent, config.counts, config.bound) if config.known else None

    def prepare(self, x: Tensor) -> Tensor:
        """sign(x) log(1 + |x|) of each number, (m, inputs)."""
        return x.sign() * x.abs().log1p()

    def fit_scaling(self, features: Tensor) -> None:
        """Means and standard deviations of the columns."""
        self.scale.fit(features)
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
        if self.plain is not None:
            codes.append(self.plain(rows).chunk(2, dim=1))
        mean, log_variance = zip(*codes, strict=True)
        return self.with_known(torch.cat(mean, dim=1), features), torch.cat(log_variance, dim=1)


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
