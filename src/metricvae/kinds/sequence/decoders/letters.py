"""A decoder of sequences: which letter stands in each part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metricvae.nn.coders import DecoderConfig, Picture
from metricvae.nn.mlp import PerceptronDecoder


@dataclass(frozen=True)
class LetterDecoderConfig(DecoderConfig):
    """Hyperparameters of a `PerceptronDecoder` of letters.

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

    def build(self, latent: int) -> PerceptronDecoder:
        """(m, d) codes -> (m, 1, drawn, letters) logits of the letters in each part of the sequences."""
        return PerceptronDecoder(latent, self.widths, (self.drawn, self.letters))
