"""The encoder of sequences: k-mers, and convolutions whose activations are summed near each part of a sequence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.kinds.sequence.alphabets import DNA, PRINTABLE, PROTEIN, TEXT
from metricvae.kinds.sequence.encoders.kmers import KmerCounts, KmerSketch, Patterns
from metricvae.kinds.sequence.encoders.places import LetterPlaces, letter_pictures, place_weights
from metricvae.nn.coders import Encoder, EncoderConfig, Picture
from metricvae.nn.layers import FixedProjection, ResidualBlock, WideLinear, neighbours
from metricvae.nn.number_views import NumberViews
from metricvae.nn.scaling import StandardiseTogether

COUNTED: dict[str, Patterns] = {
    DNA: ((0, 1), (0, 1, 2), (0, 1, 2, 3)),
    PROTEIN: ((0, 1),),
    TEXT: (),
}
"""k-mers that are counted one by one beside single letters, by alphabet."""

SKETCHED: dict[str, Patterns] = {
    DNA: ((0, 1, 2, 3, 4), (0, 1, 2, 4, 5, 6), (0, 1, 3, 4, 6, 7)),
    PROTEIN: ((0, 1, 2), (0, 1, 3), (0, 2, 3)),
    TEXT: ((0, 1), (0, 2), (0, 1, 2)),
}
"""k-mers whose counts are projected at random, by alphabet."""


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
        gate: initial share of the perceptron in codes, beside the projection and the linear function.
        levels: of the piecewise linear encoding of the length and of the count of each letter.
        total: sum of squares of these numbers, which a network sees of an object.
        detail: sum of squares of each other group: k-mers, their projection, what the convolutions give. Small, as they
            tell all training objects apart: a network that learns from them first knows those by heart.
        placed: sum of squares of the counts of each letter near each place.
        kernel: standard deviation of what each projection adds to codes where training pairs do not say how much.
        drawn: parts of a sequence that the decoder draws.
    """

    name: ClassVar[str] = "alignment"
    characters: str = PRINTABLE
    counted: Patterns = ((0, 1),)
    sketched: Patterns = SKETCHED[TEXT]
    buckets: int = 4_096
    sketch: int = 512
    letter_width: int = 16
    channels: tuple[int, ...] = (32, 32)
    taps: int = 3
    stride: int = 1
    parts: int = 12
    spacing: float = 1.2
    width: int = 256
    blocks: int = 1
    gate: float = 0.05
    levels: int = 8
    total: float = 32.0
    detail: float = 0.1
    placed: float = 1.0
    kernel: float = 0.1
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
            counted=COUNTED[alphabet],
            sketched=SKETCHED[alphabet],
            channels=(32, 32) if short else (40,),
            stride=max(1, (length or 0) // 256),
            parts=parts,
            spacing=max(1.0, ((length or 256) - 1) / (parts - 1)),
            drawn=min(length or 32, 32),
        )

    @property
    def knows_similarity(self) -> bool:
        return True

    @property
    def begins_alike(self) -> bool:
        return True

    @property
    def picture(self) -> Picture:
        return "letters", self.drawn, len(self.characters)

    def build(self, latent: int) -> AlignmentEncoder:
        return AlignmentEncoder(self, latent)


