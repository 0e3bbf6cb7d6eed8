"""Interfaces of encoders and decoders; each kind of object brings its own.

Shapes: m objects of one kind, d latent dimensions; `...` is whatever the kind's tensors have, (m, 1, H, W) for images,
(m, A, c) for sets of atoms. An encoder works in two steps, so that the first can be done once an object and kept:
`prepare` turns objects into features without weights, `forward` turns features into codes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from metricvae.core.coder_config import CoderConfig, Picture
from metricvae.core.errors import InputError
from metricvae.runtime.precision import from_bytes, in_bytes


class Encoder(nn.Module, ABC):
    """A network that turns objects into the parameters of q(z | x)."""

    if TYPE_CHECKING:

        def __call__(self, features: Tensor) -> tuple[Tensor, Tensor]:
            """`forward`, with its types."""

    @abstractmethod
    def prepare(self, x: Tensor) -> Tensor:
        """Objects (m, ...) -> features (m, ...). Depends on no weights."""

    @abstractmethod
    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (m, ...) -> mean and log-variance of q(z | x), (m, d) each."""

    @property
    def pose_free(self) -> tuple[int, int] | None:
        """First and last but one column of a code that the poses of objects have no part in; None where none is set
        apart."""
        return None

    @property
    def learns_scaling(self) -> bool:
        """Whether `fit_scaling` learns anything, so that objects are worth preparing for it."""
        return type(self).fit_scaling is not Encoder.fit_scaling

    def fit_scaling(self, features: Tensor) -> None:
        """Learn the scaling of numbers from objects of the training, into buffers; by default there is none.

        Called once, before the first step, with the features of at most 2,048 training objects.

        Args:
            features: (m, ...) as `prepare` gives them.
        """

    def projected(self, features: Tensor) -> list[Tensor]:
        """Groups of numbers (m, n), each with a mean square of about 1, whose mean products, or the mean squares of
        their differences, tell of the similarity of two objects before anything is learned; by default there are none.
        """
        return []

    def use_similarity(self, features: Tensor, squares: Tensor) -> None:
        """Add fixed projections of the groups of `projected` to the codes.

        Called before the first step, once at most.

        Args:
            features: (m, ...) of training objects.
            squares: (k, d), what the product of number d of two codes is to gain, on average over the numbers, for each
                mean product of group k; numbers of codes without any are left as they are.
        """

    @abstractmethod
    def pictures(self, features: Tensor) -> Tensor:
        """The part of the features that the decoder reconstructs, (m, 1, ...) in [0, 1]."""

    @abstractmethod
    def descriptors(self, features: Tensor) -> Tensor:
        """(m, p) numbers from which novelty detection tells objects like those of the training from others."""

    def pack(self, features: Tensor) -> Tensor:
        """Features as a training keeps them in memory, (m, ...): float16 unless the encoder knows better."""
        return features.half()

    def unpack(self, packed: Tensor) -> Tensor:
        """The inverse of `pack`, float32, up to rounding."""
        return packed.float()

    def mirror(self, features: Tensor) -> Tensor:
        """Features of the reflected objects.

        Raises:
            InputError: objects of this kind have no mirror image.
        """
        raise InputError(f"{type(self).__name__} cannot mirror its objects: train and compare without mirror images")

    def rescale(self, features: Tensor, factor: float) -> Tensor:
        """Features of the same objects `factor` times as large.

        Raises:
            InputError: objects of this kind have no scale.
        """
        raise InputError(f"{type(self).__name__} cannot rescale its objects: train without `scales`")


class UnitRangeEncoder(Encoder):
    """An encoder whose features lie in [0, 1] and are kept as bytes, each to a 510th."""

    def pack(self, features: Tensor) -> Tensor:
        return in_bytes(features)

    def unpack(self, packed: Tensor) -> Tensor:
        return from_bytes(packed)


class Decoder(nn.Module, ABC):
    """A network that turns codes back into pictures of objects.

    Attributes:
        weight: pixels that each number of its output stands for, broadcast over it; None where each is one.
    """

    weight: Tensor | None

    if TYPE_CHECKING:

        def __call__(self, z: Tensor) -> Tensor:
            """`forward`, with its types."""

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Codes (m, d) -> logits of the pixels or cells of a picture, (m, 1, ...)."""

    def reconstruction(self, logits: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the encoder's pictures as the reconstruction loss compares them.

        A decoder that draws in a pose of its own brings the pictures into that pose here.
        """
        return logits, pictures

    def render(self, logits: Tensor) -> Tensor:
        """Logits (m, 1, ...) -> pictures as people look at them, (m, 1, ...) in [0, 1]."""
        return logits.sigmoid()


@dataclass(frozen=True)
class EncoderConfig(CoderConfig):
    """Hyperparameters of an encoder."""

    @abstractmethod
    def build(self, latent: int) -> Encoder:
        """The encoder with initial weights from PyTorch's global generator, for codes of `latent` dimensions."""


@dataclass(frozen=True)
class DecoderConfig(CoderConfig):
    """Hyperparameters of a decoder."""

    @abstractmethod
    def build(self, latent: int) -> Decoder:
        """The decoder with initial weights from PyTorch's global generator, for codes of `latent` dimensions."""


__all__ = ["CoderConfig", "Decoder", "DecoderConfig", "Encoder", "EncoderConfig", "Picture", "UnitRangeEncoder"]
