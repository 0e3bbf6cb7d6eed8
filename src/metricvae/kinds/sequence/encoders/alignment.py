"""The encoder of sequences: k-mers, and convolutions whose activations are summed near each part of a sequence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.kinds.sequence.alphabets import DNA, PRINTABLE, PROTEIN
from metricvae.kinds.sequence.encoders.kmers import KmerCounts, KmerSketch, Patterns
from metricvae.kinds.sequence.encoders.places import letter_pictures, place_weights
from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.layers import FixedProjection, ResidualBlock, WideLinear, neighbours
from metricvae.nn.scaling import Standardise

COUNTED: dict[str, Patterns] = {
    DNA: ((0,), (0, 1), (0, 1, 2), (0, 1, 2, 3)),
    PROTEIN: ((0,), (0, 1)),
}
"""k-mers that are counted one by one, by alphabet; of text, single characters."""

SKETCHED: dict[str, Patterns] = {
    DNA: ((0, 1, 2, 3, 4, 5), (0, 1, 2, 4, 5, 6), (0, 1, 3, 4, 6, 7), (0, 1, 2, 3, 4, 5, 6, 7, 8)),
    PROTEIN: ((0, 1, 2), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)),
}
"""k-mers whose counts are projected at random, by alphabet."""

LENGTHS = 2
"""Numbers that say how long a sequence is: the length and its logarithm."""

_OF_TEXT: Patterns = ((0, 1), (0, 2), (0, 1, 2))


@dataclass(frozen=True)
class AlignmentEncoderConfig(EncoderConfig):
    """Hyperparameters of `AlignmentEncoder`.

    Attributes:
        characters: letters that are told apart; one more stands for all others.
        counted, sketched: patterns of the k-mers that are counted, and whose counts are projected at random.
        buckets: numbers that k-mers are hashed to.
        sketch: size of the projection.
        letter_width: size of the vector of a letter.
        channels: of the convolutions, one for each.
        taps: places that a convolution sees.
        stride: letters from one place of the first convolution to the next; it sees `taps * stride` letters.
        parts: places near which activations are summed: from the start, from the end, and of the whole length.
        spacing: letters from one place to the next, from the start and from the end.
        width: of the hidden layers.
        blocks: residual blocks.
        gate: initial share of the perceptron in codes, beside the linear functions.
        drawn: parts of a sequence that the decoder draws.
    """

    name: ClassVar[str] = "alignment"
    characters: str = PRINTABLE
    counted: Patterns = ((0,),)
    sketched: Patterns = _OF_TEXT
    buckets: int = 4_096
    sketch: int = 256
    letter_width: int = 16
    channels: tuple[int, ...] = (32, 32)
    taps: int = 3
    stride: int = 1
    parts: int = 12
    spacing: float = 1.2
    width: int = 256
    blocks: int = 1
    gate: float = 0.3
    drawn: int = 16

    @classmethod
    def for_alphabet(cls, alphabet: str, characters: str, length: int | None) -> AlignmentEncoderConfig:
        """The encoder of sequences in an alphabet.

        Args:
            alphabet: of them.
            characters: its letters.
            length: of the longest one; None where it is not known.
        """
        short = length is not None and length <= 32
        parts = 12 if short else 8
        return cls(
            characters=characters,
            counted=COUNTED.get(alphabet, ((0,),)),
            sketched=SKETCHED.get(alphabet, _OF_TEXT),
            channels=(32, 32) if short else (40,),
            stride=max(1, (length or 0) // 256),
            parts=parts,
            spacing=max(1.0, ((length or 256) - 1) / (parts - 1)),
            drawn=min(length or 32, 32),
        )

    @property
    def picture(self) -> Picture:
        return "letters", self.drawn, len(self.characters)

    def build(self, latent: int) -> AlignmentEncoder:
        return AlignmentEncoder(self, latent)


class AlignmentEncoder(Encoder):
    """(m, L) code points -> mean and log-variance (m, d); what stands behind the end of a sequence does not matter.

    The mean is the sum of three parts: of random projections of k-mer counts, whose products tell how many k-mers two
    sequences share, of unseen families too; a linear function of counts and of letters near each place; and a residual
    perceptron of all that, which learns.

    Args:
        config: its hyperparameters.
        latent: size d of the code.
    """

    points: Tensor

    def __init__(self, config: AlignmentEncoderConfig, latent: int) -> None:
        super().__init__()
        self.config = config
        letters = len(config.characters) + 1
        self.register_buffer("points", torch.tensor(sorted(map(ord, config.characters)), dtype=torch.float32))
        self.counts = KmerCounts(letters, config.counted, config.buckets)
        self.sketch = KmerSketch(letters, config.sketched, config.buckets, config.sketch)
        self.counted = sum(self.counts.sizes) + LENGTHS
        self.scale = Standardise(self.counted)
        self.sketch_scale = Standardise(config.sketch)
        self.letters = nn.Embedding(letters + 1, config.letter_width, padding_idx=0)
        sizes = (config.letter_width, *config.channels)
        self.stages = nn.ModuleList(
            nn.Linear(config.taps * stride * before, after)
            for stride, (before, after) in zip(self._strides, itertools.pairwise(sizes), strict=False)
        )
        pooled = (3 * config.parts + 2) * sizes[-1]
        self.pooled_norm = nn.LayerNorm(pooled)
        inputs = self.counted + config.sketch + pooled
        self.first = WideLinear(inputs, config.width)
        self.blocks = nn.Sequential(*(ResidualBlock(config.width) for _ in range(config.blocks)))
        self.norm = nn.LayerNorm(config.width)
        self.last = nn.Linear(config.width, 2 * latent)
        self.shortcut = WideLinear(inputs, latent)
        self.kernel = FixedProjection(config.sketch, latent)
        self.gate = nn.Parameter(torch.full((latent,), config.gate))

    def prepare(self, x: Tensor) -> Tensor:
        """Counts and projections of k-mers, then the letters as numbers from 1 on, 0 behind the end: (m, F + L)."""
        letters = self._numbered(x)
        lengths = (letters > 0).sum(1, keepdim=True).float()
        parts = [lengths, lengths.log(), self.counts(letters), self.sketch(letters), letters.float()]
        return torch.cat(parts, dim=1)

    def _numbered(self, x: Tensor) -> Tensor:
        """Code points (m, L) -> letters 1 to n, n + 1 for any other, 0 behind the end; int64."""
        place = torch.searchsorted(self.points, x.contiguous()).clamp(max=len(self.points) - 1)
        known = self.points[place] == x
        number = torch.where(known, place + 1, len(self.points) + 1)
        return torch.where(x > 0, number, 0)

    def fit_scaling(self, features: Tensor) -> None:
        """Means and standard deviations of the counts."""
        counts, sketch, _ = self._split(features)
        self.scale.fit(counts)
        self.sketch_scale.fit(sketch)

    def _split(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ends = self.counted, self.counted + self.config.sketch
        counts, sketch, letters = features.tensor_split(ends, dim=1)
        return counts, sketch, letters.long()

    def pictures(self, features: Tensor) -> Tensor:
        """Shares of the letters in each part of a sequence, (m, 1, drawn, letters)."""
        return letter_pictures(self._split(features)[2], self.config.drawn, len(self.config.characters))[:, None]

    def descriptors(self, features: Tensor) -> Tensor:
        """Activations of the last hidden layer."""
        return self._hidden(torch.cat(self._inputs(features), dim=1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        counts, sketch, pooled = self._inputs(features)
        inputs = torch.cat([counts, sketch, pooled], dim=1)
        mean, log_variance = self.last(self._hidden(inputs)).chunk(2, dim=1)
        return self.kernel(sketch) + self.shortcut(inputs) + self.gate * mean, log_variance

    def _hidden(self, inputs: Tensor) -> Tensor:
        return functional.silu(self.norm(self.blocks(self.first(inputs))))

    def _inputs(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised counts and projections, and activations near each place."""
        counts, sketch, letters = self._split(features)
        return self.scale(counts), self.sketch_scale(sketch), self.pooled_norm(self._pooled(letters))

    def _pooled(self, letters: Tensor) -> Tensor:
        """Activations summed near each place, and their maximum: (m, pooled)."""
        there = letters[:, :: self.config.stride] > 0
        activations = self.letters(letters)
        for stride, stage in zip(self._strides, self.stages, strict=False):
            seen = neighbours(activations, self.config.taps * stride, stride)
            activations = functional.silu(stage(seen)) * there[..., None]
        weights = place_weights(there, self.config.parts, self.config.spacing / self.config.stride)
        sums = weights.transpose(1, 2) @ activations
        return torch.cat([sums.flatten(1), activations.amax(1)], dim=1)

    @property
    def _strides(self) -> Iterator[int]:
        """Of the convolutions: the first one may leave out letters."""
        return itertools.chain([self.config.stride], itertools.repeat(1))
