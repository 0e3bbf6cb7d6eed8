"""A dense encoder of arrays of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.layers import hidden_layers


@dataclass(frozen=True)
class MlpEncoderConfig(EncoderConfig):
    """Hyperparameters of `MlpEncoder`.

    Attributes:
        widths: hidden layers.
        inputs: numbers of an object.
    """

    name: ClassVar[str] = "mlp"
    widths: tuple[int, ...] = (128, 128)
    inputs: int = 1

    @property
    def picture(self) -> Picture:
        return "numbers", self.inputs

    def build(self, latent: int) -> MlpEncoder:
        return MlpEncoder(self, latent)


class MlpEncoder(Encoder):
    """(m, ...) numbers -> mean and log-variance (m, d) through hidden layers with layer normalisation.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    def __init__(self, config: MlpEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        sizes = (config.inputs, *config.widths)
        self.hidden = hidden_layers(*sizes)
        self.last = nn.Linear(sizes[-1], 2 * latent)

    def prepare(self, x: Tensor) -> Tensor:
        """The numbers of each object in one row, (m, inputs)."""
        return x.flatten(1)

    def pack(self, features: Tensor) -> Tensor:
        """As they are: nothing is known of their range."""
        return features

    def pictures(self, features: Tensor) -> Tensor:
        """Squashed into [0, 1], (m, 1, inputs)."""
        return features.sigmoid()[:, None]

    def descriptors(self, features: Tensor) -> Tensor:
        """Activations of the last hidden layer."""
        activations: Tensor = self.hidden(features)
        return activations

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.last(self.hidden(features)).chunk(2, dim=1)
        return mean, log_variance
