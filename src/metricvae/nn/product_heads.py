"""Heads that go by inner products of two codes, alone or with distances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from metricvae.core.metric import Task
from metricvae.nn.distance_heads import euclidean
from metricvae.nn.head import CodeSum, Head, line_through

Link = Literal["identity", "log", "logistic"]


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

    def sums(self, width: int) -> tuple[CodeSum, ...]:
        weights = torch.zeros(width)
        if self.directed:
            whole, *_ = _in_roles(weights)
            whole.fill_((1.0 if self.rising else -1.0) / len(whole))
            return (CodeSum("products", weights),)
        p, q, *_ = weights.tensor_split(4)
        unit = (len(p) + len(q)) ** -0.5
        p.fill_(unit)
        q.fill_(-unit)
        apart = torch.zeros(width)
        *_, u, v = apart.tensor_split(4)
        u.fill_(1.0 / max(len(u), 1))
        v.fill_(-1.0 / max(len(u), 1))
        return CodeSum("products", weights), CodeSum("differences", apart, 0.5)

    def fitted(self, score: Tensor, value: Tensor) -> ProductAndDistance:
        if self.link == "logistic":
            return self
        scale, offset = line_through(score, self._linked(value))
        return replace(self, scale=scale, offset=offset) if scale > 0 else self

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
