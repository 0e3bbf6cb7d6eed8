"""Heads that go by the angle between two codes."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.metric import Task
from metricvae.nn.distance_heads import EuclideanDistance
from metricvae.nn.head import TINY, CodeSum, Head, LinearHead

POWERS = (1.5, 2.0, 3.0)
"""Of the cosine, that are tried beside 1; a Jaccard index is a power of 1.6 or so."""

MOST_POWER = 10.0


def cosine(z: Tensor, z_other: Tensor) -> Tensor:
    """z . z_other / (|z| |z_other|), (n,); 0 with finite gradients where a vector is zero."""
    norms = (z.square().sum(-1) + TINY).sqrt() * (z_other.square().sum(-1) + TINY).sqrt()
    return (z * z_other).sum(-1) / norms


def swapped_cosine(z: Tensor, z_other: Tensor) -> Tensor:
    """The cosine of z = (a, b) with (b', a'), where z_other is (a', b'), (n,); d is even."""
    (a, b), (a_other, b_other) = z.chunk(2, dim=-1), z_other.chunk(2, dim=-1)
    norms = (z.square().sum(-1) + TINY).sqrt() * (z_other.square().sum(-1) + TINY).sqrt()
    return ((a * b_other).sum(-1) + (b * a_other).sum(-1)) / norms


def inverse_above(cosine: Tensor, floor: float) -> Tensor:
    """1/c for c >= floor; below it the tangent of 1/c at the floor, (2 floor - c) / floor^2.

    The guard at the pole: continuous with its gradient, falling everywhere, so a pair whose cosine has become zero or
    negative is pulled back with the finite gradient -1/floor^2 instead of being thrown to the far side of the pole.
    """
    return torch.where(cosine >= floor, 1.0 / cosine.clamp(min=floor), (2.0 * floor - cosine) / floor**2)


def cosine_matrix(z: Tensor, z_other: Tensor) -> Tensor:
    """`cosine` of all pairs of codes (n, d) and (m, d), (n, m)."""
    directions = [part / (part.square().sum(-1, keepdim=True) + TINY).sqrt() for part in (z, z_other)]
    return directions[0] @ directions[1].T


class AngularHead(Head):
    """A head that takes no notice of the norms of codes: its score is a function of their cosine."""

    joins_mirrored: ClassVar[bool] = True

    @abc.abstractmethod
    def score_of_cosine(self, cosine: Tensor) -> Tensor:
        """The score of pairs at such angles, elementwise."""

    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self.score_of_cosine(cosine(z_left, z_right))

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self.score_of_cosine(cosine_matrix(z_left, z_right))

    def join_mirrored(self, z: Tensor, z_mirrored: Tensor) -> Tensor:
        """One code (n, 2 d) from those of objects and of their mirror images: the directions of both.

        The cosine of two such codes is the mean of two cosines.
        """
        return torch.cat([functional.normalize(part, dim=-1) for part in (z, z_mirrored)], dim=-1)


@dataclass(frozen=True)
class InverseCosine(AngularHead):
    """Equation (2): |z| |z_other| / (z . z_other) against m; the link function is m = scale sqrt(left * right) / value.

    For the overlap area value <= min(left, right), so m >= 1 = the smallest |1/cos|; identical objects have m = 1.

    Attributes:
        floor: the cosine below which 1/cos is continued by its tangent (`inverse_above`). Values below
            floor * scale * sqrt(left * right), zero among them, count as that: m never exceeds 1/floor.
        scale: largest value of objects with magnitudes of 1, which codes of one direction have; for metrics without
            magnitudes the largest there is.
    """

    name: ClassVar[str] = "inverse_cosine"
    floor: float = 0.05
    scale: float = 1.0

    def score_of_cosine(self, cosine: Tensor) -> Tensor:
        return inverse_above(cosine, self.floor)

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return 1.0 / (value / (self.scale * (left * right).sqrt())).clamp(min=self.floor)

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.scale * (left * right).sqrt() / score


@dataclass(frozen=True)
class SignedInverseCosine(Head):
    """Equation (2) for a metric that takes any real value: the paper's "signed modulus", for which it gives no formula.

    Interpretation taken: 1/cos reaches every real number but those in (-1, 1), so with m = value / scale the modulus is
    moved past that gap and keeps the sign: 1/cos = sign(m) (1 + |m|), that is cos = sign(m) / (1 + |m|), sign(0) = 1.
    The two sides of zero lie at opposite directions, as they must in this geometry.

    Attributes:
        scale: value that counts as 1; take the spread of the metric.
        floor: |cos| below which 1/cos is continued by its tangent on each side, up to +-2/floor at the pole.
    """

    name: ClassVar[str] = "signed_inverse_cosine"
    has_vectors: ClassVar[bool] = False
    scale: float = 1.0
    floor: float = 0.05

    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self._score_of_cosine(cosine(z_left, z_right))

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return self._score_of_cosine(cosine_matrix(z_left, z_right))

    def _score_of_cosine(self, cosine: Tensor) -> Tensor:
        return _sign(cosine) * inverse_above(cosine.abs(), self.floor)

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        m = value / self.scale
        return _sign(m) * (1.0 + m.abs())

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.scale * _sign(score) * (score.abs() - 1.0)

    def item_vectors(self, z: Tensor) -> Tensor:
        raise InputError("a metric with a sign has no most similar items: search without an approximate index")


@dataclass(frozen=True)
class CosineTanimoto(AngularHead):
    """cos = t, with t = value / (left + right - value): the Tanimoto coefficient of an overlap, 1 of an object and
    itself.

    With inner products s of densities, 0 < t <= 1 is itself an inner product of something (J. C. Gower, *Biometrics* 27
    (1971) 857; T. T. Tanimoto 1958), and it is what one ranks a library by: nearest codes are most similar objects. A
    magnitude is the overlap of an object with itself, so the overlap follows: value = t (left + right) / (1 + t).
    """

    name: ClassVar[str] = "cosine_tanimoto"

    def score_of_cosine(self, cosine: Tensor) -> Tensor:
        return cosine

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return value / (left + right - value)

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        t = score.clamp(-0.5, 1.0)
        return t * (left + right) / (1.0 + t)


@dataclass(frozen=True)
class CosineSimilarity(AngularHead):
    """value = cos: for similarities from 0 to 1 that are 1 of an object and itself."""

    name: ClassVar[str] = "cosine_similarity"

    def score_of_cosine(self, cosine: Tensor) -> Tensor:
        return cosine

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return value

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return score


@dataclass(frozen=True)
class LinearCosine(LinearHead, AngularHead):
    """value = offset + scale * cos^power: for metrics whose value of an object and itself is their best, the same for
    all objects, as of distances and of similarities that are normalised.

    Attributes:
        scale: value of two equal codes above that of orthogonal ones; negative of a distance.
        offset: value of two orthogonal codes.
        power: of the cosine, which keeps its sign: 1 or more.
    """

    name: ClassVar[str] = "linear_cosine"
    equal_score: ClassVar[float] = 1.0
    scale: float = 1.0
    offset: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.power <= MOST_POWER:
            raise InputError(f"the power of a cosine is {self.power!r}: expected 1 to {MOST_POWER:g}")

    def score_of_cosine(self, cosine: Tensor) -> Tensor:
        return cosine if self.power == 1.0 else cosine.sign() * cosine.abs() ** self.power

    def counterpart(self, z: Tensor) -> Tensor:
        return z if self.scale > 0 else -z

    def variants(self) -> tuple[Head, ...]:
        """The opposite, both with other powers, and distances with the same best and worst values."""
        powers = [replace(one, power=power) for one in (self, self.opposite) for power in POWERS]
        distance = EuclideanDistance(-self.scale, self.offset + self.scale)
        return self.opposite, *powers, distance, *distance.variants()

    def sums(self, width: int) -> tuple[CodeSum, ...]:
        return (CodeSum("products", torch.full((width,), 1.0 / width), self.power),)


@dataclass(frozen=True)
class CosineDistance(Head):
    """1 - cos in [0, 2] for a binary metric: distance 0 for a value of 1 (a match), 2 for a value of 0.

    Attributes:
        threshold: a distance of this or less is a match (the paper's rule for matching halves: 1.0).
        swapped: the second code is compared with its two halves exchanged. Fitting together is not similarity: the
            cosine of two equal codes is 1, and no shape need fit itself. Exchanging halves is its own inverse and
            symmetric, so the order of a pair does not count; in other coordinates it changes the sign of half of the
            dimensions.
    """

    name: ClassVar[str] = "cosine_distance"
    tasks: ClassVar[tuple[Task, ...]] = ("binary", "ranking")
    joins_mirrored: ClassVar[bool] = True
    threshold: float = 1.0
    swapped: bool = False

    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return 1.0 - (swapped_cosine(z_left, z_right) if self.swapped else cosine(z_left, z_right))

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return 1.0 - cosine_matrix(self.counterpart(z_left), z_right)

    def join_mirrored(self, z: Tensor, z_mirrored: Tensor) -> Tensor:
        """One code (n, 2 d) from those of objects and of their mirror images.

        Its halves are those of both where halves are exchanged. Norms are kept, as they tell how sure a code is: of
        the two cosines, that of the longer codes counts more.
        """
        parts = 2 if self.swapped else 1
        pairs = zip(z.chunk(parts, dim=-1), z_mirrored.chunk(parts, dim=-1), strict=True)
        return torch.cat([part for pair in pairs for part in pair], dim=-1)

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return 2.0 * (1.0 - value)

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return 1.0 - score / 2.0

    def counterpart(self, z: Tensor) -> Tensor:
        """(n, d), the codes at a distance of 0 from codes z (n, d)."""
        return torch.cat(z.chunk(2, dim=-1)[::-1], dim=-1) if self.swapped else z

    def is_match(self, score: Tensor) -> Tensor:
        """(n,) bool, whether pairs of these distances match."""
        return score <= self.threshold


def _sign(value: Tensor) -> Tensor:
    return torch.where(value < 0, -1.0, 1.0).to(value.dtype)
