"""Metric heads: how the geometry of two codes answers for a metric between two objects.

A head is a score of two codes and a link function between that score and the metric's own unit: `score` reads the
latent geometry, `target` brings a value to the scale of scores, `value` brings a score back. The law every head obeys:
`value(target(v, a, b), a, b) == v`. Heads hold no weights; they are frozen records that are written to `config.json`.
Which values are possible at all is known to the metric, not to the head.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.metric import Task
from metricvae.core.registry import record_from_json, record_to_json

_TINY = 1e-12

POWERS = (1.5, 2.0, 3.0)
"""Of the cosine, that are tried beside 1; a Jaccard index is a power of 1.6 or so."""

MOST_POWER = 10.0
"""Added to squared norms, so that a zero vector has the direction 0 and finite gradients."""


class Head(abc.ABC):
    """A head. `z_left`, `z_right` are (n, d); `value`, `score` and the magnitudes of the objects are (n,).

    Class attributes:
        name: in a configuration.
        tasks: of the metrics it can answer for.
        joins_mirrored: whether it can compare codes of objects and of their mirror images together.
        misses_near_duplicates: whether the score of a code with itself has no room for m(a, a); predictions of metrics
            with `self_is_magnitude` then get the correction of `metricvae.prediction.near_duplicates`.
        has_vectors: whether inner products order pairs as the score does, see `query_vectors`.
        directed: whether a code is read differently where its object stands first and second, so that one encoder
            serves a metric that is not symmetric.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    tasks: ClassVar[tuple[Task, ...]] = ("regression", "ranking")
    joins_mirrored: ClassVar[bool] = False
    misses_near_duplicates: ClassVar[bool] = False
    has_vectors: ClassVar[bool] = True
    directed: bool = False

    @abc.abstractmethod
    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        """Latent geometry of each pair, (n,)."""

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        """Scores (n, m) of all pairs of codes (n, d) and (m, d): a product of matrices where the head has one."""
        n, m = len(z_left), len(z_right)
        pairs = z_left[:, None].expand(n, m, -1), z_right[None].expand(n, m, -1)
        return self.score(*(part.reshape(n * m, -1) for part in pairs)).reshape(n, m)

    def product_weights(self, width: int) -> Tensor | None:
        """(width,) weights of products of the numbers of two codes, up to the lengths of codes, in a sum of which the
        score is a function; None where it is none."""
        return None

    def product_of(self, score: Tensor) -> Tensor:
        """The sum of these products, of which the score (n,) is a function."""
        return score

    @property
    def opposite(self) -> Head | None:
        """The same for values that fall with similarity where these rise; None where the head serves both."""
        return None

    def variants(self) -> tuple[Head, ...]:
        """Others of the same form that may suit a metric of which nothing is known as well, the opposite first."""
        return ()

    @abc.abstractmethod
    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """The score that pairs of metric `value` and of objects with such magnitudes should have, (n,)."""

    @abc.abstractmethod
    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """The metric value that `score` stands for, (n,): the inverse of `target`."""

    def distance(self, score: Tensor) -> Tensor:
        """(n,) how far pairs of a binary metric are from a 1: linear in the score, and 1 at the border to a 0."""
        return score

    def join_mirrored(self, z: Tensor, z_mirrored: Tensor) -> Tensor:
        """One code (n, 2 d) from those of objects and of their mirror images.

        Raises:
            InputError: this head cannot.
        """
        raise InputError(f"the head {self.name} cannot compare mirror images: leave out mirrored codes")

    def counterpart(self, z: Tensor) -> Tensor:
        """(n, d), the codes that score best with codes z (n, d)."""
        return z

    def query_vectors(self, z: Tensor) -> Tensor:
        """(n, d) vectors of queries whose inner products with `item_vectors` order items as the metric's values do, the
        largest first; by a metric with magnitudes, items of one magnitude.

        Raises:
            InputError: no inner product does.
        """
        return self.item_vectors(self.counterpart(z))

    def item_vectors(self, z: Tensor) -> Tensor:
        """(n, d) vectors of items, see `query_vectors`: the codes or a positive multiple of each."""
        return functional.normalize(z, dim=-1)


