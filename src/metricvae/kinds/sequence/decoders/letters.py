"""A decoder of sequences: which letter stands in each part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from metricvae.nn.coders import Decoder, DecoderConfig, Picture
from metricvae.nn.layers import hidden_layers


@dataclass(frozen=True)
class LetterDecoderConfig(DecoderConfig):
    """Hyperparameters of `LetterDecoder`.

    Attributes:
        widths: hidden layers.
        drawn: parts of a sequence.
        letters: of the alphabet.
    """

    name: ClassVar[str] = "letters"
    widths: tuple[int, ...] = (64,)
    drawn: int = 16
    letters: int = 95

    @property
    def picture(self) -> Picture:
        return "letters", self.drawn, self.letters

    def build(self, latent: int) -> LetterDecoder:
        return LetterDecoder(self, latent)


class LetterDecoder(Decoder):
    """(m, d) codes -> (m, 1, drawn, letters) logits of the letters in each part of the sequences.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    weight = None

    def __init__(self, config: LetterDecoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        self.hidden = hidden_layers(latent, *config.widths)
        self.last = nn.Linear((latent, *config.widths)[-1], config.drawn * config.letters)

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.last(self.hidden(z))
        return logits.unflatten(1, (1, self.config.drawn, self.config.letters))
