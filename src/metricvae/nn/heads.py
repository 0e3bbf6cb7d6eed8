"""Metric heads: how the geometry of two codes answers for a metric between two objects.

A head alone knows the scaling between the metric's own unit and the latent geometry: `score` reads the geometry in the
head's gauge, `target` brings a metric value into that gauge, `value` brings a score back. The law every head obeys:
`value(target(v, a, b), a, b) == v`. Heads hold no weights and are plain records: `dataclasses.asdict` and `name` write
them, `head_from_json` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError

_TINY = 1e-12
"""Added to squared norms, so that a zero vector has the direction 0 and finite gradients."""


class Metric(Protocol):
    """A head. `z`, `z_other` are (n, d); `value`, `score`, `size`, `size_other` are (n,), sizes in pixels.

    Attributes:
        name: in a configuration.
        absolute: whether its values are those of the metric, and not only in their order.
    """

    @property
    def name(self) -> str: ...

    @property
    def absolute(self) -> bool: ...

    def score(self, z: Tensor, z_other: Tensor) -> Tensor:
        """Latent geometry of each pair, (n,), in the head's gauge."""
        ...

    def target(self, value: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        """The score that a pair of metric `value` should have, (n,)."""
        ...

    def value(self, score: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        """The metric value that `score` stands for, (n,): the inverse of `target`."""
        ...

    def limits(self, size: Tensor, size_other: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the largest value that a pair can have, (n,) each."""
        ...


def cosine(z: Tensor, z_other: Tensor) -> Tensor:
    """z . z_other / (|z| |z_other|), (n,); 0 with finite gradients where a vector is zero."""
    norms = (z.square().sum(-1) + _TINY).sqrt() * (z_other.square().sum(-1) + _TINY).sqrt()
    return (z * z_other).sum(-1) / norms


def crossed(z: Tensor, z_other: Tensor) -> Tensor:
    """The cosine of z = (a, b) with (b', a'), where z_other is (a', b'), (n,); d is even."""
    (a, b), (a_other, b_other) = z.chunk(2, dim=-1), z_other.chunk(2, dim=-1)
    norms = (z.square().sum(-1) + _TINY).sqrt() * (z_other.square().sum(-1) + _TINY).sqrt()
    return ((a * b_other).sum(-1) + (b * a_other).sum(-1)) / norms


def inverse_above(cosine: Tensor, floor: float) -> Tensor:
    """1/c for c >= floor; below it the tangent of 1/c at the floor, (2 floor - c) / floor^2.

    The guard at the pole: continuous with its slope, falling everywhere, so a pair whose cosine has become zero or
    negative is pulled back with the finite slope -1/floor^2 instead of being thrown to the far side of the pole.
    """
    return torch.where(cosine >= floor, 1.0 / cosine.clamp(min=floor), (2.0 * floor - cosine) / floor**2)


class ByAngle:
    """A head that takes no notice of the lengths of codes."""

    def joined(self, z: Tensor, z_mirrored: Tensor) -> Tensor:
        """One code (n, 2 d) from those of objects and of their mirror images: the directions of both.

        The cosine of two such codes is the mean of two cosines.
        """
        return torch.cat([functional.normalize(part, dim=-1) for part in (z, z_mirrored)], dim=-1)


@dataclass(frozen=True)
class InverseCosine(ByAngle):
    """Equation (2): |z| |z_other| / (z . z_other) against m, in the gauge m = sqrt(size * size_other) / value.

    For the overlap area value <= min(size, size_other), so m >= 1 = the smallest |1/cos|; identical objects have m = 1.

    Attributes:
        floor: the cosine below which 1/cos is continued by its tangent (`inverse_above`). Values below
            floor * sqrt(size * size_other), zero among them, count as that: m never exceeds 1/floor.
    """

    name: ClassVar[str] = "inverse_cosine"
    absolute: ClassVar[bool] = True
    floor: float = 0.05

    def score(self, z: Tensor, z_other: Tensor) -> Tensor:
        return inverse_above(cosine(z, z_other), self.floor)

    def target(self, value: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return 1.0 / (value / (size * size_other).sqrt()).clamp(min=self.floor)

    def value(self, score: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return (size * size_other).sqrt() / score

    def limits(self, size: Tensor, size_other: Tensor) -> tuple[Tensor, Tensor]:
        return _of_overlaps(size, size_other)


@dataclass(frozen=True)
class SignedInverseCosine:
    """Equation (2) for a metric that takes any real value: the paper's "signed modulus", for which it gives no formula.

    Interpretation taken: 1/cos reaches every real number but those in (-1, 1), so with m = value / scale the modulus is
    moved past that gap and keeps the sign: 1/cos = sign(m) (1 + |m|), that is cos = sign(m) / (1 + |m|), sign(0) = 1.
    The two sides of zero sit at opposite directions, as they must in this geometry.

    Attributes:
        scale: value that counts as 1; take the spread of the metric.
        floor: |cos| below which 1/cos is continued by its tangent on each side, up to +-2/floor at the pole.
    """

    name: ClassVar[str] = "signed_inverse_cosine"
    absolute: ClassVar[bool] = True
    scale: float = 1.0
    floor: float = 0.05

    def score(self, z: Tensor, z_other: Tensor) -> Tensor:
        c = cosine(z, z_other)
        return _sign(c) * inverse_above(c.abs(), self.floor)

    def target(self, value: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        m = value / self.scale
        return _sign(m) * (1.0 + m.abs())

    def value(self, score: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return self.scale * _sign(score) * (score.abs() - 1.0)

    def limits(self, size: Tensor, size_other: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(size, -torch.inf), torch.full_like(size, torch.inf)


@dataclass(frozen=True)
class InnerProduct:
    """value = scale * z . z_other / d: the norm of a code carries the object's size, the angle its shape.

    Attributes:
        scale: value of two equal codes drawn from the prior N(0, I), for which z . z is d on average. 5,000 pixels is
            the area of a middling silhouette, so codes start and stay at the size the latent loss asks for.
    """

    name: ClassVar[str] = "inner_product"
    absolute: ClassVar[bool] = True
    scale: float = 5000.0

    def score(self, z: Tensor, z_other: Tensor) -> Tensor:
        return (z * z_other).mean(-1)

    def target(self, value: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return value / self.scale

    def value(self, score: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return score * self.scale

    def limits(self, size: Tensor, size_other: Tensor) -> tuple[Tensor, Tensor]:
        return _of_overlaps(size, size_other)


@dataclass(frozen=True)
class CosineTanimoto(ByAngle):
    """cos = t, with t = value / (size + size_other - value): the Tanimoto coefficient of an overlap, 1 of an object and
    itself.

    With inner products s of densities, 0 < t <= 1 is itself an inner product of something (J. C. Gower, *Biometrics* 27
    (1971) 857; T. T. Tanimoto 1958), and it is what one ranks a library by: nearest codes are likest objects. A size is
    the overlap of an object with itself, so the overlap follows: value = t (size + size_other) / (1 + t).
    """

    name: ClassVar[str] = "cosine_tanimoto"
    absolute: ClassVar[bool] = True

    def score(self, z: Tensor, z_other: Tensor) -> Tensor:
        return cosine(z, z_other)

    def target(self, value: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return value / (size + size_other - value)

    def value(self, score: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        t = score.clamp(-0.5, 1.0)
        return t * (size + size_other) / (1.0 + t)

    def limits(self, size: Tensor, size_other: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(size), (size * size_other).sqrt()


@dataclass(frozen=True)
class CosineDistance:
    """1 - cos in [0, 2] for a binary metric: distance 0 for a value of 1 (a match), 2 for a value of 0.

    Attributes:
        threshold: a distance of this or less is a match (the paper's rule for matching halves: 1.0).
        swapped: the second code is compared with its two halves exchanged. Fitting together is not likeness: the cosine
            of two equal codes is 1, and no shape need fit itself. Exchanging halves is its own inverse and symmetric,
            so the order of a pair does not count; in other coordinates it turns the sign of half of the dimensions.
    """

    name: ClassVar[str] = "cosine_distance"
    absolute: ClassVar[bool] = False
    threshold: float = 1.0
    swapped: bool = False

    def score(self, z: Tensor, z_other: Tensor) -> Tensor:
        return 1.0 - (crossed(z, z_other) if self.swapped else cosine(z, z_other))

    def joined(self, z: Tensor, z_mirrored: Tensor) -> Tensor:
        """One code (n, 2 d) from those of objects and of their mirror images.

        Its halves are those of both where halves are exchanged. Lengths are kept, as they tell how sure a code is: of
        the two cosines, that of the longer codes counts more.
        """
        parts = 2 if self.swapped else 1
        pairs = zip(z.chunk(parts, dim=-1), z_mirrored.chunk(parts, dim=-1), strict=True)
        return torch.cat([part for pair in pairs for part in pair], dim=-1)

    def target(self, value: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return 2.0 * (1.0 - value)

    def value(self, score: Tensor, size: Tensor, size_other: Tensor) -> Tensor:
        return 1.0 - score / 2.0

    def limits(self, size: Tensor, size_other: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(size), torch.ones_like(size)

    def partner(self, z: Tensor) -> Tensor:
        """(n, d), the codes that lie nearest to codes z (n, d): at a distance of 0."""
        return torch.cat(z.chunk(2, dim=-1)[::-1], dim=-1) if self.swapped else z

    def match(self, score: Tensor) -> Tensor:
        """(n,) bool, whether the two match."""
        return score <= self.threshold


Head = InverseCosine | SignedInverseCosine | InnerProduct | CosineTanimoto | CosineDistance

Joining = ByAngle | CosineDistance
"""Heads that compare mirror images too, where a model is to."""


def head_to_json(head: Head) -> dict[str, Any]:
    """{"name": ..., and the head's own numbers}."""
    return {"name": head.name, **asdict(head)}


def head_from_json(document: Mapping[str, Any]) -> Head:
    """The inverse of `head_to_json`.

    Raises:
        InputError: no such head, or not its numbers.
    """
    numbers = {key: value for key, value in document.items() if key != "name"}
    try:
        match document.get("name"):
            case InverseCosine.name:
                return InverseCosine(**numbers)
            case SignedInverseCosine.name:
                return SignedInverseCosine(**numbers)
            case InnerProduct.name:
                return InnerProduct(**numbers)
            case CosineTanimoto.name:
                return CosineTanimoto(**numbers)
            case CosineDistance.name:
                return CosineDistance(**numbers)
    except TypeError as error:
        raise InputError(f"the metric head {document.get('name')} cannot be read: {error}") from None
    raise InputError(
        f"there is no metric head {document.get('name')!r}: expected inverse_cosine, signed_inverse_cosine, "
        "inner_product, cosine_tanimoto or cosine_distance"
    )


def _of_overlaps(size: Tensor, size_other: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(size), torch.minimum(size, size_other)


def _sign(value: Tensor) -> Tensor:
    return torch.where(value < 0, -1.0, 1.0).to(value.dtype)