def cosine(z: Tensor, z_other: Tensor) -> Tensor:
    """z . z_other / (|z| |z_other|), (n,); 0 with finite gradients where a vector is zero."""
    norms = (z.square().sum(-1) + _TINY).sqrt() * (z_other.square().sum(-1) + _TINY).sqrt()
    return (z * z_other).sum(-1) / norms


def swapped_cosine(z: Tensor, z_other: Tensor) -> Tensor:
    """The cosine of z = (a, b) with (b', a'), where z_other is (a', b'), (n,); d is even."""
    (a, b), (a_other, b_other) = z.chunk(2, dim=-1), z_other.chunk(2, dim=-1)
    norms = (z.square().sum(-1) + _TINY).sqrt() * (z_other.square().sum(-1) + _TINY).sqrt()
    return ((a * b_other).sum(-1) + (b * a_other).sum(-1)) / norms


def inverse_above(cosine: Tensor, floor: float) -> Tensor:
    """1/c for c >= floor; below it the tangent of 1/c at the floor, (2 floor - c) / floor^2.

    The guard at the pole: continuous with its gradient, falling everywhere, so a pair whose cosine has become zero or
    negative is pulled back with the finite gradient -1/floor^2 instead of being thrown to the far side of the pole.
    """
    return torch.where(cosine >= floor, 1.0 / cosine.clamp(min=floor), (2.0 * floor - cosine) / floor**2)


def cosine_matrix(z: Tensor, z_other: Tensor) -> Tensor:
    """`cosine` of all pairs of codes (n, d) and (m, d), (n, m)."""
    directions = [part / (part.square().sum(-1, keepdim=True) + _TINY).sqrt() for part in (z, z_other)]
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
    """Equation (2): |z| |z_other| / (z . z_other) against m, with the link function m = sqrt(left * right) / value.

    For the overlap area value <= min(left, right), so m >= 1 = the smallest |1/cos|; identical objects have m = 1.

    Attributes:
        floor: the cosine below which 1/cos is continued by its tangent (`inverse_above`). Values below
            floor * sqrt(left * right), zero among them, count as that: m never exceeds 1/floor.
    """

    name: ClassVar[str] = "inverse_cosine"
    floor: float = 0.05

    def score_of_cosine(self, cosine: Tensor) -> Tensor:
        return inverse_above(cosine, self.floor)

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return 1.0 / (value / (left * right).sqrt()).clamp(min=self.floor)

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (left * right).sqrt() / score


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
class InnerProduct(Head):
    """value = offset + scale * z . z_other / d: the norm of a code carries the object's magnitude, the angle its shape.

    Attributes:
        scale: value, above the offset, of two equal codes drawn from the prior N(0, I), for which z . z is d on
            average, so codes start and stay at the norm the latent loss asks for. 5,000 pixels is the area of a typical
            silhouette.
        offset: value of two orthogonal codes.
    """

    name: ClassVar[str] = "inner_product"
    misses_near_duplicates: ClassVar[bool] = True
    scale: float = 5000.0
    offset: float = 0.0

    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return (z_left * z_right).mean(-1)

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        return (z_left / z_left.shape[-1]) @ z_right.T

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (value - self.offset) / self.scale

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return score * self.scale + self.offset

    def item_vectors(self, z: Tensor) -> Tensor:
        return z


