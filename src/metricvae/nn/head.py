"""What a metric head is: how the geometry of two codes answers for a metric between two objects.

A head is a score of two codes and a link function between that score and the metric's own unit: `score` reads the
latent geometry, `target` brings a value to the scale of scores, `value` brings a score back. The law every head obeys:
`value(target(v, a, b), a, b) == v`. Heads hold no weights; they are frozen records that are written to `config.json`.
Which values are possible at all is known to the metric, not to the head.
"""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.metric import Task

TINY = 1e-12
"""Added to squared lengths, so that the gradients of their roots are finite at 0, and a zero vector has the direction
0."""


@dataclass(frozen=True)
class CodeSum:
    """A weighted sum over the numbers of two codes, whose power is a score.

    Attributes:
        adds: the products of the numbers, or the squares of their differences.
        weights: (d,) of each.
        power: of the sum, which keeps its sign, that is the score.
    """

    adds: Literal["products", "differences"]
    weights: Tensor
    power: float = 1.0

    def of(self, score: Tensor) -> Tensor:
        """The sums (n,) that scores (n,) stand for."""
        return score if self.power == 1.0 else score.sign() * score.abs() ** (1.0 / self.power)


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

    def sums(self, width: int) -> tuple[CodeSum, ...]:
        """Sums over the numbers of two codes of that width, of each of which the score is a function where the numbers
        that it leaves out are alike, up to the lengths of codes; none where there is no such sum."""
        return ()

    def fitted(self, score: Tensor, value: Tensor) -> Head:
        """The same with the scale and the offset that suit pairs of scores and values (n,) best; this one where it has
        none, or where that would turn its direction."""
        return self

    @property
    def opposite(self) -> Head | None:
        """The same for values that fall with similarity where these rise; None where the head serves both."""
        return None

    def variants(self) -> tuple[Head, ...]:
        """Others that may suit a metric of which nothing is known as well, the opposite first."""
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
        if not self.has_vectors:
            raise InputError(
                f"the head {self.name} orders items by no inner product: search without an approximate index"
            )
        return functional.normalize(z, dim=-1)


class LinearHead(Head):
    """value = offset + scale * score, where the score of equal codes is the largest or the least there is, and so their
    value the best.

    Attributes:
        equal_score: the score of equal codes.
    """

    equal_score: ClassVar[float]
    scale: float
    offset: float

    def target(self, value: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (value - self.offset) / self.scale

    def value(self, score: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.offset + self.scale * score

    def fitted(self, score: Tensor, value: Tensor) -> Self:
        line = line_to_best(score, value, self.equal_score, self.scale)
        return self if line is None else self._with_line(*line)

    @property
    def opposite(self) -> Self:
        return self._with_line(-self.scale, self.offset + self.scale)

    def _with_line(self, scale: float, offset: float) -> Self:
        return dataclasses.replace(self, scale=scale, offset=offset)  # type: ignore[type-var]


def line_through(score: Tensor, value: Tensor) -> tuple[float, float]:
    """Slope and offset of the values (n,) over scores (n,), by least squares."""
    x, y = score.double(), value.double()
    centred = x - x.mean()
    slope = float((centred * y).sum() / centred.square().sum().clamp(min=TINY))
    return slope, float(y.mean()) - slope * float(x.mean())


def line_to_best(score: Tensor, value: Tensor, equal: float, scale: float) -> tuple[float, float] | None:
    """Slope and offset of the values (n,) over scores (n,), by least squares, so that equal codes have the best value;
    None where the slope has not the sign of the present one.

    The value of equal codes is no worse than the best of the values, and no less than 0 where none of them is and the
    least is the best.

    Args:
        score, value: of the pairs.
        equal: the score of equal codes, which is the largest or the least there is.
        scale: the present slope.
    """
    slope, offset = line_through(score, value)
    if slope * scale <= 0:
        return None
    best = offset + slope * equal
    if (scale > 0) == (equal > 0):  # the largest value is the best
        kept = max(best, float(value.max()))
    else:
        least = float(value.min())
        kept = min(best, least) if least < 0 else min(max(best, 0.0), least)
    if kept != best:
        x, y = score.double() - equal, value.double() - kept
        slope = float((x * y).sum() / x.square().sum().clamp(min=TINY))
    return slope, kept - slope * equal