class AlignmentEncoder(Encoder):
    """(m, L) code points -> mean and log-variance (m, d); what stands behind the end of a sequence does not matter.

    The mean is the sum of three parts: of random projections of counts of letters, of k-mers and of letters near each
    place, as they are and scaled to one length, whose products tell what two sequences share, of unseen families too; a
    linear function of counts and of letters near each place; and a residual perceptron of all that, which learns.

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
        self.single = KmerCounts(letters, ((0,),), letters)
        self.counts = KmerCounts(letters, config.counted, config.buckets)
        self.sketch = KmerSketch(letters, config.sketched, config.buckets, config.sketch)
        self.places = LetterPlaces(letters, config.parts, config.spacing)
        self.sizes = 1 + letters, sum(self.counts.sizes), config.sketch, self.places.size
        self.views = NumberViews(self.sizes[0], config.levels, bound=8.0)
        self.count_scale = StandardiseTogether(self.sizes[1], self.sizes[1])
        self.sketch_scale = StandardiseTogether(config.sketch, config.sketch)
        self.placed_scale = StandardiseTogether(self.places.size, self.places.size)
        self.letters = nn.Embedding(letters + 1, config.letter_width, padding_idx=0)
        sizes = (config.letter_width, *config.channels)
        self.stages = nn.ModuleList(
            nn.Linear(config.taps * stride * before, after)
            for stride, (before, after) in zip(self._strides, itertools.pairwise(sizes), strict=False)
        )
        pooled = (3 * config.parts + 2) * sizes[-1]
        self.pooled_norm = nn.LayerNorm(pooled)
        inputs = self.views.width + sum(self.sizes[1:]) + pooled
        self.first = WideLinear(inputs, config.width)
        self.blocks = nn.Sequential(*(ResidualBlock(config.width) for _ in range(config.blocks)))
        self.norm = nn.LayerNorm(config.width)
        self.last = nn.Linear(config.width, 2 * latent)
        self.shortcut = WideLinear(inputs, latent)
        self.letter_scale = StandardiseTogether(letters, letters)
        kernels = [letters, self.sizes[1], config.sketch, self.places.size]
        self.kernels = nn.ModuleList(FixedProjection(size, latent, config.kernel) for size in kernels if size)
        self.cosine_kernels = nn.ModuleList(FixedProjection(size, latent, config.kernel) for size in kernels if size)
        self.gate = nn.Parameter(torch.full((latent,), config.gate))

    def prepare(self, x: Tensor) -> Tensor:
        """Counts and projections of k-mers, then the letters as numbers from 1 on, 0 behind the end: (m, F + L)."""
        letters = self._numbered(x)
        lengths = (letters > 0).sum(1, keepdim=True).float()
        counted = [lengths, self.single(letters), self.counts(letters), self.sketch(letters)]
        return torch.cat([*counted, self.places(letters), letters.float()], dim=1)

    def _numbered(self, x: Tensor) -> Tensor:
        """Code points (m, L) -> letters 1 to n, n + 1 for any other, 0 behind the end; int64."""
        place = torch.searchsorted(self.points, x.contiguous()).clamp(max=len(self.points) - 1)
        known = self.points[place] == x
        number = torch.where(known, place + 1, len(self.points) + 1)
        return torch.where(x > 0, number, 0)

    def fit_scaling(self, features: Tensor) -> None:
        """Means and standard deviations of the counts."""
        composition, counts, sketch, placed, _ = self._split(features)
        self.views.fit(composition)
        self.letter_scale.fit(composition[:, 1:])
        self.count_scale.fit(counts)
        self.sketch_scale.fit(sketch)
        self.placed_scale.fit(placed)

    def _split(self, features: Tensor) -> list[Tensor]:
        """Length and counts of letters, counts of k-mers, their projection, letters near places, and the letters."""
        return list(features.split([*self.sizes, features.shape[1] - sum(self.sizes)], dim=1))

    def pictures(self, features: Tensor) -> Tensor:
        """Shares of the letters in each part of a sequence, (m, 1, drawn, letters)."""
        return letter_pictures(self._split(features)[-1].long(), self.config.drawn, len(self.config.characters))[
            :, None
        ]

    def descriptors(self, features: Tensor) -> Tensor:
        """Activations of the last hidden layer."""
        return self._hidden(self._inputs(features)[0])

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        inputs, groups = self._inputs(features)
        mean, log_variance = self.last(self._hidden(inputs)).chunk(2, dim=1)
        projected = [one(group) for one, group in zip(self.projections, _both_scaled(groups), strict=True)]
        return torch.stack(projected).sum(0) + self.shortcut(inputs) + self.gate * mean, log_variance

    @property
    def projections(self) -> list[FixedProjection]:
        """Of the groups of `projected`."""
        return cast("list[FixedProjection]", [*self.kernels, *self.cosine_kernels])

    def projected(self, features: Tensor) -> list[Tensor]:
        """Counts of letters, counts of k-mers and their projection, and counts of letters near places, as they are and
        scaled to one length."""
        return _both_scaled(_with_numbers(self._scaled(features)))

    def use_similarity(self, features: Tensor, squares: Tensor) -> None:
        """Add to the squares of the factors of the projections, those of random axes."""
        with torch.no_grad():
            for projection, square in zip(self.projections, squares, strict=True):
                projection.factor.copy_((projection.factor.square() + square).sqrt())

    def _scaled(self, features: Tensor) -> list[Tensor]:
        """With a variance of 1 each: counts of letters, counts of k-mers, their projection, counts of letters near
        places."""
        composition, counts, sketch, placed, _ = self._split(features)
        letters = self.letter_scale(composition[:, 1:])
        return [letters, self.count_scale(counts), self.sketch_scale(sketch), self.placed_scale(placed)]

    def _hidden(self, inputs: Tensor) -> Tensor:
        return functional.silu(self.norm(self.blocks(self.first(inputs))))

    def _inputs(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """All groups of features in one row, and those of `_scaled`."""
        composition, *_, letters = self._split(features)
        views, pooled = self.views(composition), self.pooled_norm(self._pooled(letters.long()))
        groups = self._scaled(features)
        _, counts, sketch, placed = groups
        total, detail = self.config.total, self.config.detail
        parts = [
            views * (total / views.shape[1]) ** 0.5,
            counts * (detail / max(counts.shape[1], 1)) ** 0.5,
            sketch * (detail / sketch.shape[1]) ** 0.5,
            placed * (self.config.placed / placed.shape[1]) ** 0.5,
            pooled * (detail / pooled.shape[1]) ** 0.5,
        ]
        return torch.cat(parts, dim=1), _with_numbers(groups)

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


def _with_numbers(groups: Sequence[Tensor]) -> list[Tensor]:
    """The groups of features that are not empty."""
    return [group for group in groups if group.shape[1]]


def _both_scaled(groups: Sequence[Tensor]) -> list[Tensor]:
    """Groups of features, and the same scaled to one length."""
    return [*groups, *map(unit_rows, groups)]


def unit_rows(x: Tensor) -> Tensor:
    """(m, n) rows scaled to a mean square of 1, so that their products are cosines."""
    return x * (x.square().mean(1, keepdim=True) + 1e-6).rsqrt()