@dataclass(frozen=True)
class LogisticProduct(InnerProduct):
    """value = 1 / (1 + exp(-(offset + scale * z . z_other / d))): the probability of a 1, of a binary metric."""

    name: ClassVar[str] = "logistic_product"
    tasks: ClassVar[tuple[Task, ...]] = ("binary",)
    misses_near_duplicates: ClassVar[bool] = False
    scale: float = 1.0

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (value.logit(eps=1e-6) - self.offset) / self.scale

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return super().value(score, left, right).sigmoid()

    def distance(self, score: Tensor) -> Tensor:
        return 1.0 - (self.offset + self.scale * score)


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
class LinearCosine(AngularHead):
    """value = offset + scale * cos^power: for metrics whose value of an object and itself is their best, the same for
    all objects, as of distances and of similarities that are normalised.

    Attributes:
        scale: value of two equal codes above that of orthogonal ones; negative of a distance.
        offset: value of two orthogonal codes.
        power: of the cosine, which keeps its sign: 1 or more.
    """

    name: ClassVar[str] = "linear_cosine"
    scale: float = 1.0
    offset: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.power <= MOST_POWER:
            raise InputError(f"the power of a cosine is {self.power!r}: expected 1 to {MOST_POWER:g}")

    def score_of_cosine(self, cosine: Tensor) -> Tensor:
        return cosine if self.power == 1.0 else cosine.sign() * cosine.abs() ** self.power

    def product_of(self, score: Tensor) -> Tensor:
        return score if self.power == 1.0 else score.sign() * score.abs() ** (1.0 / self.power)

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (value - self.offset) / self.scale

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.offset + self.scale * score

    def counterpart(self, z: Tensor) -> Tensor:
        return z if self.scale > 0 else -z

    def variants(self) -> tuple[Head, ...]:
        """The opposite, and both with other powers."""
        return self.opposite, *(replace(one, power=power) for one in (self, self.opposite) for power in POWERS)

    @property
    def opposite(self) -> LinearCosine:
        return LinearCosine(-self.scale, self.offset + self.scale, self.power)

    def product_weights(self, width: int) -> Tensor:
        return torch.full((width,), 1.0 / width)


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


Link = Literal["identity", "log", "logistic"]


@dataclass(frozen=True)
class ProductAndDistance(Head):
    r"""An indefinite inner product plus a difference of two distances: for metrics of which nothing is known.

    A code consists of the parts p, q, u, v. With the codes z = (p, q, u, v) and z' of two objects,

    .. math:: s = \frac{p \cdot p' - q \cdot q'}{\sqrt{k}} + \frac{|u - u'| - |v - v'|}{\sqrt{h}}

    with k numbers in p and q together, and h in u. The first term is the most general symmetric bilinear form of rank
    k, so sums of functions of one object are among its cases; the second holds distances of either sign, which no
    bilinear form of low rank comes near to where they are small. `value = link(offset + scale s)`.

    Attributes:
        scale: of the score.
        offset: on the scale of the score, of a score of 0.
        link: `identity`; `log` for positive values that span orders of magnitude, value = exp(...); `logistic` for
            binary metrics, value = 1 / (1 + exp(-...)).
        directed: for metrics that are not symmetric on objects of one kind: a quarter of a code is compared as above
            where the object stands first, another where it stands second (two projections of one code), and to the
            score is added the mean product of the other halves.
        rising: whether that product is added, so that alike objects have a high score; else it is subtracted.
    """

    name: ClassVar[str] = "product_and_distance"
    tasks: ClassVar[tuple[Task, ...]] = ("regression", "ranking", "binary")
    has_vectors: ClassVar[bool] = False
    scale: float = 1.0
    offset: float = 0.0
    link: Link = "identity"
    directed: bool = False
    rising: bool = True

    def score(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        if not self.directed:
            return _pair_score(z_left, z_right)
        (whole, first, _), (whole_other, _, second) = _in_roles(z_left), _in_roles(z_right)
        alike = (whole * whole_other).mean(-1)
        return (alike if self.rising else -alike) + _pair_score(first, second)

    def score_matrix(self, z_left: Tensor, z_right: Tensor) -> Tensor:
        if not self.directed:
            return _all_scores(z_left, z_right)
        (whole, first, _), (whole_other, _, second) = _in_roles(z_left), _in_roles(z_right)
        sign = 1.0 if self.rising else -1.0
        return _all_scores(first, second).addmm_(sign / whole.shape[-1] * whole, whole_other.T)

    def product_weights(self, width: int) -> Tensor:
        weights = torch.zeros(width)
        if self.directed:
            whole, *_ = _in_roles(weights)
            whole.fill_((1.0 if self.rising else -1.0) / len(whole))
        else:
            p, q, *_ = weights.tensor_split(4)
            unit = (len(p) + len(q)) ** -0.5
            p.fill_(unit)
            q.fill_(-unit)
        return weights

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (self._linked(value) - self.offset) / self.scale

    def _linked(self, value: Tensor) -> Tensor:
        match self.link:
            case "log":
                return value.clamp(min=1e-30).log()
            case "logistic":
                return value.logit(eps=1e-6)
        return value

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        linear = self.offset + self.scale * score
        match self.link:
            case "log":
                return linear.clamp(max=80.0).exp()
            case "logistic":
                return linear.sigmoid()
        return linear

    def distance(self, score: Tensor) -> Tensor:
        return 1.0 - (self.offset + self.scale * score)

    def item_vectors(self, z: Tensor) -> Tensor:
        raise InputError(f"the head {self.name} orders items by no inner product: search without an approximate index")


def _in_roles(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The half of codes (n, d) that is compared with that of any other, and the quarters of those that stand first, and
    second."""
    whole, rest = z.tensor_split(2, dim=-1)
    first, second = rest.tensor_split(2, dim=-1)
    return whole, first, second


def _pair_score(z: Tensor, z_other: Tensor) -> Tensor:
    """Inner product and distances (n,) of codes (n, d): a quarter of the numbers each are p, q, u and v."""
    (p, q, u, v), (p_other, q_other, u_other, v_other) = (code.tensor_split(4, dim=-1) for code in (z, z_other))
    product = ((p * p_other).sum(-1) - (q * q_other).sum(-1)) / (p.shape[-1] + q.shape[-1]) ** 0.5
    return product + (euclidean(u, u_other) - euclidean(v, v_other)) / max(u.shape[-1], 1) ** 0.5


def _all_scores(z: Tensor, z_other: Tensor) -> Tensor:
    """The same (n, m) of all pairs of codes (n, d) and (m, d)."""
    (p, q, u, v), (p_other, q_other, u_other, v_other) = (code.tensor_split(4, dim=-1) for code in (z, z_other))
    product = torch.cat([p, -q], dim=-1) / (p.shape[-1] + q.shape[-1]) ** 0.5
    unit = max(u.shape[-1], 1) ** -0.5
    score = torch.cdist(u * unit, u_other * unit).sub_(torch.cdist(v * unit, v_other * unit))
    return score.addmm_(product, torch.cat([p_other, q_other], dim=-1).T)


def euclidean(u: Tensor, u_other: Tensor) -> Tensor:
    """Euclidean distances (n,) of vectors (n, d), with finite gradients at 0."""
    return ((u - u_other).square().sum(-1) + _TINY).sqrt()


HEADS: dict[str, type[Head]] = {
    head.name: head
    for head in (
        InnerProduct,
        LogisticProduct,
        InverseCosine,
        SignedInverseCosine,
        CosineTanimoto,
        CosineSimilarity,
        LinearCosine,
        CosineDistance,
        ProductAndDistance,
    )
}
"""All heads by name; a package adds its own with `HEADS[name] = Class`."""


def head_to_json(head: Head) -> dict[str, Any]:
    """{"name": ..., and the head's own numbers}."""
    return record_to_json(head)


def head_from_json(document: Mapping[str, Any]) -> Head:
    """The inverse of `head_to_json`.

    Raises:
        InputError: no such head, or not its numbers.
    """
    return record_from_json(document, _head_named, "metric head")


def _head_named(name: str) -> type[Head]:
    if name not in HEADS:
        raise InputError(f"there is no metric head {name!r}: expected one of {', '.join(HEADS)}")
    return HEADS[name]


def _sign(value: Tensor) -> Tensor:
    return torch.where(value < 0, -1.0, 1.0).to(value.dtype)
